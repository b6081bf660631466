"""`manage.py setup_demarche`: reads the form of a démarche, and chooses what is kept of it."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import formats, timezone

from dsintegration import journal
from dsintegration.exceptions import DSError
from dsintegration.harmless import in_a_terminal
from dsintegration.management.base import BAD_INPUT, STATUS_OF, DossierCommand
from dsintegration.management.register import register_of
from dsintegration.models import ChampDescriptor, Demarche
from dsintegration.numbers import InvalidNumber, parse_number
from dsintegration.payloads.selection import Selection

ANSWER = {"yes": True, "no": False}
KINDS = (("champs", False), ("annotations", True))
PEOPLE = {
    "demandeur": "l'identité du demandeur (personne ou entreprise, mandataire)",
    "instruction": (
        "le groupe instructeur, les instructeurs, les labels, l'historique et la motivation"
    ),
}


class Command(DossierCommand):
    help = (
        "Lit le formulaire d'une démarche et choisit ce qui en est conservé. Sans choix, rien n'en "
        "est demandé à la plateforme ; ce qui n'est plus choisi est effacé aussitôt."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", metavar="NUMÉRO", help="le numéro de la démarche.")
        for name, what in (("champs", "champs"), ("annotations", "annotations privées")):
            parser.add_argument(
                f"--{name}",
                metavar="all|none|ID[,ID…]",
                help=f"les {what} à conserver, et pas d'autres.",
            )
        for name, what in PEOPLE.items():
            parser.add_argument(f"--{name}", choices=tuple(ANSWER), help=f"conserver {what}.")
        parser.add_argument(
            "--report",
            action="store_true",
            help="affiche ce qui est conservé, pour le registre des traitements.",
        )

    def handle(self, *, number: str, report: bool, **options: Any) -> None:
        try:
            demarche_number = parse_number(number, "démarche")
        except InvalidNumber as err:
            raise CommandError(str(err), returncode=BAD_INPUT) from err
        chosen = {name: options[name] for name in ("champs", "annotations", *PEOPLE)}
        is_a_choice = any(value is not None for value in chosen.values())
        known = Demarche.objects.filter(number=demarche_number, form_read_at__isnull=False).first()
        if report and known and not is_a_choice:
            self._report(known)
            return
        demarche = self._read(demarche_number)
        if is_a_choice:
            self._choose(demarche, chosen)
        if report:
            self._report(demarche)
        else:
            self._show(demarche)

    def _read(self, number: int) -> Demarche:
        from dsintegration.services import read_form

        try:
            return read_form(number)
        except DSError as err:
            raise CommandError(
                f"Démarche n° {number} : {err.sentence}\nRien n'a changé.",
                returncode=STATUS_OF[type(err)],
            ) from err

    def _choose(self, demarche: Demarche, chosen: dict[str, str | None]) -> None:
        from dsintegration.mirror.choices import UnknownChamps, choose, prune

        was = Selection.of(demarche.selection)
        try:
            choose(
                demarche,
                by=journal.command(),
                champs=_ids(demarche, chosen["champs"], is_annotation=False),
                annotations=_ids(demarche, chosen["annotations"], is_annotation=True),
                demandeur=ANSWER.get(chosen["demandeur"] or ""),
                instruction=ANSWER.get(chosen["instruction"] or ""),
            )
        except UnknownChamps as err:
            raise CommandError(
                f"le formulaire n'a pas de champ à conserver sous {', '.join(err.ids)} ; "
                f"« setup_demarche {demarche.number} » les affiche. Rien n'a changé.",
                returncode=BAD_INPUT,
            ) from err
        erased = sum(prune(demarche, was))
        if erased:
            self.stdout.write(
                f"Effacé de {_counted(erased, 'dossier')} : ce qui n'est plus choisi."
            )

    def _show(self, demarche: Demarche) -> None:
        from dsintegration.mirror.choices import waiting

        rows = list(demarche.champs.all())
        lines = [f"{demarche}"]
        for title, is_annotation in (("Champs", False), ("Annotations privées", True)):
            of_kind = [row for row in rows if row.is_annotation is is_annotation]
            if of_kind:
                lines += ["", title, *(_line(row) for row in of_kind)]
        selection = Selection.of(demarche.selection)
        lines += ["", _sum(selection, rows)]
        if due := waiting(demarche):
            dossiers = _counted(due, "dossier")
            lines.append(f"Le contenu de {dossiers} viendra avec le prochain rafraîchissement.")
        self.stdout.write("\n".join(in_a_terminal(line) for line in lines))

    def _report(self, demarche: Demarche) -> None:
        self.stdout.write("\n".join(map(in_a_terminal, register_of(demarche))))


def _ids(demarche: Demarche, words: str | None, *, is_annotation: bool) -> list[str] | None:
    if words is None:
        return None
    if words == "none":
        return []
    if words == "all":
        rows = demarche.champs.filter(is_annotation=is_annotation, gone_since=None)
        return [row.ds_id for row in rows if row.can_be_kept]
    return [word.strip() for word in words.split(",") if word.strip()]


def _line(row: ChampDescriptor) -> str:
    if row.type == "HeaderSection":
        return f"  {'#' * (row.level or 1)} {row}"
    if row.type == "Explication":
        return f"      {row} (explication)"
    remarks = [row.type]
    if row.gone_since:
        remarks.append(f"absent du formulaire depuis le {_date(row.gone_since)}")
    elif row.demarche.form_read_at == row.first_read_at:
        remarks.append("nouveau")
    if row.repetition:
        return f"          {row} ({', '.join([*remarks, 'avec son bloc'])})"
    box = "[x]" if row.is_kept else "[ ]"
    return f"  {box} {row.ds_id}  {row} ({', '.join(remarks)}){_uses(row)}"


def _uses(row: ChampDescriptor) -> str:
    uses = (
        (row.in_list, "colonne"),
        (row.is_searchable, "recherche"),
        (row.hidden_from_api, "caché à l'API"),
    )
    named = [name for is_it, name in uses if is_it]
    return f" – {', '.join(named)}" if named else ""


def _sum(selection: Selection, rows: list[ChampDescriptor]) -> str:
    possible = [row for row in rows if row.can_be_kept and not row.gone_since]
    parts = [
        f"{_counted(len(getattr(selection, name)), name[:-1])} sur "
        f"{sum(row.is_annotation is is_annotation for row in possible)}"
        for name, is_annotation in KINDS
    ]
    parts += [f"{name} : {'oui' if getattr(selection, name) else 'non'}" for name in PEOPLE]
    return f"Conservés : {', '.join(parts)}."


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count > 1 else ''}"


def _date(moment: Any) -> str:
    return formats.date_format(timezone.localtime(moment), "j F Y à H:i") if moment else "–"
