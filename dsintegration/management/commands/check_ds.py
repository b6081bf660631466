"""`manage.py check_ds`: whether the platform can be used from here, and if not, what to do."""

import json
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from dsintegration.harmless import in_a_terminal
from dsintegration.management.base import (
    BAD_INPUT,
    ENDS_SOON_OR_STALE,
    MIXED,
    STATUS_OF,
    WRONG_SETTINGS,
    DossierCommand,
)
from dsintegration.models import Dossier
from dsintegration.numbers import InvalidNumber, parse_number

if TYPE_CHECKING:
    from dsintegration.diagnosis import Finding

MARKS = {True: "✓", False: "✗", None: "–"}
LABELS = {
    "settings": "Réglages",
    "connection": "Connexion",
    "tls": "TLS",
    "answer": "Réponse",
    "token": "Jeton",
    "clock": "Horloge",
    "schema": "Schéma",
    "dossier": "Dossier",
    "rate": "Débit",
}


class Command(DossierCommand):
    help = (
        "Vérifie que la plateforme répond, et à nous : une ligne par vérification, ✓, ✗ avec ce "
        "qu'il faut faire, ou – si elle n'a pas pu être faite. Deux demandes au plus ; rien n'est "
        "enregistré. C'est un usage du jeton : un jeton neuf se lie au premier réseau qui "
        "l'utilise, lancez-la donc sur la machine qui doit s'en servir."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "number",
            nargs="?",
            metavar="NUMÉRO",
            help="numéro d'un dossier que le jeton doit pouvoir lire.",
        )
        parser.add_argument(
            "--format",
            choices=["text", "json"],
            default="text",
            help="text : à lire (par défaut) ; json : un objet par ligne, check, ok, sentence.",
        )

    def handle(self, *, number: str | None, format: str, **_: Any) -> None:
        try:
            asked = None if number is None else parse_number(number)
        except InvalidNumber as err:
            raise CommandError(str(err), returncode=BAD_INPUT) from err

        # As in fetch_dossier: bad input need not wait for gql.
        from dsintegration.diagnosis import diagnose

        statuses = set()
        for finding in diagnose(asked, Dossier.State.values):
            self.stdout.write(as_json(finding) if format == "json" else as_text(finding))
            self.stdout.flush()
            if finding.ok is False:
                statuses.add(_status(finding))
        if len(statuses) > 1:  # what fails today says more than what will
            statuses.discard(ENDS_SOON_OR_STALE)
        if statuses:
            raise CommandError("", returncode=statuses.pop() if len(statuses) == 1 else MIXED)


def as_text(finding: "Finding") -> str:
    return f"{MARKS[finding.ok]} {LABELS[finding.check]} : {in_a_terminal(finding.sentence)}"


def as_json(finding: "Finding") -> str:
    sentence = in_a_terminal(finding.sentence)
    row = {"check": finding.check, "ok": finding.ok, "sentence": sentence}
    return json.dumps(row, ensure_ascii=False)


def _status(finding: "Finding") -> int:
    """The clock is nobody's kind of failure."""
    if finding.ends_soon:
        return ENDS_SOON_OR_STALE
    if finding.kind is ImproperlyConfigured:
        return WRONG_SETTINGS
    return next((status for kind, status in STATUS_OF.items() if kind is finding.kind), MIXED)
