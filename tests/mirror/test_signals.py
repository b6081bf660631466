"""What is told to the SI: each change once, after the commit."""

import re
from pathlib import Path

import pytest

from dsintegration.exceptions import DossierNotFound
from dsintegration.mirror import storing
from dsintegration.models import Dossier
from dsintegration.services import fetch_dossier, fetch_dossiers
from dsintegration.signals import dossier_changed, message_received
from tests.factories import dossier_answer, message_answer

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 28711001


@pytest.fixture
def told():
    """What was told: of dossiers, and of messages."""
    dossiers, messages = [], []

    def of_dossier(sender, dossier, created, fields, **_):
        assert Dossier.objects.get(number=dossier.number).version == dossier.version
        dossiers.append((dossier.number, created, set(fields)))

    def of_message(sender, message, **_):
        messages.append(message.ds_id)

    dossier_changed.connect(of_dossier)
    message_received.connect(of_message)
    yield dossiers, messages
    dossier_changed.disconnect(of_dossier)
    message_received.disconnect(of_message)


def test_each_change_once(sandbox, told):
    dossiers, messages = told
    sandbox.dossiers[NUMBER] = dossier_answer(NUMBER)
    fetch_dossier(NUMBER)
    fetch_dossier(NUMBER)
    assert [(number, created) for number, created, _ in dossiers] == [(NUMBER, True)]
    assert messages == ["m1", "m2"]
    sandbox.dossiers[NUMBER] = dossier_answer(
        NUMBER, state="accepte", messages=[message_answer(f"m{rank}") for rank in (1, 2, 3)]
    )
    fetch_dossier(NUMBER)
    assert dossiers[1:] == [(NUMBER, False, {"state", "messages", "messages_count"})]
    assert messages == ["m1", "m2", "m3"]


def test_what_is_deleted_or_absent(sandbox, told):
    dossiers, messages = told
    gone = message_answer("m3", body="", discardedAt="2026-03-05T00:00:00+01:00")
    sandbox.dossiers[NUMBER] = dossier_answer(NUMBER, messages=[message_answer("m1"), gone])
    fetch_dossier(NUMBER)
    assert messages == ["m1"]
    del sandbox.dossiers[NUMBER]
    for _ in range(2):
        with pytest.raises(DossierNotFound):
            fetch_dossier(NUMBER)
    assert dossiers[1:] == [(NUMBER, False, {"absent_since"})]
    sandbox.dossiers[NUMBER] = dossier_answer(NUMBER, messages=[message_answer("m1"), gone])
    fetch_dossier(NUMBER)
    assert dossiers[2:] == [(NUMBER, False, {"absent_since"})]


def test_many(sandbox, told):
    list(fetch_dossiers(sandbox.dossiers))
    assert sorted(number for number, *_ in told[0]) == sorted(sandbox.dossiers)


def test_what_is_not_stored_is_not_told(sandbox, told, monkeypatch):
    def stop(messages):
        raise KeyboardInterrupt

    monkeypatch.setattr(storing, "write_messages", stop)
    with pytest.raises(KeyboardInterrupt):
        fetch_dossier(12345)
    assert told == ([], [])


def test_a_receiver_that_fails_stops_nothing(sandbox, logs):
    def broken(**_):
        raise ZeroDivisionError

    dossier_changed.connect(broken)
    try:
        assert fetch_dossier(12345).created
    finally:
        dossier_changed.disconnect(broken)
    assert "broken" in logs.text
    assert "@" not in logs.text


def test_the_example_of_the_documentation(sandbox, capsys):
    page = Path(__file__).resolve().parents[2] / "docs" / "signaux.md"
    scope = {}
    exec(re.search(r"```python\n(.*?)```", page.read_text(), re.DOTALL)[1], scope)
    try:
        fetch_dossier(12347)
        fetch_dossier(12348)
    finally:
        dossier_changed.disconnect(scope["suivre_les_decisions"])
        message_received.disconnect(scope["signaler_une_question"])
    assert capsys.readouterr().out == (
        "dossier 12347 : nouveau message de l'usager\ndossier 12348 : Accepté\n"
    )
