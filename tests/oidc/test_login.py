"""Agents who come in by an OpenID provider, over real HTTP."""

import html
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from dsintegration.models import OidcIdentity
from dsintegration.oidc import provider as known
from dsintegration.oidc.matching import account_of
from dsintegration.perimeters import ASK
from tests.oidc.openid import parameters

# What the provider's own library will drop one day.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

ADDRESS = "ada@example.org"
LOGIN = "/oidc/connexion/"


def start(client, query=""):
    """The address at the provider that the browser is sent to."""
    response = client.get(LOGIN + query)
    assert response.status_code == 302, response.content
    return response["Location"]


def come_in(client, openid, sub="s-1", query=""):
    back = openid.approve(start(client, query), sub)
    return client.get(back.removeprefix("http://testserver"))


def said(client):
    """The one sentence on the login page."""
    page = client.get("/admin/login/")
    return [str(message) for message in page.context["messages"]]


def is_in(client):
    return client.get("/admin/").status_code == 200


class TestLogin:
    def test_a_new_account_opens_the_admin_and_sees_nothing(self, client, openid):
        openid.add(
            "s-1", email=ADDRESS, email_verified=True, given_name="Ada", family_name="Exemple"
        )
        response = come_in(client, openid)
        assert (response.status_code, response["Location"]) == (302, "/admin/")
        user = User.objects.get()
        assert (user.username, user.email) == (ADDRESS, ADDRESS)
        assert user.get_full_name() == "Ada Exemple"
        assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (
            True,
            False,
            False,
        )
        assert not user.get_all_permissions()
        assert ASK in html.unescape(client.get("/admin/").content.decode())
        assert client.get("/admin/dsintegration/dossier/").status_code == 403

    def test_what_is_asked(self, client, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        (asked,) = [one for one in openid.asked("/oauth2/authorize") if "state" in one][:1]
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["nonce"]) >= 32
        assert len(asked["state"]) >= 32
        assert asked["scope"] == "openid email profile"
        assert asked["redirect_uri"] == "http://testserver/oidc/retour/"
        (sent,) = openid.asked("/oauth2/token")
        assert "client_secret" not in sent  # it goes by the way that the provider has said

    def test_the_scopes_of_proconnect(self, client, openid):
        openid.document = {
            "scopes_supported": ["openid", "given_name", "usual_name", "email", "siret"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        openid.signs_userinfo = True
        openid.add("s-1", email=ADDRESS, email_verified=True, usual_name="Exemple")
        assert parameters(start(client))["scope"] == "openid email given_name usual_name"
        come_in(client, openid)
        assert User.objects.get().last_name == "Exemple"
        assert openid.asked("/oauth2/token")[0]["client_secret"]

    def test_the_sub_is_what_counts(self, client, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        User.objects.update(username="renamed", email="other@example.org")
        openid.add("s-1", email="third@example.org", email_verified=False)
        again = Client()
        assert come_in(again, openid)["Location"] == "/admin/"
        assert is_in(again)
        assert User.objects.count() == 1

    @pytest.mark.parametrize("fields", [{"email": "ADA@example.org"}, {"email": ""}])
    def test_an_account_that_was_here(self, client, openid, fields):
        name = "ada" if fields["email"] else ADDRESS
        user = User.objects.create_user(name, is_staff=True, **fields)
        openid.add("s-1", email="Ada@Example.org", email_verified=True)
        come_in(client, openid)
        assert OidcIdentity.objects.get().user == user
        assert is_in(client)

    def test_who_may_not_open_the_admin_still_may_not(self, client, openid):
        User.objects.create_user("ada", email=ADDRESS)
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        assert not is_in(client)

    def test_back_to_where_one_was(self, client, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)
        assert come_in(client, openid, query="?next=/admin/dsintegration/")["Location"] == (
            "/admin/dsintegration/"
        )
        elsewhere = come_in(Client(), openid, query="?next=https://example.com/")
        assert elsewhere["Location"] == "/admin/"

    def test_the_button(self, client, openid):
        page = client.get("/admin/login/?next=/admin/dsintegration/").content.decode()
        assert "Entrer avec le compte de mon administration" in page
        assert 'href="/oidc/connexion/?next=%2Fadmin%2Fdsintegration%2F"' in page
        assert 'name="password"' in page

    def test_oidc_alone(self, client, openid, settings):
        settings.LOCAL_PASSWORDS = False
        settings.AUTHENTICATION_BACKENDS = [
            name for name in settings.AUTHENTICATION_BACKENDS if "ModelBackend" not in name
        ]
        User.objects.create_superuser("root", password="right one")
        client.post("/admin/login/", {"username": "root", "password": "right one"})
        assert not is_in(client)
        assert 'name="password"' not in client.get("/admin/login/").content.decode()
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        call_command("setup_groups", verbosity=0)
        account = User.objects.get(email=ADDRESS)
        account.groups.set([Group.objects.get(name="Responsables")])
        assert not account.has_usable_password()
        other = Client()
        other.force_login(User.objects.get(username="root"), settings.AUTHENTICATION_BACKENDS[-1])
        page = other.get("/admin/").content.decode()
        assert "/admin/password_change/" not in page  # a password of before opens nothing
        assert 'action="/admin/logout/"' in page
        assert client.get("/admin/dsintegration/dossier/").status_code == 200  # rights work
        made = {"username": "new", "is_active": "on", "email": "new@example.org"}
        assert client.post("/admin/comptes/ajouter/", made).status_code == 302
        assert not User.objects.get(username="new").has_usable_password()
        assert client.post("/admin/comptes/ajouter/", made | {"email": ""}).status_code == 200

    def test_pages_do_not_ask_the_provider(self, client, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        openid.received.clear()
        assert is_in(client)
        assert client.get("/admin/login/").status_code == 302
        assert openid.received == []

    def test_a_disabled_account_is_out_at_once(self, client, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        User.objects.update(is_active=False)
        assert not is_in(client)


class TestRefused:
    """Each one with its sentence, and nobody comes in."""

    @pytest.fixture(autouse=True)
    def somebody(self, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)

    def refused(self, client, sentence):
        assert not is_in(client)
        assert [sentence in text for text in said(client)] == [True]
        assert not OidcIdentity.objects.exclude(subject=None).exists()

    def test_provider_down_before(self, client, openid):
        openid.broken["/.well-known/openid-configuration"] = 503
        assert client.get(LOGIN)["Location"] == "/admin/login/"
        self.refused(client, "Votre service de connexion ne répond pas")

    def test_nobody_listens(self, client, openid, settings):
        settings.DS_OIDC_ISSUER = "http://127.0.0.1:1"
        assert client.get(LOGIN)["Location"] == "/admin/login/"
        self.refused(client, "Votre service de connexion ne répond pas")

    @pytest.mark.parametrize("path", ["/oauth2/token", "/userinfo", "/jwks"])
    def test_provider_down_meanwhile(self, client, openid, path):
        openid.broken[path] = 502
        come_in(client, openid)
        self.refused(client, "ne répond pas")

    def test_it_comes_back(self, client, openid, monkeypatch):
        openid.broken["/.well-known/openid-configuration"] = 503
        for _ in range(3):
            client.get(LOGIN)
        assert len(openid.received) == 2  # with the fixture's own
        openid.broken.clear()
        later = known.now() + known.PAUSE
        monkeypatch.setattr(known, "now", lambda: later)
        come_in(client, openid)
        assert is_in(client)

    def test_declined(self, client, openid):
        back = openid.approve(start(client), "s-1", action="deny")
        client.get(back.removeprefix("http://testserver"))
        self.refused(client, "n'a pas confirmé votre identité")

    def test_wrong_state(self, client, openid):
        start(client)
        client.get("/oidc/retour/?code=x&state=of-somebody-else")
        self.refused(client, "recommencez depuis ici")

    def test_of_another_browser(self, client, openid):
        back = openid.approve(start(client), "s-1").removeprefix("http://testserver")
        victim = Client()
        victim.get(back)
        self.refused(victim, "recommencez depuis ici")

    def test_a_state_is_good_for_one_use(self, client, openid):
        back = openid.approve(start(client), "s-1").removeprefix("http://testserver")
        openid.broken["/oauth2/token"] = 503
        client.get(back)
        openid.broken.clear()
        client.get(back)
        assert not is_in(client)

    @pytest.mark.parametrize(
        "claims",
        [
            {"email_verified": False},
            {"email_verified": None},
            {"email_verified": "true"},
            {"email": ""},
            {"email": "ada"},
            {"email": "ad\N{LATIN SMALL LETTER A WITH GRAVE}@example.org"},
            {"email": f"{'a' * 140}@long.example.org"},
        ],
    )
    def test_unverified_address(self, client, openid, claims):
        User.objects.create_user("ada", email=ADDRESS, is_staff=True)
        openid.userinfo = claims
        come_in(client, openid)
        self.refused(client, "ne garantit pas votre adresse")
        assert User.objects.count() == 1

    def test_proconnect_vouches_for_its_addresses(self, client, openid, monkeypatch):
        monkeypatch.setattr("dsintegration.conf.PROCONNECT", ("127.0.0.1",))
        openid.add("s-1", email=ADDRESS)
        page = client.get("/admin/login/").content.decode()
        assert "S'identifier avec ProConnect" in html.unescape(page)
        come_in(client, openid)
        assert is_in(client)

    def test_address_of_a_superuser(self, client, openid):
        User.objects.create_superuser("root", email=ADDRESS)
        come_in(client, openid)
        self.refused(client, "droits trop étendus")

    def test_address_of_a_responsable(self, client, openid):
        call_command("setup_groups", verbosity=0)
        user = User.objects.create_user("chief", email=ADDRESS, is_staff=True)
        user.groups.set([Group.objects.get(name="Responsables")])
        come_in(client, openid)
        self.refused(client, "droits trop étendus")

    def test_two_accounts_of_one_address(self, client, openid):
        User.objects.create_user("one", email=ADDRESS)
        User.objects.create_user("two", email=ADDRESS.upper())
        come_in(client, openid)
        self.refused(client, "Plusieurs comptes d'ici")

    def test_inactive_account(self, client, openid):
        User.objects.create_user("ada", email=ADDRESS, is_active=False)
        come_in(client, openid)
        self.refused(client, "désactivé")

    @pytest.mark.parametrize(
        "claims",
        [{"nonce": "another"}, {"iss": "https://example.com"}, {"aud": "another"}, {"exp": 1}],
    )
    def test_a_token_that_is_not_for_us(self, client, openid, claims):
        openid.id_token = claims
        come_in(client, openid)
        self.refused(client, "n'est pas celle attendue")

    def test_claims_of_somebody_else(self, client, openid):
        openid.userinfo = {"sub": "s-2"}
        come_in(client, openid)
        self.refused(client, "n'est pas celle attendue")

    def test_signed_claims_for_another_application(self, client, openid):
        openid.signs_userinfo, openid.userinfo = True, {"aud": "another"}
        come_in(client, openid)
        self.refused(client, "n'est pas celle attendue")

    @pytest.mark.parametrize(
        "document",
        [
            {"issuer": "https://example.com"},
            {"token_endpoint": "http://example.com/token"},
            {"jwks_uri": None},
        ],
    )
    def test_a_document_that_cannot_be_trusted(self, client, openid, document):
        openid.document = document
        assert client.get(LOGIN)["Location"] == "/admin/login/"
        self.refused(client, "n'est pas celle attendue")

    def test_nothing_personal_in_the_logs(self, client, openid, logs):
        openid.userinfo = {"email_verified": False}
        come_in(client, openid)
        openid.broken["/oauth2/token"] = 400
        come_in(client, openid)
        ours = [record for record in logs.records if record.name.startswith("dsintegration")]
        assert [record.reason for record in ours] == ["unverified", "invalid"]
        assert not any(ADDRESS in record.getMessage() or record.exc_info for record in ours)


@pytest.mark.django_db(transaction=True)
def test_twice_at_once(openid):
    """Two tabs of one person, for the first time: one account, one identity."""
    claims = {"sub": "s-1", "email": ADDRESS, "email_verified": True}
    found, ready = [], threading.Barrier(4)

    def run():
        ready.wait()
        try:
            found.append(account_of(claims, known.client()).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert set(found) == {User.objects.get().pk}


class TestOtherIdentity:
    def test_another_sub_of_the_address(self, client, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        openid.add("s-2", email=ADDRESS, email_verified=True)
        other = Client()
        come_in(other, openid, "s-2")
        assert "déjà relié à une autre identité" in said(other)[0]
        call_command("link_agent", ADDRESS, verbosity=0)
        come_in(other, openid, "s-2")
        assert is_in(other)
        assert OidcIdentity.objects.get().subject == "s-2"

    def test_an_operator_opens_a_superuser(self, client, openid, capsys):
        User.objects.create_superuser("root", email=ADDRESS)
        openid.add("s-1", email=ADDRESS, email_verified=True)
        call_command("link_agent", "root")
        assert "sera relié" in capsys.readouterr().out
        come_in(client, openid)
        assert client.get("/admin/auth/user/").status_code == 200
        assert OidcIdentity.objects.get().open_until is None

    def test_an_hour_later(self, client, openid):
        User.objects.create_superuser("root", email=ADDRESS)
        openid.add("s-1", email=ADDRESS, email_verified=True)
        call_command("link_agent", "root", verbosity=0)
        OidcIdentity.objects.update(open_until=timezone.now() - timedelta(seconds=1))
        come_in(client, openid)
        assert not is_in(client)

    @pytest.mark.parametrize("name", ["nobody", "without"])
    def test_whom_it_cannot_open(self, openid, name):
        User.objects.create_user("without")
        with pytest.raises(CommandError) as refused:
            call_command("link_agent", name)
        assert refused.value.returncode == 2


class TestLogout:
    def test_both_sessions_end(self, client, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        token = client.session["dsintegration_id_token"]
        response = client.post("/admin/logout/")
        page = response.content.decode()
        assert "no-store" in response["Cache-Control"]
        address = response.context["address"]
        assert address.startswith(f"{openid.url}/oauth2/end_session?")
        sent = parameters(address)
        assert sent["id_token_hint"] == token
        assert sent["post_logout_redirect_uri"] == "http://testserver/oidc/fin/"
        assert sent["state"]
        assert '<meta http-equiv="refresh"' in page
        assert not is_in(client)
        assert client.get("/oidc/fin/")["Location"] == "/admin/login/"
        assert said(client) == ["Vous êtes déconnecté."]

    def test_provider_down(self, client, openid):
        openid.add("s-1", email=ADDRESS, email_verified=True)
        come_in(client, openid)
        known.forget()
        openid.broken["/.well-known/openid-configuration"] = 503
        assert "fermez votre navigateur" in client.post("/admin/logout/").content.decode()
        assert not is_in(client)

    def test_whoever_has_a_password(self, admin_client, openid):
        page = admin_client.post("/admin/logout/")
        assert page.status_code == 200
        assert not is_in(admin_client)
        assert openid.received == []

    def test_by_a_form_alone(self, client, openid):
        assert client.get("/admin/logout/").status_code == 405
