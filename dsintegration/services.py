"""The one way from the platform into the database: fetch, then store (mirror/storing.py)."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Any

from django.db import DatabaseError
from django.views.decorators.debug import sensitive_variables

from dsintegration import conf, counters, journal
from dsintegration.database import release
from dsintegration.exceptions import DSError, DSUnavailable, Reason
from dsintegration.mirror.absences import store_failures
from dsintegration.mirror.choices import (
    Selections,
    notice,
    selections,
    selections_for,
    store_form,
)
from dsintegration.mirror.following import homes_of, note_readers, set_followed
from dsintegration.mirror.locking import PATIENCE, recognise
from dsintegration.mirror.storing import FetchResult, store, store_demarche
from dsintegration.models import Demarche
from dsintegration.moments import Moment
from dsintegration.payloads.content import Content
from dsintegration.payloads.dossiers import (
    DemarchePayload,
    DossierPayload,
    parse_demarche,
    parse_dossier,
)
from dsintegration.payloads.form import parse_form
from dsintegration.payloads.selection import Selection
from dsintegration.platform.batches import Answer, Batch, ask_all
from dsintegration.platform.client import Client, get_client
from dsintegration.platform.cost import Meter, log_fetch
from dsintegration.platform.outage import Outage
from dsintegration.platform.sockets import deadline, seconds_left

__all__ = [
    "AnswerNotWanted",
    "FetchResult",
    "Outcome",
    "fetch_demarche",
    "fetch_dossier",
    "fetch_dossiers",
    "follow_demarche",
    "read_form",
]

logger = logging.getLogger(__name__)

# Seconds for the writers' lock, however late it is: a storing takes some milliseconds.
LEAST_PATIENCE = 0.5


class AnswerNotWanted(Exception):
    """The answer is not for whoever asked (`wanted`): nothing of it was stored."""


@dataclass(frozen=True)
class Outcome:
    """What became of one number among several: a result, an error, or neither: not wanted."""

    number: int
    result: FetchResult | None = None
    error: DSError | None = None


def fetch_demarche(number: int, *, client: Client | None = None) -> Demarche:
    """The démarche of that number, with the title that the platform gives it; stored.

    Raises DSError, ImproperlyConfigured. Call it outside any transaction.
    """
    client, started = client or get_client(), time.monotonic()
    payload = parse_demarche(_asked(client, client.get_demarche, number), number)
    return _stored(client, payload, started)


def read_form(number: int, *, client: Client | None = None) -> Demarche:
    """The démarche of that number, with its form as it is now (`demarche.champs`); stored.

    Raises as fetch_demarche; nothing changes then.
    """
    client, started = client or get_client(), time.monotonic()
    payload = parse_form(_asked(client, client.get_form, number), number)
    at = client.sent_at or client.now()
    demarche = _stored(client, payload.demarche, started)
    store_form(payload, demarche, at, _patience(client, started))
    return demarche


def _asked(client: Client, ask: Callable[[int], Any], demarche: int) -> Any:
    """What `ask` gives of a démarche, counted."""
    recognise(conf.instance_at(client.url))
    meter = Meter(client)
    try:
        release()
        return ask(demarche)
    finally:
        counters.count_requests(meter.read().requests)


def _stored(client: Client, payload: DemarchePayload, started: float) -> Demarche:
    instance, sent_at = conf.instance_at(client.url), client.sent_at or client.now()
    demarche = store_demarche(payload, instance, sent_at, _patience(client, started))
    if client.tokens.are_several:
        note_readers([demarche], client.tokens.readers)
    return demarche


@sensitive_variables()
def fetch_dossier(
    number: int,
    *,
    client: Client | None = None,
    wanted: Callable[[DossierPayload], bool] = lambda _: True,
    by: journal.Actor = journal.CODE,
) -> FetchResult:
    """Fetch one dossier from the platform and store it, with its démarche and its messages.

    `wanted` sees the answer before anything is stored: whether it may be, for whoever asks.
    `by`: who that is, for the journal.
    Raises AnswerNotWanted, DossierNotFound (and marks the stored dossier as absent), the other
    DSErrors (and notes the failed try), or ImproperlyConfigured. Call it outside any transaction.
    """
    client = client or get_client()
    instance = conf.instance_at(client.url)
    recognise(instance)
    started, meter = time.monotonic(), Meter(client)
    outcome, reason = "failed", ""
    try:
        if client.tokens.are_several:
            homes = homes_of([number]).items()
            client.tokens.expected |= {n: home.token for n, home in homes if home.token}
        with deadline(client.budget):
            payload, moment = _ask(client, number, wanted)
        if not wanted(payload):
            outcome = "not_wanted"
            journal.write(by.fetched(number, outcome, demarche=payload.demarche.number))
            raise AnswerNotWanted
        [result] = store([payload], instance, moment, by, _patience(client, started))
        notice([result.dossier.demarche])
        outcome = result.outcome.value
        _note_readers(client, [result])
    except DSError as err:
        outcome, reason = err.code, err.reason
        _note([err], _moment(client), instance, by, _patience(client, started))
        raise
    finally:
        cost = meter.read()
        log_fetch("fetch_dossier", outcome, cost, number=number, reason=reason)
        counters.count_fetches([outcome], cost.requests, cost.seconds)
    return result


def fetch_dossiers(
    numbers: Iterable[int],
    *,
    client: Client | None = None,
    size: int | None = None,
    at_once: int | None = None,
    wanted: Callable[[DossierPayload], bool] = lambda _: True,
    by: journal.Actor = journal.CODE,
    outage: Outage | None = None,
    must_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Fetch and store many dossiers, many in one request, several requests at once.

    Gives the outcome of each number as it comes, in no order; a failing dossier costs the others
    nothing. Ends early when the token is refused, and when the platform is down: numbers without an
    outcome were not asked. What a request brings is stored in one transaction, by a fixed number of
    SQL statements.
    `wanted` and `by`: as for one. `size`: dossiers a request, `at_once`: requests under way;
    DS_BATCH_SIZE and DS_IN_FLIGHT by default; `outage`: what other requests of the same run met;
    `must_stop`: ends it after the requests under way.
    Raises ImproperlyConfigured.
    """
    client = client or get_client()
    instance = conf.instance_at(client.url)
    recognise(instance)
    size, at_once = size or conf.batch_size(), at_once or conf.in_flight()
    started, outage = time.monotonic(), outage or Outage(client)
    chosen, again = selections(), defaultdict[Selection, list[int]](list)
    waves = (_batches(client, numbers, size, chosen), _batches_of(again, size))
    for wave, answer in (
        (wave, answer)
        for wave, batches in enumerate(waves)
        for answer in _waited_for(
            ask_all(
                client,
                takewhile(lambda _: not must_stop(), batches),
                at_once=at_once,
                outage=outage,
            )
        )
    ):
        moment, patience = Moment(answer.sent_at, client.now()), _patience(client, started)
        payloads: list[DossierPayload] = []
        unwanted: list[DossierPayload] = []
        for payload in answer.payloads:
            selection = chosen.of(payload.demarche.number)
            if not wanted(payload):
                unwanted.append(payload)
            elif wave == 0 and selection and selection.key != answer.selection.key:
                again[selection].append(payload.number)  # new here, or of another démarche now
            else:
                payloads.append(payload)
        results, unstored = [], list[DSError]()
        try:
            if payloads:
                results = store(payloads, instance, moment, by, patience)
        except DSUnavailable as busy:
            unstored = [busy.about(payload.number) for payload in payloads]
        journal.write(
            *(by.fetched(p.number, "not_wanted", demarche=p.demarche.number) for p in unwanted)
        )
        _note_readers(client, results)
        _note(answer.failures, moment, instance, by, patience)
        failures, cost = [*answer.failures, *unstored], answer.cost
        told = [
            *((result.dossier.number, result.outcome.value, "") for result in results),
            *((payload.number, "not_wanted", "") for payload in unwanted),
            *((err.dossier_number, err.code, err.reason) for err in failures),
        ]
        counters.count_fetches([outcome for _, outcome, _ in told], cost.requests, cost.seconds)
        for number, outcome, reason in told:
            log_fetch("fetch_dossiers", outcome, cost, number=number, reason=reason)
            cost = replace(cost, requests=0)  # the first line has told them all
        yield from (Outcome(result.dossier.number, result=result) for result in results)
        yield from (Outcome(payload.number) for payload in unwanted)
        yield from (Outcome(err.dossier_number or 0, error=err) for err in failures)


