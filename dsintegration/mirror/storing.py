"""How answers become rows.

Answers may arrive in any order, several at once. What a row holds comes from the newest answer
(moments.py). Whether the platform still has the dossier is a truth of its own, as of `checked_at`.
The number of SQL statements is the same for one dossier and for fifty, whatever the number of
messages.
"""

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from dsintegration import journal
from dsintegration.mirror.files import (
    Filed,
    files_of,
    files_of_content,
    marks_of,
    places_between,
    write_files,
)
from dsintegration.mirror.locking import PATIENCE, save_platform, writing
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
from dsintegration.mirror.values import Value, searchable_of, values_of, write_values
from dsintegration.models import Author, Demarche, Dossier, File, Message, Outcome, Place
from dsintegration.models.mirror import CONTENT, normalised
from dsintegration.moments import Moment
from dsintegration.payloads.dossiers import DemarchePayload, DossierPayload
from dsintegration.payloads.selection import Selection

# What the platform says of a démarche.
GIVEN = ("ds_id", "title", "service_nom", "service_organisme")
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
        homes = {message.id: p.number for p in news for message in p.messages}
        stored_messages = _stored_messages(known.values(), homes)

        results: dict[int, FetchResult] = {}
        changes: list[Change] = []
        to_write: list[Dossier] = []
        unmoved: list[Dossier] = []
        messages: list[Message] = []
        values: list[tuple[Dossier, set[Value], set[Value]]] = []
        filed: list[Filed] = []
        for payload in news:
            created = payload.number not in known
            dossier = known.get(payload.number) or Dossier(
                number=payload.number, fetched_at=sent_at, checked_at=sent_at
            )
            conversation = _conversation(
                payload, dossier, stored_messages[dossier.pk], homes, sent_at
            )
            demarche = demarches[payload.demarche.number]
            before = (
                set[Value]() if created else values_of(dossier, searchable_of(dossier.demarche))
            )
            former_files = dossier.file_marks
            loud, quiet = _assign_all(dossier, payload, demarche, conversation.columns, moment)
            values.append((dossier, before, values_of(dossier, searchable_of(demarche))))
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
            filed += conversation.filed
            if dossier.file_marks != former_files:
                files = _files_of_content(payload, demarche)
                filed.append(Filed(dossier, None, files, former_files))
            results[payload.number] = FetchResult(dossier, created=created, changed=changed)

        for dossier, rest in _left_behind(messages, stored_messages, known, results):
            platform.version += 1
            dossier.version, dossier.changed_at = platform.version, timezone.now()
            loud = _assign(dossier, _summary(rest, dossier.usager_email))
            changes.append(Change(dossier, False, frozenset([*loud, "messages"]), []))
            to_write.append(dossier)

        if renamed:
            others = Dossier.objects.filter(demarche__number__in=renamed)
            others.exclude(number__in=results).update(
                version=platform.version, changed_at=timezone.now()
            )
        write_platform(platform, instance, moment, changed=bool(changes))
        write_dossiers(to_write)
        touch(unmoved, sent_at)
        write_messages(messages)
        write_values(values)
        write_files(filed)
        outcomes = [
            results.get(payload.number)
            or FetchResult(known[payload.number], created=False, changed=False)
            for payload in payloads
        ]
        details = {change.dossier.number: change.detail for change in changes}
        journal.write(
            *(
                by.fetched(
                    result.dossier.number,
                    result.outcome,
                    demarche=result.dossier.demarche.number,
                    detail=details.get(result.dossier.number, ""),
                )
                for result in outcomes
                if result.changed or not by.unattended
            )
        )
        transaction.on_commit(partial(announce, changes))
    return outcomes


