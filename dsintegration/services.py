"""The one way from the platform into the database: fetch, then store (mirror/storing.py)."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import DatabaseError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from dsintegration import conf, journal
from dsintegration.exceptions import DSError
from dsintegration.mirror.absences import store_failures
from dsintegration.mirror.locking import recognise
from dsintegration.mirror.storing import FetchResult, store, store_demarche
from dsintegration.models import Demarche
from dsintegration.payloads import DossierPayload, parse_demarche, parse_dossier
from dsintegration.platform.batches import ask_all
from dsintegration.platform.client import Client, get_client
from dsintegration.platform.cost import Meter, log_fetch

__all__ = [
    "AnswerNotWanted",
    "FetchResult",
    "Outcome",
    "fetch_demarche",
    "fetch_dossier",
    "fetch_dossiers",
]

logger = logging.getLogger(__name__)


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
    client = client or get_client()
    instance = conf.instance_at(client.url)
    recognise(instance)
    before = timezone.now()
    payload = parse_demarche(client.get_demarche(number), number)
    return store_demarche(payload, instance, client.sent_at or before)


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
    before, meter = timezone.now(), Meter(client)
    outcome, reason = "failed", ""
    try:
        payload = parse_dossier(client.get_dossier(number), number)
        if not wanted(payload):
            outcome = "not_wanted"
            journal.write(by.fetched(number, outcome, demarche=payload.demarche.number))
            raise AnswerNotWanted
        [result] = store([payload], instance, client.sent_at or before, by)
        outcome = result.outcome.value
    except DSError as err:
        outcome, reason = err.code, err.reason
        _note([err], client.sent_at or before, instance, by)
        raise
    finally:
        log_fetch("fetch_dossier", outcome, meter.read(), number=number, reason=reason)
    return result


def fetch_dossiers(
    numbers: Iterable[int],
    *,
    client: Client | None = None,
    size: int | None = None,
    at_once: int | None = None,
    wanted: Callable[[DossierPayload], bool] = lambda _: True,
    by: journal.Actor = journal.CODE,
) -> Iterator[Outcome]:
    """Fetch and store many dossiers, many in one request, several requests at once.

    Gives the outcome of each number as it comes, in no order; a failing dossier costs the others
    nothing. Ends early when the token is refused: numbers without an outcome were not asked. What
    a request brings is stored in one transaction, by a fixed number of SQL statements.
    `wanted` and `by`: as for one. `size`: dossiers a request, `at_once`: requests under way;
    DS_BATCH_SIZE and DS_IN_FLIGHT by default. Raises ImproperlyConfigured.
    """
    client = client or get_client()
    instance = conf.instance_at(client.url)
    recognise(instance)
    size, at_once = size or conf.batch_size(), at_once or conf.in_flight()
    for answer in ask_all(client, numbers, size=size, at_once=at_once):
        payloads: list[DossierPayload] = []
        unwanted: list[DossierPayload] = []
        for payload in answer.payloads:
            (payloads if wanted(payload) else unwanted).append(payload)
        results = store(payloads, instance, answer.sent_at, by) if payloads else []
        journal.write(
            *(by.fetched(p.number, "not_wanted", demarche=p.demarche.number) for p in unwanted)
        )
        _note(answer.failures, answer.sent_at, instance, by)
        cost = answer.cost
        for number, outcome, reason in (
            *((result.dossier.number, result.outcome.value, "") for result in results),
            *((payload.number, "not_wanted", "") for payload in unwanted),
            *((err.dossier_number, err.code, err.reason) for err in answer.failures),
        ):
            log_fetch("fetch_dossiers", outcome, cost, number=number, reason=reason)
            cost = replace(cost, requests=0)  # the first line has told them all
        yield from (Outcome(result.dossier.number, result=result) for result in results)
        yield from (Outcome(payload.number) for payload in unwanted)
        yield from (Outcome(err.dossier_number or 0, error=err) for err in answer.failures)


def _note(failures: Sequence[DSError], sent_at: datetime, instance: str, by: journal.Actor) -> None:
    """Note the failures; a database in trouble must not hide what the platform did."""
    if not failures:
        return
    try:
        store_failures(failures, instance, sent_at, by)
    except DatabaseError as trouble:
        numbers = ", ".join(str(err.dossier_number) for err in failures)
        logger.error("failure of %s not noted: %s", numbers, type(trouble).__name__)  # noqa: TRY400
