"""What agents can do in the admin, and what nobody can."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import openpyxl
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client as DjangoClient
from django.urls import reverse
from django.utils import timezone
from odf import opendocument, table

from dsintegration.admin import fetch, telling
from dsintegration.admin.export import COLUMNS
from dsintegration.admin.mirror import CappedPaginator
from dsintegration.hosting import proxies as hosting_proxies
from dsintegration.models import (
    ApiKey,
    Demarche,
    Dossier,
    FetchLot,
    JournalEntry,
    Message,
    Platform,
)
from dsintegration.sandbox import TOKEN, Reply
from dsintegration.services import fetch_dossier
from tests.factories import DemarcheFactory, DossierFactory, MessageFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/dsintegration/dossier/"
FETCH = "/admin/dsintegration/dossier/fetch/"
EXPORT = "/admin/dsintegration/dossier/export/"
MOMENT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def come_in(client):
    """Logs in somebody with the rights that are named; the client."""

    def log_in(*codenames, superuser=False):
        user = User.objects.create_user("agent", is_staff=True, is_superuser=superuser)
        names = [*codenames, "view_all_demarches"]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def come_in_as():
    """The same, in another browser."""

    def log_in(name, *codenames):
        user = User.objects.create_user(name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = DjangoClient()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def agent(come_in):
    return come_in("view_dossier", "view_message", "view_demarche", "fetch_dossier")


def detail(dossier):
    return f"{LIST}{dossier.pk}/change/"


def text_of(response) -> str:
    """What a person reads."""
    page = re.sub(r"<(head|script|style).*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    page = re.sub(r"</?(a|span|strong|time)\b[^>]*>", "", page)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def numbers_of(response) -> list[int]:
    return [
        int(number) for number in re.findall(r'/change/[^"]*">(\d+)</a>', response.content.decode())
    ]


class TestWords:
    """Icons would say True and False to a screen reader, on French pages."""

    @pytest.mark.parametrize("page", ["demarche", "apikey", "dossier"])
    def test_no_english_alternatives(self, come_in, make_key, page):
        DossierFactory(demarche__decision_hidden=True)
        make_key()
        shown = come_in(superuser=True).get(f"/admin/dsintegration/{page}/").content.decode()
        assert not re.search(r'alt="(True|False|None)"', shown)
        assert ">None<" not in shown

    def test_what_a_demarche_hides(self, come_in):
        DossierFactory(demarche__decision_hidden=True)
        page = text_of(come_in(superuser=True).get("/admin/dsintegration/demarche/"))
        assert "Décision masquée" in page
        assert page.split().count("oui") == 1


class TestList:
    def test_what_it_shows(self, agent, sandbox):
        for number in (12345, 12347, 12346):
            fetch_dossier(number)
        shown = text_of(agent.get(LIST))
        assert "12347 En construction à répondre Aide à la rénovation énergétique" in shown
        assert "camille.durand@example.org 20/10/2026 usager 12/10/2026" in shown
        assert "farid.benali@example.org aucun 02/11/2026" in shown
        assert "02/10/2026 service ou tiers" in shown
        assert f"{timezone.localdate():%d/%m/%Y} à " in shown

    def test_an_unknown_etat_is_shown_as_it_came(self, agent):
        DossierFactory(state="en_<b>pause")
        assert "en_&lt;b&gt;pause" in agent.get(LIST).content.decode()

    def test_marks(self, agent):
        DossierFactory(absent_since=MOMENT)
        DossierFactory(
            last_error_code="upstream_unavailable",
            last_error_reason="query_timeout",
            last_error_at=MOMENT,
        )
        shown = text_of(agent.get(LIST))
        assert "En construction absent de la plateforme" in shown
        assert "En construction en erreur" in shown

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("situation=a_repondre", {1, 2, 3}),
            ("situation=absent", {3}),
            ("situation=en_erreur", {4}),
            ("state__exact=accepte", {2}),
            ("q=1", {1}),
            ("q=n%C2%B0+1", {1}),
            ("q=USAGER1@example.org+", {1}),
            ("q=usager1@example.or", set()),
            ("q=culturelle", {1, 2}),
            ("q=CULTURELLE", {1, 2}),
            ("q=nowhere", set()),
            ("q=99999999999999", set()),
            ("q=%25", set()),
            ("depot=jour", {1}),
            ("depot=semaine", {1, 2}),
            ("depot=mois", {1, 2, 3}),
            ("depot=nonsense", {1, 2, 3, 4}),
            ("situation=nonsense", {1, 2, 3, 4}),
        ],
    )
    def test_filters_and_search(self, agent, query, found):
        today = timezone.now()
        culture = DemarcheFactory(title="Subvention culturelle")
        usual = {"usager_email": "usager@example.org", "usager_spoke_last": True}
        DossierFactory(
            number=1,
            demarche=culture,
            date_depot=today,
            usager_spoke_last=True,
            usager_email="Usager1@example.org",
        )
        DossierFactory(
            number=2,
            demarche=culture,
            state="accepte",
            date_depot=today - timedelta(days=3),
            **usual,
        )
        DossierFactory(number=3, absent_since=today, date_depot=today - timedelta(days=20), **usual)
        DossierFactory(number=4, last_error_at=today, date_depot=today - timedelta(days=800))
        Dossier.objects.filter(number=4).update(
            last_error_code="dossier_not_found", last_error_reason="unknown"
        )
        assert set(numbers_of(agent.get(f"{LIST}?{query}"))) == found

    def test_by_demarche_and_year(self, agent):
        this_year, last_year = (DossierFactory(date_depot=MOMENT) for _ in range(2))
        year = timezone.localdate().year
        Dossier.objects.filter(pk=this_year.pk).update(date_depot=datetime(year, 1, 1, tzinfo=UTC))
        Dossier.objects.filter(pk=last_year.pk).update(
            date_depot=datetime(year - 1, 6, 1, tzinfo=UTC)
        )
        old = DossierFactory(date_depot=datetime(year - 3, 1, 1, tzinfo=UTC))
        for query, expected in [
            (f"demarche__id__exact={old.demarche_id}", [old.number]),
            ("depot=annee", [this_year.number]),
            ("depot=annee_passee", [last_year.number]),
            ("depot=avant", [old.number]),
        ]:
            assert numbers_of(agent.get(f"{LIST}?{query}")) == expected

    @pytest.mark.parametrize("column", ["5", "6", "7", "8"])
    @pytest.mark.parametrize("sign", ["", "-"])
    def test_sorted_by_each_date(self, agent, column, sign):
        for hours, number in enumerate([3, 1, 2]):
            at = MOMENT + timedelta(hours=hours)
            DossierFactory(
                number=number,
                date_depot=at,
                last_message_at=at,
                date_derniere_modification=at,
                fetched_at=at,
            )
        expected = [2, 1, 3] if sign else [3, 1, 2]
        assert numbers_of(agent.get(f"{LIST}?o={sign}{column}")) == expected

    def test_no_more_is_counted_than_is_shown(self, agent, monkeypatch):
        monkeypatch.setattr(CappedPaginator, "CAP", 3)
        for _ in range(5):
            DossierFactory()
        shown = text_of(agent.get(LIST))
        assert "Plus de 3 dossiers" in shown
        assert agent.get(f"{LIST}?_facets=True").status_code == 200
        monkeypatch.setattr(CappedPaginator, "CAP", 5)
        assert "Plus de" not in text_of(agent.get(LIST))

    def test_statements_do_not_grow(self, agent, django_assert_max_num_queries):
        for _ in range(120):
            MessageFactory(dossier=DossierFactory(state="en_instruction"))
        for query in (
            "",
            "?q=1000",
            "?q=a@example.org",
            "?q=aide",
            "?situation=a_repondre",
            "?o=5",
        ):
            with django_assert_max_num_queries(12):
                agent.get(LIST + query)

    @pytest.mark.parametrize("query", ["o=99", "p=9999", "p=x", "state__exact=", "q=%00"])
    def test_bad_input_is_no_error(self, agent, query):
        assert agent.get(f"{LIST}?{query}").status_code in {200, 302}

    @pytest.mark.parametrize(
        "query",
        [
            "nope=1",
            "situation=%00",
            "state__exact=%00",
            "usager_email__regex=(",
            "usager_email__startswith=a",
            "number__range=1",
        ],
    )
    def test_filters_that_are_not_offered(self, agent, query):
        response = agent.get(f"{LIST}?{query}")
        assert response.status_code == 400
        assert "Demande incorrecte" in response.content.decode()


class TestDossier:
    def test_what_it_shows(self, agent, sandbox, settings):
        dossier = fetch_dossier(12351).dossier
        response = agent.get(detail(dossier))
        shown = text_of(response)
        assert "En instruction depuis le 20/03/2026 à 09:15" in shown
        assert "Une décision est attendue." not in shown
        assert "L'usager attend une réponse à son message." in shown
        assert "Décision 16/03/2026 à 10:00 (avant sa réouverture)" in shown
        assert "Usager sam.petit@example.org 18/03/2026 à 19:42 Le devis était bien" in shown
        assert "Message automatique 05/12/2025" in shown
        link = f"{settings.DS_SITE_URL}/procedures/903/dossiers/12351"
        assert link in response.content.decode()
        assert shown.index("En instruction") < shown.index("Messages (4)")

    @pytest.mark.parametrize(
        ("number", "sentence"),
        [
            (12352, "Message supprimé le 06/10/2026 à 11:05."),
            (12353, "Ce message n'est qu'une pièce jointe"),
            (12346, "Aucun message."),
            (12346, "Le dossier attend d'être pris en instruction."),
            (12345, "Une décision est attendue."),
            (12348, "Plus rien n'est attendu."),
            (12355, "Supprimé par l'usager 14/07/2026"),
            (12358, "compte supprimé"),
        ],
    )
    def test_sentences(self, agent, sandbox, number, sentence):
        assert sentence in text_of(agent.get(detail(fetch_dossier(number).dossier)))

    def test_a_correction_is_awaited(self, agent):
        dossier = DossierFactory(date_derniere_correction_en_attente=MOMENT)
        shown = text_of(agent.get(detail(dossier)))
        assert "L'usager doit corriger son dossier." in shown
        assert "Correction demandée 02/03/2026 à 10:00 (attendue)" in shown

    def test_a_missing_message(self, agent):
        message = MessageFactory(body="", absent_since=MOMENT)
        shown = text_of(agent.get(detail(message.dossier)))
        assert "Message absent de la plateforme depuis le 02/03/2026" in shown

    def test_absence_and_failure_are_said_and_older_data_is_shown(self, agent):
        dossier = DossierFactory(
            absent_since=MOMENT,
            last_error_code="upstream_unavailable",
            last_error_reason="query_timeout",
            last_error_at=MOMENT,
        )
        shown = text_of(agent.get(detail(dossier)))
        assert "La plateforme ne donne plus ce dossier depuis le 02/03/2026" in shown
        assert "a échoué : la plateforme a mis trop de temps" in shown
        assert "Ce qui suit date du 01/01/2026" in shown

    def test_hostile_texts_come_out_harmless(self, agent, sandbox):
        dossier = fetch_dossier(12354).dossier
        Demarche.objects.update(title="<script>alert(1)</script>")
        for url in (LIST, detail(dossier), "/admin/", "/admin/dsintegration/demarche/"):
            html = agent.get(url).content.decode()
            for harmful in ("<script>alert", "<img src=x", "onclick=", "javascript:alert"):
                assert harmful not in html
        shown = agent.get(detail(dossier)).content.decode()
        assert "&lt;script&gt;alert(&#x27;ici&#x27;)&lt;/script&gt;" in shown
        assert "<strong>merci</strong>" in shown

    def test_statements(self, agent, django_assert_max_num_queries):
        dossier = DossierFactory()
        for _ in range(50):
            MessageFactory(dossier=dossier)
        with django_assert_max_num_queries(12):
            agent.get(detail(dossier))

    @pytest.mark.parametrize("path", ["999999/change/", "x/change/", "999999/history/"])
    def test_a_dossier_that_is_not_there(self, agent, path):
        assert agent.get(LIST + path).status_code in {302, 404}

    def test_history(self, agent, sandbox):
        agent.post(FETCH, {"numbers": "12345"})
        dossier = Dossier.objects.get()
        assert "Récupération depuis la plateforme : créé" in text_of(
            agent.get(f"{LIST}{dossier.pk}/history/")
        )


def said(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


class TestFetch:
    def test_one(self, agent, sandbox):
        response = agent.post(FETCH, {"numbers": "n° 12 345"}, follow=True)
        assert response.redirect_chain == [(detail(Dossier.objects.get()), 302)]
        assert "Dossier n° 12345 : créé." in text_of(response)

    def test_several_and_each_outcome(self, agent, sandbox):
        fetch_dossier(12345)
        sandbox.received.clear()
        numbers = "12345, 12346;404\r\n\r\n20002 \n 12 345"
        response = agent.post(FETCH, {"numbers": numbers})
        shown = text_of(response)
        assert "Dossier n° 12345 : inchangé." in shown
        assert "Dossier n° 12346 : créé." in shown
        assert "Dossier n° 404 : la plateforme ne connaît pas ce dossier" in shown
        assert "Dossier n° 20002 : le jeton n'a pas accès" in shown
        assert len(sandbox.received) == 2  # four numbers, then the two good ones again
        logged = LogEntry.objects.values_list("object_repr", "action_flag").order_by("object_repr")
        assert list(logged) == [
            ("Dossier n° 12345", 2),
            ("Dossier n° 12346", 1),
            ("Dossier n° 20002", 2),
            ("Dossier n° 404", 2),
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "12345 et 12346",
            "12345 / 12346",
            "n° 12 345 et n° 12 346",
            "Dossiers 12345 & 12346",
            "12345 et 12346\nBonne journée",
            "- 12345\n• 12346",
            "https://demarche.numerique.gouv.fr/dossiers/12345\n« 12346.000 »",
            "12'345\n12’346",
            "١٢٣٤٥ ; ١٢٣٤٦",
        ],
    )
    def test_as_a_mail_writes_them(self, agent, sandbox, text):
        agent.post(FETCH, {"numbers": text})
        assert set(Dossier.objects.values_list("number", flat=True)) == {12345, 12346}

    @pytest.mark.parametrize(
        ("numbers", "sentence"),
        [
            ("", "Donnez au moins un numéro de dossier."),
            (" , ;\n", "Donnez au moins un numéro de dossier."),
            ("12345, abc", "« abc » n'est pas un numéro de dossier"),
            ("https://x.example.org/dossiers/12345", "n'est pas l'adresse d'un dossier"),
            ("12345 12346", "ressemble à plusieurs numéros"),
            ("0", "il va de 1 à 2147483647"),
            ("<script>", "« &lt;script&gt; »"),
            ("12345\0", "caractère nul"),
            ("\n".join(map(str, range(1, 502))), "donnez-en 500 au plus"),
        ],
    )
    def test_all_input_is_checked_before_any_is_fetched(self, agent, sandbox, numbers, sentence):
        response = agent.post(FETCH, {"numbers": numbers})
        assert response.status_code == 200
        assert sentence in response.content.decode().replace("&#x27;", "'")
        assert not sandbox.received
        assert not LogEntry.objects.exists()

    @pytest.mark.parametrize("refused", ["40101", "40301", "50301", "42901"])
    def test_what_all_would_meet_stops(self, agent, sandbox, monkeypatch, refused):
        monkeypatch.setattr(fetch, "AT_ONCE", 1)
        response = agent.post(FETCH, {"numbers": f"12345\n{refused}\n12346"})
        assert "Reste à récupérer : 1." in text_of(response)
        assert response.context["form"]["numbers"].value().endswith("12346")
        assert Dossier.objects.count() == 1

    def test_no_token(self, agent, sandbox, settings):
        settings.DS_API_TOKEN = ""
        response = agent.post(FETCH, {"numbers": "12345"})
        shown = text_of(response)
        assert "La récupération n'est pas possible" in shown
        assert "DS_API_TOKEN" not in shown
        assert not sandbox.received
        assert not LogEntry.objects.exists()

    def test_ten_seconds_in_all_and_the_rest_after_the_page(
        self, agent, sandbox, monkeypatch, later
    ):
        left = iter([10, 5, 1])
        monkeypatch.setattr(fetch, "AT_ONCE", 1)
        monkeypatch.setattr(fetch, "seconds_left", lambda: next(left))
        response = agent.post(FETCH, {"numbers": "12345\n12346\n12347\n404"})
        assert fetch.WEB_BUDGET == 10
        shown = text_of(response)
        assert "2 sur 4." in shown
        assert "Reste à récupérer : 2. Cela continue sans vous" in shown
        lot = FetchLot.objects.get()
        page = f"{FETCH}{lot.pk}/"
        assert f"url={page}" in response.content.decode()
        later.run()
        shown = text_of(agent.get(page))
        assert "Reste à récupérer" not in shown
        assert "Récupérés : 3" in shown
        assert "Dossier n° 404 : la plateforme ne connaît pas ce dossier" in shown
        assert "refresh" not in agent.get(page).content.decode().split("<body")[0]
        assert set(numbers_of(agent.get(f"{LIST}?lot={lot.pk}"))) == {12345, 12346, 12347}

    def test_a_lot_is_its_author_s_alone(self, agent, sandbox, come_in_as):
        agent.post(FETCH, {"numbers": "12345\n12346"})
        lot = FetchLot.objects.get()
        assert agent.get(f"{FETCH}{lot.pk}/").status_code == 200
        other = come_in_as("other", "view_dossier", "fetch_dossier")
        assert other.get(f"{FETCH}{lot.pk}/").status_code == 404
        assert numbers_of(other.get(f"{LIST}?lot={lot.pk}")) == []
        assert numbers_of(other.get(f"{LIST}?lot=nonsense")) == []

    def test_a_lot_whose_process_ended_is_taken_up_again(self, agent, sandbox, later):
        lot = FetchLot.objects.create(
            account=str(User.objects.get().pk), left=[12345, 12346], touched_at=MOMENT
        )
        page = f"{FETCH}{lot.pk}/"
        response = agent.get(page)
        assert "relancez la récupération" in text_of(response)
        assert response.context["form"]["numbers"].value() == "12345\n12346"
        agent.post(page)
        later.run()
        assert "Récupérés : 2" in text_of(agent.get(page))

    def test_a_lot_ends_with_the_right(self, agent, sandbox, later):
        user = User.objects.get()
        lot = FetchLot.objects.create(account=str(user.pk), left=[12345], touched_at=MOMENT)
        agent.post(f"{FETCH}{lot.pk}/")
        user.user_permissions.clear()
        later.run()
        assert not sandbox.received

    def test_many_are_told_in_one_line(self, agent, sandbox, monkeypatch):
        monkeypatch.setattr(telling, "MAX_TOLD", 1)
        response = agent.post(FETCH, {"numbers": "12345\n12346\n404\n405"})
        shown = text_of(response)
        assert "2 dossiers récupérés (créé : 2)." in shown
        assert "En échec : 2" in shown
        assert shown.count("n° 404 ") == shown.count("n° 405 ") == 1
        assert "404 405" in shown

    def test_refresh_one(self, agent, sandbox):
        dossier = fetch_dossier(12345).dossier
        sandbox.dossiers[12345] = sandbox.dossiers[12345] | {"state": "accepte"}
        response = agent.post(f"{LIST}{dossier.pk}/refresh/", follow=True)
        assert "Dossier n° 12345 : mis à jour." in text_of(response)
        assert "Accepté" in text_of(response)
        assert LogEntry.objects.get().object_id == str(dossier.pk)

    def test_refresh_that_fails_keeps_what_was_known(self, agent, sandbox):
        dossier = fetch_dossier(12345).dossier
        sandbox.replies[12345] = Reply(
            500, {"errors": [{"message": "", "extensions": {"code": "internal_server_error"}}]}
        )
        shown = text_of(agent.post(f"{LIST}{dossier.pk}/refresh/", follow=True))
        assert "erreur interne sur ce dossier" in shown
        assert "Il manque le budget prévisionnel signé" in shown

    def test_refresh_after_a_login(self, agent, sandbox):
        """The login page leads back by GET."""
        dossier = fetch_dossier(12345).dossier
        sandbox.received.clear()
        response = agent.get(f"{LIST}{dossier.pk}/refresh/")
        assert (response.status_code, response.url) == (302, detail(dossier))

    @pytest.mark.parametrize("path", ["{pk}/refresh/", "fetch/"])
    def test_reading_a_page_fetches_nothing(self, agent, sandbox, path):
        dossier = fetch_dossier(12345).dossier
        sandbox.received.clear()
        agent.get(LIST + path.format(pk=dossier.pk))
        agent.get(f"{LIST}{path.format(pk=dossier.pk)}?numbers=12346")
        assert not sandbox.received

    def test_refresh_of_selected_ones_the_stalest_first(self, agent, sandbox, monkeypatch):
        dossiers = [fetch_dossier(number).dossier for number in (12345, 12346, 12347)]
        sandbox.received.clear()
        monkeypatch.setattr(fetch, "MAX_NUMBERS", 2)
        Dossier.objects.filter(number=12347).update(checked_at=MOMENT)
        data = {"action": "refresh_selected", "_selected_action": [d.pk for d in dossiers]}
        shown = text_of(agent.post(LIST, data, follow=True))
        assert [list(request.body["variables"].values()) for request in sandbox.received] == [
            [12347, 12345]
        ]
        assert "Il en reste 1 : relancez l'action" in shown

    def test_again_it_asks_for_others_than_those_that_are_refused(
        self, agent, sandbox, monkeypatch
    ):
        """They failed last time, and so are the stalest still."""
        dossiers = [fetch_dossier(number).dossier for number in (12345, 12346, 12347)]
        refused, others = dossiers[0], dossiers[1:]
        Dossier.objects.filter(pk=refused.pk).update(checked_at=MOMENT)
        sandbox.forbidden.add(refused.number)
        monkeypatch.setattr(fetch, "MAX_NUMBERS", 1)
        data = {"action": "refresh_selected", "_selected_action": [d.pk for d in dossiers]}
        try:
            for _ in range(3):
                sandbox.received.clear()
                agent.post(LIST, data)
        finally:
            sandbox.forbidden.discard(refused.number)
        assert Dossier.objects.get(pk=refused.pk).last_error_at
        moments = Dossier.objects.in_bulk([d.pk for d in others])
        assert all(moments[d.pk].checked_at > d.checked_at for d in others)


class TestRights:
    PAGES = [LIST, FETCH, EXPORT, "/admin/dsintegration/demarche/"]

    @pytest.mark.parametrize(
        ("rights", "allowed"),
        [
            ([], set()),
            (["view_dossier"], {LIST}),
            (["view_dossier", "fetch_dossier"], {LIST, FETCH}),
            (["view_dossier", "export_dossier"], {LIST, EXPORT}),
            (["export_dossier"], set()),
            (["view_demarche"], {"/admin/dsintegration/demarche/"}),
        ],
    )
    def test_each_right_apart(self, come_in, rights, allowed):
        client = come_in(*rights)
        statuses = {page: client.get(page).status_code for page in self.PAGES}
        assert statuses == {page: 200 if page in allowed else 403 for page in self.PAGES}

    def test_without_the_right_nothing_is_fetched(self, come_in, sandbox):
        dossier = fetch_dossier(12345).dossier
        sandbox.received.clear()
        client = come_in("view_dossier", "export_dossier")
        assert client.post(FETCH, {"numbers": "12346"}).status_code == 403
        assert client.post(f"{LIST}{dossier.pk}/refresh/").status_code == 403
        data = {"action": "refresh_selected", "_selected_action": [dossier.pk]}
        client.post(LIST, data)
        assert not sandbox.received
        for url in (LIST, detail(dossier)):
            shown = text_of(client.get(url))
            assert "Actualiser" not in shown
            assert "Récupérer un dossier" not in shown

    def test_without_the_right_nothing_is_exported(self, agent, sandbox):
        assert agent.post(EXPORT, {"format": "0"}).status_code == 403
        assert "Exporter" not in text_of(agent.get(LIST))

    def test_strangers_are_sent_to_the_login(self, client, sandbox):
        for page in self.PAGES:
            assert client.get(page).status_code == 302

    def test_nobody_edits(self, come_in):
        message = MessageFactory()
        dossier = message.dossier
        client = come_in(superuser=True)
        before = list(Dossier.objects.values()), list(Message.objects.values())
        assert client.get(f"{LIST}add/").status_code == 403
        assert client.post(f"{LIST}add/", {"number": "1"}).status_code == 403
        assert client.post(f"{LIST}{dossier.pk}/delete/", {"post": "yes"}).status_code == 403
        client.post(detail(dossier), {"state": "accepte"})
        data = {"action": "delete_selected", "_selected_action": [dossier.pk], "post": "yes"}
        client.post(LIST, data)
        assert (list(Dossier.objects.values()), list(Message.objects.values())) == before
        assert not Permission.objects.filter(
            codename__regex="^(add|change|delete)_(dossier|message)$"
        ).exists()

    def test_setup_groups(self, capsys):
        for outcome in ("créé", "inchangé"):
            call_command("setup_groups")
            assert capsys.readouterr().out.count(outcome) == 7
        rights = {
            group.name: set(group.permissions.values_list("codename", flat=True))
            for group in Group.objects.all()
        }
        read = {"view_dossier", "view_message", "view_demarche"}
        assert rights["Agents (lecture)"] == read
        assert rights["Agents (récupération)"] == read | {"fetch_dossier"}
        assert rights["Agents (export)"] == read | {"export_dossier"}
        assert rights["Responsables"] >= read | {"change_demarche", "view_journalentry"}

    def test_setup_groups_gives_back_what_was_taken_and_leaves_what_was_added(self, capsys):
        call_command("setup_groups")
        group = Group.objects.get(name="Agents (lecture)")
        group.permissions.set([Permission.objects.get(codename="export_dossier")])
        call_command("setup_groups")
        assert "Agents (lecture) : complété" in capsys.readouterr().out
        assert group.permissions.count() == 4


class TestDemarches:
    URL = "/admin/dsintegration/demarche/"

    def test_dossiers_by_etat(self, agent):
        demarche = DemarcheFactory(title="Aide")
        for state in ("en_construction", "accepte", "accepte", "en_pause"):
            DossierFactory(demarche=demarche, state=state)
        shown = text_of(agent.get(self.URL))
        assert re.search(rf"{demarche.number} Aide 1 0 2 0 0 4", shown)
        assert "Chiffres de " in shown

    def test_the_one_box(self, come_in):
        demarche = DemarcheFactory(title="Aide")
        client = come_in("view_demarche", "change_demarche")
        data = {"decision_hidden": "on", "title": "Autre", "number": "7", "fetched_at_0": "x"}
        client.post(f"{self.URL}{demarche.pk}/change/", data)
        demarche.refresh_from_db()
        assert (demarche.decision_hidden, demarche.title) == (True, "Aide")
        assert demarche.number != 7
        assert client.get(f"{self.URL}add/").status_code == 403
        assert client.post(f"{self.URL}{demarche.pk}/delete/", {"post": "yes"}).status_code == 403

    def test_only_with_the_right(self, agent):
        demarche = DemarcheFactory()
        response = agent.post(f"{self.URL}{demarche.pk}/change/", {"decision_hidden": "on"})
        assert response.status_code == 403
        demarche.refresh_from_db()
        assert not demarche.decision_hidden

    def test_a_fetch_leaves_the_box(self, sandbox):
        fetch_dossier(12345)
        Demarche.objects.update(decision_hidden=True)
        dossier = sandbox.dossiers[12345]
        sandbox.dossiers[12345] = dossier | {"demarche": dossier["demarche"] | {"title": "Autre"}}
        fetch_dossier(12345)
        assert Demarche.objects.get().decision_hidden
        assert Demarche.objects.get().title == "Autre"


class TestExport:
    @pytest.fixture
    def exporter(self, come_in):
        return come_in("view_dossier", "export_dossier")

    def export(self, client, place, query=""):
        response = client.post(EXPORT + query, {"format": str(place), "resource": "0"})
        assert response.status_code == 200, response
        return response

    def rows(self, response, place):
        content = response.content
        if place == 0:
            sheet = openpyxl.load_workbook(io.BytesIO(content)).active
            return [[cell.value for cell in row] for row in sheet.rows]
        if place == 1:
            sheet = opendocument.load(io.BytesIO(content)).getElementsByType(table.TableRow)
            cells = (row.getElementsByType(table.TableCell) for row in sheet)
            return [[self.ods_value(cell) for cell in row] for row in cells]
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))

    def ods_value(self, cell):
        return cell.getAttribute("datevalue") or cell.getAttribute("value") or str(cell)

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_each_format(self, exporter, sandbox, place):
        fetch_dossier(12345)
        response = self.export(exporter, place)
        header, row = self.rows(response, place)
        assert header[:4] == ["Numéro", "État", "N° de la démarche", "Démarche"]
        assert [str(cell) for cell in row[:3]] == ["12345", "En instruction", "901"]
        assert str(row[5])[:16] in {"2026-09-07 10:02", "2026-09-07T10:02", "07/09/2026 10:02"}
        assert not any("budget" in str(cell) for cell in row)
        assert response["Content-Disposition"].startswith("attachment")
        assert "no-store" in response["Cache-Control"]

    @pytest.mark.parametrize("place", [0, 1, 2])
    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_formulas_are_neutralised(self, exporter, place, start):
        demarche = DemarcheFactory(title=f"{start}cmd|' /C calc'!A0")
        DossierFactory(demarche=demarche, usager_email=f"{start}1@example.org")
        _, row = self.rows(self.export(exporter, place), place)
        for cell in (row[3], row[4]):
            assert str(cell).startswith("'")

    def test_the_list_as_it_is_filtered(self, exporter):
        DossierFactory(state="accepte", number=7)
        DossierFactory(state="refuse")
        rows = self.rows(self.export(exporter, 2, "?state__exact=accepte"), 2)
        assert [row[0] for row in rows] == ["Numéro", "7"]
        entry = LogEntry.objects.get()
        assert entry.object_repr == "Export, dossiers : 1"
        assert entry.change_message == "Export csv, filtres : state__exact=accepte"

    def test_the_log_names_nobody(self, exporter):
        DossierFactory(usager_email="a@example.org")
        self.export(exporter, 2, "?q=a%40example.org")
        assert "example.org" not in LogEntry.objects.get().change_message

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_letters_that_no_spreadsheet_holds(self, exporter, place):
        DossierFactory(demarche=DemarcheFactory(title="a\x0bb\u202ec\u2066"))
        _, row = self.rows(self.export(exporter, place), place)
        assert str(row[3]) == "a\ufffdb\ufffdc\ufffd"

    def test_a_search_by_name_is_not_logged(self, exporter):
        DossierFactory()
        self.export(exporter, 2, "?q=camille&situation=")
        assert LogEntry.objects.get().change_message == (
            "Export csv, filtres : situation=, recherche"
        )

    def test_a_filter_that_is_not_offered(self, exporter):
        response = exporter.post(f"{EXPORT}?depot__x=1", {"format": "2", "resource": "0"})
        assert response.status_code in {302, 400}
        assert not LogEntry.objects.exists()

    def test_too_many(self, exporter, monkeypatch):
        monkeypatch.setattr("dsintegration.admin.exporting.MAX_EXPORTED", 1)
        DossierFactory(), DossierFactory()
        response = exporter.post(EXPORT, {"format": "2", "resource": "0"}, follow=True)
        assert "plus de 1 dossiers : filtrez" in text_of(response)
        assert not LogEntry.objects.exists()

    def test_only_these_formats(self, exporter):
        assert exporter.post(EXPORT, {"format": "7", "resource": "0"}).status_code == 200
        assert not LogEntry.objects.exists()

    def test_statements_do_not_grow(self, exporter, django_assert_max_num_queries):
        for _ in range(30):
            DossierFactory()
        with django_assert_max_num_queries(12):
            self.export(exporter, 2)

    def test_no_body_is_a_column(self):
        assert not {"Texte", "Corps"} & {column.title for column in COLUMNS}


class TestDashboard:
    def test_figures(self, agent):
        demarche = DemarcheFactory(title="Aide")
        now = timezone.now()
        DossierFactory(demarche=demarche, date_depot=now, usager_spoke_last=True)
        DossierFactory(demarche=demarche, state="accepte", date_depot=now, date_traitement=now)
        DossierFactory(state="en_pause", absent_since=now)
        response = agent.get("/admin/")
        shown = text_of(response)
        assert "3 dossiers 1 à répondre 0 en erreur 1 absent de la plateforme" in shown
        assert "Aide 1 0 1 0 0 0 2" in shown
        assert "Toutes les démarches 1 0 1 0 0 1 3" in shown
        assert re.search(r"\d{4} 2 1 ", shown)
        assert re.search(r"Chiffres de \d\d:\d\d", shown)
        assert "<svg" in response.content.decode()

    def test_empty(self, agent):
        assert "Aucun dossier pour l'instant" in text_of(agent.get("/admin/"))

    def test_figures_are_kept_five_minutes(self, agent, django_assert_max_num_queries):
        DossierFactory()
        agent.get("/admin/")
        DossierFactory()
        with django_assert_max_num_queries(8):
            assert "1 dossier " in text_of(agent.get("/admin/"))
        cache.delete("dsintegration.mirror.summary.3.fresh")
        assert "2 dossiers" in text_of(agent.get("/admin/"))

    def test_not_for_those_who_may_not_read(self, come_in):
        DossierFactory()
        assert "à répondre" not in text_of(come_in("view_demarche").get("/admin/"))


class TestBanners:
    def test_none(self, agent, sandbox):
        assert "ds-banners" not in agent.get("/admin/").content.decode()

    @pytest.mark.parametrize(
        ("code", "reason", "sentence"),
        [
            ("upstream_access_denied", "token_refused", "La plateforme refuse le jeton"),
            ("upstream_access_denied", "token_expired", "Le jeton a expiré"),
            ("upstream_unavailable", "maintenance", "La plateforme est en maintenance"),
        ],
    )
    def test_the_platform(self, agent, sandbox, code, reason, sentence):
        Platform.objects.update(
            last_error_code=code, last_error_reason=reason, last_error_at=timezone.now()
        )
        dossier = DossierFactory()
        for url in ("/admin/", LIST, detail(dossier)):
            assert sentence in text_of(agent.get(url))

    def test_the_end_of_the_token(self, agent, sandbox, settings):
        settings.DS_API_TOKEN_EXPIRES = timezone.localdate() + timedelta(days=10)
        assert "Le jeton de la plateforme expire le" in text_of(agent.get("/admin/"))
        settings.DS_API_TOKEN_EXPIRES = timezone.localdate() - timedelta(days=1)
        assert "Le jeton de la plateforme a expiré le" in text_of(agent.get("/admin/"))

    def test_no_token(self, agent, settings):
        settings.DS_API_TOKEN = ""
        shown = text_of(agent.get("/admin/"))
        assert "La récupération n'est pas possible" in shown
        assert "DS_API_TOKEN" not in shown


class TestDoors:
    @pytest.mark.parametrize("path", ["/nowhere/", "/admin/nowhere/", "/suivi/abc/"])
    def test_errors_are_told_in_french(self, agent, path):
        response = agent.get(path)
        assert response.status_code == 404
        assert "Page introuvable" in response.content.decode()

    def test_a_refused_right_is_told_in_french(self, come_in):
        response = come_in("view_demarche").get(LIST)
        assert response.status_code == 403
        assert "Accès refusé" in response.content.decode()

    def test_the_root_leads_to_the_usager_s_page(self, client):
        assert client.get("/").url == "/suivi/"

    @pytest.mark.parametrize(
        ("forwarded", "proxies", "address"),
        [
            ("", 1, "192.0.2.9"),
            ("198.51.100.7", 0, "192.0.2.9"),
            ("198.51.100.7", 1, "198.51.100.7"),
            ("203.0.113.1, 198.51.100.7", 1, "198.51.100.7"),
            ("203.0.113.1, 198.51.100.7", 2, "203.0.113.1"),
            ("198.51.100.7:5678", 1, "198.51.100.7"),
            ("[2001:db8::1]:5678", 1, "2001:db8::1"),
            ("2001:db8::1", 1, "2001:db8::1"),
            ("unknown", 1, "192.0.2.9"),
            ("<script>", 1, "192.0.2.9"),
        ],
    )
    def test_whose_address_it_is(self, rf, settings, forwarded, proxies, address):
        settings.DS_NUM_PROXIES = proxies
        request = rf.get("/", REMOTE_ADDR="192.0.2.9", HTTP_X_FORWARDED_FOR=forwarded)
        assert hosting_proxies.client_address(request) == address

    def test_content_security_policy(self, agent, sandbox):
        dossier = DossierFactory()
        for url in ("/admin/", LIST, FETCH, detail(dossier)):
            response = agent.get(url)
            policy = response["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            html = response.content.decode()
            assert not re.search(r"<[^>]+ (on\w+|style)=", html)
            assert not re.search(r"<script(?![^>]*(src=|type=\"application/json\"))", html)

    def test_guessed_passwords(self, client, settings):
        User.objects.create_user("agent", password="the right one", is_staff=True)
        login = reverse("admin:login")
        for _ in range(settings.AXES_FAILURE_LIMIT):
            response = client.post(login, {"username": "agent", "password": "wrong"})
        assert response.status_code == 429
        assert "Connexion bloquée" in text_of(response)
        response = client.post(login, {"username": "agent", "password": "the right one"})
        assert "_auth_user_id" not in client.session
        assert response.status_code == 429

    def test_nothing_is_logged_of_people(self, agent, sandbox, logs, client):
        agent.post(FETCH, {"numbers": "12345\n404"})
        agent.get(detail(Dossier.objects.get()))
        client.logout()
        client.post(reverse("admin:login"), {"username": "who@example.org", "password": "secret"})
        for private in ("@", TOKEN, "budget", "secret"):
            assert private not in logs.text

    def test_no_english(self, agent, sandbox):
        dossier = fetch_dossier(12345).dossier
        pages = ["/admin/", LIST, FETCH, detail(dossier), "/admin/dsintegration/demarche/"]
        pages += [f"{LIST}{dossier.pk}/history/", "/admin/password_change/"]
        for url in pages:
            html = agent.get(url).content.decode()
            assert '<html lang="fr"' in html
            for word in ("Search", "Select", "Home", "Export ", "Delete", "Save", "View site"):
                assert not re.search(
                    rf"\b{word}\b",
                    text_of(agent.get(url))
                    + " ".join(
                        re.findall(r'(?:alt|title|placeholder|aria-label|value)="([^"]*)"', html)
                    ),
                ), (url, word)


def test_no_foreign_text_turns_a_page_around(come_in):
    mark = "\u202e"
    client = come_in(superuser=True)
    dossier = DossierFactory(
        state=f"en_{mark}pause",
        usager_email=f"u{mark}@example.org",
        demarche=DemarcheFactory(title=f"Aide {mark}\u2067x"),
    )
    MessageFactory(dossier=dossier, body=f"a{mark}b", email=f"v{mark}@example.org")
    demarches = "/admin/dsintegration/demarche/"
    pages = {
        "/admin/": ["Aide \ufffd\ufffdx", "en_\ufffdpause"],
        LIST: ["Aide \ufffd\ufffdx", "en_\ufffdpause", "u\ufffd@"],
        detail(dossier): ["Aide \ufffd\ufffdx", "u\ufffd@", "v\ufffd@", "a\ufffdb"],
        f"{LIST}{dossier.pk}/history/": [],
        demarches: ["Aide \ufffd\ufffdx"],
        f"{demarches}{dossier.demarche.pk}/change/": ["Aide \ufffd\ufffdx"],
        "/admin/dsintegration/apikey/add/": ["Aide \ufffd\ufffdx"],
    }
    for path, seen in pages.items():
        page = unescape(client.get(path).content.decode())
        assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", page), path
        assert [words for words in seen if words not in page] == [], path


class TestOneWayToWrite:
    """Dates and thousands, on every page."""

    def test_thousands(self, agent):
        demarche = DemarcheFactory(title="Aide")
        Dossier.objects.bulk_create(
            DossierFactory.build(demarche=demarche, number=24_000_000 + rank)
            for rank in range(1_001)
        )
        page = agent.get(LIST).content.decode()
        assert "1\N{NARROW NO-BREAK SPACE}001 dossiers" in page
        assert "1001 dossiers" not in page
        assert "24001000" in page

    def test_dates(self, come_in, sandbox):
        owner = come_in(superuser=True)
        dossier = fetch_dossier(12346).dossier  # without messages, whose words are their own
        key, _ = ApiKey.objects.create_key(name="Portail", last_used_on=timezone.localdate())
        entry = JournalEntry.objects.order_by("pk").last()
        months = r"\d (janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre)"
        for path in (
            "",
            "dsintegration/dossier/",
            f"dsintegration/dossier/{dossier.pk}/change/",
            f"dsintegration/dossier/{dossier.pk}/history/",
            f"dsintegration/demarche/{dossier.demarche_id}/change/",
            "dsintegration/journalentry/",
            f"dsintegration/journalentry/{entry.pk}/change/",
            "dsintegration/apikey/",
            f"dsintegration/apikey/{key.pk}/change/",
        ):
            page = text_of(owner.get(f"/admin/{path}"))
            assert not re.search(rf"{months}|\d décembre|il y a \d", page), path
            assert re.search(r"\d\d/\d\d/20\d\d", page), path
