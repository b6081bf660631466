"""The page of a démarche that reads its form and chooses what is kept: who may, and what then."""

import json

import pytest

from dsintegration import tasks
from dsintegration.models import ChampValue, Demarche, Dossier, JournalEntry
from dsintegration.sandbox import Reply
from dsintegration.sandbox.forms import FORMS, SHORT_FORM, Line, answers, champ_id
from dsintegration.services import fetch_demarche, fetch_dossier
from tests.admin.conftest import text_of
from tests.factories import dossier_answer

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 70_001
VALUES = {301: "Commune de Dreux", 302: ("21280134800018", "COMMUNE DE DREUX"), 303: 4300.5}


@pytest.fixture
def chief(enter):
    return enter("chief", "view_demarche", "change_demarche", "view_dossier")


@pytest.fixture
def demarche(sandbox):
    sandbox.dossiers[NUMBER] = dossier_answer(NUMBER, champs=answers(SHORT_FORM, VALUES))
    return fetch_demarche(7)


def page_of(demarche) -> str:
    return f"/admin/dsintegration/demarche/{demarche.pk}/formulaire/"


def read(client, demarche):
    return client.post(page_of(demarche), {"do": "read"}, follow=True)


def row(demarche, key):
    return demarche.champs.get(ds_id=champ_id(key))


def save(client, demarche, *, people=(), part=1, **boxes):
    """`boxes`: the keys of the champs that are ticked, by the name of the box."""
    rows = demarche.champs.all()
    data = {"do": "save", "shown": ",".join(str(one.pk) for one in rows)}
    data |= {name: [row(demarche, key).pk for key in keys] for name, keys in boxes.items()}
    data |= dict.fromkeys(people, "on")
    return client.post(page_of(demarche), data, follow=True)


class TestReading:
    def test_the_form_as_it_is(self, chief, demarche, monkeypatch):
        monkeypatch.setitem(FORMS, 7, FORMS[901])
        before = text_of(chief.get(page_of(demarche)))
        assert "Le formulaire n'a pas encore été lu." in before
        page = read(chief, demarche)
        check_html_but_for_the_admin(page)
        text = text_of(page)
        assert f"Formulaire lu (lignes : {demarche.champs.count()})." in text
        assert "Champs conservés : 0 sur 32." in text
        order = ["Le porteur du projet", "Nom de l'association", "La manifestation", "Partenaires"]
        places = [text.index(words) for words in [*order, "Apport en euros nombre entier, avec"]]
        assert places == sorted(places)
        assert "Annotations privées" in text
        assert "nouveau" not in text

    def test_what_is_gone_and_what_is_new(self, chief, demarche, monkeypatch):
        read(chief, demarche)
        save(chief, demarche, is_kept=[301, 302])
        form = (*SHORT_FORM[1:], Line(306, "Text", "Nom du maire"))
        monkeypatch.setitem(FORMS, 7, (form, ()))
        page = read(chief, demarche)
        text = text_of(page)
        assert "nouvelles : 1" in text
        assert "Nouveau : « Nom du maire »" in text
        assert "Absent du formulaire actuel : « Nom du demandeur »" in text
        assert row(demarche, 301).is_kept

    def test_a_failure_is_one_sentence_and_changes_nothing(self, chief, demarche, sandbox):
        read(chief, demarche)
        was = list(demarche.champs.values())
        sandbox.replies[7] = Reply(503)
        text = text_of(read(chief, demarche))
        assert "Le formulaire n'a pas été lu, rien n'a changé : " in text
        assert list(demarche.champs.values()) == was

    def test_who_may(self, enter, demarche):
        looker = enter("looker", "view_demarche", "view_dossier")
        assert looker.get(page_of(demarche)).status_code == 403
        assert read(looker, demarche).status_code == 403
        assert not demarche.champs.exists()
        change = f"/admin/dsintegration/demarche/{demarche.pk}/change/"
        assert "Choisir ce qui est conservé" not in text_of(looker.get(change))

    def test_perimeters_hold(self, enter, demarche):
        outside = enter("outside", "view_demarche", "change_demarche", everywhere=False)
        page = outside.get(page_of(demarche))
        assert page.status_code == 302
        outside.post(page_of(demarche), {"do": "read"})
        assert not demarche.champs.exists()

    def test_it_is_reached_from_the_demarche(self, chief, demarche):
        change = chief.get(f"/admin/dsintegration/demarche/{demarche.pk}/change/")
        assert page_of(demarche) in change.content.decode()
        assert "rien n'est conservé" in text_of(change)


