"""`manage.py check_fresh`: whether the mirror is fresh, for those who watch over it."""

from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from dsintegration.durations import in_words
from dsintegration.management.base import ENDS_SOON_OR_STALE, DossierCommand
from dsintegration.mirror.freshness import Freshness, freshness, unread

MOST_NAMED = 10


class Command(DossierCommand):
    help = (
        "Dit si les dossiers sont à jour : un rafraîchissement de tous les dossiers a-t-il pris "
        "fin depuis moins de DS_FRESH_WITHIN (2h), et un complet (--full) depuis moins de "
        "DS_FULL_WITHIN (36h), et les nouveautés des démarches suivies sont-elles lues ? Statut "
        "0 si oui, 8 sinon. La plateforme n'est pas interrogée."
    )

    def handle(self, **_: Any) -> None:
        stale = []
        for row in freshness():
            if row.is_stale:
                stale.append(f"✗ {_sentence(row)}")
            else:
                self.stdout.write(f"✓ {_sentence(row)}")
        if numbers := unread():
            stale.append(f"✗ {_unread(numbers)}")
        if stale:
            raise CommandError("\n".join(stale), returncode=ENDS_SOON_OR_STALE)


def _sentence(row: Freshness) -> str:
    name = "Dernier rafraîchissement complet (--full)" if row.full else "Dernier rafraîchissement"
    if row.ended_at is None:
        return f"{name} : aucun n'a jamais pris fin ; lancez-en un, et vérifiez les minuteurs."
    at = f"{name} : {timezone.localtime(row.ended_at):%d/%m/%Y à %H:%M}"
    if not row.is_stale:
        return f"{at}."
    return (
        f"{at}, il y a plus de {in_words(row.within)} ; vérifiez les minuteurs, et ce que dit le "
        "journal du rafraîchissement."
    )


def _unread(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:MOST_NAMED])) + ("…" if len(numbers) > MOST_NAMED else "")
    return (
        f"Démarches suivies dont la liste n'est pas lue, ou plus depuis longtemps : n° {named} ; "
        "leurs dossiers nouveaux manquent ici. Voyez ce que dit le journal du rafraîchissement."
    )
