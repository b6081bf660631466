"""The usager's page in the project's own layout, from the form to the dossier."""

import re

import pytest
from django.core import mail
from django.urls import reverse
from si import views

pytestmark = pytest.mark.django_db(transaction=True)
FORM = reverse("dsintegration_usager:request")


@pytest.fixture(autouse=True)
def _nothing_reaches_the_project():
    views.received.clear()
    yield
    assert views.received == []


def test_the_form_stands_in_the_project_s_layout(client):
    page = client.get(FORM).content.decode()
    assert "<header>Préfecture d'exemple</header>" in page
    assert "<title>Suivre un dossier" in page
    assert page.count("<h1") == page.count("<main") == 1
    assert "dsintegration/usager.css" in page
    assert "dsintegration/layout.css" not in page
    assert f'action="{FORM}"' in page


def test_from_the_form_to_the_dossier(client, ds_sandbox):
    ds_sandbox.add_dossier(12345, usager="camille@example.org", messages=["Il manque un RIB."])
    sent = client.post(FORM, {"number": "12345", "email": "camille@example.org"})
    assert sent["Location"].startswith("/si/dossiers/suivi/")
    assert client.get(sent["Location"]).status_code == 200

    [message] = mail.outbox
    assert message.to == ["camille@example.org"]
    [link] = set(re.findall(r"https://\S+/lien/\S+/", message.body))
    assert link.startswith("https://si.example.org/si/dossiers/suivi/lien/")

    page = client.get(link.removeprefix("https://si.example.org")).content.decode()
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    opened = client.post(reverse("dsintegration_usager:open"), {"token": token})
    page = client.get(opened["Location"]).content.decode()
    assert "Il manque un RIB." in page
    assert "<header>Préfecture d'exemple</header>" in page

    ds_sandbox.add_dossier(12345, usager="camille@example.org", state="accepte")
    refreshed = client.post(reverse("dsintegration_usager:refresh", args=[12345]))
    assert "Accepté" in client.get(refreshed["Location"].partition("#")[0]).content.decode()
    assert client.post(reverse("dsintegration_usager:leave", args=[12345])).status_code == 302
    assert client.get(opened["Location"]).status_code == 403


def test_an_unknown_number_has_the_same_answer(client, ds_sandbox):
    sent = client.post(FORM, {"number": "999", "email": "camille@example.org"})
    assert sent.status_code == 302
    assert mail.outbox == []
