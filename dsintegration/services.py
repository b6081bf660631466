"""The one way from the platform into the database: fetch, then store (storing.py)."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.db import DatabaseError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from dsintegration import conf, journal
from dsintegration.batches import Answer, ask_all
from dsintegration.client import Client, get_client
from dsintegration.exceptions import DSError
from dsintegration.locking import recognise
from dsintegration.payloads import DossierPayload, parse_dossier
from dsintegration.storing import FetchResult, store, store_failures

__all__ = ["AnswerNotWanted", "FetchResult", "Outcome", "fetch_dossier", "fetch_dossiers"]

logger = logging.getLogger(__name__)


class AnswerNotWanted(Exception):
    """The answer is not for whoever asked (`wanted`): nothing of it was stored."""


@dataclass(frozen=True)
class Outcome:
    """What became of one number among several: a result or an error."""

    number: int
    result: FetchResult | None = None
    error: DSError | None = None


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
    before, started = timezone.now(), time.monotonic()
    outcome = "failed"
    try:
        payload = parse_dossier(client.get_dossier(number), number)
        if not wanted(payload):
            outcome = "not_wanted"
            journal.write(by.fetched(number, outcome))
            raise AnswerNotWanted
        [result] = store([payload], instance, client.sent_at or before, by)
        outcome = result.outcome.value
    except DSError as err:
        outcome = f"{err.code} {err.reason}"
        _note(Answer(client.sent_at or before, [], [err]), instance, by)
        raise
    finally:
        logger.info("fetch_dossier %d %s %.3f s", number, outcome, time.monotonic() - started)
    return result


def fetch_dossiers(
    numbers: Iterable[int],
    *,
    client: Client | None = None,
    size: int | None = None,
    at_once: int | None = None,
    by: journal.Actor = journal.CODE,
) -> Iterator[Outcome]:
    """Fetch and store many dossiers, many in one request, several requests at once.

    Gives the outcome of each number as it comes, in no order; a failing dossier costs the others
    nothing. Ends early when the token is refused: numbers without an outcome were not asked. What
    a request brings is stored in one transaction, by a fixed number of SQL statements.
    `size`: dossiers a request, `at_once`: requests under way; DS_BATCH_SIZE and DS_IN_FLIGHT by
    default. Raises ImproperlyConfigured.
    """
    client = client or get_client()
    instance = conf.instance_at(client.url)
    recognise(instance)
    size, at_once = size or conf.batch_size(), at_once or conf.in_flight()
    for answer in ask_all(client, numbers, size=size, at_once=at_once):
        results = store(answer.payloads, instance, answer.sent_at, by) if answer.payloads else []
        _note(answer, instance, by)
        for result in results:
            logger.info("fetch_dossiers %d %s", result.dossier.number, result.outcome.value)
        for err in answer.failures:
            logger.info("fetch_dossiers %d %s %s", err.dossier_number, err.code, err.reason)
        yield from (Outcome(result.dossier.number, result=result) for result in results)
        yield from (Outcome(err.dossier_number or 0, error=err) for err in answer.failures)


def _note(answer: Answer, instance: str, by: journal.Actor) -> None:
    """Note the failures; a database in trouble must not hide what the platform did."""
    if not answer.failures:
        return
    try:
        store_failures(answer.failures, instance, answer.sent_at, by)
    except DatabaseError as trouble:
        numbers = ", ".join(str(err.dossier_number) for err in answer.failures)
        logger.error("failure of %s not noted: %s", numbers, type(trouble).__name__)  # noqa: TRY400
