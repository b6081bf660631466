"""Who may come in, how often one may try, and the accounts that responsables make."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from config import accounts, logins
from dsintegration.models import Perimeter
from tests.factories import DemarcheFactory

pytestmark = pytest.mark.django_db

LOGIN, ACCOUNTS = "/admin/login/", "/admin/comptes/"


def attempt(client, name="agent", password="wrong", address="192.0.2.9"):
    return client.post(LOGIN, {"username": name, "password": password}, REMOTE_ADDR=address)


class TestLogin:
    def test_a_heading(self, client):
        assert "<h1>Connexion</h1>" in client.get(LOGIN).content.decode()

    @pytest.mark.parametrize("length", [151, 300, 5000])
    def test_a_name_that_no_column_holds(self, client, length):
        response = attempt(client, "a" * length)
        assert response.status_code == 200
        assert not AccessAttempt.objects.exists()

    def test_an_ipv6_attacker_is_one(self, client, settings):
        User.objects.create_user("agent", password="right one", is_staff=True)
        for rank in range(settings.AXES_FAILURE_LIMIT):
            response = attempt(client, address=f"2001:db8::{rank + 1:x}")
        assert response.status_code == 429
        again = attempt(Client(), "agent", "right one", "2001:db8::ffff")
        assert again.status_code == 429
        assert attempt(Client(), "agent", "right one", "2001:db8:1::1").status_code == 302

    def test_many_names_from_one_network(self, client, monkeypatch):
        monkeypatch.setattr(logins, "FAILURES", 3)
        User.objects.create_user("agent", password="right one", is_staff=True)
        for rank in range(3):
            attempt(client, f"name{rank}")
        page = attempt(client, "agent", "right one").content.decode()
        assert "Trop d&#x27;essais" in page
        assert attempt(client, "agent", "right one", "198.51.100.7").status_code == 302

    def test_old_attempts_go_with_the_purge(self, client):
        attempt(client, "old"), attempt(client, "new")
        before = timezone.now() - timedelta(days=31)
        AccessAttempt.objects.filter(username="old").update(attempt_time=before)
        call_command("purge_dossiers", verbosity=0)
        assert list(AccessAttempt.objects.values_list("username", flat=True)) == ["new"]


class TestErrorPages:
    @pytest.mark.parametrize(("path", "home"), [("/admin/nope/", "/admin/"), ("/nope/", "/")])
    def test_home_is_where_one_came_from(self, admin_client, path, home):
        page = admin_client.get(path).content.decode()
        assert f'<a href="{home}">Accueil</a>' in page


class TestAccounts:
    @pytest.fixture
    def services(self):
        call_command("setup_groups", verbosity=0)
        made = {}
        for name, number in (("Culture", 901), ("Sports", 902)):
            made[name] = Group.objects.create(name=name)
            perimeter = Perimeter.objects.create(group=made[name])
            perimeter.demarches.add(DemarcheFactory(number=number))
        return made

    @pytest.fixture
    def chief(self, services, client):
        """The responsable of « Culture »."""
        user = User.objects.create_user("chief", is_staff=True)
        user.groups.set([Group.objects.get(name="Responsables"), services["Culture"]])
        client.force_login(user)
        client.user = user
        return client

    def form(self, *groups, **fields):
        pks = Group.objects.filter(name__in=groups).values_list("pk", flat=True)
        return {"username": "new", "is_active": "on", "groups": list(pks)} | fields

    def test_a_new_agent(self, chief):
        response = chief.post(f"{ACCOUNTS}ajouter/", self.form("Agents (lecture)", "Culture"))
        page = response.content.decode()
        assert "no-store" in response["Cache-Control"]
        user = User.objects.get(username="new")
        assert (user.is_staff, user.is_superuser) == (True, False)
        password = page.partition("<pre><code>")[2].partition("</code>")[0]
        client = Client()
        assert attempt(client, "new", password).status_code == 302
        assert client.get("/admin/dsintegration/dossier/").status_code == 200
        assert "new" in chief.get(ACCOUNTS).content.decode()

    @pytest.mark.parametrize(
        "group", ["Responsables", "Clés de l'API", "Toutes les démarches", "Sports"]
    )
    def test_no_more_than_the_agents_groups_and_services_within(self, chief, group):
        response = chief.post(f"{ACCOUNTS}ajouter/", self.form(group))
        assert "Erreur : " in response.content.decode()
        assert not User.objects.filter(username="new").exists()
        extra = self.form("Culture", is_superuser="on", user_permissions=["1"], is_staff="")
        chief.post(f"{ACCOUNTS}ajouter/", extra)
        user = User.objects.get(username="new")
        assert not user.is_superuser
        assert not user.user_permissions.exists()

    def test_whom_nobody_may_touch(self, chief, services):
        boss = User.objects.create_superuser("boss", password="x")
        peer = User.objects.create_user("peer", is_staff=True)
        peer.groups.set([Group.objects.get(name="Responsables")])
        other = User.objects.create_user("other", is_staff=True)
        other.groups.set([services["Sports"]])
        special = User.objects.create_user("special", is_staff=True)
        special.user_permissions.set(Permission.objects.all()[:1])
        for user in (boss, peer, other, special, chief.user):
            before = User.objects.filter(pk=user.pk).values().get()
            for call in (chief.get, chief.post):
                assert call(f"{ACCOUNTS}{user.pk}/").status_code == 404
            data = self.form("Culture", username=user.username, new_password="on")
            assert chief.post(f"{ACCOUNTS}{user.pk}/", data).status_code == 404
            assert User.objects.filter(pk=user.pk).values().get() == before
            assert f"/{user.pk}/" not in chief.get(ACCOUNTS).content.decode()

    def test_a_service_with_rights_of_its_own_is_not_given(self, chief, services):
        services["Culture"].permissions.set(Permission.objects.filter(codename="delete_user"))
        assert services["Culture"] not in accounts.groups_given_by(
            User.objects.get(username="chief")
        )

    def test_only_responsables(self, client, services):
        agent = User.objects.create_user("agent", is_staff=True)
        agent.groups.set([Group.objects.get(name="Agents (lecture)")])
        client.force_login(agent)
        for path in ("", "ajouter/", f"{agent.pk}/"):
            assert client.get(ACCOUNTS + path).status_code == 403
            assert client.post(ACCOUNTS + path, self.form()).status_code == 403
