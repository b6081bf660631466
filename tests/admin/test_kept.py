"""What was typed into a page whose session has ended is there again after the login."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from dsintegration.admin.kept import LARGEST
from dsintegration.models import ApiKey, Dossier, Perimeter
from tests.factories import DemarcheFactory, DossierFactory

pytestmark = pytest.mark.django_db

OURS = "/admin/dsintegration"


def log_in(client, path):
    if not User.objects.filter(username="late").exists():
        User.objects.create_superuser("late", password="correct horse")
    data = {"username": "late", "password": "correct horse", "next": path}
    return client.post("/admin/login/", data, follow=True)


def send_again(client, response, path):
    """By the page's own hidden fields."""
    page = response.content.decode()
    assert "Votre session avait pris fin" in page
    fields = {}
    form = page[page.index('class="ds-fetch"') :]
    for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form):
        fields.setdefault(unescape(name), []).append(unescape(value))
    return client.post(path, fields)


def test_numbers_to_fetch(client, sandbox):
    path = f"{OURS}/dossier/fetch/"
    client.post(path, {"numbers": "12345\n12346"})
    response = log_in(client, path)
    assert "12345\n12346" in response.content.decode()
    assert not Dossier.objects.exists()
    send_again(client, response, path)
    assert Dossier.objects.count() == 2
    # Once: the page is itself again.
    assert 'name="numbers"' in client.get(path).content.decode()


def test_a_perimeter_of_several_demarches(client):
    demarches = [DemarcheFactory(), DemarcheFactory()]
    path = f"{OURS}/perimeter/add/"
    client.post(path, {"service": "Culture", "demarches": [row.pk for row in demarches]})
    response = log_in(client, path)
    assert "Culture" in response.content.decode()
    send_again(client, response, path)
    assert set(Perimeter.objects.get().demarches.all()) == set(demarches)


def test_a_key(client):
    path = f"{OURS}/apikey/add/"
    client.post(path, {"name": "Portail", "last_day": "2099-12-31"})
    send_again(client, log_in(client, path), path)
    assert ApiKey.objects.get().name == "Portail"


def test_a_demarche_and_a_button_of_a_dossier(client):
    dossier = DossierFactory(
        usager_spoke_last=True, last_message_at=timezone.now(), messages_count=1
    )
    path = f"{OURS}/demarche/{dossier.demarche_id}/change/"
    client.post(path, {"decision_hidden": "on"})
    send_again(client, log_in(client, path), path)
    dossier.demarche.refresh_from_db()
    assert dossier.demarche.decision_hidden
    client.logout()
    path = f"{OURS}/dossier/{dossier.pk}/settle/"
    client.post(path, {"until": dossier.last_human_at.isoformat()})
    response = log_in(client, path)
    dossier.refresh_from_db()
    assert dossier.settled_until is None
    send_again(client, response, path)
    dossier.refresh_from_db()
    assert dossier.settled_until


@pytest.mark.parametrize("path", ["/admin/comptes/ajouter/", "/admin/auth/user/add/"])
def test_an_account_without_its_password(client, path):
    client.post(path, {"username": "nouvelle", "password1": "secret-1", "usable_password": "true"})
    response = log_in(client, path)
    assert "nouvelle" in response.content.decode()
    assert "secret-1" not in response.content.decode()


def test_a_group(client):
    path = "/admin/auth/group/add/"
    client.post(path, {"name": "Sports"})
    send_again(client, log_in(client, path), path)
    assert Group.objects.filter(name="Sports").exists()


def test_not_elsewhere_and_not_without_limit(client):
    path = f"{OURS}/dossier/fetch/"
    client.post(path, {"numbers": "12345"})
    response = log_in(client, f"{OURS}/perimeter/add/")
    assert "12345" not in response.content.decode()
    client.logout()
    client.post(path, {"numbers": "1" * LARGEST})
    assert "Votre session" not in log_in(client, path).content.decode()
