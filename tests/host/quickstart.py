"""The pages of a project that did what the first part of docs/integration.md says."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "si.settings"
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.test import Client  # noqa: E402

get_user_model().objects.create_superuser("boss", password="secret")
client = Client(headers={"host": "localhost"})
client.login(username="boss", password="secret")
for path, words in {
    "/admin/": "Dossiers de Démarche numérique",
    "/admin/dsintegration/": "1</strong> dossier",
    "/admin/dsintegration/dossier/": "12345",
    "/admin/dsintegration/dossier/fetch/": "Récupérer",
    "/api/v1/docs/": "/api/v1/dossiers/{number}/fetch/",
    "/api/v1/schema/": "list_dossiers",
    "/suivi/": "Suivre un dossier",
    "/health/ready": '"status": "ok"',
}.items():
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code)
    assert words in response.content.decode(), path
    print(f"{path} : 200")
