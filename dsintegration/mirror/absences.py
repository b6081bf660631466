"""What the platform says of dossiers without giving them: unmoved, absent, failing."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from dsintegration import journal
from dsintegration.exceptions import DossierNotFound, DSError
from dsintegration.mirror.backoff import MOST_TRIES, pause_after
from dsintegration.mirror.locking import PATIENCE, writing
from dsintegration.mirror.statements import (
    Change,
    announce,
    forget_failure,
    write_dossiers,
    write_platform,
)
from dsintegration.models import Dossier, Outcome, Platform
from dsintegration.moments import Moment

# Rows of one transaction: some milliseconds, twenty where each is in many indexes.
AT_ONCE = 100
LOOKED_UP = 5000

Row = TypeVar("Row")


def store_unmoved(
    unmoved: QuerySet[Dossier], but: Collection[int], instance: str, moment: Moment
) -> Iterator[int]:
    """Note that these dossiers, `but` some numbers, are as they were; how many at a time.

    Few at a time: others wait for the one lock meanwhile.
    """
    last = 0
    rows = unmoved.order_by("pk").values_list("pk", "number")
    # Far more are looked up than written at once: SQLite sorts all of them each time.
    while page := list(rows.filter(pk__gt=last)[:LOOKED_UP]):
        last = page[-1][0]
        for some in _parts(page):
            pks = [pk for pk, number in some if number not in but]
            still = unmoved.filter(moment.is_after_column("checked_at"), pk__in=pks)
            with writing(instance):
                count = still.order_by().update(checked_at=moment.sent_at)
            yield count


def store_gone(
    numbers: Iterable[int],
    erased: Collection[int],
    instance: str,
    moment: Moment,
    by: journal.Actor,
) -> list[int]:
    """Note what lists say of dossiers that are not there: `numbers` are absent, `erased` of them
    for good. The numbers of those that are ours, and of which nothing newer is known.
    """
    known: list[int] = []
    for some in _parts(sorted(numbers)):
        with writing(instance) as platform:
            rows = _not_newer(moment).filter(number__in=some)
            ours = list(rows.values_list("number", flat=True))
            newly = _mark_absent(platform, ours, instance, moment)
            Dossier.objects.filter(
                number__in=[number for number in ours if number in erased], erased_at=None
            ).update(erased_at=moment.sent_at)
            journal.write(*(by.fetched(number, Outcome.NOT_FOUND) for number in newly))
        known += ours
    return known


def _parts(rows: list[Row]) -> Iterator[list[Row]]:
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))


def _not_newer(moment: Moment) -> QuerySet[Dossier]:
    return Dossier.objects.filter(moment.follows_column("checked_at"))


def store_failures(
    failures: Sequence[DSError],
    instance: str,
    moment: Moment,
    by: journal.Actor,
    patience: float = PATIENCE,
) -> None:
    """Note failed tries where they belong: on their dossiers, or on the platform; and all of them
    in the journal. Raises as `writing`.
    """
    absent: list[int] = []
    own: list[DSError] = []
    elsewhere: DSError | None = None
    for err in failures:
        if isinstance(err, DossierNotFound):
            absent.append(err.dossier_number or 0)
        elif err.concerns_dossier:
            own.append(err)
        else:
            elsewhere = err
    with writing(instance, patience) as platform:
        # As every writer: what is noted must not fall between another's look and its writing.
        newly = _mark_absent(platform, absent, instance, moment) if absent else []
        _note_on_dossiers(own, moment)
        if elsewhere:
            _note_on_platform(elsewhere, moment)
        if absent or own:
            # The platform answered, and the token is good.
            rows = Platform.objects.filter(pk=Platform.SINGLETON, last_error_at__isnull=False)
            rows.filter(moment.follows_column("last_error_at")).update(
                last_error_code="", last_error_reason="", last_error_at=None
            )
        journal.write(
            *(by.failed(err) for err in failures if not by.unattended or _is_news(err, newly))
        )


def _is_news(err: DSError, newly_absent: Sequence[int]) -> bool:
    """Whether a refresh that nobody waits for learnt this of the dossier itself, just now."""
    if isinstance(err, DossierNotFound):
        return err.dossier_number in newly_absent
    return err.concerns_dossier


def _note_on_dossiers(failures: Sequence[DSError], moment: Moment) -> None:
    """Each steps back in the queue, twice as far each time."""
    by_number = {err.dossier_number or 0: err for err in failures}
    rows = list(
        _not_newer(moment)
        .filter(moment.follows_column("last_error_at"), number__in=by_number)
        .only("number", "tries")
    )
    for row in rows:
        err = by_number[row.number]
        row.last_error_code, row.last_error_reason = err.code, err.reason
        row.last_error_at = moment.sent_at
        row.tries = min(row.tries + 1, MOST_TRIES)
        row.next_try_at = moment.sent_at + pause_after(row.tries)
    columns = ("last_error_code", "last_error_reason", "last_error_at", "tries", "next_try_at")
    if rows:
        Dossier.objects.bulk_update(rows, columns)


def _note_on_platform(err: DSError, moment: Moment) -> None:
    newer = Dossier.objects.filter(fetched_at__gt=moment.sent_at, fetched_at__lte=moment.future)
    if not newer.exists():
        Platform.objects.filter(
            moment.follows_column("last_error_at"), pk=Platform.SINGLETON
        ).update(
            last_error_code=err.code, last_error_reason=err.reason, last_error_at=moment.sent_at
        )


def _mark_absent(
    platform: Platform, numbers: Sequence[int], instance: str, moment: Moment
) -> list[int]:
    """The numbers of those that were not so before. `platform` is locked."""
    dossiers = list(_not_newer(moment).filter(number__in=numbers))
    changes = []
    for dossier in dossiers:
        dossier.checked_at = moment.sent_at
        forget_failure(dossier, moment)
        if dossier.absent_since is None or dossier.absent_since > moment.future:
            platform.version += 1
            dossier.absent_since = moment.sent_at
            dossier.version, dossier.changed_at = platform.version, timezone.now()
            changes.append(Change(dossier, False, frozenset({"absent_since"}), []))
    write_platform(platform, instance, moment, changed=bool(changes))
    write_dossiers(dossiers)
    transaction.on_commit(partial(announce, changes))
    return [change.dossier.number for change in changes]
