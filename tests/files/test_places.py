"""Files wherever they lie: in the form, its repetitions, annotations, and beside the decision."""

import pytest

from dsintegration import journal
from dsintegration.exceptions import FileGone
from dsintegration.files import open_file
from dsintegration.mirror.choices import choose
from dsintegration.models import File
from dsintegration.sandbox import forms
from dsintegration.sandbox.forms import Line, champ_id
from dsintegration.sandbox.storage import file
from dsintegration.services import fetch_dossier, read_form
from tests.factories import dossier_answer

pytestmark = pytest.mark.django_db

NUMBER, AT = 70_001, "2026-03-02T09:15:40+01:00"
RIB, QUOTES, NOTE = (champ_id(key) for key in (401, 403, 501))
FORM = (
    Line(401, "PieceJustificative", "RIB"),
    Line(
        403,
        "Repetition",
        "Devis",
        inner=(Line(404, "PieceJustificative", "Devis"), Line(405, "Text", "Montant")),
    ),
)
NOTES = (Line(501, "PieceJustificative", "Note interne"),)


def held(name: str) -> dict:
    return file(f"{name}.pdf", AT, content=name.encode())


@pytest.fixture
def files(sandbox, monkeypatch):
    """One in each place, by its name."""
    monkeypatch.setitem(forms.FORMS, 7, (FORM, NOTES))
    demarche = read_form(7)
    kept = {"champs": [RIB, QUOTES], "annotations": [NOTE], "instruction": True}
    choose(demarche, by=journal.CODE, **kept)
    rows = [{404: [held("first")]}, {404: [held("second")]}]
    sandbox.dossiers[NUMBER] = dossier_answer(
        NUMBER,
        champs=forms.answers(FORM, {401: [held("rib")], 403: rows}),
        annotations=forms.answers(NOTES, {501: [held("note")]}),
        motivationAttachment=held("motifs"),
        attestation=held("acte"),
    )
    fetch_dossier(NUMBER)
    sandbox.received.clear()
    rows = File.objects.select_related("dossier", "message")
    return {row.filename.removesuffix(".pdf"): row for row in rows}


@pytest.mark.parametrize("name", ["rib", "first", "second", "note", "motifs", "acte"])
def test_each_is_asked_for_by_itself(files, sandbox, name):
    opened = open_file(files[name], by=journal.CODE)
    assert opened.read() == name.encode()
    opened.close()
    [request] = sandbox.received
    place = {"rib": RIB, "first": QUOTES, "second": QUOTES, "note": NOTE}.get(name)
    assert request.body["variables"] == {"number": NUMBER} | ({"place": place} if place else {})
    assert "stringValue" not in request.body["query"]


def test_what_is_chosen_no_more_is_not_asked_for(files, sandbox):
    row = files["rib"]
    row.dossier.champs = None
    with pytest.raises(FileGone):
        open_file(row, by=journal.CODE)
    assert not sandbox.received


@pytest.mark.parametrize("name", ["motifs", "acte", "rib"])
def test_what_is_gone(files, sandbox, name):
    sandbox.dossiers[NUMBER] = dossier_answer(NUMBER, champs=forms.answers(FORM, {}))
    with pytest.raises(FileGone):
        open_file(files[name], by=journal.CODE)
