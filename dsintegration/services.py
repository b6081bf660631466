"""The one way from the platform into the database.

Answers may arrive in any order, several at once. What a row holds comes from the newest answer:
`date_derniere_modification` first, then the moment when the request was sent. Whether the platform
still has the dossier is a truth of its own, as of `checked_at`.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from dsintegration import conf
from dsintegration.client import Client, get_client
from dsintegration.exceptions import DossierNotFound, DSError
from dsintegration.models import Author, Demarche, Dossier, Message, Platform
from dsintegration.payloads import DossierPayload, MessagePayload, parse_dossier

logger = logging.getLogger(__name__)

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
FAILURE = ("last_error_code", "last_error_reason", "last_error_at")
MESSAGE = ("email", "body", "created_at", "discarded_at", "absent_since")

# Instances that this process has found to be the database's own: no need to look before each call.
_recognised: set[str] = set()


@dataclass(frozen=True)
class FetchResult:
    """`changed`: something of its JSON is new; always so when `created`."""

    dossier: Dossier
    created: bool
    changed: bool


class AnswerNotWanted(Exception):
    """The answer is not for whoever asked (`wanted`): nothing of it was stored."""


@sensitive_variables()
def fetch_dossier(
    number: int,
    *,
    client: Client | None = None,
    wanted: Callable[[DossierPayload], bool] = lambda _: True,
) -> FetchResult:
    """Fetch one dossier from the platform and store it, with its démarche and its messages.

    `wanted` sees the answer before anything is stored: whether it may be, for whoever asks.
    Raises AnswerNotWanted, DossierNotFound (and marks the stored dossier as absent), the other
    DSErrors (and notes the failed try), or ImproperlyConfigured. Call it outside any transaction.
    """
    client = client or get_client()
    instance = conf.instance_at(client.url)
    if instance not in _recognised:
        _check_instance(Platform.objects.filter(pk=Platform.SINGLETON).first(), instance)
    before, started = timezone.now(), time.monotonic()
    outcome = "failed"
    try:
        payload = parse_dossier(client.get_dossier(number), number)
        if not wanted(payload):
            outcome = "not wanted"
            raise AnswerNotWanted
        result = _save(payload, instance, client.sent_at or before)
        outcome = "created" if result.created else "changed" if result.changed else "unchanged"
    except DSError as err:
        outcome = f"{err.code} {err.reason}"
        try:
            _record_failure(number, err, instance, client.sent_at or before)
        except DatabaseError as trouble:  # it must not hide what the platform did
            logger.error("failure of %d not noted: %s", number, type(trouble).__name__)  # noqa: TRY400
        raise
    finally:
        logger.info("fetch_dossier %d %s %.3f s", number, outcome, time.monotonic() - started)
    return result


def _check_instance(platform: Platform | None, instance: str) -> None:
    if platform is None or not platform.instance:
        return
    if platform.instance != instance:
        raise ImproperlyConfigured(
            f"Cette base contient les dossiers de {platform.instance}, et DS_API_URL désigne "
            f"{instance} : les numéros se confondraient. Rétablissez DS_API_URL, ou donnez une "
            "autre base avec DATABASE_URL."
        )
    _recognised.add(instance)


def _lock_platform(instance: str) -> Platform:
    """The platform's row, held until the end of the transaction: one writer at a time."""
    locked = Platform.objects.select_for_update()
    try:
        platform = locked.get(pk=Platform.SINGLETON)
    except Platform.DoesNotExist:  # the migration made it; a flush of the database took it away
        Platform.objects.bulk_create([Platform()], ignore_conflicts=True)
        platform = locked.get(pk=Platform.SINGLETON)
    _check_instance(platform, instance)
    return platform


