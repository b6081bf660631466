"""Many dossiers in few requests: what to do with a request that fails as a whole.

The network alone: nothing is stored here.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from threading import Barrier
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from dsintegration.exceptions import DSError, DSInvalidResponse, Reason
from dsintegration.payloads import DossierPayload, parse_dossier
from dsintegration.platform.client import Client
from dsintegration.platform.cost import Cost, Meter

# One dossier of the batch may be at fault, or the batch is too much: half of it may do.
HALVED = {
    Reason.NO_RIGHT,
    Reason.TIMEOUT,
    Reason.QUERY_TIMEOUT,
    Reason.SERVER_ERROR,
    Reason.QUERY_REFUSED,
    Reason.TOO_LARGE,
    Reason.UNEXPECTED,
}


@dataclass(frozen=True)
class Answer:
    """What one request brought: each dossier that was asked has a payload or a failure.

    `cost`: what it took, former tries included.
    """

    sent_at: datetime
    payloads: list[DossierPayload]
    failures: list[DSError]
    cost: Cost

    @property
    def stops_all(self) -> bool:
        """The token itself is refused: nothing else would succeed."""
        return any(getattr(failure, "stops_batch", False) for failure in self.failures)


def ask(client: Client, numbers: Sequence[int]) -> Generator[Answer, None, None]:
    """The dossiers `numbers`, in one request where it succeeds, in halves of it where not.

    A failure that even one dossier alone meets, and that is not its own, is that of all others; a
    time-out, only when two in a row meet it.
    """
    waiting = deque([list(dict.fromkeys(numbers))])
    lone_timeouts, meter = 0, Meter(client)
    while waiting:
        batch = waiting.popleft()
        before = timezone.now()
        try:
            if len(batch) == 1:
                found, failed = {batch[0]: client.get_dossier(batch[0])}, dict[int, DSError]()
            else:
                found, failed = client.get_dossiers(batch)
        except DSError as err:
            if len(batch) > 1 and err.reason in HALVED:
                middle = (len(batch) + 1) // 2
                waiting.extendleft([batch[middle:], batch[:middle]])
                continue
            lone_timeouts = lone_timeouts + 1 if err.reason is Reason.TIMEOUT else 0
            is_of_this_one = err.concerns_dossier or lone_timeouts == 1
            if not is_of_this_one:
                batch += [number for other in waiting for number in other]
                waiting.clear()
            failures = [err.about(number) for number in batch]
            answer = Answer(client.sent_at or before, [], failures, meter.read())
            # A refused token is said once: the others were not really asked.
            yield replace(answer, failures=answer.failures[:1]) if answer.stops_all else answer
            meter.read()  # what the caller did meanwhile costs us nothing
        else:
            lone_timeouts = 0
            payloads, failures = _validated(batch, found, failed)
            yield Answer(client.sent_at or before, payloads, failures, meter.read())
            meter.read()


@sensitive_variables()
def _validated(
    batch: list[int],
    found: dict[int, dict[str, Any]],
    failed: dict[int, DSError],
) -> tuple[list[DossierPayload], list[DSError]]:
    payloads, failures = [], list(failed.values())
    for number in batch:
        if number in failed:
            continue
        try:
            payloads.append(parse_dossier(found.get(number, {}), number))
        except DSInvalidResponse as err:
            failures.append(err)
    return payloads, failures


def ask_all(client: Client, numbers: Iterable[int], *, size: int, at_once: int) -> Iterator[Answer]:
    """The answers to all `numbers`, in requests of `size`, with `at_once` of them under way.

    `numbers` is read in the caller's thread, no further than the requests are. Ends after the
    first refusal of the token.
    """
    rest = iter(numbers)
    batches = iter(lambda: list(islice(rest, size)), [])
    if at_once > 1:
        first = list(islice(batches, 2))
        at_once = at_once if len(first) > 1 else 1  # one request needs no thread
        batches = chain(first, batches)
    answers = (
        _in_threads(client, batches, at_once)
        if at_once > 1
        else (answer for batch in batches for answer in ask(client, batch))
    )
    with closing(answers):
        for answer in answers:
            yield answer
            if answer.stops_all:
                return


def _in_threads(
    client: Client, batches: Iterator[list[int]], at_once: int
) -> Generator[Answer, None, None]:
    with ThreadPoolExecutor(at_once) as pool:

        def start(batch: list[int]) -> Future[list[Answer]]:
            return pool.submit(lambda: list(ask(client, batch)))

        running = {start(batch) for batch in islice(batches, at_once)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {start(batch) for batch in islice(batches, len(done))}
                # What came is not lost by what another thread stumbled over.
                for future in sorted(done, key=lambda future: future.exception() is not None):
                    yield from future.result()
        finally:
            for future in running:
                future.cancel()
            together = Barrier(at_once)

            def close() -> None:
                together.wait()  # so that each thread closes its own connection
                client.close()

            for _ in range(at_once):
                pool.submit(close)