def store_demarche(payload: DemarchePayload, instance: str, sent_at: datetime) -> Demarche:
    """A démarche by itself, before any of its dossiers is here."""
    with writing(instance) as platform:
        demarche, _ = Demarche.objects.get_or_create(
            number=payload.number,
            defaults={"ds_id": payload.id, "title": payload.title, "fetched_at": sent_at},
        )
        if not platform.instance:
            platform.instance = instance
            save_platform(platform)
    return demarche


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
    fresh = (_demarche_row(demarche, sent_at) for demarche in given.values())
    others = [
        row
        for row in fresh
        if row.number not in rows
        or any(getattr(rows[row.number], name) != getattr(row, name) for name in GIVEN)
    ]
    written = write_demarches(others, moment)
    renamed = set[int]()
    for other in others:
        row = rows.get(other.number)
        if row is None and other.number in written:
            other.pk = written[other.number]
            rows[other.number] = other
        elif row is not None and other.number in written:
            if (row.ds_id, row.title) != (other.ds_id, other.title):  # what our JSON shows of it
                renamed.add(other.number)
            for name in (*GIVEN, "fetched_at"):
                setattr(row, name, getattr(other, name))
    return rows, renamed


def _demarche_row(demarche: DemarchePayload, sent_at: datetime) -> Demarche:
    return Demarche(
        number=demarche.number,
        ds_id=demarche.id,
        title=demarche.title,
        service_nom=demarche.service.nom if demarche.service else "",
        service_organisme=demarche.service.organisme if demarche.service else "",
        fetched_at=sent_at,
    )


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
        **_queue(messages, payload.usager.email, dossier.settled_until),
    }
    content, about_it = _content(dossier, payload, demarche, moment)
    shown |= content
    others |= about_it
    if moment.follows(dossier.checked_at):
        shown["absent_since"] = others["erased_at"] = None
        dossier.checked_at = moment.sent_at
    former = {name: getattr(dossier, name) for name in (*CONTENT, "file_marks")}
    loud, quiet = _assign(dossier, shown), _assign(dossier, others)
    loud = [word for name in loud for word in _names(name, former, dossier)]
    dossier.demarche = demarche  # equal by its key, perhaps not by its title
    dossier.fetched_at = moment.sent_at
    forgotten = forget_failure(dossier, moment)
    return loud, bool(quiet) or forgotten


