"""Whose turn it is to refresh this database: one process at a time, over all machines.

The turn is a row with an end, by the clock of the database, which its holder moves on while he
works. No lock of the database's own: a pooler in transaction mode would leave it behind, and a lost
machine would keep it. A killed process of this machine is seen to be gone at once.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from dsintegration.models import RefreshTurn

# Longer than one request, its retries and the wait for room in the minute.
LASTS = timedelta(minutes=10)
RENEWED_AFTER = 30.0
# How long one who waits is waited for after he last asked, how often he asks, how long he waits.
WAITS = timedelta(seconds=30)
ASKS_EVERY = 2.0
GIVES_UP_AFTER = 3600.0

pause = time.sleep
# The turns that threads of this process hold.
_ours: set[str] = set()


class AlreadyRunning(Exception):
    """Another refresh of this database is under way."""


class Turn:
    """A turn that we have."""

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._renewed_at = time.monotonic()
        self.is_lost = False

    def renew(self) -> None:
        """Call it often. `is_lost`: we hung for so long that another one has it now."""
        if time.monotonic() - self._renewed_at < RENEWED_AFTER or self.is_lost:
            return
        self._renewed_at = time.monotonic()
        rows = RefreshTurn.objects.filter(holder=self._holder)
        self.is_lost = not rows.update(ends_at=_in(LASTS))


@contextmanager
def taken(*, full: bool, must_stop: Callable[[], bool]) -> Iterator[Turn]:
    """Our turn. A full refresh waits for it, and the next quarter-hourly one lets it pass; who
    meets one that does his own work leaves it. Raises AlreadyRunning.
    """
    holder = f"{_here()}/{os.getpid()}/{uuid4().hex}"
    RefreshTurn.objects.bulk_create([RefreshTurn()], ignore_conflicts=True)
    _free_what_a_dead_process_holds()
    gives_up_at = time.monotonic() + GIVES_UP_AFTER
    is_waiting = False
    while not _take(holder, full=full, is_waiting=is_waiting):
        is_waited_for = not is_waiting and _somebody_waits()
        if not full or is_waited_for or _is_full() or must_stop():
            raise AlreadyRunning
        if time.monotonic() > gives_up_at:
            raise AlreadyRunning
        is_waiting = True
        RefreshTurn.objects.update(waited_for_until=_in(WAITS))
        pause(ASKS_EVERY)
        _free_what_a_dead_process_holds()
    _ours.add(holder)
    try:
        yield Turn(holder)
    finally:
        _ours.discard(holder)
        RefreshTurn.objects.filter(holder=holder).update(holder="", ends_at=None)


def _take(holder: str, *, full: bool, is_waiting: bool) -> bool:
    free = RefreshTurn.objects.filter(~_is_held())
    if not is_waiting:
        free = free.exclude(waited_for_until__gt=Now())
    values = {"holder": holder, "is_full": full, "ends_at": _in(LASTS)}
    if is_waiting:
        values["waited_for_until"] = None
    return bool(free.update(**values))


def _is_held() -> Q:
    """An end that lies further off than any was set to was set by a clock that went wrong."""
    return ~Q(holder="") & Q(ends_at__gt=Now(), ends_at__lte=_in(2 * LASTS))


def _somebody_waits() -> bool:
    return RefreshTurn.objects.filter(waited_for_until__gt=Now()).exists()


def _is_full() -> bool:
    return RefreshTurn.objects.filter(_is_held(), is_full=True).exists()


def _in(duration: timedelta) -> Combinable:
    return ExpressionWrapper(Now() + duration, output_field=DateTimeField())


def _here() -> str:
    """This machine, and on it the space of process numbers: a container has its own."""
    try:
        space = Path("/proc/self/ns/pid").readlink().name
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()
    return f"{platform.node()}/{boot}/{space}"


def _free_what_a_dead_process_holds() -> None:
    holder = RefreshTurn.objects.values_list("holder", flat=True).first() or ""
    machine, _, rest = holder.rpartition("/")[0].rpartition("/")
    if machine != _here() or not rest.isdecimal():
        return
    if (int(rest) == os.getpid() and holder not in _ours) or not _is_alive(int(rest)):
        RefreshTurn.objects.filter(holder=holder).update(holder="", ends_at=None)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    # Killed, and not yet buried by its parent.
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[:1] != ["Z"]
