"""Links and sessions: what opens a dossier, to whom, and for how long."""

import re
import threading
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from dsintegration.models import Demarche, Dossier, JournalEntry, UsagerAccess, UsagerSession
from dsintegration.usager.links import LinkRefused, make_link, use_link
from tests.factories import DossierFactory
from tests.pages import check_html

pytestmark = pytest.mark.django_db

NUMBER = 28711001
PAGE = f"/suivi/{NUMBER}/"
USAGER = "usager@example.org"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def dossier():
    return DossierFactory(number=NUMBER, usager_email=USAGER)


@pytest.fixture
def token(dossier):
    return make_link(dossier)[1]


@pytest.fixture
def after(monkeypatch):
    """Lets time pass: for signatures, and for rows."""
    started = time.time()
    real_now = timezone.now

    def let(delay: timedelta) -> None:
        passed = time.time() - started + delay.total_seconds()
        monkeypatch.setattr("django.core.signing.time.time", lambda: started + passed)
        monkeypatch.setattr("django.utils.timezone.now", lambda: real_now() + delay)

    return let


def look(client, token):
    return client.get(f"/suivi/lien/{token}/")


def press(client, token):
    return client.post("/suivi/lien/", {"token": token})


def use_up(token):
    for _ in range(UsagerAccess.MOST_OPENINGS):
        press(Client(), token)


def transfer(dossier):
    Dossier.objects.filter(pk=dossier.pk).update(usager_email="new@example.org")


def delete_account(dossier):
    Dossier.objects.filter(pk=dossier.pk).update(usager_account_deleted=True)


