"""Who chooses what, while others do, and forms move."""

import json

import pytest
from django.utils import timezone

from dsintegration import journal
from dsintegration.mirror.choices import UnknownChamps, _seen_nothing, choose, prune
from dsintegration.models import Demarche, Dossier, File
from dsintegration.payloads.selection import Selection
from dsintegration.sandbox.forms import SHORT_FORM, Line, answers, champ_id
from dsintegration.services import fetch_dossier, read_form
from tests.factories import dossier_answer, file_answer, message_answer

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 70_001
NAME, SIRET, NOTE = (champ_id(key) for key in (301, 302, 310))


@pytest.fixture
def chosen(sandbox):
    """Chooses what a démarche keeps; the platform has a dossier of démarche 7."""
    sandbox.dossiers[NUMBER] = dossier_answer(
        NUMBER, champs=answers(SHORT_FORM, {301: "Commune de Dreux"})
    )

    def choose_of(number, **chosen):
        demarche = read_form(number)
        choose(demarche, by=journal.CODE, **chosen)
        sandbox.received.clear()
        return demarche

    return choose_of


@pytest.fixture
def revise(sandbox):
    def to(*lines, annotations=()):
        sandbox.revisions[7] = {
            "champDescriptors": [line.descriptor for line in lines],
            "annotationDescriptors": [line.descriptor for line in annotations],
        }

    return to


def kept(demarche):
    return list(demarche.champs.kept().values_list("ds_id", flat=True))


def names_it(sandbox):
    return NAME in json.dumps([request.body for request in sandbox.received])


def test_what_one_demarche_keeps_is_not_asked_of_an_unknown_dossier(sandbox, chosen):
    sandbox.demarches.add(1)
    chosen(1, champs=[NAME])
    fetch_dossier(NUMBER)
    assert not names_it(sandbox)


def test_a_choice_is_not_forgotten_by_a_fetch_from_elsewhere(sandbox, chosen):
    chosen(7, champs=[NAME])
    fetch_dossier(NUMBER)
    _seen_nothing.clear()
    fetch_dossier(12345)
    sandbox.received.clear()
    fetch_dossier(NUMBER)
    assert len(sandbox.received) == 1
    assert names_it(sandbox)


def test_a_new_question_is_no_part_of_a_choice_of_all(chosen, revise):
    all_of_it = [champ_id(line.key) for line in SHORT_FORM]
    assert chosen(7, champs=all_of_it).selection["all_champs"]
    revise(*SHORT_FORM, Line(309, "Text", "Nouvelle question"))
    before = timezone.now()
    read_form(7)
    demarche = Demarche.objects.get(number=7)
    assert demarche.form_read_at > before
    assert demarche.selection["champs"] == all_of_it
    assert not demarche.selection["all_champs"]


def test_annotations_are_chosen_by_themselves(sandbox, revise):
    revise(*SHORT_FORM, annotations=[Line(310, "Text", "Avis")])
    demarche = read_form(7)
    choose(demarche, by=journal.CODE, annotations=[NOTE])
    assert kept(demarche) == [NOTE]
    for wrong in ({"champs": [NOTE]}, {"annotations": [NAME]}):
        with pytest.raises(UnknownChamps):
            choose(demarche, by=journal.CODE, **wrong)
    assert kept(demarche) == [NOTE]


def test_what_somebody_else_chose_meanwhile_stays(chosen):
    stale = read_form(7)
    chosen(7, champs=[NAME], demandeur=True)
    choose(stale, by=journal.CODE, champs=[SIRET])
    selection = Selection.of(Demarche.objects.get(number=7).selection)
    assert (selection.champs, selection.demandeur) == ((SIRET,), True)


def test_choosing_less_drops_no_file_of_messages_or_of_other_dossiers(sandbox, revise):
    rib, quote = Line(401, "PieceJustificative", "RIB"), Line(402, "PieceJustificative", "Devis")
    revise(rib, quote)
    demarche, ids = read_form(7), [champ_id(401), champ_id(402)]
    choose(demarche, by=journal.CODE, champs=ids)
    for number in (NUMBER, NUMBER + 1):
        files = {401: [file_answer("rib.pdf")], 402: [file_answer("devis.pdf")]}
        message = message_answer(f"m{number}", attachments=[file_answer("plan.pdf")])
        sandbox.dossiers[number] = dossier_answer(
            number, champs=answers((rib, quote), files), messages=[message]
        )
        fetch_dossier(number)
    Dossier.objects.filter(number=NUMBER + 1).update(content_key="")
    choose(demarche, by=journal.CODE, champs=ids[:1])
    assert list(prune(demarche)) == [1]
    rows = File.objects.order_by("dossier__number", "filename")
    assert list(rows.values_list("dossier__number", "filename")) == [
        (NUMBER, "plan.pdf"),
        (NUMBER, "rib.pdf"),
        (NUMBER + 1, "devis.pdf"),
        (NUMBER + 1, "plan.pdf"),
        (NUMBER + 1, "rib.pdf"),
    ]
