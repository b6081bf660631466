"""The index of searchable answers, where there are several dossiers."""

import pytest

from dsintegration import journal
from dsintegration.mirror.choices import choose, prune
from dsintegration.mirror.values import beginning_with
from dsintegration.models import ChampValue, Dossier
from dsintegration.sandbox.forms import SHORT_FORM, answers, champ_id
from dsintegration.services import fetch_dossier, read_form
from tests.factories import dossier_answer

pytestmark = pytest.mark.django_db(transaction=True)

NAME = champ_id(301)
FIRST, SECOND = 70_001, 70_002


@pytest.fixture
def says(sandbox):
    """Fetches a dossier of démarche 7, which says its name."""

    def fetch(number, name):
        champs = answers(SHORT_FORM, {301: name})
        sandbox.dossiers[number] = dossier_answer(number, champs=champs)
        fetch_dossier(number)

    return fetch


@pytest.fixture
def demarche(sandbox):
    demarche = read_form(7)
    choose(demarche, by=journal.CODE, champs=[NAME], uses={NAME: ["is_searchable"]})
    return demarche


def found(text):
    rows = ChampValue.objects.filter(beginning_with(text))
    return sorted(set(rows.values_list("dossier__number", flat=True)))


def test_a_change_takes_no_other_dossier_out(demarche, says):
    says(FIRST, "Dreux")
    says(SECOND, "Dreux")
    says(FIRST, "Chartres")
    assert (found("dreux"), found("chartres")) == ([SECOND], [FIRST])


def test_choosing_less_takes_out_those_that_it_concerns(demarche, says):
    says(FIRST, "Dreux")
    says(SECOND, "Dreux")
    Dossier.objects.filter(number=SECOND).update(content_key="")
    choose(demarche, by=journal.CODE, champs=[])
    list(prune(demarche))
    assert found("dreux") == [SECOND]


def test_nothing_is_found_by_no_text(demarche, says):
    says(FIRST, "Dreux")
    assert found("d") == [FIRST]
    assert found("") == []
