"""What the platform says of dossiers without giving them: unmoved, absent, failing."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from dsintegration import journal
from dsintegration.exceptions import DossierNotFound, DSError
from dsintegration.mirror.locking import lock_platform_for
from dsintegration.mirror.statements import (
    Change,
    announce,
    forget_failure,
    write_dossiers,
    write_platform,
)
from dsintegration.models import Dossier, Outcome, Platform


def store_checks(
    unmoved: QuerySet[Dossier],
    gone: set[int],
    erased: set[int],
    instance: str,
    at: datetime,
    by: journal.Actor,
) -> tuple[int, int]:
    """Note what the lists of a démarche say, as of `at`: the dossiers `unmoved` are as they were,
    `gone` are absent, `erased` of them for good. How many each of the first two were.
    """
    with transaction.atomic(durable=True):
        platform = lock_platform_for(instance)
        checked = unmoved.filter(checked_at__lt=at).update(checked_at=at)
        numbers = list(Dossier.objects.filter(number__in=gone).values_list("number", flat=True))
        newly = _mark_absent(platform, numbers, instance, at)
        Dossier.objects.filter(number__in=erased, erased_at=None).update(erased_at=at)
        journal.write(*(by.fetched(number, Outcome.NOT_FOUND) for number in newly))
    return checked, len(numbers)


def store_failures(
    failures: Sequence[DSError], instance: str, sent_at: datetime, by: journal.Actor
) -> None:
    """Note failed tries where they belong: on their dossiers, or on the platform; and all of them
    in the journal.
    """
    absent: list[int] = []
    kinds: dict[tuple[str, str], list[int]] = defaultdict(list)
    elsewhere: DSError | None = None
    for err in failures:
        if isinstance(err, DossierNotFound):
            absent.append(err.dossier_number or 0)
        elif err.concerns_dossier:
            kinds[err.code, err.reason].append(err.dossier_number or 0)
        else:
            elsewhere = err
    not_noted_since = Q(last_error_at=None) | Q(last_error_at__lte=sent_at)
    with transaction.atomic(durable=True):
        # As every writer: what is noted must not fall between another's look and its writing.
        platform = lock_platform_for(instance)
        newly = _mark_absent(platform, absent, instance, sent_at) if absent else []
        _note_failures(kinds, elsewhere, not_noted_since, sent_at)
        if absent or kinds:
            # The platform answered, and the token is good.
            Platform.objects.filter(pk=Platform.SINGLETON, last_error_at__lte=sent_at).update(
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


def _note_failures(
    kinds: dict[tuple[str, str], list[int]],
    elsewhere: DSError | None,
    not_noted_since: Q,
    sent_at: datetime,
) -> None:
    for (code, reason), numbers in kinds.items():
        dossiers = Dossier.objects.filter(not_noted_since, checked_at__lte=sent_at)
        dossiers.filter(number__in=numbers).update(
            last_error_code=code, last_error_reason=reason, last_error_at=sent_at
        )
    if elsewhere and not Dossier.objects.filter(fetched_at__gt=sent_at).exists():
        Platform.objects.filter(not_noted_since, pk=Platform.SINGLETON).update(
            last_error_code=elsewhere.code,
            last_error_reason=elsewhere.reason,
            last_error_at=sent_at,
        )


def _mark_absent(
    platform: Platform, numbers: Sequence[int], instance: str, sent_at: datetime
) -> list[int]:
    """The numbers of those that were not so before. `platform` is locked."""
    dossiers = list(Dossier.objects.filter(number__in=numbers, checked_at__lte=sent_at))
    changes = []
    for dossier in dossiers:
        dossier.checked_at = sent_at
        forget_failure(dossier, sent_at)
        if dossier.absent_since is None:
            platform.version += 1
            dossier.absent_since = sent_at
            dossier.version, dossier.changed_at = platform.version, timezone.now()
            changes.append(Change(dossier, False, frozenset({"absent_since"}), []))
    write_platform(platform, instance, sent_at, changed=bool(changes))
    write_dossiers(dossiers)
    transaction.on_commit(partial(announce, changes))
    return [change.dossier.number for change in changes]
