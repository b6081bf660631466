"""A dossier as JSON, for the REST API and for `fetch_dossier --format json`: one source for both.

Dicts are built by hand from rows of `values()`: a serializer's fields would take most of the time
of a page of the REST API. Dates are UTC, ending in Z.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.views.decorators.debug import sensitive_variables

from dsintegration import conf
from dsintegration.models import Dossier, File, Message, Place, attach_files

# What a list reads of each row.
COLUMNS = (
    "number",
    "ds_id",
    "state",
    "demarche__number",
    "demarche__ds_id",
    "demarche__title",
    "usager_email",
    "date_depot",
    "date_passage_en_construction",
    "date_passage_en_instruction",
    "date_traitement",
    "date_derniere_modification",
    "date_expiration",
    "date_suppression_par_usager",
    "messages_count",
    "last_message_at",
    "last_message_author",
    "version",
    "changed_at",
    "fetched_at",
    "checked_at",
    "absent_since",
)
PURGED_COLUMNS = ("number", "version", "purged_at")
DEMANDEUR = ("type", "civilite", "nom", "prenom", "siret", "raison_sociale", "mandataire")
INSTRUCTION = ("groupe_instructeur", "instructeurs", "labels", "motivation", "traitements")
CHAMPS = ("champs", "annotations")
Files = dict[str, list[dict[str, Any]]]
_LABELS = dict(Dossier.State.choices)


@sensitive_variables()
def dossier_as_json(
    dossier: Dossier, *, personal: bool = True, content: bool = True, hidden: Collection[str] = ()
) -> dict[str, Any]:
    """The dossier with its démarche and its messages, oldest first.

    Without `personal`: neither the address of the usager, nor messages. Without `content`: nothing
    of what its démarche keeps of it beside; `hidden`: the ids of the champs to leave out.
    """
    row = {name: getattr(dossier, name) for name in COLUMNS if not name.startswith("demarche__")}
    for name in ("number", "ds_id", "title"):
        row[f"demarche__{name}"] = getattr(dossier.demarche, name)
    messages = list(dossier.messages.all()) if personal else []
    attach_files(messages)
    inside: dict[str, Any] = {}
    if personal:
        inside["messages"] = list(map(message_as_json, messages))
    if content:
        inside |= content_as_json(dossier, hidden)
    return _as_json(row, inside, personal=personal, site_url=conf.site_url())


@sensitive_variables()
def content_as_json(dossier: Dossier, hidden: Collection[str] = ()) -> dict[str, Any]:
    """What its démarche keeps of it, where it is here already; what is no longer chosen, and not
    erased yet, is left out.
    """
    kept, shown = dossier.demarche.selection, dict[str, Any]()
    if kept.get("demandeur") and dossier.demandeur is not None:
        shown["demandeur"] = {name: dossier.demandeur[name] for name in DEMANDEUR}
    if kept.get("instruction") and dossier.instruction is not None:
        shown |= {name: dossier.instruction[name] for name in INSTRUCTION}
    files = _files_of_champs(dossier)
    for name in CHAMPS:
        chosen, champs = kept.get(name), getattr(dossier, name)
        if chosen and champs is not None:
            among = set(chosen)
            shown[name] = _champs((c for c in champs if c["id"] in among), hidden, files)
    return shown


def _champs(
    champs: Iterable[Mapping[str, Any]], hidden: Collection[str], files: Files
) -> list[dict[str, Any]]:
    return [_champ(champ, hidden, files) for champ in champs if champ["id"] not in hidden]


def _champ(champ: Mapping[str, Any], hidden: Collection[str], files: Files) -> dict[str, Any]:
    names = ("id", "label", "type", "value", "text")
    shown: dict[str, Any] = {name: champ[name] for name in names if name in champ}
    if "champ" in champ:
        shown["files"] = files.get(champ["champ"], [])
    if "rows" in champ:
        shown["rows"] = [_champs(row, hidden, files) for row in champ["rows"]]
    return shown


def shows_file(dossier: Dossier, file: File, hidden: Collection[str]) -> bool:
    """Whether the content of the dossier, without these champs, has the file."""
    if file.place != Place.CHAMP:
        return bool(dossier.demarche.selection.get("instruction"))
    kept = dossier.demarche.selection
    for name in CHAMPS:
        chosen = set(kept.get(name, ())) - set(hidden)
        for champ in getattr(dossier, name) or ():
            if champ["id"] in chosen:
                within = (inner for row in champ.get("rows", ()) for inner in row)
                shown = [champ, *(inner for inner in within if inner["id"] not in hidden)]
                if any(one.get("champ") == file.champ_id for one in shown):
                    return True
    return False


def _files_of_champs(dossier: Dossier) -> Files:
    """By the champ's own id, which in a repetition is one row's alone."""
    files: Files = {}
    if dossier.file_marks:
        for file in dossier.files.filter(place=Place.CHAMP):
            files.setdefault(file.champ_id, []).append(file_as_json(file))
    return files


def item_as_json(row: Mapping[str, Any], *, personal: bool, site_url: str) -> dict[str, Any]:
    """A row of a list, with a summary of its messages in their place."""
    conversation = {
        "messages_count": row["messages_count"],
        "last_message_at": _iso(row["last_message_at"]),
        "last_message_author": row["last_message_author"] or None,
    }
    return _as_json(row, conversation, personal=personal, site_url=site_url)


@sensitive_variables()
def message_as_json(message: Message) -> dict[str, Any]:
    return {
        "ds_id": message.ds_id,
        "email": message.email,
        "author": message.author.value,
        "body": message.body,
        "created_at": _iso(message.created_at),
        "discarded_at": _iso(message.discarded_at),
        "absent_since": _iso(message.absent_since),
        "attachments": [file_as_json(file) for file in message.attachments],
    }


def file_as_json(file: File) -> dict[str, Any]:
    """What the platform says of the file; its bytes have an address of their own, by this id."""
    return {
        "id": file.pk,
        "filename": file.filename,
        "content_type": file.content_type,
        "byte_size": file.byte_size,
        "checksum": file.checksum,
        "created_at": _iso(file.created_at),
        "scan": file.scan,
    }


def purged_as_json(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"purged_at": _iso(row["purged_at"])}


def _as_json(
    row: Mapping[str, Any], inside: dict[str, Any], *, personal: bool, site_url: str
) -> dict[str, Any]:
    state = row["state"]
    return {
        "number": row["number"],
        "ds_id": row["ds_id"],
        "state": state,
        "state_label": _LABELS.get(state, state),
        "demarche": {
            "number": row["demarche__number"],
            "ds_id": row["demarche__ds_id"],
            "title": row["demarche__title"],
        },
        **({"usager_email": row["usager_email"]} if personal else {}),
        "date_depot": _iso(row["date_depot"]),
        "date_passage_en_construction": _iso(row["date_passage_en_construction"]),
        "date_passage_en_instruction": _iso(row["date_passage_en_instruction"]),
        "date_traitement": _iso(row["date_traitement"]),
        "date_derniere_modification": _iso(row["date_derniere_modification"]),
        "date_expiration": _iso(row["date_expiration"]),
        "date_suppression_par_usager": _iso(row["date_suppression_par_usager"]),
        **inside,
        "url": f"{site_url}/dossiers/{row['number']}",
        "version": row["version"],
        "changed_at": _iso(row["changed_at"]),
        "fetched_at": _iso(row["fetched_at"]),
        "checked_at": _iso(row["checked_at"]),
        "absent_since": _iso(row["absent_since"]),
    }


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is not UTC:  # as the database gives it, thousands of times a page
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat()[:-6]}Z"
