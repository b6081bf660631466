"""A dossier as JSON, for the REST API and for `fetch_dossier --format json`: one source for both.

Dicts are built by hand from rows of `values()`: a serializer's fields would take most of the time
of a page of the REST API. Dates are UTC, ending in Z.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.views.decorators.debug import sensitive_variables

from dsintegration import conf
from dsintegration.models import Dossier, File, Message, attach_files

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
_LABELS = dict(Dossier.State.choices)


@sensitive_variables()
def dossier_as_json(dossier: Dossier, *, personal: bool = True) -> dict[str, Any]:
    """The dossier with its démarche and its messages, oldest first.

    Without `personal`: neither the address of the usager, nor messages.
    """
    row = {name: getattr(dossier, name) for name in COLUMNS if not name.startswith("demarche__")}
    for name in ("number", "ds_id", "title"):
        row[f"demarche__{name}"] = getattr(dossier.demarche, name)
    messages = list(dossier.messages.all()) if personal else []
    attach_files(messages)
    conversation = {"messages": list(map(message_as_json, messages))} if personal else {}
    return _as_json(row, conversation, personal=personal, site_url=conf.site_url())


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
    row: Mapping[str, Any], conversation: dict[str, Any], *, personal: bool, site_url: str
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
        **conversation,
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
