"""What speaks with the platform: requests, retries, batches, and what failures mean.

It knows no table: nothing here reads or writes the database.
"""
