"""Answers in the list of dossiers: found by the one box, filtered by, shown as columns."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group

from dsintegration import journal
from dsintegration.mirror.choices import choose
from dsintegration.models import Dossier, Perimeter
from dsintegration.sandbox.forms import SHORT_FORM, answers, champ_id
from dsintegration.services import fetch_dossier, read_form
from tests.admin.conftest import numbers_of, text_of
from tests.factories import DossierFactory, dossier_answer

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/dsintegration/dossier/"
NAME, SIRET, AMOUNT, START, TOWN = range(301, 306)
DREUX = {
    NAME: "Mairie de l’Épine-aux-Bois",
    SIRET: ("44011762001530", "COMMUNE DE L'EPINE"),
    AMOUNT: 4300.5,
    START: ("2026-12-19", "19 décembre 2026"),
    TOWN: ("28134", "Dreux", "28100", "28"),
}
CHARTRES = {
    NAME: "Crédit des arts",
    SIRET: ("21280085200019", "CREDIT DES ARTS"),
    AMOUNT: 12000,
    START: ("2027-02-01", "1 février 2027"),
    TOWN: ("28085", "Chartres", "28000", "28"),
}


@pytest.fixture
def here(sandbox):
    """Two dossiers of démarche 7, found by all that they answer, and one of another démarche."""
    for number, values in ((71_001, DREUX), (71_002, CHARTRES)):
        sandbox.dossiers[number] = dossier_answer(number, champs=answers(SHORT_FORM, values))
    demarche = read_form(7)
    ids = [champ_id(key) for key in (NAME, SIRET, AMOUNT, START, TOWN)]
    uses = {key: ["is_searchable"] for key in ids}
    uses |= {champ_id(key): ["is_searchable", "in_list"] for key in (NAME, AMOUNT)}
    choose(demarche, by=journal.CODE, champs=ids, uses=uses)
    for number in (71_001, 71_002):
        fetch_dossier(number)
    DossierFactory(number=33_333_333, usager_email="zoe@example.org")
    return demarche


def key_of(champ: int) -> str:
    return f"champ.{champ_id(champ).rstrip('=')}"


def found(client, demarche=None, **query):
    query |= {"demarche__id__exact": demarche.pk} if demarche else {}
    return sorted(numbers_of(client.get(LIST, query)))


class TestTheBox:
    @pytest.mark.parametrize(
        "text",
        [
            "44011762001530",
            "440 117 620 01530",
            "440\u202f117\u202f620\u202f01530",
            "440.117.620.01530",
            "SIRET : 44011762001530",
            "siret 440 117 620 01530",
            "440117620",
            "440 117 620",
            "epine aux bois",
            "l'épine",
            "EPINE-AUX",
            "bois",
            "bois epine",
            "Bois de l'Épine",
            "dreux mairie",
            "19 décembre 2026",
        ],
    )
    def test_what_callers_give(self, reader, here, text):
        assert found(reader, q=text) == [71_001]

    @pytest.mark.parametrize(
        "text",
        ["44011762001531", "pine aux", "12", "4300", "epine arts", "mairie 99", "\U0010ffff"],
    )
    def test_what_nobody_answered(self, reader, here, text):
        assert found(reader, q=text) == []

    def test_an_answer_beside_a_title_and_an_address(self, reader, here):
        DossierFactory(number=34_000_000, demarche__title="Aide aux arts")
        assert found(reader, q="arts") == [71_002, 34_000_000]
        assert found(reader, q="zoe@example.org") == [33_333_333]
        assert found(reader, q="71001") == [71_001]

    def test_what_is_not_searchable_is_not_found(self, reader, here):
        here.champs.update(is_searchable=False)
        assert found(reader, q="44011762001530") == []
        assert found(reader, q="bois epine") == []

    def test_a_word_beside_a_number_does_not_hide_it(self, reader, here, sandbox):
        sandbox.dossiers[71_003] = dossier_answer(
            71_003, champs=answers(SHORT_FORM, {NAME: "Dossier de la mairie"})
        )
        fetch_dossier(71_003)
        assert found(reader, q="dossier 3333") == [33_333_333]

    def test_perimeters_hold(self, enter, here):
        limited = enter("limited", "view_dossier", everywhere=False)
        group = Group.objects.create(name="Service")
        limited.user.groups.add(group)
        perimeter = Perimeter.objects.create(group=group)
        other = Dossier.objects.get(number=33_333_333).demarche
        perimeter.demarches.set([other])
        assert found(limited, q="44011762001530") == []
        assert found(limited, q="bois epine") == []
        perimeter.demarches.set([other, here])
        again = enter("again", "view_dossier", everywhere=False)
        again.user.groups.add(group)
        assert found(again, q="44011762001530") == [71_001]

    def test_statements(self, reader, here, django_assert_max_num_queries):
        queries = ["?q=44011762001530", "?q=bois", "?q=dreux+bois+mairie+epine+commune"]
        for query in (*queries, f"?demarche__id__exact={here.pk}&q=bois"):
            with django_assert_max_num_queries(12):
                reader.get(LIST + query)


class TestFilters:
    def test_offered_for_one_demarche_alone(self, reader, here):
        assert "Par réponse" not in text_of(reader.get(LIST))
        text = text_of(reader.get(LIST, {"demarche__id__exact": here.pk}))
        assert "Par réponse" in text
        assert "Numéro SIRET" in text

    def test_text(self, reader, here):
        assert found(reader, here, **{key_of(NAME): "epine"}) == [71_001]
        assert found(reader, here, **{key_of(NAME): "credit"}) == [71_002]
        assert found(reader, here, **{key_of(TOWN): "credit"}) == []
        assert found(reader, here, **{key_of(NAME): "?!"}) == []

    @pytest.mark.parametrize(
        ("least", "most", "numbers"),
        [
            ("4 300,50", "", [71_001, 71_002]),
            ("4300,51", "", [71_002]),
            ("", "4 300,50 €", [71_001]),
            ("1000", "5000", [71_001]),
            ("5\u202f000", "1e4", []),
            ("beaucoup", "", []),
            ("NaN", "", []),
            ("1e999", "", []),
        ],
    )
    def test_an_amount_between_two(self, reader, here, least, most, numbers):
        query = {f"{key_of(AMOUNT)}.min": least, f"{key_of(AMOUNT)}.max": most}
        assert found(reader, here, **query) == numbers

    @pytest.mark.parametrize(
        ("least", "most", "numbers"),
        [
            ("2026-12-19", "2026-12-19", [71_001]),
            ("20/12/2026", "", [71_002]),
            ("", "18/12/2026", []),
            ("demain", "", []),
        ],
    )
    def test_a_date_between_two(self, reader, here, least, most, numbers):
        query = {f"{key_of(START)}.min": least, f"{key_of(START)}.max": most}
        assert found(reader, here, **query) == numbers

    def test_several_hold_together_and_are_said(self, reader, here):
        query = {key_of(NAME): "credit", f"{key_of(AMOUNT)}.min": "5000"}
        page = reader.get(LIST, {"demarche__id__exact": here.pk, **query})
        assert numbers_of(page) == [71_002]
        assert (
            "Nom du demandeur : « credit », Montant demandé (en euros) : à partir de 5000"
            in text_of(page)
        )
        assert 'value="credit"' in page.content.decode()

    def test_those_of_another_demarche_ask_nothing(self, reader, here):
        other = Dossier.objects.get(number=33_333_333).demarche
        assert found(reader, other, **{key_of(NAME): "epine"}) == [33_333_333]
        assert found(reader, **{key_of(NAME): "epine", "champ.": "x"}) == [
            71_001,
            71_002,
            33_333_333,
        ]

    def test_what_is_filtered_is_in_no_log(self, enter, here):
        exporter = enter("exporter", "view_dossier", "export_dossier")
        query = f"?demarche__id__exact={here.pk}&{key_of(NAME)}=epine"
        assert exporter.post(f"{LIST}export/{query}", {"format": 0}).status_code == 200
        assert "epine" not in LogEntry.objects.get().change_message


class TestColumns:
    def columns(self, client, **query):
        page = client.get(LIST, query).content.decode()
        head = re.findall(r'<div class="text">(?:<a [^>]*>|<span>)(.*?)</', page)
        return head, page

    def test_of_one_demarche(self, reader, here):
        head, page = self.columns(reader, demarche__id__exact=here.pk)
        assert head[2:5] == ["État", "Nom du demandeur", "Montant demandé (en euros)"]
        assert "Mairie de l’Épine-aux-Bois" in page
        assert "4300,5" in page

    def test_of_one_that_was_typed(self, reader, here):
        assert "Nom du demandeur" in self.columns(reader, demarche="n° 7")[0]

    def test_of_none_where_there_are_several(self, reader, here):
        assert "Nom du demandeur" not in self.columns(reader)[0]

    def test_of_the_only_one(self, reader, here):
        Dossier.objects.get(number=33_333_333).delete()
        type(here).objects.exclude(pk=here.pk).delete()
        assert "Nom du demandeur" in self.columns(reader)[0]

    def test_content_is_loaded_for_columns_alone(self, reader, here):
        [first, *_] = reader.get(LIST).context["cl"].result_list
        assert {"champs", "annotations", "instruction"} <= first.get_deferred_fields()
        page = reader.get(LIST, {"demarche__id__exact": here.pk})
        [first, *_] = page.context["cl"].result_list
        assert "champs" not in first.get_deferred_fields()
        assert "annotations" in first.get_deferred_fields()

    def test_statements(self, reader, here, django_assert_max_num_queries):
        with django_assert_max_num_queries(11):
            reader.get(LIST, {"demarche__id__exact": here.pk})
