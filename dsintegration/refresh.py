"""Keeping the mirror fresh, at a cost that follows what changed.

Where many dossiers of a démarche are due, its lists tell which of them moved since the stalest was
checked, and which went: the others are as they were. Those that moved, and all dossiers elsewhere,
are fetched in batches, the stalest first.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from dsintegration import conf, journal
from dsintegration.exceptions import DossierNotFound, DSAccessDenied, DSError, DSUnavailable
from dsintegration.mirror.absences import store_checks
from dsintegration.mirror.locking import recognise
from dsintegration.models import OPEN_STATES, Action, Demarche, Dossier, Outcome, Platform
from dsintegration.payloads import parse_changes
from dsintegration.platform.client import Client, get_client
from dsintegration.platform.cost import Meter, log_fetch
from dsintegration.services import fetch_dossiers

# Of the clocks of two machines, and of a change that was being written when its list was made.
OVERLAP = timedelta(minutes=5)
# Due dossiers of a démarche beyond which its lists are worth a request.
WORTH_A_LIST = 100
# Dossiers in a row that fail by no fault of theirs, in requests of a batch each.
FAILURES_IN_A_ROW = 3
PAGE = 1000

ADVISORY_LOCK = 0x6473_7265_6672_6573  # "dsrefres"


class AlreadyRunning(Exception):
    """Another refresh of this database is under way."""


@dataclass
class Tally:
    """What a refresh came to. `failures`: one a kind, absences apart."""

    fetched: int = 0
    changed: int = 0
    checked: int = 0
    absent: int = 0
    denied: int = 0
    failed: int = 0
    failures: dict[type[DSError], DSError] = field(default_factory=dict)
    stopped_by: DSError | None = None

    def add(self, err: DSError) -> None:
        if isinstance(err, DossierNotFound):
            self.absent += 1
            return
        self.failures.setdefault(type(err), err)
        if isinstance(err, DSAccessDenied):
            self.denied += 1
        else:
            self.failed += 1


def due_dossiers(older_than: timedelta | None = None, *, full: bool = False) -> QuerySet[Dossier]:
    """Those whose last check is older than that; by default than the settings say.

    `full`: whose last full answer is, or last check where there is nothing to answer any more; by
    default all of them, however fresh.
    """
    now = timezone.now()
    if full:
        moment = now - (older_than or timedelta(0))
        is_here = Q(absent_since=None)
        return Dossier.objects.filter(
            Q(is_here, fetched_at__lte=moment) | Q(~is_here, checked_at__lte=moment)
        )
    if older_than is not None:
        return Dossier.objects.filter(checked_at__lte=now - older_than)
    after, finished_after = conf.refresh_ages()
    is_busy = Q(state__in=OPEN_STATES, absent_since=None)
    return Dossier.objects.filter(
        Q(is_busy, checked_at__lte=now - after) | Q(~is_busy, checked_at__lte=now - finished_after)
    )


def refresh(
    due: QuerySet[Dossier],
    tally: Tally,
    *,
    full: bool = False,
    limit: int | None = None,
    must_stop: Callable[[], bool] = lambda: False,
    client: Client | None = None,
    by: journal.Actor = journal.TASK,
) -> Iterator[int]:
    """Refresh the dossiers `due`; gives, as it goes, how many more are done, and counts in `tally`.

    `full`: fetch each, also what does not move a dossier's date (a title, a change of hands).
    Ends early, to be taken up again by the next one, when `must_stop`, when the token is refused,
    and when the platform fails several times in a row. Raises AlreadyRunning.
    """
    client = client or get_client(patient=True)
    instance = conf.instance_at(client.url)
    recognise(instance)
    with _alone():
        if not full and limit is None:
            for demarche, count in _demarches_worth_a_list(due):
                if must_stop() or tally.stopped_by:
                    break
                yield _read_lists(demarche, due, count, tally, client, instance, by)
        if not tally.stopped_by:
            asked = _stalest(due, "fetched_at" if full else "checked_at", limit, must_stop)
            yield from _fetch(asked, tally, client, by)
    is_cut_short = must_stop()
    if not (tally.stopped_by or is_cut_short or limit):
        Platform.objects.filter(pk=Platform.SINGLETON).update(refreshed_at=timezone.now())
    outcome: str = Outcome.STOPPED if is_cut_short else Outcome.DONE
    if tally.stopped_by:
        outcome = journal.word(tally.stopped_by)
    journal.write(by.entry(Action.REFRESH, outcome, count=tally.fetched))


def _demarches_worth_a_list(due: QuerySet[Dossier]) -> list[tuple[Demarche, int]]:
    counts = dict(
        due.order_by()
        .values_list("demarche")
        .annotate(dossiers=Count("pk"))
        .filter(dossiers__gt=WORTH_A_LIST)
    )
    rows = Demarche.objects.in_bulk(counts)
    return [(rows[pk], count) for pk, count in counts.items()]


def _read_lists(
    demarche: Demarche,
    due: QuerySet[Dossier],
    count: int,
    tally: Tally,
    client: Client,
    instance: str,
    by: journal.Actor,
) -> int:
    """Note what the démarche says of its due dossiers; those that moved stay due. How many did not.

    Its dossiers are only compared with what they were at their own last check: nothing has to be
    remembered from one refresh to the next, and one that was cut short loses nothing.
    """
    # An absent or failing dossier is asked for by its number: no list vouches for it.
    vouched = due.filter(demarche=demarche, absent_since=None, last_error_at=None)
    stalest: datetime | None = vouched.aggregate(at=Min("checked_at"))["at"]
    if stalest is None:
        return 0
    listed: dict[str, set[int]] = {"after": set(), "afterPending": set(), "afterDeleted": set()}
    cursors: dict[str, str] = {}
    at, meter = timezone.now(), Meter(client)
    outcome, reason = "failed", ""
    try:
        # More pages than that, and fetching each is cheaper.
        for _ in range(count // conf.batch_size() + 1):
            page = parse_changes(client.get_changes(demarche.number, stalest - OVERLAP, cursors))
            connections = {
                "after": page.dossiers,
                "afterPending": page.pending_deleted_dossiers,
                "afterDeleted": page.deleted_dossiers,
            }
            for name, part in connections.items():
                listed[name] |= part.numbers
                if part.page_info.end_cursor:
                    cursors[name] = part.page_info.end_cursor
            if not any(part.page_info.has_next_page for part in connections.values()):
                outcome = "listed"
                break
        else:
            outcome = "too_many_pages"
            return 0
    except DSError as err:
        outcome, reason = err.code, err.reason
        if _concerns_all(err):
            tally.add(err)
            tally.stopped_by = err
        return 0  # a démarche that may not be listed, or not so: its dossiers are asked for
    finally:
        log_fetch("list_changes", outcome, meter.read(), reason=reason, demarche=demarche.number)
    moved, erased = listed["after"], listed["afterDeleted"]
    gone = (listed["afterPending"] | erased) - moved
    unmoved = vouched.exclude(number__in=moved | gone)
    checked, absent = store_checks(unmoved, gone, erased - moved, instance, at, by)
    tally.checked += checked
    tally.absent += absent
    return checked + absent


def _concerns_all(err: DSError) -> bool:
    """Whether every other request would meet it too."""
    if isinstance(err, DSAccessDenied):
        return err.stops_batch
    return isinstance(err, DSUnavailable) and not err.concerns_dossier


def _stalest(
    due: QuerySet[Dossier], moment: str, limit: int | None, must_stop: Callable[[], bool]
) -> Iterator[int]:
    """The numbers of those that are due, page by page: what was done has left the next page."""
    after = Q()
    given = 0
    while True:
        rows = due.filter(after).order_by(moment, "pk")
        page = list(rows.values_list(moment, "pk", "number")[:PAGE])
        for at, pk, number in page:
            if must_stop() or given == limit:
                return
            given += 1
            yield number
            after = Q(**{f"{moment}__gt": at}) | Q(**{moment: at, "pk__gt": pk})
        if len(page) < PAGE:
            return


def _fetch(
    numbers: Iterator[int], tally: Tally, client: Client, by: journal.Actor
) -> Iterator[int]:
    most_in_a_row = FAILURES_IN_A_ROW * conf.batch_size()
    in_a_row = 0
    for outcome in fetch_dossiers(numbers, client=client, by=by):
        in_a_row = in_a_row + 1 if outcome.error and not outcome.error.concerns_dossier else 0
        if outcome.result:
            tally.fetched += 1
            tally.changed += outcome.result.changed
        elif outcome.error:
            tally.add(outcome.error)
            is_refused = isinstance(outcome.error, DSAccessDenied) and outcome.error.stops_batch
            if is_refused or in_a_row >= most_in_a_row:
                tally.stopped_by = outcome.error
                return
        yield 1


@contextmanager
def _alone() -> Iterator[None]:
    """One refresh of a database at a time, over all machines; a killed one leaves no lock."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
            [is_ours] = cursor.fetchone()
        if not is_ours:
            raise AlreadyRunning
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
        return
    if connection.vendor != "sqlite":
        raise ImproperlyConfigured("DATABASE_URL doit désigner PostgreSQL ou SQLite.")
    path = Path(f"{connection.settings_dict['NAME']}.refresh-lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None
        yield
