"""Figures over all dossiers, for the dashboard and the list of démarches.

They are counted at most every five minutes, whoever looks, and say of when they are: on a million
dossiers the count takes a second, and nobody decides anything on the last one.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.core.cache import cache
from django.db.models import Count, Max
from django.db.models.functions import TruncWeek
from django.utils import timezone

from dsintegration.models import Dossier, Platform

FRESH_FOR = 5 * 60
WEEKS = 12
KEY, TURN = "dsintegration.mirror.summary.2", "dsintegration.mirror.summary.2.fresh"


@dataclass(frozen=True)
class Week:
    monday: date
    deposits: int
    decisions: int


@dataclass(frozen=True)
class Summary:
    """`demarches`: the dossiers of each démarche (by primary key) by état."""

    as_of: datetime
    demarches: dict[int, Counter[str]]
    weeks: list[Week]
    to_answer: int
    failing: int
    absent: int
    last_fetched_at: datetime | None
    refreshed_at: datetime | None

    @property
    def states(self) -> Counter[str]:
        return sum(self.demarches.values(), Counter())

    @property
    def total(self) -> int:
        return self.states.total()


def summary() -> Summary:
    """The figures, five minutes old at most, or a little more while they are counted again."""
    stored: Summary | None = cache.get(KEY)
    # The first one to come after five minutes counts; the others read the old figures meanwhile.
    if stored is not None and not cache.add(TURN, True, FRESH_FOR):
        return stored
    counted = count()
    cache.set(KEY, counted, None)
    cache.set(TURN, True, FRESH_FOR)
    return counted


def count() -> Summary:
    """The figures of now."""
    demarches: dict[int, Counter[str]] = {}
    groups = Dossier.objects.order_by().values_list("demarche_id", "state")
    for demarche, state, dossiers in groups.annotate(dossiers=Count("pk")):
        demarches.setdefault(demarche, Counter())[state] = dossiers
    return Summary(
        as_of=timezone.now(),
        demarches=demarches,
        weeks=_weeks(),
        to_answer=Dossier.objects.to_answer().count(),
        failing=Dossier.objects.failing().count(),
        absent=Dossier.objects.absent().count(),
        last_fetched_at=Dossier.objects.aggregate(at=Max("fetched_at"))["at"],
        refreshed_at=Platform.objects.values_list("refreshed_at", flat=True).first(),
    )


def _weeks() -> list[Week]:
    """The last weeks, oldest first, this one included."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    this_monday = midnight - timedelta(days=midnight.weekday())
    mondays = [(this_monday - timedelta(weeks=ago)).date() for ago in reversed(range(WEEKS))]
    deposits, decisions = (
        {
            week.date(): dossiers
            for week, dossiers in Dossier.objects.order_by()
            .filter(**{f"{column}__gte": this_monday - timedelta(weeks=WEEKS - 1)})
            .values_list(TruncWeek(column))
            .annotate(dossiers=Count("pk"))
        }
        for column in ("date_depot", "date_traitement")
    )
    return [Week(day, deposits.get(day, 0), decisions.get(day, 0)) for day in mondays]
