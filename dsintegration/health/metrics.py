"""The figures for Prometheus, of the whole SI: three statements, whatever is stored.

Gauges are read off the tables; what is counted is counted by all processes in the database
(counters.py). The text is kept for half a minute, so that no figure is older than one.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Q
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dsintegration import conf, counters
from dsintegration.background import broker
from dsintegration.mirror.freshness import freshness
from dsintegration.models import TO_ANSWER, Counter, Dossier
from dsintegration.refresh.queue import is_due

KEPT = 30
KEY = "dsintegration.health.metrics.1"


def metrics_text() -> bytes:
    """In the text format of Prometheus. Raises DatabaseError."""
    text: bytes | None = cache.get(KEY)
    if text is None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Figures())
        text = generate_latest(registry)
        cache.set(KEY, text, KEPT)
    return text


class Figures(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from _dossiers()
        yield from _refreshes()
        yield from _counted()
        yield from _around_us()


def _dossiers() -> Iterator[Metric]:
    is_overdue = is_due(timezone.now(), late_by=conf.fresh_within()[0])
    filters = {
        "overdue": is_overdue,
        "failing": Q(last_error_at__isnull=False),
        "absent": Q(absent_since__isnull=False),
        "to_answer": TO_ANSWER,
    }
    told = {
        "overdue": "Not checked since DS_FRESH_WITHIN after they should have been.",
        "failing": "Whose last try failed.",
        "absent": "That the platform does not give any more.",
        "to_answer": "Whose usager awaits an answer.",
    }
    counts = {name: Count("pk", filter=condition) for name, condition in filters.items()}
    groups = Dossier.objects.order_by().values("state")
    rows: list[Any] = list(groups.annotate(all=Count("pk"), **counts))
    states = GaugeMetricFamily(
        "dsintegration_dossiers", "Dossiers here, by état.", labels=["state"]
    )
    here = dict.fromkeys(Dossier.State.values, 0) | {row["state"]: row["all"] for row in rows}
    for state, count in here.items():
        states.add_metric([state], count)
    yield states
    for name, words in told.items():
        yield GaugeMetricFamily(f"dsintegration_{name}", words, sum(row[name] for row in rows))


def _refreshes() -> Iterator[Metric]:
    stale = GaugeMetricFamily(
        "dsintegration_stale",
        "1 where no such refresh ended within DS_FRESH_WITHIN, or DS_FULL_WITHIN.",
        labels=["refresh"],
    )
    for row in freshness():
        kind = "full" if row.full else "any"
        stale.add_metric([kind], float(row.is_stale))
        name = "dsintegration_last_full_refresh" if row.full else "dsintegration_last_refresh"
        if row.ended_at:
            yield GaugeMetricFamily(
                f"{name}_timestamp_seconds",
                "When the last one of the whole mirror ended.",
                row.ended_at.timestamp(),
            )
    yield stale


def _counted() -> Iterator[Metric]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name, label, value in Counter.objects.values_list("name", "label", "value"):
        found[name][label] = value
    for name, words in (
        (counters.FETCHES, "Dossiers that were asked for, by outcome."),
        (counters.MAILS, "Mails to usagers, by outcome."),
    ):
        family = CounterMetricFamily(f"dsintegration_{name}", words, labels=["outcome"])
        for outcome, value in sorted(found[name].items()):
            family.add_metric([outcome], value)
        yield family
    yield CounterMetricFamily(
        "dsintegration_platform_requests",
        "Requests to the platform, retries included.",
        found[counters.REQUESTS].get("", 0),
    )
    # Histograms are cumulative.
    each = [found[counters.SECONDS].get(limit, 0) for limit in counters.BUCKETS]
    seconds = HistogramMetricFamily(
        "dsintegration_fetch_seconds", "What one request for dossiers took, retries included."
    )
    buckets = list(zip(counters.BUCKETS, accumulate(each), strict=True))
    seconds.add_metric([], buckets, found[counters.SECONDS_IN_ALL].get("", 0))
    yield seconds


def _around_us() -> Iterator[Metric]:
    up = GaugeMetricFamily("dsintegration_up", "1 where it answers.", labels=["part"])
    up.add_metric(["cache"], float(not getattr(cache, "is_down", False)))
    if app := broker.celery_app():
        try:
            words = "Tasks that wait for a worker of Celery."
            yield GaugeMetricFamily("dsintegration_queue_length", words, broker.length(app))
            up.add_metric(["broker"], 1)
        except broker.BrokerIsDown:
            up.add_metric(["broker"], 0)
    yield up
    if day := conf.api_token_expires():
        words = "Days until the last one of the platform's token, the first to end of several."
        left = (day - timezone.localdate()).days
        yield GaugeMetricFamily("dsintegration_token_days_left", words, left)
