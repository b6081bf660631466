"""What is counted over all processes: fetches, requests to the platform, mails.

In the database, by one statement a request to the platform, after what it brought is stored
(docs/decisions/2026-11-28-metrics.md). A count that cannot be written is lost: it hides nothing of
what happened.
"""

import logging
from collections.abc import Iterable, Mapping

from django.db import DatabaseError, connection

from dsintegration import conf

logger = logging.getLogger(__name__)

INSERT = "INSERT INTO dsintegration_counter (name, label, value) VALUES "
ADD = (
    " ON CONFLICT (name, label) DO UPDATE SET value = dsintegration_counter.value + excluded.value"
)

FETCHES, REQUESTS, MAILS = "fetches", "platform_requests", "mails"
SECONDS, SECONDS_IN_ALL = "fetch_seconds_bucket", "fetch_seconds_sum"
# Upper limits, in seconds: a page waits 10 s at most, work in the background 35 s a read.
BUCKETS = ("0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "35.0", "+Inf")


def count_fetches(outcomes: Iterable[str], requests: int, seconds: float) -> None:
    """What one request for dossiers came to, tries included: an outcome for each of them."""
    bucket = next(limit for limit in BUCKETS if seconds <= float(limit))
    added = {(REQUESTS, ""): float(requests), (SECONDS, bucket): 1.0, (SECONDS_IN_ALL, ""): seconds}
    for outcome in outcomes:
        added[FETCHES, outcome] = added.get((FETCHES, outcome), 0.0) + 1
    _add(added)


def count_requests(requests: int) -> None:
    """Those that ask for no dossier by its number: lists, a démarche."""
    if requests:
        _add({(REQUESTS, ""): float(requests)})


def count_mail(outcome: str) -> None:
    _add({(MAILS, outcome): 1.0})


def _add(added: Mapping[tuple[str, str], float]) -> None:
    if not conf.metrics_token():
        return  # nobody reads them: a fetch is not to pay for it
    # In one order everywhere, so that two writers never wait for each other in a circle.
    rows = sorted(added.items())
    values = [value for (name, label), count in rows for value in (name, label, count)]
    sql = INSERT + ", ".join(["(%s, %s, %s)"] * len(rows)) + ADD
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
    except DatabaseError as err:
        logger.warning("counters: not written: %s", type(err).__name__)
