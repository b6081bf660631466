"""The index of searchable answers, where there are several dossiers."""

from datetime import date
from decimal import Decimal

import pytest

from dsintegration import journal
from dsintegration.mirror.choices import choose, prune
from dsintegration.mirror.values import beginning_with, values_of
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


def rows_of(kind, value, text=""):
    """What one answer puts into the index: text, number, day, whether it is whole."""
    champ = {"id": "c", "type": kind, "value": value, "text": text}
    return {row[1:] for row in values_of(Dossier(champs=[champ]), {"c"})}


@pytest.mark.parametrize(("kind", "value"), [("TextChamp", None), ("CarteChamp", "48.44, 1.49")])
def test_no_answer_and_no_map_is_in_the_index(kind, value):
    assert rows_of(kind, value) == set()


@pytest.mark.parametrize(
    ("kind", "value", "text", "expected"),
    [
        (
            "TextChamp",
            "La Motte",
            "",
            {("la motte", None, None, True), ("motte", None, None, False)},
        ),
        ("CheckboxChamp", True, "Oui", {("oui", None, None, True)}),
        (
            "MultipleDropDownListChamp",
            ["Un", "Deux"],
            "Un, Deux",
            {(t, None, None, True) for t in ("un", "deux")},
        ),
        ("TextChamp", "7 rue", "", {("7 rue", None, None, True), ("rue", None, None, False)}),
        ("TextChamp", "0237", "", {("0237", None, None, True)}),
        (
            "PhoneChamp",
            "02 37",
            "",
            {("02 37", None, None, True), ("37", None, None, False), ("0237", None, None, True)},
        ),
        (
            "IntegerNumberChamp",
            "2037",
            "2 037",
            {("2 037", Decimal(2037), None, True), ("037", None, None, False)},
        ),
        ("TextChamp", "12", "", {("12", None, None, True)}),
        ("DecimalNumberChamp", "douze", "", {("douze", None, None, True)}),
        ("DecimalNumberChamp", "9" * 27, "", {("9" * 27, Decimal("9" * 27), None, True)}),
        ("DecimalNumberChamp", "1" + "0" * 27, "", {("1" + "0" * 27, None, None, True)}),
        (
            "DateChamp",
            "2026-03-02",
            "2 3",
            {("2 3", None, date(2026, 3, 2), True), ("3", None, None, False)},
        ),
        (
            "DatetimeChamp",
            "2026-03-02T09:00:00+00:00",
            "hier",
            {("hier", None, date(2026, 3, 2), True)},
        ),
        (
            "SiretChamp",
            "44011762001530",
            "Mairie",
            {("mairie", None, None, True), ("44011762001530", None, None, True)},
        ),
    ],
)
def test_what_an_answer_puts_into_the_index(kind, value, text, expected):
    assert rows_of(kind, value, text) == expected
