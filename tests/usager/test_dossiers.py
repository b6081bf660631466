"""All dossiers of an address that was proved, and of no other."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dsintegration.models import Dossier, JournalEntry
from dsintegration.sandbox import Reply
from dsintegration.usager.links import make_link
from tests.factories import DemarcheFactory, DossierFactory, MessageFactory, dossier_answer
from tests.pages import check_html

pytestmark = pytest.mark.django_db

LIST = "/suivi/dossiers/"
USAGER = "usager@example.org"
DAY = timedelta(days=1)


def make(number: int, **fields) -> Dossier:
    now = timezone.now()
    return DossierFactory(
        **{"number": number, "usager_email": USAGER, "fetched_at": now, "checked_at": now} | fields
    )


@pytest.fixture
def opened(client, later):
    """A browser that a link for the first dossier has opened."""
    client.post("/suivi/lien/", {"token": make_link(make(1))[1]})
    return client


def numbers(client) -> list[int]:
    response = client.get(LIST)
    assert response.status_code == 200
    page = response.content.decode()
    check_html(page)
    return [int(part.split("<")[0]) for part in page.split("Dossier n°&nbsp;")[1:]]


def test_those_of_the_address(opened):
    make(2, usager_email="Usager@Example.ORG", date_derniere_modification=timezone.now())
    make(3, usager_email="other@example.org")
    make(4, usager_account_deleted=True)
    assert numbers(opened) == [2, 1]
    for number, status in ((1, 200), (2, 200), (3, 403), (4, 403), (5, 403)):
        assert opened.get(f"/suivi/{number}/").status_code == status
    assert 'href="/suivi/dossiers/"' in opened.get("/suivi/1/").content.decode()


def test_one_alone_has_no_list_to_go_to(opened):
    assert 'href="/suivi/dossiers/"' not in opened.get("/suivi/1/").content.decode()
    assert numbers(opened) == [1]


@pytest.mark.parametrize("spelling", ["contact@mairie-évry.fr", "contact@xn--mairie-vry-h7a.fr"])
def test_however_the_address_is_spelt(client, later, spelling):
    token = make_link(make(1, usager_email="contact@mairie-évry.fr"))[1]
    client.post("/suivi/lien/", {"token": token})
    make(2, usager_email=spelling)
    assert sorted(numbers(client)) == [1, 2]


def test_nobody_else_sees_it(opened):
    response = Client().get(LIST)
    assert response.status_code == 403
    assert "demandez un lien" in response.content.decode()


def test_two_addresses_in_one_browser(opened):
    other = make(7, usager_email="other@example.org")
    make(8, usager_email="other@example.org")
    opened.post("/suivi/lien/", {"token": make_link(other)[1]})
    assert sorted(numbers(opened)) == [1, 7, 8]


def test_it_closes_with_the_proof(opened):
    make(2)
    Dossier.objects.filter(number=1).update(usager_email="new@example.org")
    assert opened.get(LIST).status_code == 403
    assert opened.get("/suivi/2/").status_code == 403


def test_quitting_from_there(opened):
    make(2)
    assert 'action="/suivi/quitter/"' in opened.get(LIST).content.decode()
    opened.post("/suivi/quitter/")
    assert opened.get(LIST).status_code == opened.get("/suivi/2/").status_code == 403


class TestJournal:
    def test_the_list_names_what_it_showed(self, opened):
        make(2)
        numbers(opened)
        entry = JournalEntry.objects.get(action="list")
        assert (entry.interface, sorted(entry.listed)) == ("usager", [1, 2])

    def test_each_has_its_own_view(self, opened):
        make(2)
        opened.get("/suivi/2/")
        assert JournalEntry.objects.get(action="view").dossier_number == 2


class TestOldOnes:
    """What the platform was last asked for more than a day ago may have changed hands."""

    @pytest.fixture
    def old(self, sandbox):
        def store(number: int, **answer):
            make(number, fetched_at=timezone.now() - DAY - timedelta(minutes=1))
            body = {"data": {"dossier": dossier_answer(number, **answer)}}
            sandbox.replies[number] = Reply(body=body)

        return store

    def test_they_do_not_show_and_do_not_open(self, opened, old, sandbox):
        old(2)
        assert numbers(opened) == [1]
        assert opened.get("/suivi/2/").status_code == 403
        assert sandbox.received == []

    def test_they_are_asked_for_once_the_link_is_opened(self, client, old, later, sandbox):
        old(2)
        old(3, usager={"id": "VXNlci02", "email": "new@example.org"})
        client.post("/suivi/lien/", {"token": make_link(make(1))[1]})
        assert sandbox.received == []
        later.run()
        assert len(sandbox.received) == 1
        assert sorted(numbers(client)) == [1, 2]
        assert client.get("/suivi/3/").status_code == 403

    def test_or_from_the_list(self, opened, old, sandbox):
        old(2)
        assert "Les vérifier" in opened.get(LIST).content.decode()
        response = opened.post(LIST)
        assert (response.status_code, response.url) == (302, LIST)
        assert sorted(numbers(opened)) == [1, 2]
        assert "Les vérifier" not in opened.get(LIST).content.decode()

    def test_at_most_once_a_minute(self, opened, old, sandbox):
        old(2)
        sandbox.replies[2] = Reply(503, {})
        opened.post(LIST)
        calls = len(sandbox.received)
        opened.post(LIST)
        assert len(sandbox.received) == calls
        assert numbers(opened) == [1]

    def test_one_that_is_gone_shows_as_gone(self, opened, sandbox):
        make(404, fetched_at=timezone.now() - 2 * DAY, checked_at=timezone.now() - 2 * DAY)
        opened.post(LIST)
        assert "Plus sur" in opened.get(LIST).content.decode()
        assert opened.get("/suivi/404/").status_code == 200


class TestHiddenDecision:
    @pytest.mark.parametrize("state", ["accepte", "refuse", "sans_suite"])
    def test_the_list_is_the_one_of_before(self, opened, state):
        hiding = DemarcheFactory(decision_hidden=True, title="Aide")
        instruction = {"date_passage_en_instruction": datetime(2026, 3, 1, tzinfo=UTC)}
        dossier = make(2, demarche=hiding, state="en_instruction", **instruction)
        before = opened.get(LIST).content.decode()
        Dossier.objects.filter(pk=dossier.pk).update(
            state=state, date_traitement=timezone.now(), date_derniere_modification=timezone.now()
        )
        MessageFactory(dossier=dossier, created_at=timezone.now())
        after = opened.get(LIST).content.decode()
        assert without_token(after) == without_token(before)
        assert "En instruction" in after


def without_token(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]
