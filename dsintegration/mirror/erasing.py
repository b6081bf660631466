"""How dossiers leave the mirror: beside storing.py and absences.py, the one place that writes it.

What remains is the number, for copies that others made (PurgedDossier), and for the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from dsintegration import journal
from dsintegration.mirror.locking import save_platform, writing
from dsintegration.models import Action, Dossier, Outcome, PurgedDossier
from dsintegration.signals import dossier_purged


@dataclass(frozen=True)
class Erased:
    """A dossier that is no more; `reason`: why."""

    pk: int
    number: int
    demarche_number: int
    reason: Outcome


def erase(due: QuerySet[Any], pks: Sequence[int], by: journal.Actor) -> list[Erased]:
    """Erase the dossiers `pks` with their messages and accesses, in one transaction.

    Only those that are `due` still, now that nobody else writes: a fetch may have brought some
    back. Each row of `due` bears its `reason`.
    """
    with writing(None) as platform:
        _hold(pks)
        rows = due.filter(pk__in=pks).order_by("pk")
        erased = [
            Erased(pk, number, demarche, Outcome(reason))
            for pk, number, demarche, reason in rows.values_list(
                "pk", "number", "demarche__number", "reason"
            )
        ]
        if not erased:
            return []
        first = platform.version + 1
        platform.version += len(erased)
        save_platform(platform)
        Dossier.objects.filter(pk__in=[row.pk for row in erased]).delete()
        _leave_numbers(erased, first)
        journal.write(
            *(
                by.entry(Action.PURGE, row.reason, row.number, demarche=row.demarche_number)
                for row in erased
            )
        )
        transaction.on_commit(partial(_announce, erased))
    return erased


def _hold(pks: Sequence[int]) -> None:
    """Let no row that belongs to these dossiers be made until the end of the transaction: a link
    for a usager takes no lock of ours. SQLite has one writer at a time anyway.
    """
    if connection.features.has_select_for_update:
        list(Dossier.objects.select_for_update().filter(pk__in=pks).order_by("pk").values("pk"))


def _leave_numbers(erased: Sequence[Erased], first_version: int) -> None:
    """One that was erased before, and had come back, gets its new version."""
    now = timezone.now()
    PurgedDossier.objects.bulk_create(
        [
            PurgedDossier(
                number=row.number,
                demarche_number=row.demarche_number,
                version=version,
                purged_at=now,
            )
            for version, row in enumerate(erased, start=first_version)
        ],
        update_conflicts=True,
        unique_fields=["number"],
        update_fields=["demarche_number", "version", "purged_at"],
    )


def _announce(erased: Sequence[Erased]) -> None:
    for row in erased:
        dossier_purged.send_robust(Dossier, number=row.number, demarche_number=row.demarche_number)
