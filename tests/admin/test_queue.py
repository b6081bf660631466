"""« À répondre »: who awaits an answer, since when, and how a dossier leaves the queue."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from dsintegration.models import Dossier, JournalEntry
from dsintegration.sandbox.scenarios import PLATFORM
from dsintegration.services import fetch_dossier
from tests.admin.conftest import numbers_of, text_of
from tests.conftest import caller
from tests.factories import DossierFactory, MessageFactory, dossier_answer, message_answer

pytestmark = pytest.mark.django_db

LIST = "/admin/dsintegration/dossier/"
QUEUE = f"{LIST}?situation=a_repondre"
NUMBER, USAGER, AGENT = 24518763, "usager@example.org", "agent@example.org"


@pytest.fixture
def platform(sandbox):
    """What the platform says of NUMBER: who wrote, one a day from 1 March; it is then fetched."""

    def says(*writers, **fields):
        messages = [
            message_answer(f"m{day}", email=email, createdAt=f"2026-03-{day:02}T09:00:00+01:00")
            for day, email in enumerate(writers, start=1)
        ]
        last = f"2026-03-{len(writers) + 1:02}T09:00:00+01:00"
        sandbox.dossiers[NUMBER] = dossier_answer(
            NUMBER, **({"messages": messages, "dateDerniereModification": last} | fields)
        )
        return fetch_dossier(NUMBER).dossier

    return says


def day(number):
    return datetime.fromisoformat(f"2026-03-{number:02}T09:00:00+01:00")


def settle(client, dossier, until=None):
    until = until or Dossier.objects.get(pk=dossier.pk).last_human_at
    data = {"until": until.isoformat()}
    return client.post(f"{LIST}{dossier.pk}/settle/", data, follow=True)


class TestWhoIsInIt:
    @pytest.mark.parametrize(
        ("writers", "since"),
        [
            ([], None),
            ([AGENT], None),
            ([USAGER], 1),
            ([USAGER, PLATFORM], 1),
            ([AGENT, USAGER, PLATFORM, USAGER], 2),
            ([USAGER, AGENT], None),
            ([USAGER, AGENT, USAGER], 3),
            ([PLATFORM], None),
        ],
    )
    @pytest.mark.parametrize("state", ["en_construction", "accepte", "refuse"])
    def test_who_wrote_last_in_whatever_etat(self, reader, platform, writers, since, state):
        dossier = platform(*writers, state=state)
        assert dossier.waiting_since == (since and day(since))
        assert numbers_of(reader.get(QUEUE)) == ([NUMBER] if since else [])
        shown = text_of(reader.get(f"{LIST}{dossier.pk}/change/"))
        assert ("L'usager attend une réponse" in shown) == bool(since)

    def test_a_correction_and_an_answer_are_awaited_both(self, reader, platform):
        dossier = platform(USAGER, dateDerniereCorrectionEnAttente="2026-03-01T08:00:00+01:00")
        shown = text_of(reader.get(f"{LIST}{dossier.pk}/change/"))
        assert "L'usager attend une réponse à son message. L'usager doit corriger" in shown
        assert numbers_of(reader.get(QUEUE)) == [NUMBER]

    def test_the_last_human_message_in_the_list(self, reader, platform):
        platform(AGENT, PLATFORM)
        assert "01/03/2026 service ou tiers" in text_of(reader.get(LIST))

    def test_the_api(self, platform, make_key):
        api = caller(make_key())
        for writers, expected in (((USAGER,), True), ((USAGER, AGENT), False)):
            platform(*writers)
            for asked in (True, False):
                results = api.get(f"/api/v1/dossiers/?to_answer={str(asked).lower()}").json()
                assert bool(results["results"]) == (asked == expected)
        assert api.get("/api/v1/dossiers/?to_answer=oui").status_code == 400


class TestTheList:
    def test_oldest_first_with_days_who_and_what(self, reader):
        now = timezone.now()
        for days, number in ((2, 501), (30, 502), (0, 503)):
            at = now - timedelta(days=days)
            dossier = DossierFactory(
                number=number,
                usager_spoke_last=True,
                last_human_at=at,
                waiting_since=at,
                usager_email=f"u{number}@example.org",
            )
            MessageFactory(
                dossier=dossier, created_at=at, email=dossier.usager_email, body=f"Texte\n{number}"
            )
        response = reader.get(QUEUE)
        assert numbers_of(response) == [502, 501, 503]
        shown = text_of(response)
        assert "30 jours" in shown
        assert "2 jours" in shown
        assert "aujourd'hui" in shown
        assert "Texte 502 u502@example.org" in shown
        assert numbers_of(reader.get(f"{QUEUE}&o=-3")) == [503, 501, 502]

    def test_by_demarche_on_the_dashboard(self, reader):
        dossier = DossierFactory(demarche__title="Aide", usager_spoke_last=True)
        DossierFactory(demarche=dossier.demarche)
        page = reader.get("/admin/").content.decode()
        link = f"?demarche__id__exact={dossier.demarche_id}&amp;situation=a_repondre"
        assert f'{link}">1</a>' in page

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("jour", {1}), ("hier", {1, 2}), ("semaine", {1, 2, 3}), ("x", {1, 2, 3, 4})],
    )
    def test_changed_since(self, reader, value, expected):
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        for number, hours in ((1, 0), (2, -1), (3, -24 * 6), (4, -24 * 9)):
            DossierFactory(
                number=number, date_derniere_modification=midnight + timedelta(hours=hours)
            )
        assert set(numbers_of(reader.get(f"{LIST}?modifie={value}"))) == expected


class TestNothingToAnswer:
    def test_until_the_usager_writes_again(self, reader, platform):
        dossier = platform(AGENT, USAGER)
        assert "Rien à répondre" in text_of(reader.get(f"{LIST}{dossier.pk}/change/"))
        assert "rien à répondre" in text_of(settle(reader, dossier))
        assert numbers_of(reader.get(QUEUE)) == []
        entry = JournalEntry.objects.get(action="settle")
        assert (entry.actor, entry.dossier_number, entry.demarche_number) == ("reader", NUMBER, 7)
        # Another fetch, an automatic message, an answer: nothing brings it back but the usager.
        for writers in ((AGENT, USAGER), (AGENT, USAGER, PLATFORM)):
            platform(*writers)
            assert numbers_of(reader.get(QUEUE)) == []
        again = platform(AGENT, USAGER, PLATFORM, USAGER)
        assert again.waiting_since == day(4)
        assert numbers_of(reader.get(QUEUE)) == [NUMBER]

    def test_not_of_a_message_that_was_not_seen(self, reader, platform):
        dossier = platform(USAGER)
        platform(USAGER, USAGER)
        assert "relisez-la" in text_of(settle(reader, dossier, until=day(1)))
        assert numbers_of(reader.get(QUEUE)) == [NUMBER]

    @pytest.mark.parametrize("until", ["", "hier", "2026-13-45T00:00:00Z", "2026-03-01T09:00:00"])
    def test_odd_moments(self, reader, platform, until):
        dossier = platform(USAGER)
        response = reader.post(f"{LIST}{dossier.pk}/settle/", {"until": until}, follow=True)
        assert response.status_code == 200
        assert numbers_of(reader.get(QUEUE)) == [NUMBER]

    def test_a_get_does_nothing(self, reader, platform):
        dossier = platform(USAGER)
        reader.get(f"{LIST}{dossier.pk}/settle/")
        assert numbers_of(reader.get(QUEUE)) == [NUMBER]

    def test_only_with_the_right(self, enter, platform):
        dossier = platform(USAGER)
        client = enter("looker", "view_dossier")
        assert "Rien à répondre" not in text_of(client.get(f"{LIST}{dossier.pk}/change/"))
        assert settle(client, dossier).status_code == 403
        assert numbers_of(client.get(QUEUE)) == [NUMBER]


class TestTheDossier:
    def test_where_to_answer(self, reader, platform, settings):
        page = reader.get(f"{LIST}{platform(USAGER).pk}/change/").content.decode()
        assert f"{settings.DS_SITE_URL}/procedures/7/dossiers/{NUMBER}/messagerie" in page

    def test_a_long_conversation_opens_on_what_awaits(self, reader, platform):
        writers = [AGENT, USAGER] * 5 + [PLATFORM, USAGER]
        page = reader.get(f"{LIST}{platform(*writers).pk}/change/").content.decode()
        before, _, awaited = page.partition('id="attend"')
        assert "Texte de m10" in awaited
        assert "messages plus anciens" in before
        assert "1 message automatique" in page
        for rank in range(1, 13):
            assert f"Texte de m{rank}<" in page  # folded, and not left out

    def test_links_open_beside_and_are_shortened(self, reader):
        link = f"https://www.example.org/{'a' * 80}"
        message = MessageFactory(body=f"Voir {link} et <b>ceci</b>")
        page = reader.get(f"{LIST}{message.dossier_id}/change/").content.decode()
        assert f'<a target="_blank" href="{link}" rel="noopener noreferrer nofollow">' in page
        assert f"{link}</a>" not in page
        assert "&lt;b&gt;ceci" in page

    def test_history_tells_states_and_changes(self, reader, platform):
        platform(USAGER)
        dossier = platform(USAGER, AGENT, state="accepte", dateTraitement="2026-03-03T09:00:00Z")
        shown = text_of(reader.get(f"{LIST}{dossier.pk}/history/"))
        assert "mis à jour (état « Accepté », 1 nouveau message, date de décision)" in shown
        assert "créé (état « En construction », 1 nouveau message)" in shown
        assert "Déposé" in shown
        assert "Consultation" not in shown

    def test_history_tells_accesses_to_those_who_read_the_journal(self, enter, platform):
        dossier = platform(USAGER)
        client = enter("chief", "view_dossier", "view_journalentry")
        client.get(f"{LIST}{dossier.pk}/change/")
        shown = text_of(client.get(f"{LIST}{dossier.pk}/history/"))
        assert "Consultation : montré chief (administration)" in shown