@sensitive_variables()
def _save(payload: DossierPayload, instance: str, sent_at: datetime) -> FetchResult:
    with transaction.atomic(durable=True):
        platform = _lock_platform(instance)
        dossier, created = _find_or_build(payload.number, sent_at)
        if not created and (payload.date_derniere_modification, sent_at) < (
            dossier.date_derniere_modification,
            dossier.fetched_at,
        ):
            return FetchResult(dossier, created=False, changed=False)

        demarche, renamed = _save_demarche(payload, dossier, sent_at)
        conversation = _conversation(payload.messages, dossier, sent_at)
        columns: dict[str, Any] = {name: getattr(payload, name) for name in COPIED} | {
            "ds_id": payload.id,
            "usager_email": payload.usager.email,
            "demarche": demarche,
            **_summary(conversation.rows, payload.usager.email),
        }
        if sent_at >= dossier.checked_at:
            columns["absent_since"] = None
            dossier.checked_at = sent_at
        # What our JSON does not show makes no new version.
        quiet: dict[str, Any] = {
            "date_derniere_correction_en_attente": payload.date_derniere_correction_en_attente,
            "usager_account_deleted": payload.usager.is_deleted,
        }
        differs = _assign(dossier, columns)
        changed = created or renamed or bool(differs or conversation.to_write)
        moved = ["fetched_at", "checked_at", *_assign(dossier, quiet)]
        dossier.fetched_at = sent_at
        moved += _forget_failure(dossier, sent_at)
        if changed:
            _give_version(platform, dossier, renamed=renamed)
            moved += ["version", "changed_at", *differs]
        _save_platform(platform, instance, sent_at, changed=changed)
        if created:
            dossier.save(force_insert=True)
        else:
            dossier.save(update_fields=moved)
        _write_messages(conversation.to_write)
    return FetchResult(dossier, created=created, changed=changed)


def _find_or_build(number: int, sent_at: datetime) -> tuple[Dossier, bool]:
    try:
        return Dossier.objects.select_related("demarche").get(number=number), False
    except Dossier.DoesNotExist:
        return Dossier(number=number, fetched_at=sent_at, checked_at=sent_at), True


def _save_demarche(
    payload: DossierPayload, dossier: Dossier, sent_at: datetime
) -> tuple[Demarche, bool]:
    """The démarche of the answer, and whether its other dossiers show something new thereby."""
    given = payload.demarche
    demarche: Demarche | None = dossier.demarche if dossier.pk else None
    if demarche is None or demarche.number != given.number:
        demarche = Demarche.objects.filter(number=given.number).first()
    if demarche is None:
        return Demarche.objects.create(
            number=given.number, ds_id=given.id, title=given.title, fetched_at=sent_at
        ), False
    known = (demarche.ds_id, demarche.title)
    if known == (given.id, given.title) or sent_at < demarche.fetched_at:
        return demarche, False
    demarche.ds_id, demarche.title, demarche.fetched_at = given.id, given.title, sent_at
    demarche.save(update_fields=["ds_id", "title", "fetched_at"])
    return demarche, True


def _assign(dossier: Dossier, columns: dict[str, Any]) -> list[str]:
    """Set the columns; the names of those that were not so before."""
    differ = [name for name, value in columns.items() if getattr(dossier, name, None) != value]
    for name in differ:
        setattr(dossier, name, columns[name])
    return differ


@dataclass(frozen=True)
class _Conversation:
    """`rows`: every message, oldest first; `to_write`: those whose rows are missing or differ."""

    rows: list[Message]
    to_write: list[Message]


def _conversation(
    given: Iterable[MessagePayload], dossier: Dossier, sent_at: datetime
) -> _Conversation:
    """The messages as they are to be.

    One that is deleted on the platform, or no longer in the answer, keeps no text here.
    """
    stored: dict[str, list[Any]] = {}
    if dossier.pk:
        rows = Message.objects.filter(dossier=dossier).order_by()
        stored = {ds_id: row for ds_id, *row in rows.values_list("ds_id", *MESSAGE)}
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
    messages = [
        Message(dossier=dossier, ds_id=ds_id, **dict(zip(MESSAGE, row, strict=True)))
        for ds_id, row in wanted.items()
    ]
    return _Conversation(
        rows=sorted(messages, key=lambda message: message.created_at),
        to_write=[row for row in messages if stored.get(row.ds_id) != wanted[row.ds_id]],
    )


