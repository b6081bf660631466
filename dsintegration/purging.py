"""What is kept no longer: dossiers, by the operator's delays, and what served its time.

Nothing irreversible on old news: what would go for a date of its own goes once an answer that is
later than the end of its delay says so; the purge asks for it. Each batch is one transaction: a
purge that is killed leaves nothing half erased, and the next one goes on.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import (
    BooleanField,
    Case,
    F,
    ProtectedError,
    Q,
    QuerySet,
    RestrictedError,
    Value,
    When,
)
from django.utils import timezone

from dsintegration import conf, journal
from dsintegration.exceptions import DossierNotFound
from dsintegration.files.copies import drop_copies
from dsintegration.mirror.choices import prune, unpruned
from dsintegration.mirror.erasing import Erased, erase
from dsintegration.models import (
    Action,
    Dossier,
    FetchLot,
    JournalEntry,
    OngoingFetch,
    Outcome,
    UsagerAccess,
)
from dsintegration.moments import MINUTES
from dsintegration.platform.client import get_client
from dsintegration.services import fetch_dossiers
from dsintegration.signals import purge_ended

logger = logging.getLogger(__name__)

# Which delay, after which date.
RULES = {
    Outcome.ABSENT: ("DS_PURGE_ABSENT_AFTER", "absent_since"),
    Outcome.EXPIRED: ("DS_PURGE_EXPIRED_AFTER", "date_expiration"),
    Outcome.DELETED_BY_USAGER: ("DS_PURGE_DELETED_BY_USAGER_AFTER", "date_suppression_par_usager"),
}
BATCH = 500
ENTRIES = 1000
# Ended fetches tell those who wait for them, which is over long before.
FETCHES_KEPT = timedelta(days=1)


@dataclass
class Tally:
    """What a purge came to."""

    dossiers: Counter[Outcome] = field(default_factory=Counter)
    left: int = 0  # that the platform did not answer for
    trouble: str = ""  # why, in French
    entries: int = 0
    accesses: int = 0

    @property
    def counts(self) -> dict[str, int]:
        erased = {f"dossiers_{reason.value}": count for reason, count in self.dossiers.items()}
        rest = {"left": self.left, "entries": self.entries, "accesses": self.accesses}
        return erased | rest


def due_dossiers(now: datetime) -> QuerySet[Any]:
    """Those that are kept no longer, each with its `reason`; of several reasons, the first.

    `is_confirmed`: the platform's last word on it came after the end of the delay.
    """
    since = {Outcome.ERASED: Q(erased_at__isnull=False)}
    confirmed = Q()
    delays = conf.purge_delays()
    for reason, (setting, column) in RULES.items():
        if (delay := delays[setting]) is not None:
            since[reason] = Q((f"{column}__lt", now - delay))
            confirmed |= since[reason] & Q(last_word__gte=F(column) + delay)
    cases = [When(condition, then=Value(reason.value)) for reason, condition in since.items()]
    due = Q(*since.values(), _connector=Q.OR)
    # What bears a moment to come was stamped by a clock that went wrong.
    known = Q(last_word__lte=now + MINUTES)
    return (
        Dossier.objects.filter(due)
        .annotate(
            reason=Case(*cases, default=Value("")),
            # Of an absent one, that it is; of another, its dates: only a whole answer has them.
            last_word=Case(
                When(absent_since__isnull=False, then=F("checked_at")), default=F("fetched_at")
            ),
        )
        .annotate(
            is_confirmed=Case(
                When(Q(erased_at__isnull=False) | (confirmed & known), then=Value(True)),
                default=Value(False),
                output_field=BooleanField(),
            )
        )
    )


def purge(
    tally: Tally, *, by: journal.Actor, must_stop: Callable[[], bool] = lambda: False
) -> None:
    """Erase what is due, in batches, and count it in `tally`; `must_stop` ends it after a batch."""
    now = timezone.now()
    due, forgotten_before = due_dossiers(now), now - conf.journal_kept()
    # First, so that the batches meet none that others are removing as well.
    tally.accesses, _ = UsagerAccess.objects.expired().delete()
    OngoingFetch.objects.filter(ended_at__lt=now - FETCHES_KEPT).delete()
    FetchLot.objects.filter(created_at__lt=now - FetchLot.KEPT).delete()
    for demarche in unpruned():
        for _ in prune(demarche):
            pass
    _ask(due.filter(is_confirmed=False), tally, by, must_stop)
    _purge_dossiers(due.filter(is_confirmed=True), tally, by, must_stop)
    tally.left = due.filter(is_confirmed=False).count()
    drop_copies()
    while not must_stop():
        forgotten = _forget(forgotten_before, by)
        tally.entries += forgotten
        if forgotten < ENTRIES:
            break
    purge_ended.send_robust(None)


def _ask(
    rows: QuerySet[Any], tally: Tally, by: journal.Actor, must_stop: Callable[[], bool]
) -> None:
    """Have the platform's last word on them; without it they stay."""
    if not rows.exists():
        return
    try:
        for outcome in fetch_dossiers(
            _numbers(rows), client=get_client(patient=True), by=by, must_stop=must_stop
        ):
            if outcome.error and not isinstance(outcome.error, DossierNotFound):
                tally.trouble = outcome.error.sentence
    except ImproperlyConfigured as err:
        tally.trouble = str(err)


def _numbers(rows: QuerySet[Any]) -> Iterator[int]:
    last = 0
    while True:
        page = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", "number")[:BATCH])
        for last, number in page:  # noqa: B007  # where the next page begins
            yield number
        if len(page) < BATCH:
            return


def _forget(before: datetime, by: journal.Actor) -> int:
    """Forget some entries of the journal; that they were is written with it."""
    with transaction.atomic(durable=True):
        forgotten = JournalEntry.objects.forget_before(before, at_most=ENTRIES)
        if forgotten:
            journal.write(by.entry(Action.PURGE, Outcome.FORGOTTEN, count=forgotten))
    return forgotten


def _purge_dossiers(
    due: QuerySet[Any], tally: Tally, by: journal.Actor, must_stop: Callable[[], bool]
) -> None:
    last = 0
    while not must_stop():
        candidates = due.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)
        pks = list(candidates[:BATCH])
        if not pks:
            return
        for row in _erase(due, pks, by):
            logger.info("purge_dossiers %d %s", row.number, row.reason.value)
            tally.dossiers[row.reason] += 1
        last = pks[-1]


def _erase(due: QuerySet[Any], pks: Sequence[int], by: journal.Actor) -> list[Erased]:
    """The batch, in halves where a row that belongs to one of its dossiers forbids it as a whole.

    A host may have rows of its own that refer to dossiers; the next purge tries those again.
    """
    try:
        return erase(due, pks, by)
    except (IntegrityError, ProtectedError, RestrictedError) as err:
        if len(pks) == 1:
            logger.warning("purge_dossiers: a dossier is held: %s", type(err).__name__)
            return []
    middle = len(pks) // 2
    return _erase(due, pks[:middle], by) + _erase(due, pks[middle:], by)
