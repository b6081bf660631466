"""The admin, in the project's own site, for its own accounts, each request a transaction."""

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.urls import reverse

from dsintegration.models import Dossier, JournalEntry
from dsintegration.services import fetch_dossier

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:dsintegration_dossier_changelist"


@pytest.fixture
def dossier(ds_sandbox):
    ds_sandbox.add_dossier(12345, title="Aide à la rénovation", messages=["Il manque une pièce."])
    return fetch_dossier(12345).dossier


def test_the_project_s_index_stays_its_own(admin, dossier):
    page = admin.get(reverse("admin:index")).content.decode()
    assert "L'accueil de la gestion interne" in page
    assert "Gestion interne" in page
    assert "ds-dashboard" not in page


def test_the_dashboard_is_the_app_s_index(admin, dossier):
    page = admin.get(reverse("admin:app_list", args=["dsintegration"])).content.decode()
    assert "Les dossiers en un coup d" in page
    assert "dsintegration/admin.css" in page


@pytest.mark.parametrize("model", ["dossier", "demarche", "journalentry", "apikey"])
def test_every_list(admin, dossier, model):
    page = admin.get(reverse(f"admin:dsintegration_{model}_changelist"))
    assert page.status_code == 200
    assert "Gestion interne" in page.content.decode()


def test_one_dossier(admin, dossier):
    page = admin.get(reverse("admin:dsintegration_dossier_change", args=[dossier.pk]))
    assert "Il manque une pièce." in page.content.decode()
    assert "dsintegration/admin.css" in page.content.decode()
    history = admin.get(reverse("admin:dsintegration_dossier_history", args=[dossier.pk]))
    assert history.status_code == 200


def test_fetch(admin, ds_sandbox):
    ds_sandbox.add_dossier(500)
    ds_sandbox.fail(501, "no_right")
    response = admin.post(
        reverse("admin:dsintegration_dossier_fetch"), {"numbers": "500, 501"}, follow=False
    )
    page = response.content.decode()
    assert response.status_code == 200
    assert Dossier.objects.get().number == 500
    assert "Dossier n° 501" in page


def test_refresh_by_button_and_by_action(admin, dossier, ds_sandbox):
    ds_sandbox.add_dossier(12345, state="en_instruction")
    admin.post(reverse("admin:dsintegration_dossier_refresh", args=[dossier.pk]))
    assert Dossier.objects.get().state == "en_instruction"
    ds_sandbox.add_dossier(12345, state="accepte")
    form = {"action": "refresh_selected", ACTION_CHECKBOX_NAME: [dossier.pk]}
    response = admin.post(reverse(LIST), form)
    assert response.status_code == 302
    assert Dossier.objects.get().state == "accepte"


@pytest.mark.parametrize("rank", range(3))
def test_export(admin, dossier, rank):
    response = admin.post(reverse("admin:dsintegration_dossier_export"), {"format": str(rank)})
    assert response.status_code == 200
    assert "attachment" in response["Content-Disposition"]


def test_a_key_is_made(admin):
    form = {"name": "Portail", "all_demarches": "on", "last_day": "2099-12-31"}
    page = admin.post(reverse("admin:dsintegration_apikey_add"), form)
    assert page.status_code == 200
    assert "dsi_" in page.content.decode()


def test_the_journal_names_no_address(admin, dossier):
    admin.get(reverse("admin:dsintegration_dossier_change", args=[dossier.pk]))
    assert set(JournalEntry.objects.values_list("actor", flat=True)) >= {"boss"}
    assert not JournalEntry.objects.filter(actor__contains="@").exists()


def test_a_second_site_has_our_pages_too(boss, client, dossier):
    """docs/integration.md: dsintegration.admin.register; their links stay in that site."""
    client.force_login(boss)
    page = client.get(f"/si/autre/dsintegration/dossier/{dossier.pk}/change/").content.decode()
    assert "Il manque une pièce." in page
    assert "/si/autre/dsintegration/dossier/" in page
    assert "/si/admin/" not in page
    assert "/si/admin/" not in client.get("/si/autre/dsintegration/").content.decode()
