"""What the lists of démarches tell, and what may be believed of it.

Not being mentioned proves nothing by itself. A dossier is as it was if it cannot have left all
lists (it is here, it does not fail, its expiry is to come), and if all three are complete. What a
list does name is news, whatever became of the rest. Of a démarche that is followed, the first list
brings whole dossiers, and goes on where the last refresh ended.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet

from dsintegration import conf, counters
from dsintegration.exceptions import DSInvalidResponse, DSUnavailable, Reason
from dsintegration.mirror import following
from dsintegration.mirror.absences import store_failures, store_gone, store_unmoved
from dsintegration.mirror.storing import store
from dsintegration.models import Demarche, Dossier
from dsintegration.moments import MINUTES
from dsintegration.payloads.selection import Selection
from dsintegration.platform.lists import Kind, Page, Reading, read_all
from dsintegration.refresh.run import Run

# Of a change that was being written when its list was made.
OVERLAP = MINUTES
# The list of dossiers that are gone for good bears the day when its usager put one into the bin,
# two weeks before it is listed.
BACK_DATED = timedelta(days=16)
# What is binned is destroyed within it.
LATELY = 2 * BACK_DATED
DAY = timedelta(days=1)
# Whole dossiers of a page in one transaction: others wait for the lock meanwhile.
AT_ONCE = 25
# Before the platform was.
BEGINNING = datetime(2010, 1, 1, tzinfo=UTC)


@dataclass
class Plan:
    """What is read of one démarche, and why."""

    demarche: Demarche
    readings: dict[Kind, Reading] = field(default_factory=dict)
    vouches: bool = False
    looks_back: bool = False
    from_nothing: bool = False
    is_broken: bool = False  # a page could not be stored: those after it are not, either

    def is_complete(self, *kinds: Kind) -> bool:
        return all(kind in self.readings and self.readings[kind].is_complete for kind in kinds)

    def numbers(self, kind: Kind) -> set[int]:
        return self.readings[kind].numbers if kind in self.readings else set()

    @property
    def sent_at(self) -> datetime | None:
        moments = [reading.sent_at for reading in self.readings.values()]
        return min((moment for moment in moments if moment), default=None)


def read_lists(
    run: Run,
    due: QuerySet[Dossier],
    followed: QuerySet[Demarche],
    worth_a_list: int,
    to_ask: set[int],
) -> Iterator[int]:
    """Read what is worth it, and store what it says. Gives how many dossiers are done.

    What moved, or may have gone, stays due; `to_ask` gets what has to be asked for beside that.
    """
    plans = _plans(run, due, followed, worth_a_list)
    by_number = {plan.demarche.number: plan for plan in plans}
    readings = [reading for plan in plans for reading in plan.readings.values()]
    pages = read_all(run.client, readings, at_once=conf.in_flight(), outage=run.outage)
    try:
        for page in pages:
            if page.reading.kind is Kind.MOVED and page.reading.with_dossiers:
                yield from _store_page(run, by_number[page.reading.demarche], page)
            if run.must_stop():
                pages.close()
                return
    finally:
        counters.count_requests(sum(reading.requests for reading in readings))
    for plan in plans:
        _note_state(run, plan)
    yield from _store_news(run, plans)
    if run.outage.is_over:
        return
    listed = _listed(plans)
    for plan in plans:
        if run.must_stop():
            return
        yield from _vouch(run, plan, due, listed)
    to_ask |= _strays(plans)


# Which lists


def _plans(
    run: Run, due: QuerySet[Dossier], followed: QuerySet[Demarche], worth_a_list: int
) -> list[Plan]:
    now = run.client.now()
    may = following.may_be_listed(now)
    plans = {row.pk: Plan(row) for row in followed.filter(may, followed=True)}
    for plan in plans.values():
        plan.readings[Kind.MOVED] = _of_followed(plan, run)
    if not run.full:
        _plan_to_vouch(plans, due, may, worth_a_list, now)
    _plan_to_look_back(plans, may, now, everywhere=run.full)
    return list(plans.values())


def _of_followed(plan: Plan, run: Run) -> Reading:
    """What moved since the last reading; one that was cut short is gone on with."""
    row = plan.demarche
    plan.from_nothing = row.read_until is None or run.full
    selection = Selection.of(row.selection)
    reading = Reading(row.number, Kind.MOVED, BEGINNING, with_dossiers=True, selection=selection)
    if row.reading_cursor and row.reading_since and row.reading_from:
        is_import = row.read_until is None
        if is_import or not run.full:
            reading.since, reading.cursor = row.reading_since, row.reading_cursor
            reading.sent_at = row.reading_from
            return reading
    if row.read_until is not None and not run.full:
        reading.since = row.read_until - OVERLAP
    return reading


def _plan_to_vouch(
    plans: dict[int, Plan], due: QuerySet[Dossier], may: Q, worth_a_list: int, now: datetime
) -> None:
    counts = (
        _trusted(due, now)
        .order_by()
        .values_list("demarche")
        .annotate(dossiers=Count("pk"), stalest=Min("checked_at"))
        .filter(dossiers__gt=worth_a_list)
    )
    found = {pk: (count, stalest) for pk, count, stalest in counts}
    for pk, row in Demarche.objects.filter(may).in_bulk(found).items():
        count, stalest = found[pk]
        plan = plans.setdefault(pk, Plan(row))
        plan.vouches = True
        # More pages than that, and fetching each is cheaper.
        most = count // conf.batch_size() + 1
        since = stalest - OVERLAP
        if Kind.MOVED not in plan.readings:
            reading = Reading(row.number, Kind.MOVED, since, most_pages=most)
            plan.readings[Kind.MOVED] = reading
        plan.readings[Kind.PENDING] = Reading(row.number, Kind.PENDING, since, most_pages=most)
        plan.readings[Kind.DELETED] = Reading(
            row.number, Kind.DELETED, since - BACK_DATED, most_pages=most
        )


def _plan_to_look_back(plans: dict[int, Plan], may: Q, now: datetime, *, everywhere: bool) -> None:
    """Once a day, in démarches of any size: whether what is absent is gone for good.

    `everywhere`: those that are absent since lately are looked for in each démarche, as one that
    went to another one before is listed there.
    """
    absent = Dossier.objects.filter(absent_since__isnull=False, erased_at=None).order_by()
    oldest = dict(absent.values_list("demarche").annotate(at=Min("fetched_at")))
    lately = absent.filter(absent_since__gt=now - LATELY).aggregate(at=Min("fetched_at"))["at"]
    if everywhere and lately:
        pks = Demarche.objects.values_list("pk", flat=True)
        oldest |= {pk: min(lately, oldest.get(pk, lately)) for pk in pks}
    for pk, row in Demarche.objects.filter(may).in_bulk(oldest).items():
        last = row.deleted_read_at
        if last is not None and now - DAY < last <= now + MINUTES:
            continue
        since = oldest[pk] - BACK_DATED
        if last is not None and last <= now + MINUTES:
            # Those that were absent then were looked up; of them, only what was listed since.
            later = absent.filter(absent_since__gte=last - OVERLAP)
            if not everywhere:
                later = later.filter(demarche=row)
            newly: datetime | None = later.aggregate(at=Min("fetched_at"))["at"]
            since = min(newly, last) - BACK_DATED if newly else last - BACK_DATED
        plan = plans.setdefault(pk, Plan(row))
        plan.looks_back = True
        if former := plan.readings.get(Kind.DELETED):
            since = min(since, former.since)
        plan.readings[Kind.DELETED] = Reading(row.number, Kind.DELETED, min(since, now))


def _trusted(rows: QuerySet[Dossier], now: datetime) -> QuerySet[Dossier]:
    """Those that cannot have left all lists, and whose check is known."""
    is_kept = Q(date_expiration=None) | Q(date_expiration__gt=now)
    return rows.filter(
        is_kept, absent_since=None, last_error_at=None, checked_at__lte=now + MINUTES
    )


# What they say


def _store_page(run: Run, plan: Plan, page: Page) -> Iterator[int]:
    """Store the whole dossiers of a page, then how far the list is read.

    Those of which it has only the numbers are fetched first: a mark beyond a change that nobody
    has seen would have the next refresh vouch for what was before it.
    """
    moment = run.moment(page.sent_at)
    reading, given = page.reading, page.page
    if plan.is_broken:
        return
    try:
        for start in range(0, len(given.nodes), AT_ONCE):
            results = store(given.nodes[start : start + AT_ONCE], run.instance, moment, run.by)
            run.tally.fetched += len(results)
            run.tally.changed += sum(result.changed for result in results)
            yield len(results)
        if given.faults:
            store_failures(given.faults, run.instance, moment, run.by)
    except DSUnavailable as busy:
        plan.is_broken, reading.error = True, busy
        return
    for fault in given.faults:
        run.tally.add(fault)
    seen = {payload.number for payload in given.nodes}
    seen |= {fault.dossier_number for fault in given.faults if fault.dossier_number}
    left = given.numbers - seen
    for outcome in run.fetch(sorted(left)) if left else ():
        if outcome.error is None or outcome.error.concerns_dossier:
            left -= {outcome.number}
        yield 1
    if left:
        plan.is_broken, reading.error = True, run.outage.stopped_by or DSUnavailable(Reason.BUSY)
        return
    is_import = plan.demarche.read_until is None
    if (is_import or not run.full) and reading.sent_at and given.cursor and reading.is_whole:
        following.note_page(plan.demarche, reading.since, reading.sent_at, given.cursor)


def _note_state(run: Run, plan: Plan) -> None:
    """How far the lists were read, and whether they fail."""
    errors = [reading.error for reading in plan.readings.values() if reading.error]
    if run.outage.is_over and errors:
        return
    if plan.demarche.followed and (moved := plan.readings.get(Kind.MOVED)) and moved.with_dossiers:
        present = run.client.now() + MINUTES
        if any(at and at > present for at in (plan.demarche.read_until, moved.sent_at)):
            following.begin_again(plan.demarche)  # a clock that went wrong set the mark
        elif moved.is_complete and moved.sent_at:
            following.note_end(plan.demarche, moved.sent_at, from_nothing=plan.from_nothing)
        elif moved.error or moved.is_read:
            # A list with holes: what they hide is unknown, and the mark stays before them.
            failure = moved.error or DSInvalidResponse(Reason.UNEXPECTED)
            run.tally.add(failure.about_demarche(plan.demarche.number))
            if moved.error and plan.demarche.reading_cursor and moved.pages == 0:
                # Perhaps the cursor is what it stumbles over: begin again where it began.
                plan.demarche.reading_cursor = ""
                plan.demarche.save(update_fields=["reading_cursor"])
    if plan.looks_back and plan.is_complete(Kind.DELETED):
        sent_at = plan.readings[Kind.DELETED].sent_at
        if sent_at:
            following.note_deleted_read(plan.demarche, sent_at)
    if run.client.tokens.are_several:
        following.note_readers([plan.demarche], run.client.tokens.readers)
    following.note_lists(plan.demarche, run.client.now(), failed=bool(errors))


def _store_news(run: Run, plans: Iterable[Plan]) -> Iterator[int]:
    """Those that are in the bin, and those that are gone for good."""
    for plan in plans:
        moved = plan.numbers(Kind.MOVED)
        erased = plan.numbers(Kind.DELETED) - moved
        gone = (plan.numbers(Kind.PENDING) - moved) | erased
        readings = [plan.readings.get(kind) for kind in (Kind.PENDING, Kind.DELETED)]
        moments = [reading.sent_at for reading in readings if reading and reading.sent_at]
        if gone and moments:
            moment = run.moment(min(moments))
            absent = store_gone(gone, erased, run.instance, moment, run.by)
            run.tally.absent += len(absent)
            yield len(absent)


def _listed(plans: Iterable[Plan]) -> set[int]:
    """All that any list names: in another démarche too, it is news."""
    return {number for plan in plans for kind in plan.readings for number in plan.numbers(kind)}


def _vouch(run: Run, plan: Plan, due: QuerySet[Dossier], listed: Collection[int]) -> Iterator[int]:
    if not (plan.vouches and plan.is_complete(*Kind) and plan.sent_at):
        return
    unmoved = _trusted(due.filter(demarche=plan.demarche), run.client.now())
    moved = plan.readings[Kind.MOVED]
    if moved.with_dossiers:
        # Its list begins where the last one ended: it tells of those that were here all along.
        if plan.demarche.covered_from is None:
            return
        unmoved = unmoved.filter(checked_at__gte=plan.demarche.covered_from)
    else:
        unmoved = unmoved.filter(checked_at__gte=moved.since + OVERLAP)
    for count in store_unmoved(unmoved, listed, run.instance, run.moment(plan.sent_at)):
        run.tally.checked += count
        yield count
        if run.must_stop():
            return


def _strays(plans: Iterable[Plan]) -> set[int]:
    """Dossiers of ours that a list names where we did not expect them: of another démarche, or
    absent here.
    """
    strays: set[int] = set()
    for plan in plans:
        numbers = sorted(plan.numbers(Kind.MOVED))
        for start in range(0, len(numbers), 500):
            elsewhere = Dossier.objects.filter(number__in=numbers[start : start + 500]).filter(
                ~Q(demarche=plan.demarche) | Q(absent_since__isnull=False)
            )
            strays |= set(elsewhere.values_list("number", flat=True))
    return strays
