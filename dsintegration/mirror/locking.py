"""The platform's row: which instance this database mirrors, and the lock that every writer takes.

Whoever writes the mirror holds it until the end of the transaction: versions so grow in the order
of commits, and writers never wait for each other in a circle. Nobody waits for it for ever: whoever
comes says how long he has (`patience`).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, transaction

from dsintegration.exceptions import DSUnavailable, Reason
from dsintegration.mirror.composed import rows_of, update
from dsintegration.models import Platform

# By hand, as the ORM has no word for its first half: the time-out is set by the statement that
# waits, and ends with the transaction. That is one statement less, and nothing stays on a
# connection that a pooler lends to the next one.
LOCK = """
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', %s, true))
SELECT platform.* FROM patience, dsintegration_platform AS platform
WHERE platform.id = 1 FOR UPDATE OF platform
"""
# What writers change of the row.
WRITTEN = ("instance", "version", "last_error_code", "last_error_reason", "last_error_at")

# Seconds for work that nobody waits for, and of a page.
PATIENCE, A_PAGE = 60.0, 10.0
# What a caller without the lock is told to wait before he asks again, in seconds.
PAUSE = 5
LOCK_NOT_AVAILABLE, SQLITE_BUSY = "55P03", 5

# Instances that this process has found to be the database's own: no need to look before each call.
_recognised: set[str] = set()


def recognise(instance: str) -> None:
    """Raises ImproperlyConfigured if this database mirrors another instance of the platform."""
    if instance not in _recognised:
        _check_instance(Platform.objects.filter(pk=Platform.SINGLETON).first(), instance)


def _check_instance(platform: Platform | None, instance: str) -> None:
    if platform is None or not platform.instance:
        return
    if platform.instance != instance:
        raise ImproperlyConfigured(
            f"Cette base contient les dossiers de {platform.instance}, et DS_API_URL désigne "
            f"{instance} : les numéros se confondraient. Rétablissez DS_API_URL, ou donnez une "
            "autre base avec DATABASE_URL."
        )
    _recognised.add(instance)


@contextmanager
def writing(instance: str | None, patience: float = PATIENCE) -> Iterator[Platform]:
    """A transaction that holds the platform's row: one writer at a time.

    `instance`: where what is written comes from; raises ImproperlyConfigured as `recognise`.
    Raises DSUnavailable (BUSY) when others hold the row for longer than `patience`, in seconds.
    """
    with ExitStack() as stack:
        try:
            if connection.vendor == "sqlite":
                stack.enter_context(_busy_timeout(patience))
            stack.enter_context(transaction.atomic(durable=True))
            platform = _lock(patience)
        except OperationalError as err:
            if not _is_busy(err):
                raise
            raise DSUnavailable(Reason.BUSY, retry_after=PAUSE) from None
        if instance is not None:
            _check_instance(platform, instance)
        yield platform


def _lock(patience: float) -> Platform:
    found = _locked(patience)
    if not found:  # the migration made it; a flush of the database took it away
        Platform.objects.bulk_create([Platform()], ignore_conflicts=True)
        found = _locked(patience)
    return found[0]


def _locked(patience: float) -> list[Platform]:
    # SQLite has one writer at a time anyway (hosting/sqlite3, IMMEDIATE).
    if not connection.features.has_select_for_update:
        return rows_of(Platform, pk=[Platform.SINGLETON])
    return list(Platform.objects.raw(LOCK, [f"{patience * 1000:.0f}"]))


@contextmanager
def _busy_timeout(seconds: float) -> Iterator[None]:
    """For how long a statement waits for others that hold SQLite's lock."""
    connection.ensure_connection()
    raw = connection.connection  # inside the process: no statement of ours
    [usual] = raw.execute("PRAGMA busy_timeout").fetchone()
    raw.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
    try:
        yield
    finally:
        raw.execute(f"PRAGMA busy_timeout = {usual}")


def _is_busy(err: OperationalError) -> bool:
    cause = err.__cause__
    return (
        getattr(cause, "sqlstate", None) == LOCK_NOT_AVAILABLE
        or getattr(cause, "sqlite_errorcode", 0) & 0xFF == SQLITE_BUSY  # whatever makes it so
    )


def forget_instance() -> None:
    """Let an empty database mirror another instance; in a transaction that holds the lock."""
    Platform.objects.filter(pk=Platform.SINGLETON).update(instance="")
    _recognised.clear()


def save_platform(platform: Platform) -> None:
    """Write the row that `writing` gave."""
    values = {name: getattr(platform, name) for name in WRITTEN}
    update(Platform, values, pk=[Platform.SINGLETON])