def _summary(messages: list[Message], usager_email: str) -> dict[str, Any]:
    """What lists show of a conversation; a deleted or absent message is nobody's last word."""
    readable = [row for row in messages if row.discarded_at is None and row.absent_since is None]
    authors = [Author.of(row.email, usager_email) for row in readable]
    people = [author for author in authors if author is not Author.SYSTEME]
    return {
        "messages_count": len(messages),
        "last_message_at": readable[-1].created_at if readable else None,
        "last_message_author": authors[-1].value if authors else "",
        "usager_spoke_last": people[-1:] == [Author.USAGER],
    }


def _write_messages(messages: list[Message]) -> None:
    """One statement, however many there are: new ones inserted, known ones brought up to date."""
    if messages:
        Message.objects.bulk_create(
            messages,
            update_conflicts=True,
            unique_fields=["ds_id"],
            update_fields=["dossier", *MESSAGE],
        )


def _give_version(platform: Platform, dossier: Dossier, *, renamed: bool = False) -> None:
    """The next version, to the dossier and to the others that the same change shows in."""
    platform.version += 1
    dossier.version, dossier.changed_at = platform.version, timezone.now()
    if renamed:
        Dossier.objects.filter(demarche=dossier.demarche).exclude(pk=dossier.pk).update(
            version=dossier.version, changed_at=dossier.changed_at
        )


def _save_platform(platform: Platform, instance: str, sent_at: datetime, *, changed: bool) -> None:
    """What an answer tells of the platform itself: which one it is, and that it answers."""
    forgotten = _forget_failure(platform, sent_at)
    if changed or forgotten:
        platform.instance = instance
        platform.save(update_fields=["instance", "version", *forgotten])


def _forget_failure(row: Dossier | Platform, sent_at: datetime) -> tuple[str, ...]:
    """Clear a failure that this answer came after; the names of the columns to write."""
    if row.last_error_at is None or row.last_error_at > sent_at:
        return ()
    row.last_error_code = row.last_error_reason = ""
    row.last_error_at = None
    return FAILURE


def _not_noted_since(sent_at: datetime) -> Q:
    return Q(last_error_at=None) | Q(last_error_at__lte=sent_at)


def _record_failure(number: int, err: DSError, instance: str, sent_at: datetime) -> None:
    """Note a failed try where it belongs: on its dossier, or on the platform."""
    failure = {
        "last_error_code": err.code,
        "last_error_reason": err.reason,
        "last_error_at": sent_at,
    }
    if isinstance(err, DossierNotFound):
        _mark_absent(number, instance, sent_at)
    elif err.concerns_dossier:
        dossiers = Dossier.objects.filter(number=number, checked_at__lte=sent_at)
        dossiers.filter(_not_noted_since(sent_at)).update(**failure)
    elif not Dossier.objects.filter(fetched_at__gt=sent_at).exists():
        platform = Platform.objects.filter(_not_noted_since(sent_at), pk=Platform.SINGLETON)
        platform.update(**failure)
    if err.concerns_dossier:
        # The platform answered, and the token is good.
        Platform.objects.filter(pk=Platform.SINGLETON, last_error_at__lte=sent_at).update(
            last_error_code="", last_error_reason="", last_error_at=None
        )


def _mark_absent(number: int, instance: str, sent_at: datetime) -> None:
    with transaction.atomic(durable=True):
        platform = _lock_platform(instance)
        dossier = Dossier.objects.filter(number=number, checked_at__lte=sent_at).first()
        if dossier is None:
            return
        dossier.checked_at = sent_at
        moved = ["checked_at", *_forget_failure(dossier, sent_at)]
        changed = dossier.absent_since is None
        if changed:
            dossier.absent_since = sent_at
            _give_version(platform, dossier)
            moved += ["absent_since", "version", "changed_at"]
        _save_platform(platform, instance, sent_at, changed=changed)
        dossier.save(update_fields=moved)
