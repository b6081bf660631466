"""Statements that are composed once: what they write is what the ORM would have written."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from dsintegration.mirror.composed import upsert
from dsintegration.models import Demarche, Message
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossier
from dsintegration.signals import message_received
from tests.factories import dossier_answer, message_answer

pytestmark = pytest.mark.django_db

AIDE = {"number": 7, "ds_id": "P7", "title": "Aide", "fetched_at": datetime(2026, 3, 2, tzinfo=UTC)}


def test_a_conversation_is_whole_where_a_statement_takes_few_of_its_messages(
    sandbox, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(connection.ops, "bulk_batch_size", lambda fields, rows: 3)
    messages = [message_answer(f"m{rank}") for rank in range(10)]
    sandbox.replies[101] = Reply(body={"data": {"dossier": dossier_answer(101, messages=messages)}})
    received = {}

    def note(message, **_):
        received[message.pk] = message.ds_id

    message_received.connect(note)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            fetch_dossier(101)
    finally:
        message_received.disconnect(note)
    assert received == dict(Message.objects.values_list("pk", "ds_id"))
    assert sorted(received.values()) == sorted(message["id"] for message in messages)


def test_rows_that_are_here_are_told_by_their_key_and_the_others_inserted():
    first = Demarche.objects.create(**AIDE, decision_hidden=True)
    rows = [
        Demarche(**AIDE | {"number": 8, "title": "Prime"}, selection={}),
        Demarche(**AIDE | {"title": "Bourse"}, selection={}),
    ]
    upsert(rows, "number", ("title",))
    assert [row.pk for row in rows] == [Demarche.objects.get(number=8).pk, first.pk]
    first.refresh_from_db()
    assert (first.title, first.decision_hidden) == ("Bourse", True)


@pytest.mark.parametrize("value", ["un texte", 3, True, {"a": [1]}, []])
def test_what_a_column_of_json_holds_comes_back(value):
    upsert([Demarche(**AIDE, selection=value)], "number", ("title",))
    assert Demarche.objects.get().selection == value
