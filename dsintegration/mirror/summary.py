"""Figures over all dossiers, for the dashboard and the list of démarches.

They are counted at most every five minutes, whoever looks, and say of when they are: on a million
dossiers the count takes a second, and nobody decides anything on the last one. All are counted by
démarche, so that each account adds up those that it sees.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Max, QuerySet
from django.db.models.functions import TruncWeek
from django.utils import timezone

from dsintegration.models import Dossier, Platform

FRESH_FOR = 5 * 60
WEEKS = 12
KEY, TURN = "dsintegration.mirror.summary.3", "dsintegration.mirror.summary.3.fresh"

# By the primary key of the démarche.
Counts = Counter[int]


@dataclass(frozen=True)
class Week:
    monday: date
    deposits_by_demarche: Counts
    decisions_by_demarche: Counts

    @property
    def deposits(self) -> int:
        return self.deposits_by_demarche.total()

    @property
    def decisions(self) -> int:
        return self.decisions_by_demarche.total()


@dataclass(frozen=True)
class Summary:
    """`demarches`: the dossiers of each démarche (by primary key) by état."""

    as_of: datetime
    demarches: dict[int, Counter[str]]
    weeks: list[Week]
    to_answer: Counts
    failing: Counts
    absent: Counts
    fetched: dict[int, datetime]
    refreshed_at: datetime | None

    @property
    def states(self) -> Counter[str]:
        return sum(self.demarches.values(), Counter())

    @property
    def total(self) -> int:
        return self.states.total()

    @property
    def last_fetched_at(self) -> datetime | None:
        return max(self.fetched.values(), default=None)

    def of(self, demarches: Collection[int]) -> "Summary":
        """Of some démarches alone."""

        def some(counts: Counts) -> Counts:
            return Counter({pk: count for pk, count in counts.items() if pk in demarches})

        return replace(
            self,
            demarches={pk: row for pk, row in self.demarches.items() if pk in demarches},
            weeks=[
                Week(week.monday, some(week.deposits_by_demarche), some(week.decisions_by_demarche))
                for week in self.weeks
            ],
            to_answer=some(self.to_answer),
            failing=some(self.failing),
            absent=some(self.absent),
            fetched={pk: at for pk, at in self.fetched.items() if pk in demarches},
        )


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
    fetched: dict[int, datetime] = {}
    groups = Dossier.objects.order_by().values_list("demarche_id", "state")
    for demarche, state, dossiers, at in groups.annotate(
        dossiers=Count("pk"), at=Max("fetched_at")
    ):
        demarches.setdefault(demarche, Counter())[state] = dossiers
        fetched[demarche] = max(at, fetched.get(demarche, at))
    return Summary(
        as_of=timezone.now(),
        demarches=demarches,
        weeks=_weeks(),
        to_answer=_by_demarche(Dossier.objects.to_answer()),
        failing=_by_demarche(Dossier.objects.failing()),
        absent=_by_demarche(Dossier.objects.absent()),
        fetched=fetched,
        refreshed_at=Platform.objects.values_list("refreshed_at", flat=True).first(),
    )


def _by_demarche(rows: QuerySet[Any]) -> Counts:
    groups = rows.order_by().values_list("demarche_id")
    return Counter(dict(groups.annotate(dossiers=Count("pk"))))


def _weeks() -> list[Week]:
    """The last weeks, oldest first, this one included."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    this_monday = midnight - timedelta(days=midnight.weekday())
    weeks = [
        Week((this_monday - timedelta(weeks=ago)).date(), Counter(), Counter())
        for ago in reversed(range(WEEKS))
    ]
    by_monday = {week.monday: week for week in weeks}
    for column, name in (
        ("date_depot", "deposits_by_demarche"),
        ("date_traitement", "decisions_by_demarche"),
    ):
        rows = Dossier.objects.order_by().filter(
            **{f"{column}__gte": this_monday - timedelta(weeks=WEEKS - 1)}
        )
        for week, demarche, dossiers in rows.values_list(TruncWeek(column), "demarche_id").annotate(
            dossiers=Count("pk")
        ):
            if found := by_monday.get(week.date()):
                getattr(found, name)[demarche] += dossiers
    return weeks
