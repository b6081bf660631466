"""What a project may take for its own settings.

A cache that lives through an outage of Redis, log lines that name nobody, the address behind
proxies, an SQLite that several processes share.
"""

# For a cache in memory: Django keeps 300 entries, and would forget what our limits have counted.
MEMORY_OPTIONS = {"MAX_ENTRIES": 100_000}
