"""The lists of démarches, page by page, several démarches at once.

A list that fails is unknown, and no more than that: what it said before stays true.
"""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial

from dsintegration.exceptions import DSError, DSInvalidResponse, Reason
from dsintegration.payloads.dossiers import ListPage, parse_page
from dsintegration.payloads.selection import NOTHING, Selection
from dsintegration.platform.client import Client
from dsintegration.platform.content import variables
from dsintegration.platform.cost import Cost, Meter, log_fetch
from dsintegration.platform.documents import (
    GET_DELETED,
    GET_MOVED,
    GET_PENDING,
    Document,
    get_moved_whole,
)
from dsintegration.platform.outage import ANSWERED, OF_ALL, Outage
from dsintegration.platform.workers import Workers

# The platform gives no more in a page.
LARGEST = 100
# So many lists of a run fail, and the others are left to the next one.
MOST_FAILURES = 60
# Whole dossiers of fewer than that in a page, and it is none of them that is too heavy.
SMALLEST = 5


class Kind(StrEnum):
    MOVED = "moved"
    PENDING = "pending"
    DELETED = "deleted"


DOCUMENTS = {Kind.MOVED: GET_MOVED, Kind.PENDING: GET_PENDING, Kind.DELETED: GET_DELETED}


@dataclass
class Reading:
    """How far one list of one démarche is read.

    `with_dossiers`: its pages bring whole dossiers, with what `selection` says; `most_pages`:
    beyond, it is given up. `sent_at`: when its first page was asked for; what moved later need not
    be in it.
    """

    demarche: int
    kind: Kind
    since: datetime
    with_dossiers: bool = False
    selection: Selection = NOTHING
    cursor: str = ""
    most_pages: int | None = None
    sent_at: datetime | None = None
    size: int = LARGEST
    pages: int = 0
    requests: int = 0
    numbers: set[int] = field(default_factory=set)
    cursors: set[str] = field(default_factory=set)
    is_whole: bool = True
    is_read: bool = False
    error: DSError | None = None

    @property
    def goes_on(self) -> bool:
        given_up = self.most_pages is not None and self.pages >= self.most_pages
        return not (self.is_read or self.error or given_up)

    @property
    def is_complete(self) -> bool:
        """Whether what it does not name is not in it."""
        return self.is_read and self.is_whole and self.error is None


@dataclass(frozen=True)
class Page:
    reading: Reading
    page: ListPage
    sent_at: datetime


def read_all(
    client: Client, readings: Iterable[Reading], *, at_once: int, outage: Outage
) -> Generator[Page, None, None]:
    """The pages of all readings as they come, one of each in turn, `at_once` under way.

    The next page of a list is asked for while the caller works on the former one.
    """
    waiting = deque(reading for reading in readings if reading.goes_on)
    if not waiting:
        return
    running: dict[Future[Page | None], Reading] = {}
    failures = 0
    with Workers(client, min(at_once, len(waiting))) as workers:

        def fill() -> None:
            most = 1 if outage.is_suspected else at_once
            is_over = outage.is_over or failures >= MOST_FAILURES
            while waiting and len(running) < most and not is_over:
                reading = waiting.popleft()
                running[workers.submit(partial(_next_page, client, reading, outage))] = reading

        fill()
        while running:
            pages = []
            for future in workers.done(running):
                reading = running.pop(future)
                pages.append(future.result())
                failures += reading.error is not None
                if reading.goes_on:
                    waiting.append(reading)
            fill()
            yield from (page for page in pages if page)
    for reading in waiting:
        reading.error = outage.stopped_by


def _next_page(client: Client, reading: Reading, outage: Outage) -> Page | None:
    """The next page, in smaller ones where it is too heavy; None where the list fails."""
    whole, meter = reading.with_dossiers, Meter(client)
    while True:
        document = get_moved_whole(reading.selection) if whole else DOCUMENTS[reading.kind]
        if whole:
            reading.size = min(reading.size, reading.selection.most_at_once)
        try:
            page = _ask(client, document, reading, whole=whole)
        except DSError as err:
            outage.note_failure(err)
            if not whole or outage.is_over or err.reason in OF_ALL | ANSWERED:
                reading.error = err
                _log(reading, meter.read(), err)
                return None
            reading.size //= 2
            if reading.size < SMALLEST:
                # One of them is at fault: their numbers will do, each is then asked for alone.
                reading.size, whole = LARGEST // 4, False
            continue
        outage.note_success()
        if not page.is_last and page.cursor in {reading.cursor, *reading.cursors}:
            # The same pages would be read for ever.
            reading.error = DSInvalidResponse(Reason.UNEXPECTED, detail="a cursor came back")
            _log(reading, meter.read(), reading.error)
            return None
        sent_at = client.sent_at or client.now()
        reading.sent_at = reading.sent_at or sent_at
        reading.pages += 1
        reading.size = min(2 * reading.size, LARGEST)
        reading.cursor = page.cursor or reading.cursor
        reading.cursors.add(reading.cursor)
        reading.numbers |= page.numbers
        reading.is_whole = reading.is_whole and page.is_whole
        reading.is_read = page.is_last
        _log(reading, meter.read(), None)
        return Page(reading, page, sent_at)


def _ask(client: Client, document: Document, reading: Reading, *, whole: bool) -> ListPage:
    asked = {"after": reading.cursor} if reading.cursor else {}
    selection = reading.selection if whole else NOTHING
    asked |= variables(selection)
    since = reading.since.isoformat(timespec="seconds")
    given = client.get_list(document, reading.demarche, since=since, first=reading.size, **asked)
    return parse_page(given, reading.demarche, whole=whole, selection=selection)


def _log(reading: Reading, cost: Cost, err: DSError | None) -> None:
    reading.requests += cost.requests
    outcome, reason = (err.code, err.reason) if err else ("listed", "")
    log_fetch(f"list_{reading.kind}", outcome, cost, reason=reason, demarche=reading.demarche)
