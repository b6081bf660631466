"""How answers become rows.

Answers may arrive in any order, several at once. What a row holds comes from the newest answer
(moments.py). Whether the platform still has the dossier is a truth of its own, as of `checked_at`.
The number of SQL statements is the same for one dossier and for fifty, whatever the number of
messages.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from dsintegration import journal
from dsintegration.mirror.locking import PATIENCE, writing
from dsintegration.mirror.statements import (
    MESSAGE,
    Change,
    announce,
    forget_failure,
    read_demarches,
    touch,
    write_demarches,
    write_dossiers,
    write_messages,
    write_platform,
)
from dsintegration.models import Author, Demarche, Dossier, Message, Outcome
from dsintegration.moments import Moment
from dsintegration.payloads import DossierPayload, MessagePayload

# Columns that bear the same name in the answer.
COPIED = (
    "state",
    "date_derniere_modification",
    "date_depot",
    "date_passage_en_construction",
    "date_passage_en_instruction",
    "date_traitement",
    "date_expiration",
    "date_suppression_par_usager",
)


@dataclass(frozen=True)
class FetchResult:
    """`changed`: something of its JSON is new; always so when `created`."""

    dossier: Dossier
    created: bool
    changed: bool

    @property
    def outcome(self) -> Outcome:
        if self.created:
            return Outcome.CREATED
        return Outcome.CHANGED if self.changed else Outcome.UNCHANGED


@sensitive_variables()
def store(
    payloads: Sequence[DossierPayload],
    instance: str,
    moment: Moment,
    by: journal.Actor,
    patience: float = PATIENCE,
) -> list[FetchResult]:
    """Store the dossiers of one request, with their démarches and messages, in one transaction.

    The entries of the journal go with them: all are there, or none. Raises as `writing`.
    """
    sent_at = moment.sent_at
    with writing(instance, patience) as platform:
        known = {
            dossier.number: dossier
            for dossier in Dossier.objects.select_related("demarche").filter(
                number__in=[payload.number for payload in payloads]
            )
        }
        news = [p for p in payloads if not _is_older(p, known.get(p.number), moment)]
        demarches, renamed = _store_demarches(news, known.values(), moment)
        stored_messages = _stored_messages(known.values())

        results: dict[int, FetchResult] = {}
        changes: list[Change] = []
        to_write: list[Dossier] = []
        unmoved: list[Dossier] = []
        messages: list[Message] = []
        for payload in news:
            created = payload.number not in known
            dossier = known.get(payload.number) or Dossier(
                number=payload.number, fetched_at=sent_at, checked_at=sent_at
            )
            conversation = _conversation(
                payload.messages, dossier, stored_messages[dossier.pk], sent_at
            )
            demarche = demarches[payload.demarche.number]
            loud, quiet = _assign_all(dossier, payload, demarche, conversation.columns, moment)
            changed = bool(created or loud or conversation.to_write or demarche.number in renamed)
            if changed:
                platform.version += 1
                dossier.version, dossier.changed_at = platform.version, timezone.now()
                if conversation.to_write:
                    loud.append("messages")
                if demarche.number in renamed:
                    loud.append("demarche")
                changes.append(Change(dossier, created, frozenset(loud), conversation.received))
            (to_write if changed or quiet else unmoved).append(dossier)
            messages += conversation.to_write
            results[payload.number] = FetchResult(dossier, created=created, changed=changed)

        if renamed:
            others = Dossier.objects.filter(demarche__number__in=renamed)
            others.exclude(number__in=results).update(
                version=platform.version, changed_at=timezone.now()
            )
        write_platform(platform, instance, moment, changed=bool(changes))
        write_dossiers(to_write)
        touch(unmoved, sent_at)
        write_messages(messages)
        outcomes = [
            results.get(payload.number)
            or FetchResult(known[payload.number], created=False, changed=False)
            for payload in payloads
        ]
        journal.write(
            *(
                by.fetched(result.dossier.number, result.outcome)
                for result in outcomes
                if result.changed or not by.unattended
            )
        )
        transaction.on_commit(partial(announce, changes))
    return outcomes


def _is_older(payload: DossierPayload, dossier: Dossier | None, moment: Moment) -> bool:
    return dossier is not None and moment.loses_to(
        payload.date_derniere_modification,
        dossier.date_derniere_modification,
        dossier.fetched_at,
    )


def _store_demarches(
    payloads: Iterable[DossierPayload], dossiers: Iterable[Dossier], moment: Moment
) -> tuple[dict[int, Demarche], set[int]]:
    """The démarches of the answers by number, and those whose name is new to their dossiers."""
    sent_at = moment.sent_at
    given = {payload.demarche.number: payload.demarche for payload in payloads}
    rows = {dossier.demarche.number: dossier.demarche for dossier in dossiers}
    if missing := [number for number in given if number not in rows]:
        rows |= {row.number: row for row in read_demarches(missing)}
    others = [
        Demarche(number=number, ds_id=demarche.id, title=demarche.title, fetched_at=sent_at)
        for number, demarche in given.items()
        if number not in rows
        or (rows[number].ds_id, rows[number].title) != (demarche.id, demarche.title)
    ]
    written = write_demarches(others, moment)
    renamed = written.keys() & rows.keys()
    for other in others:
        if other.number in renamed:
            row = rows[other.number]
            row.ds_id, row.title, row.fetched_at = other.ds_id, other.title, sent_at
        elif other.number in written:
            other.pk = written[other.number]
            rows[other.number] = other
    return rows, renamed


def _assign_all(
    dossier: Dossier,
    payload: DossierPayload,
    demarche: Demarche,
    messages: list[list[Any]],
    moment: Moment,
) -> tuple[list[str], bool]:
    """Set every column; those that our JSON shows and that differ, and whether another one does."""
    shown: dict[str, Any] = {name: getattr(payload, name) for name in COPIED} | {
        "ds_id": payload.id,
        "usager_email": payload.usager.email,
        "demarche": demarche,
        **_summary(messages, payload.usager.email),
    }
    # What our JSON does not show makes no new version.
    others: dict[str, Any] = {
        "date_derniere_correction_en_attente": payload.date_derniere_correction_en_attente,
        "usager_account_deleted": payload.usager.is_deleted,
    }
    if moment.follows(dossier.checked_at):
        shown["absent_since"] = others["erased_at"] = None
        dossier.checked_at = moment.sent_at
    loud, quiet = _assign(dossier, shown), _assign(dossier, others)
    dossier.demarche = demarche  # equal by its key, perhaps not by its title
    dossier.fetched_at = moment.sent_at
    forgotten = forget_failure(dossier, moment)
    return loud, bool(quiet) or forgotten


def _assign(dossier: Dossier, columns: dict[str, Any]) -> list[str]:
    """Set the columns; the names of those that were not so before."""
    differ = [name for name, value in columns.items() if getattr(dossier, name, None) != value]
    for name in differ:
        setattr(dossier, name, columns[name])
    return differ


def _stored_messages(dossiers: Iterable[Dossier]) -> dict[int | None, dict[str, list[Any]]]:
    """The columns of the messages that we have, by dossier, then by id."""
    stored: dict[int | None, dict[str, list[Any]]] = defaultdict(dict)
    if pks := [dossier.pk for dossier in dossiers]:
        rows = Message.objects.filter(dossier__in=pks).order_by()
        for dossier, ds_id, *columns in rows.values_list("dossier_id", "ds_id", *MESSAGE):
            stored[dossier][ds_id] = columns
    return stored


@dataclass(frozen=True)
class _Conversation:
    """`columns`: of every message, oldest first; `to_write`: those whose rows are missing or
    differ; `received`: those that are new, and that can be read.
    """

    columns: list[list[Any]]
    to_write: list[Message]
    received: list[Message]


def _conversation(
    given: Iterable[MessagePayload],
    dossier: Dossier,
    stored: dict[str, list[Any]],
    sent_at: datetime,
) -> _Conversation:
    """The messages as they are to be.

    One that is deleted on the platform, or no longer in the answer, keeps no text here.
    """
    wanted = {
        message.id: [
            message.email,
            "" if message.discarded_at else message.body,
            message.created_at,
            message.discarded_at,
            None,
        ]
        for message in given
    }
    for ds_id, (email, _, created_at, discarded_at, absent_since) in stored.items():
        if ds_id not in wanted:
            wanted[ds_id] = [email, "", created_at, discarded_at, absent_since or sent_at]
    to_write = [
        Message(dossier=dossier, ds_id=ds_id, **dict(zip(MESSAGE, row, strict=True)))
        for ds_id, row in wanted.items()
        if stored.get(ds_id) != row
    ]
    return _Conversation(
        columns=sorted(wanted.values(), key=lambda row: row[MESSAGE.index("created_at")]),
        to_write=to_write,
        received=[row for row in to_write if row.ds_id not in stored and not row.discarded_at],
    )


def _summary(messages: list[list[Any]], usager_email: str) -> dict[str, Any]:
    """What lists show of a conversation; a deleted or absent message is nobody's last word."""
    readable = [
        (email, created_at)
        for email, _, created_at, discarded_at, absent_since in messages
        if discarded_at is None and absent_since is None
    ]
    last_email, last_at = readable[-1] if readable else ("", None)
    authors = (Author.of(email, usager_email) for email, _ in reversed(readable))
    last_person = next((author for author in authors if author is not Author.SYSTEME), None)
    return {
        "messages_count": len(messages),
        "last_message_at": last_at,
        "last_message_author": Author.of(last_email, usager_email).value if readable else "",
        "usager_spoke_last": last_person is Author.USAGER,
    }
