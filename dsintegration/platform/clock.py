"""The platform's clock, as the `Date` headers of its answers tell it, against ours.

`Date` has whole seconds, and was written somewhere between the sending and the answer: each answer
gives bounds of the difference, and the narrowest of those that agree hold.
"""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone

SECOND = timedelta(seconds=1)
NOTHING = timedelta(0)
# Two clocks that differ by less are one.
TOLERANCE = timedelta(seconds=2)


@dataclass(frozen=True)
class _Bounds:
    low: timedelta
    high: timedelta

    @property
    def offset(self) -> timedelta:
        """Nothing where that is possible; else the least that is."""
        if self.low - TOLERANCE <= NOTHING <= self.high + TOLERANCE:
            return NOTHING
        return self.low if self.low > NOTHING else self.high


class Clock:
    """What has to be added to our clock; threads may share it."""

    def __init__(self) -> None:
        self._bounds: _Bounds | None = None
        self._lock = threading.Lock()

    @property
    def offset(self) -> timedelta:
        return self._bounds.offset if self._bounds else NOTHING

    def now(self) -> datetime:
        """The platform's present; ours, as long as it said nothing."""
        return timezone.now() + self.offset

    def learn(self, sent_at: datetime, took: timedelta, date: float | None) -> None:
        """Of an answer to what we sent at `sent_at`; `date`: its header, in seconds since 1970."""
        if date is None:
            return
        said = datetime.fromtimestamp(date, UTC)
        seen = _Bounds(said - (sent_at + took), said + SECOND - sent_at)
        with self._lock:
            held = self._bounds
            both = held and _Bounds(max(held.low, seen.low), min(held.high, seen.high))
            # They no longer agree: one of the clocks was set.
            self._bounds = both if both and both.low <= both.high else seen
