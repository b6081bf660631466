"""Which dossiers are due, and in which order they are asked for."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dsintegration import conf
from dsintegration.mirror.backoff import LONGEST
from dsintegration.models import OPEN_STATES, Dossier, File, Scan
from dsintegration.moments import MINUTES

PAGE = 1000
SCAN_TAKES, SCANNED_WITHIN = timedelta(minutes=5), timedelta(days=1)
EVER = datetime.min.replace(tzinfo=UTC)


def due_dossiers(older_than: timedelta | None = None, *, full: bool = False) -> QuerySet[Dossier]:
    """Those whose last check is older than that, by default than the settings say, but for those
    that failed and step back.

    `full`: whose last full answer is, or last check where there is nothing to answer any more; by
    default all of them, however fresh. What bears a moment to come was stamped by a clock that
    went wrong, and is due.
    """
    now = timezone.now()
    if full:
        moment = now - (older_than or timedelta(0))
        is_here = Q(absent_since=None)
        return Dossier.objects.filter(
            Q(is_here, _older("fetched_at", moment, now))
            | Q(~is_here, _older("checked_at", moment, now))
        )
    may_be_asked = (
        Q(next_try_at=None) | Q(next_try_at__lte=now) | Q(next_try_at__gt=now + LONGEST + MINUTES)
    )
    rows = Dossier.objects.filter(may_be_asked)
    if older_than is not None:
        return rows.filter(_older("checked_at", now - older_than, now))
    return rows.filter(is_due(now))


def is_due(now: datetime, late_by: timedelta = timedelta(0)) -> Q:
    """By the ages that the settings say, whether or not it may be asked for now."""
    after, finished_after = conf.refresh_ages()
    is_busy = Q(state__in=OPEN_STATES, absent_since=None)
    return Q(is_busy, _older("checked_at", now - after - late_by, now)) | Q(
        ~is_busy, _older("checked_at", now - finished_after - late_by, now)
    )


def awaiting_scan() -> set[int]:
    """The numbers of dossiers with a file that the antivirus had not seen yet some minutes ago: its
    verdict moves no date. After a day, the next whole refresh will do.
    """
    now = timezone.now()
    pending = File.objects.filter(
        scan=Scan.PENDING,
        created_at__gt=now - SCANNED_WITHIN,
        dossier__absent_since=None,
        dossier__next_try_at=None,
        dossier__fetched_at__lte=now - SCAN_TAKES,
    )
    return set(pending.order_by("-created_at").values_list("dossier__number", flat=True)[:PAGE])


def _older(column: str, moment: datetime, now: datetime) -> Q:
    return Q((f"{column}__lte", moment)) | Q((f"{column}__gt", now + MINUTES))


def in_order(
    due: QuerySet[Dossier],
    moment: str,
    limit: int | None,
    started: Callable[[], datetime],
) -> Iterator[int]:
    """The numbers of those that are due, the stalest first; one that failed stands where it may be
    asked again, and so behind those that never were.

    `started`: when this run began, by the platform's clock, as far as it is known by then: what
    the run itself asks for does not come again.
    """
    bogus = due.filter(**{f"{moment}__gt": timezone.now() + MINUTES}, next_try_at=None)
    known = due.filter(**{f"{moment}__lte": timezone.now() + MINUTES}, next_try_at=None)
    failed = due.filter(next_try_at__isnull=False)
    streams = [
        ((EVER, number) for _, number in _paged(bogus, moment, started, bounded=False)),
        _paged(known, moment, started),
        _paged(failed, "next_try_at", started),
    ]
    yield from (number for _, number in islice(merge(*streams), limit))


def _paged(
    rows: QuerySet[Dossier], column: str, started: Callable[[], datetime], *, bounded: bool = True
) -> Iterator[tuple[datetime, int]]:
    """Page by page: what was done has left the next page."""
    after, last = Q(), None
    while True:
        until = Q((f"{column}__lte", started())) if bounded and last else Q()
        found = rows.filter(after, until).order_by(F(column), "pk")
        page = list(found.values_list(column, "pk", "number")[:PAGE])
        for at, pk, number in page:
            yield at, number
            last = pk
            after = Q(**{f"{column}__gt": at}) | Q(**{column: at, "pk__gt": pk})
        if len(page) < PAGE:
            return