class TestLink:
    def test_a_button_opens_the_dossier(self, client, token):
        response = look(client, token)
        page = response.content.decode()
        assert response.status_code == 200
        assert not response.cookies.keys() - {settings.CSRF_COOKIE_NAME}
        check_html(page)
        assert page.count("<button") == 1
        # No address of a page that is asked for again holds the token.
        assert page.count(token) == 1
        assert f'name="token" value="{token}"' in page

        response = press(client, token)
        assert (response.status_code, response.url) == (302, PAGE)
        assert client.get(PAGE).status_code == 200

    def test_whoever_only_looks_uses_nothing_up(self, client, token):
        scanner = Client()
        for _ in range(5):
            assert look(scanner, token).status_code == 200
            assert scanner.head(f"/suivi/lien/{token}/").status_code == 200
        assert scanner.get("/suivi/lien/").url == "/suivi/"
        assert scanner.get(PAGE).status_code == 403
        assert press(client, token).status_code == 302

    def test_a_scanner_that_presses_locks_nobody_out(self, client, token):
        for _ in range(UsagerAccess.MOST_OPENINGS - 1):
            assert press(Client(), token).status_code == 302
        assert press(client, token).status_code == 302
        assert client.get(PAGE).status_code == 200
        opened = JournalEntry.objects.filter(action="link", outcome="opened", dossier_number=NUMBER)
        assert opened.count() == UsagerAccess.MOST_OPENINGS

    @pytest.mark.parametrize("way", [look, press])
    def test_used(self, client, token, way):
        use_up(token)
        response = way(client, token)
        page = response.content.decode()
        assert response.status_code == 410
        assert "Il a déjà servi cinq fois" in page
        assert "<title>Ce lien ne peut pas servir" in page
        assert 'action="/suivi/"' in page
        check_html(page)
        assert client.get(PAGE).status_code == 403

    @pytest.mark.parametrize("way", [look, press])
    def test_used_by_this_very_browser(self, client, token, way):
        press(client, token)
        use_up(token)
        secret = client.cookies[f"suivi_{NUMBER}"].value
        response = way(client, token)
        page = response.content.decode()
        assert response.status_code == 410
        assert f'href="{PAGE}"' in page
        assert "<title>Votre dossier est déjà ouvert" in page
        check_html(page)
        assert client.cookies[f"suivi_{NUMBER}"].value == secret

    @pytest.mark.parametrize("way", [look, press])
    def test_expired(self, client, token, after, way):
        after(29 * MINUTE)
        assert look(client, token).status_code == 200
        after(31 * MINUTE)
        response = way(client, token)
        page = response.content.decode()
        assert response.status_code == 410
        assert "un lien dure 30 minutes" in page
        check_html(page)

    @pytest.mark.parametrize("way", [look, press])
    @pytest.mark.parametrize(
        "alter",
        [
            lambda token: token[:-1],
            lambda token: token + "A",
            lambda token: token[: len(token) // 2],
            lambda token: token.replace("-", "0-", 1),
            lambda token: "A" + token[1:] if token[0] != "A" else "B" + token[1:],
            lambda token: token.swapcase(),
            lambda token: token.rpartition(".")[0],
            lambda token: f"{token.split('.')[0]}.zzzzzz.{token.split('.')[2]}",
            lambda token: "é",
            lambda token: "a" * 5000,
        ],
    )
    def test_altered(self, client, token, way, alter):
        response = way(client, alter(token))
        page = response.content.decode()
        assert response.status_code == 404
        assert "incomplet ou modifié" in page
        check_html(page)
        assert press(client, token).status_code == 302

    def test_one_that_we_did_not_send(self, client, token):
        UsagerAccess.objects.all().delete()
        assert look(client, token).status_code == 410

    @pytest.mark.parametrize("way", [look, press])
    @pytest.mark.parametrize("event", [transfer, delete_account])
    def test_it_closes_with_a_change_of_hands(self, client, dossier, token, way, event):
        event(dossier)
        assert way(client, token).status_code == 410
        assert client.get(PAGE).status_code == 403

    def test_another_case_is_the_same_address(self, client, dossier, token):
        Dossier.objects.update(usager_email=" Usager@EXAMPLE.org")
        assert press(client, token).status_code == 302

    def test_several_links_live_side_by_side(self, dossier, token):
        other = make_link(dossier)[1]
        assert press(Client(), token).status_code == 302
        assert press(Client(), other).status_code == 302

    def test_another_secret_key_knows_no_link(self, client, token, settings):
        settings.SECRET_KEY = "another"
        assert look(client, token).status_code == 404

    def test_the_database_keeps_neither_secrets_nor_addresses(self, client, dossier, token):
        press(client, token)
        secret = client.cookies[f"suivi_{NUMBER}"].value
        row = f"{UsagerAccess.objects.values().get()} {UsagerSession.objects.values().get()}"
        for kept_out in (token, *token.split("."), secret, USAGER):
            assert kept_out not in row

    def test_what_has_expired_goes_with_the_next_link(self, client, dossier, token, after):
        press(client, token)
        after(23 * HOUR)
        make_link(dossier)
        assert UsagerAccess.objects.count() == 2  # another link may be had instead
        after(25 * HOUR)
        make_link(dossier)
        assert (UsagerAccess.objects.count(), UsagerSession.objects.count()) == (2, 0)

    @pytest.mark.parametrize(
        "pasted",
        ["{}>", "{}/>", "{} ", " {}/", "{}.", "{}%0A", "«{}»", "{}%3E%3E", "{cut} {rest}/", "{}"],
    )
    def test_what_a_mail_program_did_to_it_is_mended(self, client, token, pasted):
        address = pasted.format(token, cut=token[:20], rest=token[20:])
        response = client.get(f"/suivi/lien/{address}", follow=True)
        assert response.status_code == 200
        assert f'name="token" value="{token}"' in response.content.decode()

    @pytest.mark.parametrize("kind", ["expired", "used"])
    def test_another_one_without_typing_anything(self, client, dossier, token, after, later, kind):
        Dossier.objects.update(fetched_at=timezone.now() + 31 * MINUTE)
        use_up(token) if kind == "used" else after(31 * MINUTE)
        page = press(client, token).content.decode()
        assert 'action="/suivi/lien/renouveler/"' in page
        assert f'value="{NUMBER}"' in page
        assert USAGER not in page
        response = client.post("/suivi/lien/renouveler/", {"token": token})
        assert (response.status_code, response.url) == (302, "/suivi/envoye/")
        later.run()
        assert [message.to for message in mail.outbox] == [[USAGER]]

    def test_no_foreign_text_turns_the_mail_around(self, client, dossier, token, later):
        Dossier.objects.update(fetched_at=timezone.now())
        foreign = "Aide\r\nau \u202elogement\u2066"
        Demarche.objects.update(title=foreign, service_nom=foreign, service_organisme=foreign)
        client.post("/suivi/lien/renouveler/", {"token": token})
        later.run()
        [sent] = mail.outbox
        for body in (sent.body, sent.alternatives[0].content):
            assert body.count("Aide au \ufffdlogement\ufffd") == 3
            assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", body)

    @pytest.mark.parametrize("event", [transfer, delete_account])
    def test_no_other_one_after_a_change_of_hands(self, client, dossier, token, later, event):
        Dossier.objects.update(fetched_at=timezone.now())
        event(dossier)
        client.post("/suivi/lien/renouveler/", {"token": token})
        later.run()
        assert mail.outbox == []

    @pytest.mark.parametrize("invented", ["", "a", "a" * 5000])
    def test_no_other_one_for_an_invented_link(self, client, invented, later):
        response = client.post("/suivi/lien/renouveler/", {"token": invented})
        assert (response.status_code, response.url) == (302, "/suivi/")
        assert later.left == []

    @pytest.mark.django_db(transaction=True)
    def test_of_two_that_press_the_last_time_one_succeeds(self, token):
        UsagerAccess.objects.update(openings=UsagerAccess.MOST_OPENINGS - 1)
        gate, outcomes = threading.Barrier(2), []

        def run():
            from django.db import connections

            gate.wait()
            try:
                use_link(token)
                outcomes.append("opened")
            except LinkRefused as err:
                outcomes.append(err.refusal.value)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["opened", "used"]


class TestSession:
    @pytest.fixture(autouse=True)
    def opened(self, client, token):
        press(client, token)

    def test_its_cookie_goes_with_the_browser(self, client):
        cookie = client.cookies[f"suivi_{NUMBER}"]
        assert (cookie["expires"], cookie["max-age"]) == ("", "")
        assert (cookie["path"], cookie["samesite"]) == ("/suivi/", "Lax")
        assert cookie["httponly"]
        assert cookie["secure"]

    def test_it_opens_no_dossier_of_another(self, client):
        secret = client.cookies[f"suivi_{NUMBER}"].value
        for number in (NUMBER - 1, NUMBER + 1):
            DossierFactory(
                number=number, usager_email="other@example.org", fetched_at=timezone.now()
            )
            client.cookies[f"suivi_{number}"] = secret
            assert client.get(f"/suivi/{number}/").status_code == 403
            assert client.post(f"/suivi/{number}/actualiser/").status_code == 403
        assert client.get(PAGE).status_code == 200

    def test_nobody_else_has_it(self):
        assert Client().get(PAGE).status_code == 403

    def test_two_dossiers_side_by_side(self, client):
        press(client, make_link(DossierFactory(number=5))[1])
        assert client.get(PAGE).status_code == 200
        assert client.get("/suivi/5/").status_code == 200

    def test_30_idle_minutes(self, client, after):
        for minutes in (29, 58, 87):
            after(minutes * MINUTE)
            assert client.get(PAGE).status_code == 200
        after((87 + 31) * MINUTE)
        assert client.get(PAGE).status_code == 403

    def test_a_day_at_most(self, client, after):
        for quarter in range(1, 96):
            after(quarter * 15 * MINUTE)
            assert client.get(PAGE).status_code == 200
        after(24 * HOUR + MINUTE)
        assert client.get(PAGE).status_code == 403

    def test_quitting(self, client):
        secret = client.cookies[f"suivi_{NUMBER}"].value
        assert client.get(f"{PAGE}quitter/").status_code == 405
        response = client.post(f"{PAGE}quitter/")
        assert (response.status_code, response.url) == (302, "/suivi/termine/")
        assert response.cookies[f"suivi_{NUMBER}"]["max-age"] == 0
        check_html(client.get(response.url).content.decode())
        # Also for whoever kept the cookie.
        client.cookies[f"suivi_{NUMBER}"] = secret
        assert client.get(PAGE).status_code == 403

    def test_quitting_closes_all_that_this_browser_has_open(self, client):
        press(client, make_link(DossierFactory(number=5, usager_email="other@example.org"))[1])
        client.post("/suivi/quitter/")
        assert UsagerSession.objects.count() == 0
        assert client.get("/suivi/5/").status_code == client.get(PAGE).status_code == 403

    def test_quitting_leaves_other_browsers_alone(self, client, token):
        other = Client()
        press(other, token)
        client.post(f"{PAGE}quitter/")
        assert other.get(PAGE).status_code == 200

    @pytest.mark.parametrize("event", [transfer, delete_account])
    def test_it_closes_with_a_change_of_hands(self, client, dossier, event):
        assert client.get(PAGE).status_code == 200
        event(dossier)
        assert client.get(PAGE).status_code == 403
        assert client.post(f"{PAGE}actualiser/").status_code == 403

    def test_it_ends_with_the_dossier(self, client, dossier):
        dossier.delete()
        assert client.get(PAGE).status_code == 403

    def test_an_agent_stays_logged_in(self, client, dossier):
        client.force_login(User.objects.create_user("agent", is_staff=True))
        press(client, make_link(dossier)[1])
        client.post(f"{PAGE}quitter/")
        assert client.get("/admin/").status_code == 200


class TestClosed:
    @pytest.mark.parametrize("number", [NUMBER, 1, 2**31 - 1, 2**31, 10**30])
    def test_any_number_has_one_answer(self, client, dossier, number):
        reference = client.get("/suivi/404/")
        response = client.get(f"/suivi/{number}/")
        assert response.status_code == reference.status_code == 403
        page, other = response.content.decode(), reference.content.decode()
        check_html(page)
        assert "Pour voir ce dossier, demandez un lien" in page
        if number < 2**31:
            assert masked(page, number) == masked(other, 404)

    @pytest.mark.parametrize("secret", ["", "a", "é", "a" * 4000])
    def test_invented_secrets(self, client, dossier, secret):
        access, _ = make_link(dossier)
        now = timezone.now()
        UsagerSession.objects.create(access=access, opened_at=now, last_seen_at=now)
        client.cookies[f"suivi_{NUMBER}"] = secret
        assert client.get(PAGE).status_code == 403


def masked(page: str, number: int) -> str:
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    return page.replace(token, "").replace(f'value="{number}"', "")


class TestForgery:
    """Under `Referrer-Policy: no-referrer` browsers send `Origin: null` with our own forms."""

    @pytest.fixture
    def strict(self):
        return Client(enforce_csrf_checks=True)

    def post(self, client, token, *, csrf=True, secure=False, **headers):
        client.get(f"/suivi/lien/{token}/", secure=secure)
        data = {"token": token}
        if csrf:
            data["csrfmiddlewaretoken"] = client.cookies[settings.CSRF_COOKIE_NAME].value
        return client.post("/suivi/lien/", data, secure=secure, headers=headers)

    @pytest.mark.parametrize("secure", [True, False])
    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "null", "sec-fetch-site": "same-origin"},
            {"origin": "null"},
        ],
    )
    def test_our_own_form(self, strict, token, secure, headers):
        assert self.post(strict, token, secure=secure, **headers).status_code == 302

    def test_our_own_origin(self, strict, token):
        assert self.post(strict, token, origin="http://testserver").status_code == 302

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "null", "sec-fetch-site": "cross-site"},
            {"origin": "null", "sec-fetch-site": "same-site"},
            {"origin": "https://attacker.example.org"},
            {"origin": "https://attacker.example.org", "sec-fetch-site": "same-origin"},
        ],
    )
    def test_another_site(self, strict, token, headers):
        response = self.post(strict, token, **headers)
        assert response.status_code == 403
        assert "Cette page doit être rechargée" in response.content.decode()
        check_html(response.content.decode())
        assert not UsagerAccess.objects.exclude(openings=0).exists()

    @pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "same-origin"}])
    def test_a_browser_that_says_nothing_of_where_it_comes_from(self, strict, token, headers):
        assert settings.CSRF_COOKIE_NAME.startswith("__Host-")
        assert self.post(strict, token, secure=True, **headers).status_code == 302

    @pytest.mark.parametrize(
        ("headers", "csrf"),
        [
            ({"sec-fetch-site": "cross-site"}, True),
            ({"sec-fetch-site": "none"}, True),
            ({"referer": "https://attacker.example.org/"}, True),
            ({"referer": "not an address"}, True),
            ({}, False),
        ],
    )
    def test_another_site_that_says_nothing(self, strict, token, headers, csrf):
        assert self.post(strict, token, csrf=csrf, secure=True, **headers).status_code == 403

    def test_a_cookie_that_a_neighbour_could_write_vouches_for_nothing(
        self, strict, token, settings
    ):
        settings.CSRF_COOKIE_NAME = "csrftoken"
        assert self.post(strict, token, secure=True).status_code == 403

    def test_what_was_typed_is_not_lost(self, strict):
        form = {"number": "n° 12 345", "email": "Anne <anne@example.org>"}
        page = strict.post("/suivi/", form).content.decode()
        assert 'value="n° 12 345"' in page
        assert 'value="Anne &lt;anne@example.org&gt;"' in page

    @pytest.mark.parametrize(
        "path",
        [
            "/suivi/",
            "/suivi/lien/",
            "/suivi/lien/renouveler/",
            "/suivi/dossiers/",
            "/suivi/quitter/",
            f"{PAGE}actualiser/",
            f"{PAGE}quitter/",
        ],
    )
    def test_no_form_goes_without_its_token(self, strict, token, path):
        strict.get(f"/suivi/lien/{token}/")
        response = strict.post(path, {"token": token}, headers={"origin": "null"})
        assert response.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/suivi/",
        "/suivi/envoye/",
        "/suivi/termine/",
        "/suivi/lien/",
        "/suivi/lien/{token}/",
        "/suivi/lien/altered/",
        "/suivi/dossiers/",
        "/suivi/accessibilite/",
        "/suivi/404/",
        PAGE,
    ],
)
@pytest.mark.parametrize("opened", [False, True])
def test_no_page_is_kept_passed_on_or_indexed(client, token, path, opened):
    if opened:
        press(client, token)
    response = client.get(path.format(token=token))
    assert response["Cache-Control"] == "no-store, private"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_forged_forms_are_not_kept_either(token):
    response = Client(enforce_csrf_checks=True).post("/suivi/lien/", {"token": token})
    assert response.status_code == 403
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"
