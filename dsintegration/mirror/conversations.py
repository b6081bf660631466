"""The messages of dossiers, as they are to be: out of answers, and of what is stored.

Which rows they come to; who spoke last, and since when an answer is awaited.
"""

from collections import defaultdict
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from dsintegration.mirror.composed import select
from dsintegration.mirror.files import Filed, files_of, marks_of
from dsintegration.mirror.statements import MESSAGE, OF_MESSAGE
from dsintegration.models import Author, Dossier, Message, Place
from dsintegration.models.mirror import normalised
from dsintegration.payloads.dossiers import DossierPayload


def stored_messages(
    dossiers: Iterable[Dossier], others: Collection[str] = ()
) -> dict[int | None, dict[str, list[Any]]]:
    """The columns of the messages that we have of these dossiers, and of `others` (ids), wherever
    they are: by dossier, then by id.
    """
    stored: dict[int | None, dict[str, list[Any]]] = defaultdict(dict)
    pks = [dossier.pk for dossier in dossiers]
    for dossier, ds_id, *columns in select(Message, OF_MESSAGE, dossier=pks, ds_id=others):
        stored[dossier][ds_id] = columns
    return stored


@dataclass(frozen=True)
class Conversation:
    """`columns`: of every message, oldest first; `to_write`: those whose rows are missing or
    differ, `filed` their files; `received`: those that are new, and that can be read.
    """

    columns: list[list[Any]]
    to_write: list[Message]
    filed: list[Filed]
    received: list[Message]


def conversation_of(
    payload: DossierPayload,
    dossier: Dossier,
    stored: dict[str, list[Any]],
    homes: dict[str, int],
    sent_at: datetime,
) -> Conversation:
    """The messages as they are to be; `homes`: the numbers of the dossiers that others are in now.

    One that is deleted on the platform, or no longer in the answer, keeps no text and no file here.
    One that the usager wrote, be it from the address that the dossier had at our last look, stays
    so.
    """
    files = {
        message.id: files_of(Place.MESSAGE, message.id, message.attachments)
        for message in payload.messages
        if message.attachments and not message.discarded_at
    }
    usagers = {normalised(dossier.usager_email), normalised(payload.usager.email)} - {""}
    wanted = {
        message.id: [
            message.email,
            "" if message.discarded_at else message.body,
            message.created_at,
            message.discarded_at,
            None,
            normalised(message.email) in usagers or _is_from_usager(stored.get(message.id)),
            marks_of(files.get(message.id, ())),
        ]
        for message in payload.messages
        if homes[message.id] == dossier.number
    }
    for ds_id, row in stored.items():
        if ds_id not in homes:
            email, _, created_at, discarded_at, absent_since, from_usager, _ = row
            absent_since = absent_since or sent_at
            wanted[ds_id] = [email, "", created_at, discarded_at, absent_since, from_usager, ""]
    to_write = [
        Message(dossier=dossier, ds_id=ds_id, **dict(zip(MESSAGE, row, strict=True)))
        for ds_id, row in wanted.items()
        if stored.get(ds_id) != row
    ]
    return Conversation(
        columns=_oldest_first(wanted.values()),
        to_write=to_write,
        filed=[
            Filed(dossier, row, files.get(row.ds_id, []), _marks(stored.get(row.ds_id)))
            for row in to_write
        ],
        received=[row for row in to_write if row.ds_id not in stored and not row.discarded_at],
    )


def left_behind(
    messages: Iterable[Message],
    stored: dict[int | None, dict[str, list[Any]]],
    known: dict[int, Dossier],
    answered: Container[int],
) -> list[tuple[Dossier, list[list[Any]]]]:
    """Dossiers without an answer of which messages appear in another now, with those that stay."""
    new = {row.ds_id for row in messages if row.ds_id not in stored.get(row.dossier.pk, {})}
    homes = {ds_id: pk for pk, rows in stored.items() for ds_id in rows}
    moved = new & homes.keys()
    if not moved:
        return []
    pks = {homes[ds_id] for ds_id in moved}
    dossiers = {dossier.pk: dossier for dossier in known.values() if dossier.pk in pks}
    dossiers = Dossier.objects.select_related("demarche").in_bulk(pks - dossiers.keys()) | dossiers
    rows = stored_messages(dossiers.values())
    return [
        (dossier, _oldest_first(row for ds_id, row in rows[pk].items() if ds_id not in moved))
        for pk, dossier in dossiers.items()
        if dossier.number not in answered
    ]


def _oldest_first(columns: Iterable[list[Any]]) -> list[list[Any]]:
    return sorted(columns, key=lambda row: row[MESSAGE.index("created_at")])


def _is_from_usager(row: list[Any] | None) -> bool:
    return row is not None and row[MESSAGE.index("from_usager")]


def _marks(row: list[Any] | None) -> str:
    return row[MESSAGE.index("file_marks")] if row else ""


def summary_of(
    messages: list[list[Any]], usager_email: str, settled_until: datetime | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What lists show of a conversation: our JSON, then agents' queue.

    A deleted or absent message is nobody's last word; automatic ones are none of the queue's, which
    has since when an answer is awaited. A message that came after « rien à répondre » undoes it.
    """
    readable = _readable(messages, usager_email)
    people = [row for row in readable if row[0] is not Author.SYSTEME]
    last_author, last_at = readable[-1] if readable else ("", None)
    last_person, last_human_at = people[-1] if people else ("", None)
    awaiting = list(takewhile(lambda row: row[0] is Author.USAGER, reversed(people)))
    if settled_until is not None:
        awaiting = [row for row in awaiting if row[1] > settled_until]
    shown = {
        "messages_count": len(messages),
        "last_message_at": last_at,
        "last_message_author": str(last_author),
        "usager_spoke_last": last_person is Author.USAGER,
    }
    return shown, {
        "last_human_at": last_human_at,
        "last_human_author": str(last_person),
        "waiting_since": awaiting[-1][1] if awaiting else None,
        "settled_until": None if awaiting else settled_until,
    }


def _readable(messages: list[list[Any]], usager_email: str) -> list[tuple[Author, datetime]]:
    """Who wrote what can be read, and when, in the conversation's order."""
    return [
        (Author.of(email, usager_email, from_usager=from_usager), created_at)
        for email, _, created_at, discarded_at, absent_since, from_usager, _ in messages
        if discarded_at is None and absent_since is None
    ]
