"""Whether the mirror is fresh: a refresh of all of it ended lately, and a full one not long ago."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from dsintegration import conf
from dsintegration.models import Demarche, Platform


@dataclass(frozen=True)
class Freshness:
    """`ended_at`: None if none ever did."""

    full: bool
    ended_at: datetime | None
    within: timedelta

    @property
    def is_stale(self) -> bool:
        return self.ended_at is None or timezone.now() - self.ended_at > self.within


def freshness() -> tuple[Freshness, Freshness]:
    """Of refreshes as they come, and of full ones."""
    columns = ("refreshed_at", "fully_refreshed_at")
    rows = Platform.objects.filter(pk=Platform.SINGLETON).values_list(*columns)
    ended, ended_full = rows.first() or (None, None)
    within, within_full = conf.fresh_within()
    return Freshness(False, ended, within), Freshness(True, ended_full, within_full)


def unread() -> list[int]:
    """The numbers of followed démarches of which nobody knows what is new: their list fails, has
    holes, or is not imported yet. Refreshes end all the same.
    """
    within, _ = conf.fresh_within()
    is_old = Q(read_until=None) | Q(read_until__lt=timezone.now() - within)
    rows = Demarche.objects.filter(is_old, followed=True)
    return list(rows.order_by("number").values_list("number", flat=True))
