"""The pages of the REST API, in a browser."""

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import expect

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_documentation(page, audit):
    page.goto("/api/v1/docs/")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "API : Dossiers de Démarche numérique"
    )
    page.get_by_role("link", name="Un dossier", exact=True).click()
    expect(page.get_by_role("heading", name="Un dossier", exact=True)).to_be_in_viewport()
    assert page.locator("main").evaluate("node => getComputedStyle(node.parentNode).maxWidth")
    assert audit(page) == []
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_key_is_made(page, audit):
    get_user_model().objects.create_superuser("keeper", password="correct horse")
    page.goto("/admin/dsintegration/apikey/add/")
    page.get_by_label("Nom d’utilisateur").fill("keeper")
    page.get_by_label("Mot de passe").fill("correct horse")
    page.get_by_role("button", name="Connexion").click()
    page.get_by_label("Nom").fill("Portail")
    page.get_by_label("Toutes les démarches").check()
    # No audit of the form: axe unfolds the @import of the admin's forms.css into styles of its
    # own, which the CSP refuses aloud. The labels above are what could be missing there.
    expect(page.get_by_label("Dernier jour")).not_to_be_empty()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_text("elle ne sera plus jamais montrée")).to_be_visible()
    expect(page.locator("pre").first).to_contain_text("dsi_")
    assert audit(page, {"serious", "critical"}) == []