def _waited_for(answers: Iterator[Answer]) -> Iterator[Answer]:
    release()
    for answer in answers:
        yield answer
        release()


def follow_demarche(number: int, *, client: Client | None = None) -> Demarche:
    """Have the mirror hold all dossiers of a démarche; the next refresh imports them.

    Raises as fetch_demarche: where the platform does not know it or does not let it be read.
    """
    demarche = fetch_demarche(number, client=client)
    set_followed(demarche, followed=True)
    return demarche


@sensitive_variables()
def _ask(
    client: Client, number: int, wanted: Callable[[DossierPayload], bool]
) -> tuple[DossierPayload, Moment]:
    """One dossier with what its démarche keeps of it; one request more where that was not known.

    What is not wanted comes as it is. Raises DSError.
    """
    chosen = selections_for(number)
    selection = chosen.of(chosen.home)
    release()
    payload = parse_dossier(client.get_dossier(number, selection), number, selection)
    moment, asked = _moment(client), selection
    selection = chosen.of(payload.demarche.number)
    if not selection or selection.key == asked.key or not wanted(payload):
        return payload, moment
    try:
        whole = parse_dossier(client.get_dossier(number, selection), number, selection)
    except DSError as err:
        content = Content(selection, failure=err.reason)
        return payload.model_copy(update={"content": content}), moment
    return whole, _moment(client)