class TestChoosing:
    def test_boxes(self, chief, demarche):
        read(chief, demarche)
        page = save(
            chief,
            demarche,
            people=["demandeur"],
            is_kept=[301, 303],
            in_list=[301],
            is_searchable=[301, 303],
            hidden_from_api=[303],
        )
        assert "Choix enregistré." in text_of(page)
        demarche.refresh_from_db()
        assert demarche.selection["champs"] == [champ_id(301), champ_id(303)]
        assert demarche.selection["searchable"] == sorted([champ_id(301), champ_id(303)])
        assert demarche.selection["demandeur"]
        assert not demarche.selection["instruction"]
        assert row(demarche, 301).in_list
        assert row(demarche, 303).hidden_from_api
        entry = JournalEntry.objects.get(action="choose")
        assert (entry.actor, entry.count) == ("chief", 0)
        assert "champs=0>2" in entry.detail
        assert "hidden=0>1" in entry.detail
        again = chief.get(page_of(demarche)).content.decode()
        assert again.count(" checked") == 7

    def test_the_same_choice_leaves_no_entry(self, chief, demarche):
        read(chief, demarche)
        for _ in range(2):
            save(chief, demarche, is_kept=[301])
        assert JournalEntry.objects.filter(action="choose").count() == 1

    def test_more_is_fetched_by_the_next_refresh(self, chief, demarche):
        fetch_dossier(NUMBER)
        read(chief, demarche)
        text = text_of(save(chief, demarche, is_kept=[301]))
        assert "récupérera le contenu d'un dossier." in text
        assert Dossier.objects.get().champs is None

    def test_less_is_erased_at_once(self, chief, demarche, later):
        read(chief, demarche)
        save(chief, demarche, is_kept=[301, 302])
        later.run()
        fetch_dossier(NUMBER)
        text = text_of(save(chief, demarche, is_kept=[302]))
        assert "Ce qui n'est plus choisi s'efface." in text
        assert "récupérera" not in text
        later.run()
        dossier = Dossier.objects.select_related("demarche").get()
        assert [champ["id"] for champ in dossier.champs] == [champ_id(302)]
        assert dossier.content_key == dossier.demarche.selection_key

    def test_a_worker_erases_where_there_is_one(self, chief, demarche, monkeypatch):
        put = []
        monkeypatch.setattr(
            "dsintegration.background.hand_over", lambda *work: put.append(json.dumps(work)) or True
        )
        read(chief, demarche)
        save(chief, demarche, is_kept=[301, 302])
        fetch_dossier(NUMBER)
        save(chief, demarche, is_kept=[302])
        name, *work = json.loads(put[-1])
        assert name == tasks.erase_unchosen.name
        tasks.erase_unchosen(*work)
        assert [champ["id"] for champ in Dossier.objects.get().champs] == [champ_id(302)]

    def test_searching_is_made_possible_and_impossible(self, chief, demarche, later):
        read(chief, demarche)
        save(chief, demarche, is_kept=[301])
        later.run()
        fetch_dossier(NUMBER)
        save(chief, demarche, is_kept=[301], is_searchable=[301])
        later.run()
        assert ChampValue.objects.filter(text="dreux").exists()
        save(chief, demarche, is_kept=[301])
        later.run()
        assert not ChampValue.objects.exists()

    def test_a_column_must_be_kept(self, chief, demarche):
        read(chief, demarche)
        page = save(chief, demarche, is_kept=[302], in_list=[301])
        text = text_of(page)
        assert "« Nom du demandeur » : conservez-le aussi, pour en faire une colonne." in text
        assert Demarche.objects.get().selection == {}
        assert page.content.decode().count(" checked") == 2

    def test_all_and_none(self, chief, demarche, later):
        read(chief, demarche)
        chief.post(page_of(demarche), {"do": "all"})
        demarche.refresh_from_db()
        assert len(demarche.selection["champs"]) == 5
        chief.post(page_of(demarche), {"do": "none"})
        demarche.refresh_from_db()
        assert demarche.selection == {}

    def test_a_long_form_comes_in_parts(
        self, chief, demarche, monkeypatch, django_assert_max_num_queries
    ):
        form = tuple(Line(1000 + rank, "Text", f"Champ {rank}") for rank in range(300))
        monkeypatch.setitem(FORMS, 7, (form, ()))
        read(chief, demarche)
        with django_assert_max_num_queries(15):
            first = chief.get(page_of(demarche))
        second = chief.get(page_of(demarche), {"partie": "2"})
        assert "Champ 199" in text_of(first)
        assert "Champ 200" not in text_of(first)
        assert "Champ 299" in text_of(second)
        for page in (first, second):
            names = ("is_kept", "in_list", "is_searchable", "hidden_from_api")
            shown = page.context["shown"].split(",")
            data = {"do": "save", "shown": ",".join(shown)} | dict.fromkeys(names, shown)
            assert chief.post(page_of(demarche), data).status_code == 302
        demarche.refresh_from_db()
        assert len(demarche.selection["champs"]) == 300

    @pytest.mark.parametrize("part", ["0", "9999", "x", "²", ""])
    def test_odd_parts(self, chief, demarche, part):
        assert chief.get(page_of(demarche), {"partie": part}).status_code == 200


def check_html_but_for_the_admin(page) -> None:
    """The stock admin's own marks are its own affair."""
    text = page.content.decode()
    assert text.count("<h1") == text.count("</h1>")
    ids = [part.split('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))