def _content(
    dossier: Dossier, payload: DossierPayload, demarche: Demarche, moment: Moment
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What its démarche keeps of it now, whatever it was asked with; and what is known of that.

    A content that cannot be read leaves what was read before, with a mark.
    """
    chosen = Selection.of(demarche.selection)
    moved = dossier.pk is not None and dossier.demarche_id != demarche.pk
    content = payload.content
    if content is None or content.failure or not chosen:
        nothing = dict.fromkeys(CONTENT) | {"file_marks": ""}
        kept: dict[str, Any] = {} if chosen and not moved else nothing
        about: dict[str, Any] = {"content_key": ""} if kept else {}
        if content and content.failure and chosen:
            about |= {"content_error_reason": content.failure, "content_error_at": moment.sent_at}
        elif not chosen:
            about |= {"content_error_reason": "", "content_error_at": None}
        return kept, about
    content = content.within(chosen)
    key = chosen.key if content.selection.covers(chosen) else content.selection.key
    about = {"content_key": key, "content_error_reason": "", "content_error_at": None}
    columns = {name: getattr(content, name) for name in CONTENT}
    return columns | {"file_marks": marks_of(_files_of_content(payload, demarche))}, about


def _files_of_content(payload: DossierPayload, demarche: Demarche) -> list[File]:
    chosen, content = Selection.of(demarche.selection), payload.content
    if content is None or content.failure or not chosen:
        return []
    return files_of_content(payload.number, content.within(chosen).files)


def _names(column: str, former: Mapping[str, Any], dossier: Dossier) -> list[str]:
    """What changed in a column, by the names of our JSON: « champs » and « champs.<id> »."""
    if column == "file_marks":
        places = places_between(former[column], dossier.file_marks)
        return ["champs" if place == Place.CHAMP else place for place in places]
    if column not in {"instruction", "champs", "annotations"}:
        return [column]
    before, after = former[column], getattr(dossier, column)
    if column == "instruction":
        before, after = before or {}, after or {}
        return [name for name in {**before, **after} if before.get(name) != after.get(name)]
    old, new = ({champ["id"]: champ for champ in champs or ()} for champs in (before, after))
    changed = (ds_id for ds_id in {**old, **new} if old.get(ds_id) != new.get(ds_id))
    return [column, *(f"{column}.{ds_id}" for ds_id in changed)]


def _assign(dossier: Dossier, columns: dict[str, Any]) -> list[str]:
    """Set the columns; the names of those that were not so before."""
    differ = [name for name, value in columns.items() if getattr(dossier, name, None) != value]
    for name in differ:
        setattr(dossier, name, columns[name])
    return differ


def _stored_messages(
    dossiers: Iterable[Dossier], others: Collection[str] = ()
) -> dict[int | None, dict[str, list[Any]]]:
    """The columns of the messages that we have of these dossiers, and of `others` (ids), wherever
    they are: by dossier, then by id.
    """
    stored: dict[int | None, dict[str, list[Any]]] = defaultdict(dict)
    pks = [dossier.pk for dossier in dossiers]
    if pks or others:
        rows = Message.objects.filter(Q(dossier__in=pks) | Q(ds_id__in=others)).order_by()
        for dossier, ds_id, *columns in rows.values_list("dossier_id", "ds_id", *MESSAGE):
            stored[dossier][ds_id] = columns
    return stored


@dataclass(frozen=True)
class _Conversation:
    """`columns`: of every message, oldest first; `to_write`: those whose rows are missing or
    differ, `filed` their files; `received`: those that are new, and that can be read.
    """

    columns: list[list[Any]]
    to_write: list[Message]
    filed: list[Filed]
    received: list[Message]


def _conversation(
    payload: DossierPayload,
    dossier: Dossier,
    stored: dict[str, list[Any]],
    homes: dict[str, int],
    sent_at: datetime,
) -> _Conversation:
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
    return _Conversation(
        columns=_oldest_first(wanted.values()),
        to_write=to_write,
        filed=[
            Filed(dossier, row, files.get(row.ds_id, []), _marks(stored.get(row.ds_id)))
            for row in to_write
        ],
        received=[row for row in to_write if row.ds_id not in stored and not row.discarded_at],
    )


def _left_behind(
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
    rows = _stored_messages(dossiers.values())
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


def _queue(
    messages: list[list[Any]], usager_email: str, settled_until: datetime | None
) -> dict[str, Any]:
    """What agents see of a conversation: who wrote last, automatic messages aside, and since when
    an answer is awaited. A message that came after « rien à répondre » undoes it.
    """
    people = [
        (author, created_at)
        for author, created_at in _readable(messages, usager_email)
        if author is not Author.SYSTEME
    ]
    last_author, last_at = people[-1] if people else ("", None)
    awaiting = list(takewhile(lambda row: row[0] is Author.USAGER, reversed(people)))
    if settled_until is not None:
        awaiting = [row for row in awaiting if row[1] > settled_until]
    return {
        "last_human_at": last_at,
        "last_human_author": str(last_author),
        "waiting_since": awaiting[-1][1] if awaiting else None,
        "settled_until": None if awaiting else settled_until,
    }


def _summary(messages: list[list[Any]], usager_email: str) -> dict[str, Any]:
    """What lists show of a conversation; a deleted or absent message is nobody's last word."""
    readable = _readable(messages, usager_email)
    last_author, last_at = readable[-1] if readable else (None, None)
    authors = (author for author, _ in reversed(readable))
    last_person = next((author for author in authors if author is not Author.SYSTEME), None)
    return {
        "messages_count": len(messages),
        "last_message_at": last_at,
        "last_message_author": last_author.value if last_author else "",
        "usager_spoke_last": last_person is Author.USAGER,
    }


def _readable(messages: list[list[Any]], usager_email: str) -> list[tuple[Author, datetime]]:
    """Who wrote what can be read, and when, in the conversation's order."""
    return [
        (Author.of(email, usager_email, from_usager=from_usager), created_at)
        for email, _, created_at, discarded_at, absent_since, from_usager, _ in messages
        if discarded_at is None and absent_since is None
    ]
