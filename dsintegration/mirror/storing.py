"""How answers become rows.

Answers may arrive in any order, several at once. What a row holds comes from the newest answer
(moments.py). Whether the platform still has the dossier is a truth of its own, as of `checked_at`.
The number of SQL statements is the same for one dossier and for fifty, whatever the number of
messages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from dsintegration import journal
from dsintegration.mirror.composed import rows_of
from dsintegration.mirror.conversations import (
    conversation_of,
    left_behind,
    stored_messages,
    summary_of,
)
from dsintegration.mirror.files import (
    Filed,
    files_of_content,
    marks_of,
    places_between,
    write_files,
)
from dsintegration.mirror.locking import PATIENCE, save_platform, writing
from dsintegration.mirror.statements import (
    Change,
    announce,
    forget_failure,
    read_dossiers,
    touch,
    write_demarches,
    write_dossiers,
    write_messages,
    write_platform,
)
from dsintegration.mirror.values import Value, searchable_of, values_of, write_values
from dsintegration.models import Demarche, Dossier, File, Message, Outcome, Place
from dsintegration.models.mirror import CONTENT
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
        known = read_dossiers([payload.number for payload in payloads])
        news = [p for p in payloads if not _is_older(p, known.get(p.number), moment)]
        demarches, renamed = _store_demarches(news, known.values(), moment)
        homes = {message.id: p.number for p in news for message in p.messages}
        stored = stored_messages(known.values(), homes)

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
            conversation = conversation_of(payload, dossier, stored[dossier.pk], homes, sent_at)
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

        for dossier, rest in left_behind(messages, stored, known, results):
            platform.version += 1
            dossier.version, dossier.changed_at = platform.version, timezone.now()
            summary, queue = summary_of(rest, dossier.usager_email, dossier.settled_until)
            loud = _assign(dossier, summary)
            _assign(dossier, queue)
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


def store_demarche(
    payload: DemarchePayload, instance: str, sent_at: datetime, patience: float = PATIENCE
) -> Demarche:
    """A démarche by itself, before any of its dossiers is here. Raises as `writing`."""
    with writing(instance, patience) as platform:
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
        rows |= {row.number: row for row in rows_of(Demarche, number=missing)}
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
    summary, queue = summary_of(messages, payload.usager.email, dossier.settled_until)
    shown: dict[str, Any] = {name: getattr(payload, name) for name in COPIED} | {
        "ds_id": payload.id,
        "usager_email": payload.usager.email,
        "demarche": demarche,
        **summary,
    }
    # What our JSON does not show makes no new version.
    others: dict[str, Any] = {
        "date_derniere_correction_en_attente": payload.date_derniere_correction_en_attente,
        "usager_account_deleted": payload.usager.is_deleted,
        **queue,
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
