"""Django's SQLite engine, for several processes that write at once.

Django 5.2 assumes 999 parameters a statement, the default of libraries before 3.32 (2020), and so
cuts the insertion of a long conversation into many statements.

SQLite has one writer at a time and no queue: what waits looks again each tenth of a second, and
finds the lock taken again by a process that writes much. A fetch beside an import so waited for
seconds. Here it looks each millisecond, and whoever has just written leaves the lock alone for
longer than that.
"""

import sqlite3
import time
from typing import Any

from django.db.backends.sqlite3 import base, features
from django.utils.functional import cached_property

# What begins a transaction (IMMEDIATE), or is one by itself.
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE")
LOOKS_EVERY = 0.001  # seconds
# Between two transactions of one connection. Longer, and a fetch right after another would wait.
GAP = 0.0015


class DatabaseFeatures(features.DatabaseFeatures):
    @cached_property
    def max_query_params(self) -> int:  # type: ignore[override]
        self.connection.ensure_connection()
        limit: int = self.connection.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        return limit


class CursorWrapper(base.SQLiteCursorWrapper):
    def execute(self, query: str, params: Any = None) -> Any:
        raw = self.connection
        if raw.in_transaction or not query.startswith(WRITES):
            return super().execute(query, params)
        [patience] = raw.execute("PRAGMA busy_timeout").fetchone()  # milliseconds
        ends_at = time.monotonic() + patience / 1000
        raw.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    return super().execute(query, params)
                except sqlite3.OperationalError as err:
                    code = getattr(err, "sqlite_errorcode", 0) & 0xFF
                    if code != sqlite3.SQLITE_BUSY or time.monotonic() >= ends_at:
                        raise
                time.sleep(LOOKS_EVERY)
        finally:
            raw.execute(f"PRAGMA busy_timeout = {patience}")


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures
    committed_at = 0.0

    def _start_transaction_under_autocommit(self) -> None:
        time.sleep(max(0.0, self.committed_at + GAP - time.monotonic()))
        super()._start_transaction_under_autocommit()  # type: ignore[misc]  # unknown to the stubs

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self.committed_at = time.monotonic()

    def create_cursor(self, name: str | None = None) -> CursorWrapper:  # noqa: ARG002  # Django's
        cursor: CursorWrapper = self.connection.cursor(factory=CursorWrapper)
        return cursor