def _batches(
    client: Client, numbers: Iterable[int], size: int, chosen: Selections
) -> Iterator[Batch]:
    """The numbers, together with those that one token reads and of which the same is kept."""
    rest = iter(numbers)
    if not (client.tokens.are_several or chosen.by_demarche):
        while some := list(islice(rest, size)):
            yield Batch(some)
        return
    waiting: dict[tuple[str, str], tuple[Selection, list[int]]] = {}
    while some := list(islice(rest, 10 * size)):
        homes = homes_of(some)
        if client.tokens.are_several:
            client.tokens.expected |= {n: home.token for n, home in homes.items() if home.token}
        for number in some:
            home = homes.get(number)
            selection = chosen.of(home.demarche if home else None)
            token = home.token if home and client.tokens.are_several else ""
            alike = waiting.setdefault((token, selection.key), (selection, []))[1]
            alike.append(number)
        for selection, alike in waiting.values():
            most = min(size, selection.most_at_once)
            while len(alike) >= most:
                yield Batch(alike[:most], selection)
                del alike[:most]
    for selection, alike in waiting.values():
        if alike:
            yield Batch(alike, selection)


def _batches_of(again: Mapping[Selection, list[int]], size: int) -> Iterator[Batch]:
    for selection, numbers in again.items():
        most = min(size, selection.most_at_once)
        for start in range(0, len(numbers), most):
            yield Batch(numbers[start : start + most], selection)


def _note_readers(client: Client, results: Sequence[FetchResult]) -> None:
    if client.tokens.are_several:
        demarches = {result.dossier.demarche for result in results}
        note_readers(demarches, client.tokens.readers)


def _moment(client: Client) -> Moment:
    """That of the answer which `client` has just got in this thread."""
    return Moment(client.sent_at or client.now(), client.now())


def _patience(client: Client, started: float) -> float:
    """The seconds that a caller may wait for the writers' lock: what is left of a page's time;
    in the background, longer.
    """
    if client.patient:
        return PATIENCE
    left = seconds_left()
    mine = client.budget - (time.monotonic() - started)
    return min(PATIENCE, max(LEAST_PATIENCE, mine if left is None else min(mine, left)))


def _note(
    failures: Sequence[DSError], moment: Moment, instance: str, by: journal.Actor, patience: float
) -> None:
    """Note the failures; a database in trouble must not hide what the platform did."""
    failures = [err for err in failures if err.reason is not Reason.BUSY]
    if not failures:
        return
    try:
        store_failures(failures, instance, moment, by, patience)
    except (DatabaseError, DSUnavailable) as trouble:
        numbers = ", ".join(str(err.dossier_number) for err in failures)
        logger.error("failure of %s not noted: %s", numbers, type(trouble).__name__)  # noqa: TRY400
