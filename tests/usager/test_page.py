"""The page of one dossier: what it says, and what it must not say."""

import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone
from django.utils.html import escape

from dsintegration.models import Dossier, Message, Platform
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossier
from dsintegration.usager.links import make_link
from tests.factories import (
    DemarcheFactory,
    DossierFactory,
    FileFactory,
    MessageFactory,
    dossier_answer,
)
from tests.pages import check_html

pytestmark = pytest.mark.django_db

NUMBER = 28711001
PAGE = f"/suivi/{NUMBER}/"
USAGER = "usager@example.org"
PLATFORM = "contact@demarche.numerique.gouv.fr"
EVERYTHING = [
    "--champs",
    "all",
    "--annotations",
    "all",
    "--demandeur",
    "yes",
    "--instruction",
    "yes",
]
DOWN = Reply(503, {"error": "maintenance"})


def on(month: int, day: int = 1, hour: int = 9) -> datetime:
    return datetime(2026, month, day, hour, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def ground(sandbox, settings):
    cache.clear()
    settings.DS_SITE_URL = "https://demarche.numerique.gouv.fr"


@pytest.fixture
def opened(client):
    """Opens a dossier for this browser."""

    def open_it(dossier: Dossier) -> None:
        _, token = make_link(dossier)
        client.post("/suivi/lien/", {"token": token})

    return open_it


@pytest.fixture
def show(client, opened):
    """The page of a dossier, as HTML."""

    def text(dossier: Dossier) -> str:
        opened(dossier)
        return read(client, dossier.number)

    return text


def read(client, number=NUMBER) -> str:
    response = client.get(f"/suivi/{number}/")
    assert response.status_code == 200
    page = response.content.decode()
    check_html(page)
    return page


def result_of(page: str) -> str:
    """What stands where « Actualiser » leads the eye and the focus."""
    return page.split('id="verification" tabindex="-1">')[1].split("</div>")[0]


def make(**fields) -> Dossier:
    return DossierFactory(
        **{
            "number": NUMBER,
            "usager_email": USAGER,
            "checked_at": timezone.now(),
            "date_depot": on(2),
            "date_passage_en_construction": on(2),
            "demarche": DemarcheFactory(title="Aide au <logement>"),
        }
        | fields
    )


class TestEtats:
    @pytest.mark.parametrize(
        ("fields", "said", "unsaid"),
        [
            (
                {"state": "en_construction"},
                ["En construction", "Vous pouvez encore modifier", "depuis le", "1er\xa0février"],
                ["Fait, commencé le"],
            ),
            (
                {"state": "en_instruction", "date_passage_en_instruction": on(3, 4)},
                ["En instruction", "En cours depuis le", "4\xa0mars 2026", "rien à faire"],
                ["réexaminée"],
            ),
            (
                {
                    "state": "accepte",
                    "date_passage_en_instruction": on(3),
                    "date_traitement": on(4, 5),
                    "date_expiration": datetime(2100, 4, 5, tzinfo=UTC),
                },
                ["Accepté", "Votre demande est acceptée", "5\xa0avril 2026", "5\xa0avril 2100"],
                ["À venir", "En cours"],
            ),
            (
                {"state": "refuse", "date_traitement": on(4), "date_expiration": on(5)},
                ["Refusé", "recours", "1er\xa0avril 2026"],
                ["À venir", "Examen de votre demande", "mai 2026"],
            ),
            (
                {"state": "sans_suite", "date_traitement": on(4)},
                ["Classé sans suite", "ni acceptée ni refusée"],
                ["À venir"],
            ),
            (
                {
                    "state": "en_instruction",
                    "date_passage_en_instruction": on(5),
                    "date_traitement": on(4),
                },
                ["Une première décision, du 1er\xa0avril 2026, est réexaminée."],
                ["Votre demande est"],
            ),
            (
                {"state": "en_construction", "date_passage_en_instruction": on(3)},
                ["Commencé le 1er\xa0mars 2026, puis interrompu."],
                [],
            ),
            ({"state": "en_<pause>"}, ["En &lt;pause&gt;", "ouvrez-le sur"], ["<pause>", "en_"]),
            (
                {"date_depot": None, "date_passage_en_construction": None},
                ["Fait"],
                ["None", "le </p>"],
            ),
        ],
    )
    def test_what_is_said(self, show, fields, said, unsaid):
        page = show(make(**fields))
        for words in said:
            assert words in page
        for words in unsaid:
            assert words not in page
        assert "Aide au &lt;logement&gt;" in page

    def test_dates_are_for_machines_too_and_in_our_time(self, show):
        page = show(make(date_depot=datetime(2026, 2, 28, 23, 30, tzinfo=UTC)))
        assert '<time datetime="2026-02-28T23:30:00+00:00">1er\xa0mars 2026</time>' in page

    def test_links_to_the_platform(self, show):
        page = show(make())
        url = f"https://demarche.numerique.gouv.fr/dossiers/{NUMBER}"
        assert f'href="{url}"' in page
        assert f'href="{url}/messagerie"' in page
        assert "Ouvrir mon dossier sur Démarche numérique" in page

    def test_another_instance_has_another_name(self, show, settings):
        settings.DS_SITE_URL = "https://demarches.example.org"
        assert "Ouvrir mon dossier sur demarches.example.org" in show(make())

    def test_a_correction_is_awaited(self, show):
        page = show(make(date_derniere_correction_en_attente=on(3, 2)))
        assert "Une correction vous est demandée" in page
        assert "2\xa0mars 2026" in page
        assert "rien à faire" not in page

    @pytest.mark.parametrize("fields", [{}, {"state": "refuse", "date_traitement": on(4)}])
    def test_no_correction_is_awaited(self, show, fields):
        correction = on(3, 2) if fields else None
        page = show(make(date_derniere_correction_en_attente=correction, **fields))
        assert "correction" not in page

    def test_in_the_bin(self, show):
        page = show(make(state="accepte", date_suppression_par_usager=on(6)))
        assert "à la corbeille de Démarche numérique depuis le" in page


class TestMessages:
    def test_none(self, show):
        page = show(make())
        assert "Aucun message à lire" in page
        assert "<details" not in page

    def test_the_last_one_in_full_the_others_folded(self, show):
        dossier = make()
        for day in (3, 1, 2):
            MessageFactory(dossier=dossier, body=f"numéro {day}", created_at=on(3, day))
        before, folded = show(dossier).split("<details")
        assert "numéro 3" in before
        assert "numéro 1" not in before
        assert "Les 2 autres messages" in folded
        assert folded.index("numéro 2") < folded.index("numéro 1")
        assert "numéro 3" not in folded

    def test_one_other(self, show):
        dossier = make()
        MessageFactory.create_batch(2, dossier=dossier)
        assert "L&#x27;autre message" in escape_apostrophes(show(dossier))

    def test_authors_are_roles(self, show):
        dossier = make()
        authors = [
            (USAGER.upper(), "Vous"),
            (PLATFORM, "Message automatique"),
            ("agent@example.org", "Le service ou une personne invitée"),
            ("former.usager@example.org", "Le service ou une personne invitée"),
        ]
        for rank, (email, _) in enumerate(authors):
            MessageFactory(dossier=dossier, email=email, body="…", created_at=on(3, rank + 1))
        page = show(dossier)
        shown = page.split('<p class="by"><strong>')[1:]
        assert [part.split("<")[0] for part in shown] == [role for _, role in reversed(authors)]
        assert "@" not in page

    def test_what_came_from_a_former_address_is_not_said_to_be_theirs(self, show):
        dossier = make()
        MessageFactory(dossier=dossier, email="former@example.org", from_usager=True)
        page = show(dossier)
        assert "<strong>Le titulaire du dossier, avec une autre adresse</strong>" in page
        assert "<strong>Vous</strong>" not in page

    def test_bodies_are_foreign_texts(self, show):
        dossier = make()
        MessageFactory(dossier=dossier, body="<script>alert(1)</script> 1 < 2\n\nfin")
        html = '<p onclick="alert(1)">Votre dossier <strong>avance</strong><script>1</script></p>'
        MessageFactory(dossier=dossier, email=PLATFORM, body=html, created_at=on(3))
        page = show(dossier)
        assert "&lt;script&gt;alert(1)&lt;/script&gt; 1 &lt; 2" in page
        assert "<p>Votre dossier <strong>avance</strong></p>" in page

    def test_no_foreign_text_turns_the_page_around(self, show):
        mark = "\u202e"
        demarche = DemarcheFactory(title=f"Aide {mark}\u2067x")
        dossier = make(state=f"en_{mark}pause", demarche=demarche)
        MessageFactory(dossier=dossier, body=f"a{mark}b\u200f")
        MessageFactory(dossier=dossier, body=f"<p>a{mark}&#x202e;&rlm;</p>", email=PLATFORM)
        page = show(dossier)
        assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", page)
        for seen in (
            "En \ufffdpause",
            "Aide \ufffd\ufffdx",
            "a\ufffdb\ufffd",
            "a\ufffd\ufffd\ufffd<",
        ):
            assert seen in page

    def test_what_cannot_be_read(self, show):
        dossier = make()
        MessageFactory(dossier=dossier, body="lisible", created_at=on(3, 1))
        MessageFactory(dossier=dossier, body="", discarded_at=on(3, 5), created_at=on(3, 2))
        MessageFactory(dossier=dossier, body="", absent_since=on(3, 5), created_at=on(3, 3))
        before, folded = show(dossier).split("<details")
        assert "lisible" in before
        assert "a été supprimé par la personne" in folded
        assert "n&#x27;est plus sur la plateforme" in folded

    def test_only_an_attachment(self, show):
        dossier = make()
        MessageFactory(dossier=dossier, body="")
        assert "ne contient qu'une pièce jointe" in show(dossier)

    def test_names_of_attachments_without_a_link(self, show):
        message = MessageFactory(dossier=make(), body="", file_marks="some")
        FileFactory(message=message, filename="Modèle <b>\u202efdp.exe")
        FileFactory(message=message, filename="budget.ods")
        page = show(message.dossier)
        assert "ne contient qu'une pièce jointe" not in page
        assert "Pièces jointes, à ouvrir dans la" in page
        assert "<bdi>Modèle &lt;b&gt;\ufffdfdp.exe</bdi>, <bdi>budget.ods</bdi>." in page
        assert "/files/" not in page

    def test_nothing_of_another_dossier(self, show):
        MessageFactory(dossier=DossierFactory(usager_email=USAGER), body="d'un autre")
        assert "d'un autre" not in show(make())

    def test_every_dossier_of_the_sandbox(self, show, sandbox):
        for number in sandbox.dossiers:
            Dossier.objects.filter(number=number).delete()
            dossier = fetch_dossier(number).dossier
            dossier.usager_account_deleted = False
            dossier.save()
            check_html(show(dossier))


def escape_apostrophes(page: str) -> str:
    return page.replace("'", escape("'"))


class TestHiddenDecision:
    DECIDED = [
        {"state": "accepte"},
        {"state": "refuse"},
        {"state": "sans_suite"},
        {"state": "accepte_en_partie"},  # one that we do not know yet
    ]
    DECISION = {
        "date_traitement": on(4, 5),
        "date_expiration": datetime(2100, 4, 5, tzinfo=UTC),
        "date_suppression_par_usager": on(6),
    }

    @pytest.fixture
    def hiding(self):
        return DemarcheFactory(title="Aide", decision_hidden=True)

    def conversation(self, dossier, *, decided):
        robot = "contact@demarche.numerique.gouv.fr"
        MessageFactory(dossier=dossier, email=robot, body="bien reçu", created_at=on(4, 1))
        MessageFactory(dossier=dossier, body="avant", created_at=on(4, 5) - timedelta(seconds=1))
        if decided:
            MessageFactory(dossier=dossier, body="votre refus", created_at=on(4, 5))
            MessageFactory(dossier=dossier, body="et après", created_at=on(4, 6))

    @pytest.mark.parametrize("decided", DECIDED)
    def test_the_page_is_the_one_of_before(self, client, show, hiding, decided, freeze_csrf):
        common = {"demarche": hiding, "date_passage_en_instruction": on(3)}
        # Finished dossiers are checked more rarely.
        checked = {"checked_at": timezone.now() - timedelta(minutes=50)}
        before = make(state="en_instruction", **common, **checked)
        self.conversation(before, decided=False)
        expected = show(before)
        before.delete()

        checked = {"checked_at": timezone.now() - timedelta(hours=25)}
        dossier = make(**common, **decided, **self.DECISION, **checked)
        self.conversation(dossier, decided=True)
        page = show(dossier)

        assert page == expected
        assert "En instruction" in page
        assert "avant" in page
        assert "sur Démarche numérique, et là seulement" in page
        for claim in (
            "examine votre demande",
            "rien à faire",
            "En cours",
            "depuis le",
            "aria-current",
        ):
            assert claim not in page

    @pytest.mark.parametrize("decided", DECIDED[:3])
    def test_elsewhere_it_is_shown(self, show, decided):
        dossier = make(**decided, **self.DECISION, date_passage_en_instruction=on(3))
        self.conversation(dossier, decided=True)
        page = show(dossier)
        assert "votre refus" in page
        assert "5\xa0avril 2026" in page
        assert "5\xa0avril 2100" in page

    def test_a_former_decision_stays_hidden(self, show, hiding):
        dossier = make(
            demarche=hiding,
            state="en_instruction",
            date_passage_en_instruction=on(5),
            date_traitement=on(4, 5),
        )
        self.conversation(dossier, decided=True)
        page = show(dossier)
        assert "avant" in page
        for words in ("votre refus", "et après", "réexaminée", "autre message", "autres messages,"):
            assert words not in page

    def test_the_first_of_two_decisions_stays_hidden(self, show, hiding):
        dossier = make(demarche=hiding, state="refuse", date_traitement=on(4, 20))
        robot = "contact@demarche.numerique.gouv.fr"
        MessageFactory(dossier=dossier, email=robot, body="est acceptée", created_at=on(4, 10))
        self.conversation(dossier, decided=False)
        page = show(dossier)
        assert "avant" in page
        assert "est acceptée" not in page

    def test_without_a_date_nothing_tells_what_came_before(self, show, hiding):
        dossier = make(demarche=hiding, state="refuse")
        self.conversation(dossier, decided=True)
        page = show(dossier)
        assert "En instruction" in page
        assert "votre refus" not in page

    def test_the_title_and_the_classes_say_no_more(self, show, hiding):
        page = show(make(demarche=hiding, state="refuse", date_traitement=on(4)))
        assert "efus" not in page
        assert "<title>Dossier n°&nbsp;28711001 : En instruction" in page


@pytest.fixture
def freeze_csrf(monkeypatch):
    monkeypatch.setattr("django.middleware.csrf._mask_cipher_secret", lambda secret: "x" * 64)


class TestFreshness:
    @pytest.fixture
    def dossier(self, opened):
        dossier = make(fetched_at=on(9, 30, 10), checked_at=on(9, 30, 10))
        opened(dossier)
        return dossier

    @pytest.fixture
    def platform(self, sandbox):
        def says(reply=None, **fields):
            body = {"data": {"dossier": dossier_answer(NUMBER, **fields)}}
            sandbox.replies[NUMBER] = reply or Reply(body=body)

        says()
        return says

    def test_looking_neither_asks_nor_writes(self, client, dossier, platform, sandbox):
        before = Dossier.objects.values().get()
        page = read(client)
        assert "Vérifié auprès de Démarche numérique le" in page
        assert "30\xa0septembre 2026 à 12\xa0h\xa005" in page
        assert sandbox.received == []
        assert Dossier.objects.values().get() == before

    def test_refreshing(self, client, dossier, platform, sandbox):
        platform(state="en_instruction", datePassageEnInstruction="2026-10-01T10:00:00+02:00")
        response = client.post(f"{PAGE}actualiser/")
        assert (response.status_code, response.url) == (302, f"{PAGE}#verification")
        page = read(client)
        assert "En instruction" in page
        assert "30\xa0septembre" not in page
        assert (
            "C'est vérifié&nbsp;: voici ce que Démarche numérique vient de répondre."
            in result_of(page)
        )
        assert "Vous pourrez actualiser de nouveau dans une minute" in page
        assert "Actualiser</button>" not in page
        assert len(sandbox.received) == 1
        # Said once: looked at again, the page is a page.
        assert "vient de répondre" not in read(client)

    def test_at_most_once_a_minute(self, client, dossier, platform, sandbox):
        for _ in range(3):
            assert client.post(f"{PAGE}actualiser/").status_code == 302
        assert len(sandbox.received) == 1
        assert "Vous venez déjà d'actualiser." in result_of(read(client))
        cache.clear()
        client.post(f"{PAGE}actualiser/")
        assert len(sandbox.received) == 2

    def test_never_by_looking(self, client, dossier, platform, sandbox):
        assert client.get(f"{PAGE}actualiser/").status_code == 405
        assert sandbox.received == []

    @pytest.mark.parametrize(
        "reply", [DOWN, Reply(500, {}), Reply(401, {}), Reply(200, "<html>"), Reply(302, "")]
    )
    def test_when_the_platform_is_down(self, client, dossier, platform, reply):
        platform(reply)
        client.post(f"{PAGE}actualiser/")
        page = read(client)
        assert "Démarche numérique ne nous répond pas" in page
        assert "n'a pas répondu&nbsp;: rien n'a pu être vérifié" in result_of(page)
        assert "Voici ce que nous savions le" in page
        assert "30\xa0septembre 2026 à 12\xa0h\xa005" in page
        assert "En construction" in page

    def test_once_it_is_back(self, client, dossier, platform):
        Platform.objects.update(
            last_error_code="upstream_unavailable", last_error_reason="network", last_error_at=on(9)
        )
        assert "ne nous répond pas" not in read(client)

    def test_without_a_token(self, client, dossier, settings):
        settings.DS_API_TOKEN = ""
        assert client.post(f"{PAGE}actualiser/").status_code == 302
        page = read(client)
        assert "30\xa0septembre 2026" in page
        assert "rien n'a pu être vérifié" in result_of(page)

    def test_no_more_than_10_seconds(self, client, dossier, platform, monkeypatch):
        asked_with = []
        real = fetch_dossier

        def spy(number, *, client, **options):
            asked_with.append(client)
            return real(number, client=client, **options)

        monkeypatch.setattr("dsintegration.services.fetch_dossier", spy)
        client.post(f"{PAGE}actualiser/")
        assert asked_with[0].budget == 10

    def test_gone_from_the_platform(self, client, dossier, sandbox):
        client.post(f"{PAGE}actualiser/")
        page = read(client)
        assert "Votre dossier n'est plus sur Démarche numérique" in page
        assert "parfois provisoire" in page
        assert "C'est vérifié&nbsp;: votre dossier n'est plus sur" in result_of(page)

    def test_a_change_of_hands_closes_the_page(self, client, dossier, platform):
        platform(usager={"id": "VXNlci02", "email": "new@example.org"})
        client.post(f"{PAGE}actualiser/")
        response = client.get(PAGE)
        assert response.status_code == 403
        assert "new@example.org" not in response.content.decode()


@pytest.mark.parametrize("count", [1, 40])
def test_statements_do_not_grow(client, opened, count, django_assert_num_queries):
    dossier = make()
    MessageFactory.create_batch(count, dossier=dossier)
    opened(dossier)
    with django_assert_num_queries(5 + 1):  # the journal
        client.get(PAGE)


def test_a_visit_is_no_event_for_the_mirror(client, opened):
    dossier = make()
    MessageFactory(dossier=dossier)
    opened(dossier)
    before = (list(Dossier.objects.values()), list(Message.objects.values()))
    client.get(PAGE)
    assert (list(Dossier.objects.values()), list(Message.objects.values())) == before
    assert timezone.now() > dossier.changed_at


class TestContent:
    def test_nothing_of_the_form_is_shown(self, client, opened, sandbox):
        call_command("setup_demarche", "901", *EVERYTHING, stdout=io.StringIO())
        dossier = fetch_dossier(12345).dossier
        opened(dossier)
        page = read(client, 12345)
        kept = json.dumps([dossier.champs, dossier.annotations, dossier.demandeur])
        assert "44011762001530" in kept
        for words in (
            "44011762001530",
            "LES CORDES VOCALES",
            "4 rue de l'Exemple",
            "Numéro SIRET",
            "Avis du service culture",
            "Sam Exemple",
            "À compléter",
            "rib-association.pdf",
        ):
            assert escape(words) not in page, words
