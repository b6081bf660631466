"""Moments in one clock, the platform's: when an answer is as new as, and what it may replace.

Our own clock may be minutes off, or have been a year off once. Rows bear the platform's time
(platform/clock.py); what they bear beyond its present was written by a wrong clock, and counts as
not known: any answer replaces it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

# Of two clocks that are both called right; and an answer that was sent so much later than another
# one wins, whatever `dateDerniereModification` says.
MINUTES = timedelta(minutes=5)


@dataclass(frozen=True)
class Moment:
    """When a request was sent, and what is the platform's present now that its answer is stored."""

    sent_at: datetime
    now: datetime

    @property
    def future(self) -> datetime:
        """From when on no stamp can be true."""
        return max(self.now, self.sent_at) + MINUTES

    def follows(self, stamp: datetime | None) -> bool:
        """Whether what was stamped so is no newer than this answer."""
        return stamp is None or stamp <= self.sent_at or stamp > self.future

    def follows_column(self, column: str) -> Q:
        """The same, of a column."""
        return Q((column, None)) | Q((f"{column}__lte", self.sent_at)) | self.is_bogus(column)

    def is_after_column(self, column: str) -> Q:
        """Strictly newer than the column, which has a value."""
        return Q((f"{column}__lt", self.sent_at)) | self.is_bogus(column)

    def is_bogus(self, column: str) -> Q:
        return Q((f"{column}__gt", self.future))

    def loses_to(self, modified: datetime, stored_modified: datetime, stored_at: datetime) -> bool:
        """Whether a dossier that was last modified at `modified` is older than what is stored.

        By the platform's date, then by the moment of sending; but the date can go back (a restored
        database, a wrong date put right), so that minutes between two answers decide by themselves.
        """
        if stored_at > self.future:
            return False
        if abs(self.sent_at - stored_at) >= MINUTES:
            return self.sent_at < stored_at
        return (modified, self.sent_at) < (stored_modified, stored_at)
