"""Answers as the platform gives them, and rows as they are stored."""

from datetime import UTC, datetime
from typing import Any

import factory

from dsintegration.models import Demarche, Dossier, File, Message
from dsintegration.sandbox import Reply


class DemarcheFactory(factory.django.DjangoModelFactory[Demarche]):
    class Meta:
        model = Demarche

    number = factory.Sequence(lambda rank: 1000 + rank)
    ds_id = factory.LazyAttribute(lambda row: f"Procedure-{row.number}")
    title = "Demande d'aide"
    fetched_at = datetime(2026, 1, 1, tzinfo=UTC)


class DossierFactory(factory.django.DjangoModelFactory[Dossier]):
    class Meta:
        model = Dossier

    number = factory.Sequence(lambda rank: 500_000 + rank)
    ds_id = factory.LazyAttribute(lambda row: f"Dossier-{row.number}")
    demarche = factory.SubFactory(DemarcheFactory)
    state = Dossier.State.EN_CONSTRUCTION
    usager_email = "usager@example.org"
    date_derniere_modification = datetime(2026, 1, 1, tzinfo=UTC)
    last_human_at = factory.SelfAttribute("last_message_at")
    waiting_since = factory.LazyAttribute(
        lambda row: row.date_derniere_modification if row.usager_spoke_last else None
    )
    usager_spoke_last = False
    last_message_at = None
    version = 1
    changed_at = datetime(2026, 1, 1, tzinfo=UTC)
    fetched_at = datetime(2026, 1, 1, tzinfo=UTC)
    checked_at = datetime(2026, 1, 1, tzinfo=UTC)


class MessageFactory(factory.django.DjangoModelFactory[Message]):
    class Meta:
        model = Message

    dossier = factory.SubFactory(DossierFactory)
    ds_id = factory.Sequence(lambda rank: f"Commentaire-{rank}")
    email = "agent@example.org"
    body = "Bonjour"
    created_at = datetime(2026, 1, 1, tzinfo=UTC)


class FileFactory(factory.django.DjangoModelFactory[File]):
    """In a message."""

    class Meta:
        model = File

    message = factory.SubFactory(MessageFactory, file_marks="some")
    dossier = factory.SelfAttribute("message.dossier")
    place = "message"
    filename = "rib.pdf"
    content_type = "application/pdf"
    byte_size = 1234
    checksum = "CY9rzUYh03PK3k6DJie09g=="
    created_at = datetime(2026, 1, 1, tzinfo=UTC)
    scan = "safe"
    key = factory.Sequence(lambda rank: f"key-{rank}")


def message_answer(id: str, /, **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "email": "agent@example.org",
        "body": f"Texte de {id}",
        "createdAt": "2026-03-02T09:15:41+01:00",
        "discardedAt": None,
        "attachments": [],
    } | fields


def file_answer(filename: str = "rib.pdf", /, **fields: Any) -> dict[str, Any]:
    """What stands in a message's `attachments`."""
    return {
        "filename": filename,
        "contentType": "application/pdf",
        "byteSizeBigInt": "1234",
        "checksum": "CY9rzUYh03PK3k6DJie09g==",
        "createdAt": "2026-03-02T09:15:40+01:00",
        "virusScanResult": "safe",
    } | fields


def dossier_answer(number: int, /, **fields: Any) -> dict[str, Any]:
    """What stands under `data.dossier`."""
    return {
        "id": f"Dossier-{number}",
        "number": number,
        "state": "en_construction",
        "dateDerniereModification": "2026-03-02T09:15:41+01:00",
        "dateDepot": "2026-03-02T09:15:41+01:00",
        "datePassageEnConstruction": "2026-03-02T09:15:41+01:00",
        "datePassageEnInstruction": None,
        "dateTraitement": None,
        "dateExpiration": None,
        "dateSuppressionParUsager": None,
        "dateDerniereCorrectionEnAttente": None,
        "usager": {"id": "VXNlci01", "email": "usager@example.org"},
        "demarche": {
            "id": "Procedure-7",
            "number": 7,
            "title": "Demande d'aide",
            "service": {"nom": "Guichet unique", "organisme": "Ville d'Exemple"},
        },
        "messages": [message_answer("m1"), message_answer("m2")],
    } | fields


# How a dossier that is asked for alone fails by itself.
FAILURES = [
    Reply(body={"data": {"dossier": {}}}),
    Reply(body={"data": {"dossier": dossier_answer(7, usager=None)}}),
    Reply(body={"data": {"dossier": dossier_answer(8)}}),
    Reply(body={"data": None}),
    Reply(body="<html>"),
    Reply(body=b"\xff"),
    Reply(body={"errors": [{"extensions": {"code": "timeout"}}], "data": None}),
    Reply(body={"errors": [{"extensions": {"code": "invalid_null"}}], "data": None}),
    Reply(500, ""),
    Reply(502, ""),
    Reply(504, ""),
    Reply(404, ""),
    Reply(413, ""),
    Reply(body={}, headers={"Content-Encoding": "gzip"}),
]
