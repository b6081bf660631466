"""How answers become rows: the only place that writes the mirror.

Answers may arrive in any order, several at once. What a row holds comes from the newest answer:
`date_derniere_modification` first, then the moment when the request was sent. Whether the platform
still has the dossier is a truth of its own, as of `checked_at`. The number of SQL statements is
the same for one dossier and for fifty, whatever the number of messages.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from dsintegration import journal
from dsintegration.exceptions import DossierNotFound, DSError
from dsintegration.locking import lock_platform_for, save_platform
from dsintegration.models import Author, Demarche, Dossier, Message, Outcome, Platform
from dsintegration.payloads import DossierPayload, MessagePayload
from dsintegration.signals import dossier_changed, message_received

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
MESSAGE = ("email", "body", "created_at", "discarded_at", "absent_since")
# All that an upsert brings up to date.
DOSSIER = tuple(
    field.attname
    for field in Dossier._meta.concrete_fields
    if field.attname not in {"id", "number"}
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
    payloads: Sequence[DossierPayload], instance: str, sent_at: datetime, by: journal.Actor
) -> list[FetchResult]:
    """Store the dossiers of one request, with their démarches and messages, in one transaction.

    The entries of the journal go with them: all are there, or none.
    """
    with transaction.atomic(durable=True):
        platform = lock_platform_for(instance)
        known = {
            dossier.number: dossier
            for dossier in Dossier.objects.select_related("demarche").filter(
                number__in=[payload.number for payload in payloads]
            )
        }
        news = [p for p in payloads if not _is_older(p, known.get(p.number), sent_at)]
        demarches, renamed = _store_demarches(news, known.values(), sent_at)
        stored_messages = _stored_messages(known.values())

        results: dict[int, FetchResult] = {}
        changes: list[_Change] = []
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
            loud, quiet = _assign_all(dossier, payload, demarche, conversation.columns, sent_at)
            changed = bool(created or loud or conversation.to_write or demarche.number in renamed)
            if changed:
                platform.version += 1
                dossier.version, dossier.changed_at = platform.version, timezone.now()
                if conversation.to_write:
                    loud.append("messages")
                if demarche.number in renamed:
                    loud.append("demarche")
                changes.append(_Change(dossier, created, frozenset(loud), conversation.received))
            (to_write if changed or quiet else unmoved).append(dossier)
            messages += conversation.to_write
            results[payload.number] = FetchResult(dossier, created=created, changed=changed)

        if renamed:
            others = Dossier.objects.filter(demarche__number__in=renamed)
            others.exclude(number__in=results).update(
                version=platform.version, changed_at=timezone.now()
            )
        _store_platform(platform, instance, sent_at, changed=bool(changes))
        _write_dossiers(to_write)
        _touch(unmoved, sent_at)
        _write_messages(messages)
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
        transaction.on_commit(partial(_announce, changes))
    return outcomes


@dataclass(frozen=True)
class _Change:
    dossier: Dossier
    created: bool
    fields: frozenset[str]
    received: list[Message]


def _announce(changes: list[_Change]) -> None:
    """Tell the SI, now that it is stored."""
    for change in changes:
        dossier_changed.send_robust(
            Dossier, dossier=change.dossier, created=change.created, fields=change.fields
        )
        for message in change.received:
            message_received.send_robust(Message, message=message)


def _is_older(payload: DossierPayload, dossier: Dossier | None, sent_at: datetime) -> bool:
    return dossier is not None and (payload.date_derniere_modification, sent_at) < (
        dossier.date_derniere_modification,
        dossier.fetched_at,
    )


def _store_demarches(
    payloads: Iterable[DossierPayload], dossiers: Iterable[Dossier], sent_at: datetime
) -> tuple[dict[int, Demarche], set[int]]:
    """The démarches of the answers by number, and those whose name is new to their dossiers."""
    given = {payload.demarche.number: payload.demarche for payload in payloads}
    rows = {dossier.demarche.number: dossier.demarche for dossier in dossiers}
    if missing := [number for number in given if number not in rows]:
        places = ", ".join(["%s"] * len(missing))
        found = Demarche.objects.raw(SELECT_DEMARCHES.format(numbers=places), missing)
        rows |= {row.number: row for row in found}
    others = [
        Demarche(number=number, ds_id=demarche.id, title=demarche.title, fetched_at=sent_at)
        for number, demarche in given.items()
        if number not in rows
        or (rows[number].ds_id, rows[number].title) != (demarche.id, demarche.title)
    ]
    written = _write_demarches(others)
    renamed = written.keys() & rows.keys()
    for other in others:
        if other.number in renamed:
            row = rows[other.number]
            row.ds_id, row.title, row.fetched_at = other.ds_id, other.title, sent_at
        elif other.number in written:
            other.pk = written[other.number]
            rows[other.number] = other
    return rows, renamed


# By hand: the ORM takes twice as long, for each new dossier.
SELECT_DEMARCHES = "SELECT * FROM dsintegration_demarche WHERE number IN ({numbers})"
# Written by hand for its last condition: a name that a later answer gave, or found to be still so
# through another of its dossiers, stays.
UPSERT_DEMARCHES = """
INSERT INTO dsintegration_demarche (number, ds_id, title, fetched_at, decision_hidden) VALUES {rows}
ON CONFLICT (number) DO UPDATE
SET ds_id = excluded.ds_id, title = excluded.title, fetched_at = excluded.fetched_at
WHERE dsintegration_demarche.fetched_at <= excluded.fetched_at AND NOT EXISTS (
    SELECT 1 FROM dsintegration_dossier AS dossier
    WHERE dossier.demarche_id = dsintegration_demarche.id
    AND dossier.fetched_at > excluded.fetched_at
)
RETURNING number, id
"""


def _write_demarches(rows: Sequence[Demarche]) -> dict[int, int]:
    """Write those that nothing newer forbids, in one statement; their ids by number."""
    if not rows:
        return {}
    values: list[Any] = []
    for row in rows:
        at = connection.ops.adapt_datetimefield_value(row.fetched_at)
        values += (row.number, row.ds_id, row.title, at, row.decision_hidden)
    places = ", ".join(["(%s, %s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_DEMARCHES.format(rows=places), values)
        return dict(cursor.fetchall())


def _assign_all(
    dossier: Dossier,
    payload: DossierPayload,
    demarche: Demarche,
    messages: list[list[Any]],
    sent_at: datetime,
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
    if sent_at >= dossier.checked_at:
        shown["absent_since"] = others["erased_at"] = None
        dossier.checked_at = sent_at
    loud, quiet = _assign(dossier, shown), _assign(dossier, others)
    dossier.demarche = demarche  # equal by its key, perhaps not by its title
    dossier.fetched_at = sent_at
    forgotten = _forget_failure(dossier, sent_at)
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


def _upsert(model: Any, rows: Sequence[Any], key: str, columns: Sequence[str]) -> None:
    """One statement, however many rows: new ones inserted, known ones brought up to date."""
    for row in rows:
        row.pk = None  # conflicts are found by `key` alone; the database gives the pk back
    if rows:
        model.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=[key], update_fields=columns
        )


def _write_dossiers(dossiers: list[Dossier]) -> None:
    _upsert(Dossier, dossiers, "number", DOSSIER)


def _write_messages(messages: list[Message]) -> None:
    # A message that went from one dossier of the batch to another comes twice: where it is wins.
    where_it_is = sorted(messages, key=lambda message: message.absent_since is None)
    distinct = {message.ds_id: message for message in where_it_is}
    _upsert(Message, list(distinct.values()), "ds_id", ("dossier_id", *MESSAGE))


def _touch(dossiers: list[Dossier], sent_at: datetime) -> None:
    """Move the moments of those in which nothing else moved. By hand, as each fetch does it."""
    at = connection.ops.adapt_datetimefield_value(sent_at)
    for columns, is_checked in ((("fetched_at", "checked_at"), True), (("fetched_at",), False)):
        pks = [d.pk for d in dossiers if (d.checked_at == sent_at) is is_checked]
        if pks:
            moments = ", ".join(f"{column} = %s" for column in columns)
            places = ", ".join(["%s"] * len(pks))
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE dsintegration_dossier SET {moments} WHERE id IN ({places})",  # noqa: S608
                    [*(at for _ in columns), *pks],
                )


def _store_platform(platform: Platform, instance: str, sent_at: datetime, *, changed: bool) -> None:
    """What an answer tells of the platform itself: which one it is, and that it answers."""
    forgotten = _forget_failure(platform, sent_at)
    if changed or forgotten:
        platform.instance = instance
        save_platform(platform)


def _forget_failure(row: Dossier | Platform, sent_at: datetime) -> bool:
    """Clear a failure that this answer came after; whether there was one."""
    if row.last_error_at is None or row.last_error_at > sent_at:
        return False
    row.last_error_code = row.last_error_reason = ""
    row.last_error_at = None
    return True


def store_checks(
    unmoved: QuerySet[Dossier],
    gone: set[int],
    erased: set[int],
    instance: str,
    at: datetime,
    by: journal.Actor,
) -> tuple[int, int]:
    """Note what the lists of a démarche say, as of `at`: the dossiers `unmoved` are as they were,
    `gone` are absent, `erased` of them for good. How many each of the first two were.
    """
    with transaction.atomic(durable=True):
        platform = lock_platform_for(instance)
        checked = unmoved.filter(checked_at__lt=at).update(checked_at=at)
        numbers = list(Dossier.objects.filter(number__in=gone).values_list("number", flat=True))
        newly = _mark_absent(platform, numbers, instance, at)
        Dossier.objects.filter(number__in=erased, erased_at=None).update(erased_at=at)
        journal.write(*(by.fetched(number, Outcome.NOT_FOUND) for number in newly))
    return checked, len(numbers)


def store_failures(
    failures: Sequence[DSError], instance: str, sent_at: datetime, by: journal.Actor
) -> None:
    """Note failed tries where they belong: on their dossiers, or on the platform; and all of them
    in the journal.
    """
    absent: list[int] = []
    kinds: dict[tuple[str, str], list[int]] = defaultdict(list)
    elsewhere: DSError | None = None
    for err in failures:
        if isinstance(err, DossierNotFound):
            absent.append(err.dossier_number or 0)
        elif err.concerns_dossier:
            kinds[err.code, err.reason].append(err.dossier_number or 0)
        else:
            elsewhere = err
    not_noted_since = Q(last_error_at=None) | Q(last_error_at__lte=sent_at)
    with transaction.atomic(durable=True):
        # As every writer: what is noted must not fall between another's look and its writing.
        platform = lock_platform_for(instance)
        newly = _mark_absent(platform, absent, instance, sent_at) if absent else []
        _note_failures(kinds, elsewhere, not_noted_since, sent_at)
        if absent or kinds:
            # The platform answered, and the token is good.
            Platform.objects.filter(pk=Platform.SINGLETON, last_error_at__lte=sent_at).update(
                last_error_code="", last_error_reason="", last_error_at=None
            )
        journal.write(
            *(by.failed(err) for err in failures if not by.unattended or _is_news(err, newly))
        )


def _is_news(err: DSError, newly_absent: Sequence[int]) -> bool:
    """Whether a refresh that nobody waits for learnt this of the dossier itself, just now."""
    if isinstance(err, DossierNotFound):
        return err.dossier_number in newly_absent
    return err.concerns_dossier


def _note_failures(
    kinds: dict[tuple[str, str], list[int]],
    elsewhere: DSError | None,
    not_noted_since: Q,
    sent_at: datetime,
) -> None:
    for (code, reason), numbers in kinds.items():
        dossiers = Dossier.objects.filter(not_noted_since, checked_at__lte=sent_at)
        dossiers.filter(number__in=numbers).update(
            last_error_code=code, last_error_reason=reason, last_error_at=sent_at
        )
    if elsewhere and not Dossier.objects.filter(fetched_at__gt=sent_at).exists():
        Platform.objects.filter(not_noted_since, pk=Platform.SINGLETON).update(
            last_error_code=elsewhere.code,
            last_error_reason=elsewhere.reason,
            last_error_at=sent_at,
        )


def _mark_absent(
    platform: Platform, numbers: Sequence[int], instance: str, sent_at: datetime
) -> list[int]:
    """The numbers of those that were not so before. `platform` is locked."""
    dossiers = list(Dossier.objects.filter(number__in=numbers, checked_at__lte=sent_at))
    changes = []
    for dossier in dossiers:
        dossier.checked_at = sent_at
        _forget_failure(dossier, sent_at)
        if dossier.absent_since is None:
            platform.version += 1
            dossier.absent_since = sent_at
            dossier.version, dossier.changed_at = platform.version, timezone.now()
            changes.append(_Change(dossier, False, frozenset({"absent_since"}), []))
    _store_platform(platform, instance, sent_at, changed=bool(changes))
    _write_dossiers(dossiers)
    transaction.on_commit(partial(_announce, changes))
    return [change.dossier.number for change in changes]
