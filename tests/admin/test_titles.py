"""Titles of pages, in French as it is spoken: Django puts them together out of words."""

import html
import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from dsintegration.models import ApiKey, Perimeter
from tests.factories import DemarcheFactory

pytestmark = pytest.mark.django_db

OURS = "/admin/dsintegration/"


@pytest.fixture
def titles():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))

    def read(address):
        page = client.get(address).content.decode()
        return html.unescape(re.search(r"<title>(.*?) \|", page)[1])

    return read


@pytest.mark.parametrize(
    ("address", "title"),
    [
        (OURS, "Tableau de bord"),
        (f"{OURS}demarche/", "Démarches"),
        (f"{OURS}apikey/", "Clés de l'API"),
        (f"{OURS}apikey/add/", "Nouvelle clé de l'API"),
        (f"{OURS}perimeter/", "Périmètres"),
        (f"{OURS}perimeter/add/", "Nouveau périmètre"),
        (f"{OURS}journalentry/", "Journal"),
        ("/admin/auth/", "Authentification et autorisation"),
    ],
)
def test_titles(titles, address, title):
    assert titles(address) == title


def test_titles_of_what_is_there(titles):
    key, _ = ApiKey.objects.create_key(name="Portail")
    perimeter = Perimeter.objects.create(group=Group.objects.create(name="Culture"))
    for row in (DemarcheFactory(), key, perimeter):
        address = f"{OURS}{row._meta.model_name}/{row.pk}/change/"
        assert titles(address) == str(row)


def test_the_heading_is_not_django_s(client):
    client.force_login(User.objects.create_superuser("root"))
    demarche = DemarcheFactory()
    page = client.get(f"{OURS}demarche/{demarche.pk}/change/").content.decode()
    assert "Modification de" not in page
    assert "<h1>Démarche</h1>" in page
