"""SQL statements as they are counted: without transaction control, journal and counters."""

from typing import Any

NOT_COUNTED = (
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "INSERT INTO dsintegration_counter",
    "INSERT INTO dsintegration_journalentry",
)


def count_statements(captured: Any) -> int:
    """Of a CaptureQueriesContext."""
    statements = [query["sql"] for query in captured.captured_queries]
    return len([sql for sql in statements if not sql.startswith(NOT_COUNTED)])
