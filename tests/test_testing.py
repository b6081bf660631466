"""What a project's own tests are given (dsintegration.testing)."""

import socket
import struct
import threading
from datetime import UTC, date, datetime

import pytest
from django.core.management import call_command

from dsintegration.models import Dossier, File
from dsintegration.representation import dossier_as_json
from dsintegration.services import fetch_dossier
from dsintegration.testing import platform

pytestmark = pytest.mark.django_db(transaction=True)

CHAMPS = {
    "SIRET": "Siret",
    "Montant": "DecimalNumber",
    "Début": "Date",
    "Rendez-vous": "Datetime",
    "Publics": "MultipleDropDownList",
    "Accord": "YesNo",
    "RIB": "PieceJustificative",
    "Partenaires": {"Nom": "Text", "Apport": "IntegerNumber", "Convention": "PieceJustificative"},
}


@pytest.fixture
def ours():
    with platform() as ours:
        yield ours


def keep(demarche="901"):
    call_command("setup_demarche", demarche, "--champs", "all", "--annotations", "all", verbosity=0)


def told(number=12345):
    fetch_dossier(number)
    shown = dossier_as_json(Dossier.objects.get(number=number))
    champs = [*shown["champs"], *shown["annotations"]]
    return {champ["label"]: champ for champ in champs}


def test_a_form_and_its_answers(ours):
    ids = ours.add_form(901, champs=CHAMPS, annotations={"Avis": "Text"})
    ours.add_dossier(
        12345,
        champs={
            "SIRET": "44011762001530",
            "Montant": 4300.5,
            "Début": date(2026, 12, 19),
            "Rendez-vous": datetime(2026, 12, 18, 13, 30, tzinfo=UTC),
            "Publics": ["Enfants", "Familles"],
            "RIB": "rib.pdf",
            "Partenaires": [
                {"Nom": "Ville", "Apport": 1500, "Convention": ["a.pdf", "b.pdf"]},
                {"Nom": "Région"},
            ],
        },
        annotations={"Avis": "Favorable"},
    )
    keep()
    champs = told()
    assert {label: champs[label]["id"] for label in champs} == {
        label: id for label, id in ids.items() if label in champs
    }
    assert {label: champs[label]["value"] for label in champs if "value" in champs[label]} == {
        "SIRET": "44011762001530",
        "Montant": 4300.5,
        "Début": "2026-12-19",
        "Rendez-vous": "2026-12-18T13:30:00Z",
        "Publics": ["Enfants", "Familles"],
        "Accord": None,
        "Avis": "Favorable",
    }
    assert champs["Début"]["text"] == "19 décembre 2026"
    assert [file["filename"] for file in champs["RIB"]["files"]] == ["rib.pdf"]
    first, second = champs["Partenaires"]["rows"]
    assert [champ["value"] for champ in first[:2]] == ["Ville", 1500]
    assert [file["filename"] for file in first[2]["files"]] == ["a.pdf", "b.pdf"]
    assert [champ.get("value") for champ in second] == ["Région", None, None]
    assert File.objects.count() == 3


def test_two_forms_have_ids_of_their_own(ours):
    first, second = (ours.add_form(number, champs=CHAMPS) for number in (901, 902))
    assert not set(first.values()) & set(second.values())
    assert len(set(first.values())) == len(first)


def test_champs_of_the_platform(ours):
    ids = ours.add_form(901, champs={"Avis": "Text"})
    champ = {
        "__typename": "TextChamp",
        "id": ids["Avis"],
        "champDescriptorId": ids["Avis"],
        "label": "Avis",
        "stringValue": "Oui",
    }
    ours.add_dossier(12345, champs=[champ])
    call_command("setup_demarche", "901", "--champs", "all", verbosity=0)
    fetch_dossier(12345)
    assert Dossier.objects.get().champs[0]["value"] == "Oui"


def test_a_label_that_the_form_does_not_have(ours):
    ours.add_form(901, champs={"SIRET": "Siret"})
    with pytest.raises(KeyError, match="Siren"):
        ours.add_dossier(12345, champs={"Siren": "440117620"})


def test_forms_go_with_the_test(ours):
    ours.add_form(901, champs=CHAMPS)
    ours.unreadable.add(12345)
    ours.empty()
    assert (ours.forms, ours.revisions, ours.unreadable) == ({}, {}, set())


def test_a_caller_who_hangs_up_is_no_error(sandbox, monkeypatch, capfd):
    """As the client does when its time is over: nobody reads a traceback among his dots."""
    caller = socket.create_connection(sandbox.origin.removeprefix("http://").split(":"))
    answer, threads, done = sandbox.answer, [], threading.Event()

    def hang_up(request):
        threads.append(threading.current_thread())
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()  # a reset: the answer finds nobody
        done.set()
        return answer(request)

    monkeypatch.setattr(sandbox, "answer", hang_up)
    caller.sendall(b"POST /api/v2/graphql HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    done.wait()
    threads[0].join()
    assert capfd.readouterr() == ("", "")
