"""One call to the platform for all requests that want the same dossier at the same moment.

The first of them puts a row into the database, which all processes see, and makes the call; those
that find the row wait for its outcome. At its end the row gives the number free before anybody
else can take it, so that a call that has ended serves no request that came later. Why a table:
docs/decisions/2026-11-24-shared-fetches.md.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db import IntegrityError
from django.utils import timezone

from dsintegration import journal
from dsintegration.exceptions import DSError, DSUnavailable, Reason, stored_error
from dsintegration.models import OngoingFetch
from dsintegration.platform.sockets import WEB_BUDGET

# A row whose process died tells nothing any more. A call ends within its budget; storing takes
# some milliseconds, or on a busy SQLite some seconds.
DEAD_AFTER = timedelta(seconds=WEB_BUDGET + 5)
PATIENCE = 2 * WEB_BUDGET
# How long an outcome stays for those who wait.
KEPT = timedelta(minutes=1)
POLL = 0.05

pause = time.sleep


@dataclass(frozen=True)
class Outcome:
    """What a call came to.

    `result`: created, changed or unchanged, if the dossier was stored.
    `unwanted`: the démarche of an answer that was not stored, because whoever made the call had no
    right to it; somebody else may.
    """

    result: str = ""
    unwanted: int | None = None
    code: str = ""
    reason: str = ""
    retry_after: float | None = None

    @classmethod
    def of(cls, err: DSError) -> "Outcome":
        return cls(code=err.code, reason=err.reason, retry_after=getattr(err, "retry_after", None))

    def word(self, number: int) -> str:
        """As the journal says it."""
        if self.unwanted is not None:
            return "not_wanted"
        err = self.error(number)
        return journal.word(err) if err else self.result

    def error(self, number: int) -> DSError | None:
        if not self.code:
            return None
        err = stored_error(self.code, self.reason)
        err.dossier_number = number
        if isinstance(err, DSUnavailable):
            err.retry_after = self.retry_after
        return err


def shared(
    number: int,
    call: Callable[[], Outcome],
    *,
    serves: Callable[[Outcome], bool],
    patience: float,
) -> Outcome:
    """The outcome of `call`, or of one that was under way for this number when we came.

    `serves`: whether the outcome of somebody else's call is of use; otherwise we make our own.
    Raises what `call` raises, and DSUnavailable when others' calls take all our time: `patience`,
    in seconds.
    """
    ends_at = time.monotonic() + patience
    while time.monotonic() < ends_at:
        try:
            row, is_ours = OngoingFetch.objects.get_or_create(number=number)
        except IntegrityError:  # the other one ended between our two looks
            continue
        if is_ours:
            return _lead(row, call)
        outcome = _await(row, ends_at)
        if outcome is not None and serves(outcome):
            return outcome
    raise DSUnavailable(Reason.TIMEOUT, dossier_number=number)


def _lead(row: OngoingFetch, call: Callable[[], Outcome]) -> Outcome:
    outcome = None
    try:
        outcome = call()
    finally:
        # Without an outcome (a bug, wrong settings) those who wait try for themselves.
        now = timezone.now()
        told = asdict(outcome) if outcome else None
        OngoingFetch.objects.filter(pk=row.pk).update(number=None, ended_at=now, outcome=told)
        OngoingFetch.objects.filter(ended_at__lt=now - KEPT).delete()
    return outcome


def _await(row: OngoingFetch, ends_at: float) -> Outcome | None:
    """The outcome of somebody else's call; None if it tells nothing, or not in time."""
    rows = OngoingFetch.objects.filter(pk=row.pk)
    dead_at = time.monotonic() + DEAD_AFTER.total_seconds()
    while time.monotonic() < ends_at:
        # One that seems to begin later was begun by another clock, and may have died long ago.
        age = abs(timezone.now() - row.started_at)
        if age > DEAD_AFTER or time.monotonic() > dead_at:
            rows.filter(ended_at=None).delete()
        found = rows.values_list("ended_at", "outcome").first()
        if found is None or found[0] is not None:
            return Outcome(**found[1]) if found and found[1] else None
        pause(POLL)
    return None
