"""What is stored, against what the platform said: always one of its answers, never a mixture."""

import re
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from dsintegration.models import Dossier
from dsintegration.representation import dossier_as_json
from dsintegration.sandbox import TOKEN

# Of our JSON, what an answer does not tell.
OURS = ("state_label", "url", "version", "changed_at", "fetched_at", "checked_at", "absent_since")
# Name in the answer by name in our JSON; the dates are the same, word for word.
DATES = (
    "depot",
    "passage_en_construction",
    "passage_en_instruction",
    "traitement",
    "derniere_modification",
    "expiration",
    "suppression_par_usager",
)


class NotWhole(AssertionError):
    """Something is stored, shown or written that must not be."""


def stored(numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Our JSON of the dossiers that are stored, as of one moment; of a message that the platform
    no longer gives, only its place is kept, and it is left out.
    """
    with _one_moment():
        rows = Dossier.objects.select_related("demarche").prefetch_related("messages")
        return {row.number: _comparable(row) for row in rows.filter(number__in=list(numbers))}


@contextmanager
def _one_moment() -> Any:
    with transaction.atomic():
        if connection.vendor == "postgresql" and len(connection.savepoint_ids) == 0:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _comparable(row: Dossier) -> dict[str, Any]:
    told = {name: value for name, value in dossier_as_json(row).items() if name not in OURS}
    messages = [
        message | {"author": "", "attachments": _without_ids(message["attachments"])}
        for message in told["messages"]
    ]
    if any(m["absent_since"] and (m["body"] or m["attachments"]) for m in messages):
        raise NotWhole(f"dossier {row.number} keeps the text of a message that is gone")
    told["messages"] = sorted(
        (message for message in messages if not message["absent_since"]),
        key=lambda message: message["ds_id"],
    )
    return told | {"absent": row.absent_since is not None}


def _without_ids(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In an order of their own: of those that share a second, the ids tell one, and are ours."""
    told = [{name: value for name, value in file.items() if name != "id"} for file in files]
    return sorted(told, key=lambda file: file["filename"])


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """The same, of an answer of the platform: written apart from the app's own code."""
    messages = {
        message["id"]: {
            "ds_id": message["id"],
            "author": "",
            "email": _text(message["email"]),
            "body": "" if message["discardedAt"] else _text(message["body"]),
            "created_at": _utc(message["createdAt"]),
            "discarded_at": _utc(message["discardedAt"]),
            "absent_since": None,
            "attachments": []
            if message["discardedAt"]
            else _without_ids([_file(file) for file in message["attachments"]]),
        }
        for message in answer["messages"]
    }
    demarche = answer["demarche"]
    return {
        "number": answer["number"],
        "ds_id": answer["id"],
        "state": _text(answer["state"]),
        "demarche": {
            "number": demarche["number"],
            "ds_id": demarche["id"],
            "title": _text(demarche["title"]),
        },
        "usager_email": _text(answer["usager"]["email"]),
        **{f"date_{name}": _utc(answer[_camel(f"date_{name}")]) for name in DATES},
        "messages": [messages[key] for key in sorted(messages)],
        "absent": False,
    }


def check_stored(allowed: dict[int, list[dict[str, Any] | None]]) -> None:
    """Each dossier is one of those that are allowed; None stands for "not stored"."""
    found = stored(allowed)
    for number, choices in allowed.items():
        if found.get(number) not in choices:
            raise NotWhole(f"dossier {number} is none of {len(choices)} that it may be")


def private_words(dossiers: Iterable[dict[str, Any]]) -> set[str]:
    """The token, and all that names people or is what they wrote."""
    words = {TOKEN}
    for dossier in dossiers:
        words.add(dossier["usager"]["email"])
        for message in dossier["messages"]:
            words.add(message["email"])
            words |= {line for line in re.split(r"[\r\n\0]+", message["body"]) if len(line) > 11}
    return {word for word in words if word}


def check_silent(text: str, private: Iterable[str]) -> None:
    """Nothing of people, nor the token."""
    for word in private:
        if word in text or word.encode("unicode_escape").decode() in text:
            raise NotWhole(f"written where people's words must not be: {word[:3]}… of {len(word)}")


def _text(value: str) -> str:
    return re.sub("[\0\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", value)


def _utc(value: str | None) -> str | None:
    if value is None:
        return None
    return datetime.fromisoformat(value).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _camel(name: str) -> str:
    return re.sub("_(.)", lambda match: match[1].upper(), name)


def _file(file: dict[str, Any]) -> dict[str, Any]:
    return {
        "filename": _text(file["filename"]),
        "content_type": file["contentType"],
        "byte_size": int(file["byteSizeBigInt"]),
        "checksum": file["checksum"],
        "created_at": _utc(file["createdAt"]),
        "scan": file["virusScanResult"],
    }
