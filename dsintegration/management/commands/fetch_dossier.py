"""`manage.py fetch_dossier`: dossiers by number, for operators and scripts."""

import json
import sys
from collections import Counter
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser
from django.utils import formats, timezone
from tqdm import tqdm

from dsintegration.exceptions import DSError
from dsintegration.harmless import in_a_terminal
from dsintegration.management.base import BAD_INPUT, MIXED, STATUS_OF, DossierCommand
from dsintegration.models import Message
from dsintegration.numbers import InvalidNumber, look_cut, parse_lines, parse_number
from dsintegration.representation import dossier_as_json

if TYPE_CHECKING:
    from dsintegration.services import FetchResult

# Bytes of --file: a million numbers, a line each.
MAX_FILE = 16 * 1024 * 1024


class Command(DossierCommand):
    help = (
        "Récupère des dossiers de Démarche numérique par leur numéro, les enregistre et les "
        "affiche. Tous les numéros sont vérifiés avant la première demande à la plateforme."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "numbers",
            nargs="*",
            metavar="NUMÉRO",
            help='numéro de dossier ; entre guillemets s\'il contient des blancs : "n° 12 345".',
        )
        parser.add_argument(
            "--format",
            choices=["text", "json"],
            default="text",
            help="text : un résumé à lire (par défaut) ; json : une ligne par dossier.",
        )
        parser.add_argument(
            "--file",
            metavar="CHEMIN",
            help="fichier de numéros, un par ligne, ou dans la première colonne d'un tableau "
            "copié ; « - » pour l'entrée standard.",
        )

    def handle(self, *, numbers: list[str], format: str, file: str | None, **_: Any) -> None:
        wanted = self._parse(numbers, file)

        # gql and pydantic take as long to import as all the rest: bad input need not wait for them.
        from dsintegration import journal
        from dsintegration.services import fetch_dossiers

        failures: list[DSError] = []
        asked = 0
        outcomes = fetch_dossiers(wanted, by=journal.command())
        hidden = None if len(wanted) > 1 else True
        for outcome in tqdm(outcomes, total=len(wanted), unit="dossier", disable=hidden):
            asked += 1
            if outcome.error:
                failures.append(outcome.error)
                self._say(f"Dossier n° {outcome.number} : {outcome.error.sentence}")
            elif outcome.result:
                self._show(outcome.result, format)
        if failures:
            raise CommandError(_balance(failures, asked, len(wanted)), returncode=_status(failures))

    def _parse(self, words: list[str], file: str | None) -> list[int]:
        """The numbers in their order, each once; raises CommandError if one of them is wrong."""
        if cut := look_cut(words):
            raise CommandError(
                f'« {cut} » ressemble à un seul numéro coupé à ses blancs : écrivez "{cut}" '
                "entre guillemets, ou, s'il s'agit de plusieurs dossiers, donnez-les par --file.",
                returncode=BAD_INPUT,
            )
        numbers: Counter[int] = Counter()
        faults = []
        for word in words:
            try:
                numbers[parse_number(word)] += 1
            except InvalidNumber as err:
                faults.append(str(err))
        if file is not None:
            read = parse_lines(self._text(file))
            numbers.update(read.numbers)
            faults += [f"ligne {place} : {err}" for place, err in read.faults]
            if read.header:
                self._say(
                    f"Remarque : la première ligne, « {read.header} », est un en-tête ; elle est "
                    "passée."
                )
        if not (numbers or faults):
            raise CommandError(
                "aucun numéro de dossier : donnez-en un, par exemple « fetch_dossier 12345 », ou "
                "un fichier avec --file.",
                returncode=BAD_INPUT,
            )
        if faults:
            raise CommandError("\n".join([*faults, "Rien n'a été récupéré."]), returncode=BAD_INPUT)
        for number, times in numbers.items():
            if times > 1:
                self._say(
                    f"Remarque : le n° {number} est donné {times} fois ; il est récupéré une fois."
                )
        return list(numbers)

    def _text(self, file: str) -> str:
        """What the file says."""
        try:
            with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
                content = stream.read(MAX_FILE + 1)
            if len(content) > MAX_FILE:
                raise CommandError(
                    "le fichier donné à --file est démesuré : un million de numéros au plus.",
                    returncode=BAD_INPUT,
                )
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as err:
            raise CommandError(
                "le fichier donné à --file n'est pas un texte en UTF-8.", returncode=BAD_INPUT
            ) from err
        except (OSError, ValueError) as err:
            raise CommandError(
                f"le fichier donné à --file ne peut pas être lu ({type(err).__name__}) ; vérifiez "
                "son chemin et ses droits.",
                returncode=BAD_INPUT,
            ) from err

    def _say(self, sentence: str) -> None:
        """A line for the operator, beside the progress bar if there is one."""
        with tqdm.external_write_mode():
            self.stderr.write(sentence)

    def _show(self, result: "FetchResult", format: str) -> None:
        with tqdm.external_write_mode():
            if format == "json":
                self.stdout.write(json.dumps(dossier_as_json(result.dossier)))
            else:
                self.stdout.write(summary(result))
            self.stdout.flush()


def summary(result: "FetchResult") -> str:
    """The dossier in a few lines. Neither names nor texts: terminals and mails of cron are kept."""
    dossier = result.dossier
    outcome = "créé" if result.created else "mis à jour" if result.changed else "inchangé"
    rows = [
        ("État", dossier.get_state_display()),
        ("Démarche", str(dossier.demarche)),
        ("Déposé le", _date(dossier.date_depot)),
        ("En construction", _date(dossier.date_passage_en_construction)),
        ("En instruction", _date(dossier.date_passage_en_instruction)),
        ("Traité le", _date(dossier.date_traitement)),
        ("Modifié le", _date(dossier.date_derniere_modification)),
        ("Expire le", _date(dossier.date_expiration)),
        ("Supprimé le", _date(dossier.date_suppression_par_usager, "par l'usager")),
        ("Absent depuis", _date(dossier.absent_since)),
        ("Lien", dossier.url),
    ]
    messages = [_message(message) for message in dossier.messages.all()]
    lines = [f"{dossier} : {outcome}"]
    lines += [f"  {label:<16}: {value}" for label, value in rows if value]
    lines += [f"  {'Messages':<16}: {len(messages) or 'aucun'}", *messages]
    return "\n".join(in_a_terminal(line) for line in lines)


def _message(message: Message) -> str:
    remark = ""
    if message.discarded_at:
        remark = f", supprimé le {_date(message.discarded_at)}"
    elif message.absent_since:
        remark = ", absent de la plateforme"
    elif message.is_only_a_file:
        remark = ", pièce jointe seule"
    elif count := len(message.file_marks.split()):
        remark = f", {count} pièces jointes" if count > 1 else ", 1 pièce jointe"
    return f"    - {_date(message.created_at)}, {message.author.label}{remark}"


def _date(moment: datetime | None, remark: str = "") -> str:
    if moment is None:
        return ""
    return f"{formats.date_format(timezone.localtime(moment), 'j F Y à H:i')} {remark}".rstrip()


def _balance(failures: list[DSError], asked: int, wanted: int) -> str:
    """What a batch came to; "" for a single dossier, whose own line says it."""
    if wanted == 1:
        return ""
    balance = f"{asked - len(failures)} sur {wanted} dossiers récupérés, en échec : {len(failures)}"
    return f"{balance}, pas demandés : {wanted - asked}." if asked < wanted else f"{balance}."


def _status(failures: list[DSError]) -> int:
    statuses = {STATUS_OF[type(failure)] for failure in failures}
    return statuses.pop() if len(statuses) == 1 else MIXED
