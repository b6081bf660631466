"""Agents of the project who come in by an OpenID provider."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import resolve, reverse

from dsintegration import conf
from dsintegration.oidc.matching import account_of
from dsintegration.oidc.refusals import LoginRefused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider(settings):
    """One that nobody has started."""
    settings.DS_OIDC_ISSUER = "http://127.0.0.1:1"
    settings.DS_OIDC_CLIENT_ID = settings.DS_OIDC_CLIENT_SECRET = "si"
    return conf.openid()


def test_the_button(client, provider):
    assert "/si/oidc/connexion/" in client.get(reverse("admin:login")).content.decode()


def test_no_provider(client):
    assert "/oidc/" not in client.get(reverse("admin:login")).content.decode()


def test_provider_down(client, provider):
    response = client.get(reverse("dsintegration_oidc:login"))
    assert response["Location"] == reverse("admin:login")
    assert "ne répond pas" in client.get(reverse("admin:login")).content.decode()


def test_accounts_of_the_project_s_own(provider):
    """Their key is a UUID, and their name the address."""
    claims = {"sub": "s-1", "email": "Ada@example.org", "email_verified": True}
    made = account_of(claims, provider)
    assert (made.email, made.is_staff) == ("ada@example.org", True)
    assert account_of({"sub": "s-1"}, provider) == made
    get_user_model().objects.create_superuser("boss@example.org")
    with pytest.raises(LoginRefused):
        account_of(claims | {"sub": "s-2", "email": "boss@example.org"}, provider)


def test_no_transaction_waits_for_the_provider(provider):
    for name in ("login", "callback"):
        view = resolve(reverse(f"dsintegration_oidc:{name}", urlconf="si.urls").removeprefix("/si"))
        assert view.func._non_atomic_requests


def test_logout_of_whoever_has_a_password(admin):
    assert admin.post(reverse("admin:logout")).status_code == 200
    assert admin.get(reverse("admin:index")).status_code == 302
