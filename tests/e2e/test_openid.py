"""An agent who comes in by an OpenID provider, in a browser."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from dsintegration.perimeters import ASK
from tests.e2e.conftest import SERIOUS
from tests.oidc.conftest import openid  # noqa: F401  # a fixture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # What the provider's own library will drop one day.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_in_and_out(openid, page, audit, settings):  # noqa: F811
    settings.LOCAL_PASSWORDS = False
    openid.add("s-1", email="ada@example.org", email_verified=True, given_name="Ada")
    page.goto("/admin/")
    expect(page.get_by_label("Mot de passe")).to_have_count(0)
    assert audit(page, SERIOUS) == []
    page.get_by_role("link", name="Entrer avec le compte de mon administration").click()

    page.get_by_placeholder("sub").fill("s-1")
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_text(ASK)).to_be_visible()
    assert audit(page, SERIOUS) == []
    assert User.objects.get().is_staff

    page.get_by_role("button", name="Déconnexion").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_text("Vous êtes déconnecté.")).to_be_visible()
    (left,) = [asked for asked in openid.asked("/oauth2/end_session") if asked]
    assert left["id_token_hint"]
    page.goto("/admin/")
    expect(page.get_by_role("link", name="Entrer avec le compte")).to_be_visible()


def test_refused(openid, page, audit):  # noqa: F811
    User.objects.create_superuser("root", email="ada@example.org")
    openid.add("s-1", email="ada@example.org", email_verified=True)
    page.goto("/admin/")
    page.get_by_role("link", name="Entrer avec le compte de mon administration").click()
    page.get_by_placeholder("sub").fill("s-1")
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_text("droits trop étendus")).to_be_visible()
    expect(page.get_by_label("Mot de passe")).to_be_visible()
    assert audit(page, SERIOUS) == []
