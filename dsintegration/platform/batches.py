"""Many dossiers in few requests: what to do with a request that fails as a whole.

The network alone: nothing is stored here.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.views.decorators.debug import sensitive_variables

from dsintegration.exceptions import DSError, DSInvalidResponse
from dsintegration.payloads.dossiers import DossierPayload, parse_dossier
from dsintegration.payloads.selection import NOTHING, Selection
from dsintegration.platform.client import OF_ITS_CONTENT, Client
from dsintegration.platform.cost import Cost, Meter
from dsintegration.platform.outage import OF_ALL, Outage
from dsintegration.platform.workers import Workers


@dataclass(frozen=True)
class Batch:
    """The numbers of one request, and what is asked of them beside the mirror's own columns."""

    numbers: Sequence[int]
    selection: Selection = NOTHING


@dataclass(frozen=True)
class Answer:
    """What one request brought: each dossier that was asked has a payload or a failure.

    `selection`: what it was asked with; `cost`: what it took, former tries included.
    """

    selection: Selection
    sent_at: datetime
    payloads: list[DossierPayload]
    failures: list[DSError]
    cost: Cost

    @property
    def stops_all(self) -> bool:
        """The token itself is refused: nothing else would succeed."""
        return any(getattr(failure, "stops_batch", False) for failure in self.failures)


def ask(
    client: Client, asked: Batch, outage: Outage | None = None
) -> Generator[Answer, None, None]:
    """The dossiers of a batch, in one request where it succeeds, in halves of it where not.

    Whatever a request fails with: the one dossier that is its cause is found, and costs the others
    nothing, as long as the platform answers at all (outage.py).
    """
    outage = outage or Outage(client)
    waiting = deque([list(dict.fromkeys(asked.numbers))])
    selection = asked.selection
    meter = Meter(client)
    while waiting:
        batch = waiting.popleft()
        try:
            if len(batch) == 1:
                found, failed = (
                    {batch[0]: client.get_dossier(batch[0], selection)},
                    dict[int, DSError](),
                )
            else:
                found, failed = client.get_dossiers(batch, selection)
        except DSError as err:
            failure, sent_at = err, client.sent_at or client.now()
            if len(batch) > 1 or not outage.is_of_one(err):
                outage.note_failure(err)
            else:
                failure.is_of_one_dossier = True
                outage.note_lone_failure(err)
            if outage.is_over or failure.reason in OF_ALL:
                batch += [number for other in waiting for number in other]
                waiting.clear()
            elif len(batch) > 1:
                middle = (len(batch) + 1) // 2
                waiting.extendleft([batch[middle:], batch[:middle]])
                continue
            failures = [failure.about(number) for number in batch]
            answer = Answer(selection, sent_at, [], failures, meter.read())
            # A refused token is said once: the others were not really asked.
            yield replace(answer, failures=answer.failures[:1]) if answer.stops_all else answer
            meter = Meter(client)  # the next step may be another thread's
        else:
            outage.note_success()
            sent_at = client.sent_at or client.now()
            if selection and len(batch) > 1:
                # Perhaps for its content: alone, it may come without.
                again = [n for n, err in failed.items() if err.reason in OF_ITS_CONTENT]
                waiting.extend([number] for number in again)
                batch = [number for number in batch if number not in again]
            payloads, failures = _validated(batch, selection, found, failed)
            yield Answer(selection, sent_at, payloads, failures, meter.read())
            meter = Meter(client)


@sensitive_variables()
def _validated(
    batch: list[int],
    selection: Selection,
    found: dict[int, Any],
    failed: dict[int, DSError],
) -> tuple[list[DossierPayload], list[DSError]]:
    payloads, failures = [], [failed[number] for number in batch if number in failed]
    for number in batch:
        if number in failed:
            continue
        try:
            payloads.append(parse_dossier(found.get(number, {}), number, selection))
        except DSInvalidResponse as err:
            failures.append(err)
    return payloads, failures


def ask_all(
    client: Client, batches: Iterable[Batch], *, at_once: int, outage: Outage | None = None
) -> Iterator[Answer]:
    """The answers to all batches, with `at_once` of their requests under way.

    `batches` is read in the caller's thread, no further than the requests are. Ends when the token
    is refused, and when the platform turns out to be down.
    """
    outage = outage or Outage(client)
    batches = iter(batches)
    if at_once > 1:
        first = list(islice(batches, 2))
        at_once = at_once if len(first) > 1 else 1  # one request needs no thread
        batches = chain(first, batches)
    answers = (
        _in_threads(client, batches, at_once, outage)
        if at_once > 1
        else _in_turn(client, batches, outage)
    )
    with closing(answers):
        for answer in answers:
            yield answer
            if answer.stops_all:
                return


def _in_turn(
    client: Client, batches: Iterator[Batch], outage: Outage
) -> Generator[Answer, None, None]:
    while not outage.is_over and (batch := next(batches, None)):
        yield from ask(client, batch, outage)


def _in_threads(
    client: Client, batches: Iterator[Batch], at_once: int, outage: Outage
) -> Generator[Answer, None, None]:
    with Workers(client, at_once) as workers:
        waiting: dict[Future[Answer | None], Generator[Answer, None, None]] = {}

        def go_on(answers: Generator[Answer, None, None]) -> None:
            waiting[workers.submit(lambda: next(answers, None))] = answers

        def fill() -> None:
            most = 1 if outage.is_suspected else at_once
            while len(waiting) < most and not outage.is_over and (batch := next(batches, None)):
                go_on(ask(client, batch, outage))

        fill()
        while waiting:
            # What came is not lost by what another thread stumbled over.
            for future in workers.done(waiting):
                answers = waiting.pop(future)
                answer = future.result()
                if answer is not None:
                    go_on(answers)
                    yield answer
            fill()
