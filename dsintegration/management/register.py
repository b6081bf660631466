"""What is kept of a démarche, as the register of processing (RGPD, article 30) asks for it.

For whoever answers for it before the DPO: no name of a setting stands where a word would do, and
what only they know is left to fill in.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import formats, timezone

from dsintegration import conf
from dsintegration.durations import in_words
from dsintegration.models import ApiKey, ChampDescriptor, Demarche, Perimeter

TO_FILL_IN = "[à compléter]"
# Names of types as the form has them; one that is not here is told as the platform does.
KINDS = {
    "Address": "adresse",
    "Carte": "carte",
    "Checkbox": "case à cocher",
    "Civilite": "civilité",
    "Commune": "commune",
    "Date": "date",
    "Datetime": "date et heure",
    "DecimalNumber": "nombre",
    "Departement": "département",
    "DossierLink": "numéro d'un autre dossier",
    "DropDownList": "choix dans une liste",
    "Email": "adresse électronique",
    "EngagementJuridique": "engagement juridique",
    "Epci": "intercommunalité",
    "Iban": "IBAN",
    "IntegerNumber": "nombre entier",
    "LinkedDropDownList": "choix dans deux listes",
    "MultipleDropDownList": "choix multiples",
    "Pays": "pays",
    "Phone": "téléphone",
    "PieceJustificative": "pièce jointe",
    "RNA": "numéro RNA d'association",
    "RNF": "numéro RNF de fondation",
    "Region": "région",
    "Repetition": "bloc répétable",
    "Siret": "numéro SIRET",
    "Text": "texte",
    "Textarea": "texte long",
    "TitreIdentite": "titre d'identité, sans le fichier lui-même",
    "YesNo": "oui ou non",
}
PEOPLE = {
    "demandeur": (
        "Identité du demandeur (civilité, nom et prénom, ou SIRET et raison sociale) et de la "
        "personne qui a déposé le dossier pour lui"
    ),
    "instruction": (
        "Groupe instructeur, adresses des instructeurs, labels, historique avec l'adresse de "
        "l'agent qui a agi, motivation de la décision, noms de ses fichiers"
    ),
}
DELAYS = {
    "DS_PURGE_ABSENT_AFTER": "Dossier que la plateforme ne montre plus",
    "DS_PURGE_EXPIRED_AFTER": "Dossier dont la plateforme annonçait l'expiration",
    "DS_PURGE_DELETED_BY_USAGER_AFTER": "Dossier terminé que l'usager a supprimé",
}
FILES = {
    "off": "leurs octets ne sont jamais demandés",
    "on_demand": "leurs octets sont demandés à la plateforme quand quelqu'un en ouvre un, et pas "
    "gardés",
    "kept": "une copie en est gardée, tant que le fichier est sur la plateforme",
}


def register_of(demarche: Demarche) -> Iterator[str]:
    """Line by line."""
    kept = demarche.selection
    rows = list(demarche.champs.all())
    yield f"Registre des traitements – {demarche}"
    yield f"Établi le {_day(timezone.now())}, sur le formulaire lu le {_day(demarche.form_read_at)}"
    yield from _titled("À dire par le responsable du traitement", [
        f"Responsable et délégué à la protection des données : {TO_FILL_IN}",
        f"Finalité, et ce à quoi sert chaque donnée conservée : {TO_FILL_IN}",
        f"Base légale : {TO_FILL_IN}",
        f"Données sensibles (santé, opinions…) que les réponses peuvent contenir : {TO_FILL_IN}",
    ])  # fmt: skip
    yield from _titled("Personnes concernées", [
        "Les usagers qui déposent un dossier, les demandeurs, et les personnes qu'ils nomment",
        "Les agents qui leur écrivent ou instruisent",
    ])  # fmt: skip
    yield from _titled("Toujours conservé, venu de la plateforme", [
        "Numéro, état et dates du dossier",
        "Adresse électronique de l'usager",
        "Messages : adresse de l'auteur, texte, date, noms et tailles des fichiers joints",
    ])  # fmt: skip
    for title, is_annotation in (("Champs du formulaire", False), ("Annotations privées", True)):
        of_kind = [row for row in rows if row.is_annotation is is_annotation and row.can_be_kept]
        yield from _titled(f"{title}, par choix", _champs(of_kind, rows))
    yield from _titled(
        "Personnes et suivi, par choix",
        [what for name, what in PEOPLE.items() if kept.get(name)] or ["Rien"],
    )
    yield from _titled(
        "Fichiers", [f"Noms, tailles et avis de l'antivirus ; {FILES[conf.files()]}"]
    )
    yield from _titled("Qui y a accès", _readers(demarche))
    yield from _titled("Pourquoi une réponse peut être vide ou manquer", [
        "L'usager n'a pas répondu : la réponse est vide",
        "La question ne lui a pas été posée, parce qu'elle dépend d'une autre réponse : elle n'est "
        "pas conservée du tout",
        "Le champ n'était pas dans le formulaire quand le dossier a été déposé",
        "La plateforme a effacé le fichier, comme les titres d'identité après la décision",
        "Le choix est récent : les dossiers déjà là se complètent au fil des rafraîchissements",
    ])  # fmt: skip
    yield from _titled("Durées", _delays())
    yield from _titled("Effacement", [
        "Un champ qui n'est plus choisi : effacé aussitôt, au plus tard à la purge suivante",
        "Une réponse que l'usager change ou retire : au rafraîchissement suivant",
        "Un texte ou un fichier que la plateforme supprime : de même",
    ])  # fmt: skip


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield ""
    yield title
    for line in lines:
        yield line if line.startswith(" ") else f"  - {line}"


def _champs(of_kind: Sequence[ChampDescriptor], rows: Sequence[ChampDescriptor]) -> list[str]:
    lines = []
    for row in of_kind:
        if row.is_kept:
            lines.append(_line(row))
            inner = [one for one in rows if one.repetition == row.ds_id]
            lines += [f"      {_line(one)}" for one in inner if one.type not in row.TITLES]
    others = sum(not row.is_kept and row.gone_since is None for row in of_kind)
    if others:
        are = "ne sont jamais demandés" if others > 1 else "n'est jamais demandé"
        lines.append(f"Rien de plus : {others} autre{'s'[: others > 1]} {are} à la plateforme")
    return lines or ["Rien"]


def _line(row: ChampDescriptor) -> str:
    remarks = [KINDS.get(row.type, row.type), "obligatoire" if row.required else "facultatif"]
    remarks += [words for is_so, words in (
        (row.in_list, "en colonne dans les listes"),
        (row.is_searchable, "sert à chercher"),
        (row.hidden_from_api, "caché aux autres systèmes"),
        (row.gone_since, f"n'est plus dans le formulaire depuis le {_day(row.gone_since)}"),
    ) if is_so]  # fmt: skip
    return f"{row} ({', '.join(remarks)})"


def _readers(demarche: Demarche) -> list[str]:
    services = Perimeter.objects.filter(demarches=demarche).order_by("group__name")
    names = [str(service) for service in services.select_related("group")]
    keys = ApiKey.objects.filter(Q(all_demarches=True) | Q(demarches=demarche), revoked=False)
    keys = keys.filter(expiry_date__gt=timezone.now(), can_read_personal_data=True).distinct()
    lines = [
        f"Agents des services : {', '.join(names) or 'aucun'}",
        "Agents et responsables qui voient toutes les démarches",
        "Usagers : leur propre dossier, sans rien du formulaire ni de l'instruction",
    ]
    for key in keys.order_by("name"):
        what = "tout, sauf les champs cachés" if key.can_read_content else "adresse et messages"
        lines.append(f"Autre système, par clé : {key} ({what})")
    return [*lines, "Exploitants de ce serveur et de ses sauvegardes"]


def _delays() -> list[str]:
    kept: Mapping[str, timedelta | None] = conf.purge_delays()
    lines = ["Dossier que la plateforme a effacé pour de bon : jusqu'à la purge suivante"]
    for name, what in DELAYS.items():
        delay = kept[name]
        told = f"{in_words(delay)} de plus" if delay else f"sans limite ; à décider ({name})"
        lines.append(f"{what} : {told}")
    journal = in_words(conf.journal_kept())
    return [*lines, f"Journal de qui a vu, récupéré ou choisi quoi : {journal}"]


def _day(moment: datetime | Any) -> str:
    return formats.date_format(timezone.localtime(moment), "j F Y") if moment else "–"
