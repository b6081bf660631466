"""What the database is to those who wait for something else, and what its failures tell."""

import shutil
from enum import StrEnum
from pathlib import Path

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

DISK_FULL, SQLITE_ERROR = "53100", 1
# Bytes without which SQLite can begin nothing: its log and its index grow by so much.
LEAST_ROOM = 64 * 1024
# What a caller is told to wait before he asks again, in seconds.
PAUSE = 30

# Written out to the disk when it is sorted in so little memory, and gone with the statement: a disk
# that takes it not would take no dossier either. Nothing else of PostgreSQL tells before a write.
LITTLE_MEMORY = "SELECT set_config('work_mem', '64kB', true)"
A_PAGE_OR_TWO = (
    "SELECT count(*) FROM (SELECT repeat(chr(65 + number % 26), 1000) || number AS text"
    " FROM generate_series(1, 500) AS number ORDER BY 1 OFFSET 0) AS sorted"
)


def release() -> None:
    """Give a pool its connection back, before a wait for the platform; the next statement takes
    another one. A pool of four would else serve four fetches, and no page beside them.
    """
    if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
        connection.close()


class Trouble(StrEnum):
    DOWN = "down"
    FULL = "full"


def trouble(err: BaseException | None) -> Trouble | None:
    """None if the database works, and it is what was asked of it that is wrong."""
    if not isinstance(err, OperationalError | InterfaceError):
        return None
    cause = err.__cause__
    if getattr(cause, "sqlstate", None) == DISK_FULL:
        return Trouble.FULL
    # SQLite says so of a table that is missing.
    if getattr(cause, "sqlite_errorcode", None) == SQLITE_ERROR:
        return None
    # On a full disk it speaks of its log, of its index or of the disk, as it happens.
    return Trouble.FULL if not _sqlite_has_room() else Trouble.DOWN


def probe() -> Trouble | None:
    """What is wrong, before anything is written; nothing is written that stays."""
    try:
        if connection.vendor == "postgresql":
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(LITTLE_MEMORY)
                cursor.execute(A_PAGE_OR_TWO)
        else:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as err:
        return trouble(err) or Trouble.DOWN
    return None if _sqlite_has_room() else Trouble.FULL


def _sqlite_has_room() -> bool:
    """True of any other database."""
    folder = Path(str(connection.settings_dict["NAME"])).parent
    if connection.vendor != "sqlite" or not folder.is_dir():
        return True
    return shutil.disk_usage(folder).free >= LEAST_ROOM
