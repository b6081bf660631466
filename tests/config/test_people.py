"""Django's own pages of accounts and groups, in French that French people would write."""

import re

import pytest
from django.contrib.auth.models import Group, Permission

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("user/", "Utilisateurs"),
        ("user/add/", "Nouvel utilisateur"),
        ("group/", "Groupes"),
        ("group/add/", "Nouveau groupe"),
    ],
)
def test_titles(admin_client, page, heading):
    shown = admin_client.get(f"/admin/auth/{page}").content.decode()
    assert re.search(rf"<h1>\s*{heading}\s*</h1>", shown)
    assert "Ajout de" not in shown
    assert "Ajouter utilisateur" not in shown


def test_one_of_them(admin_client, admin_user):
    group = Group.objects.create(name="Culture")
    for page, heading in (
        (f"user/{admin_user.pk}", "Utilisateur"),
        (f"group/{group.pk}", "Groupe"),
    ):
        shown = admin_client.get(f"/admin/auth/{page}/change/").content.decode()
        assert re.search(rf"<h1>\s*{heading}\s*</h1>", shown)


def test_rights(admin_client):
    """Django's own and ours; those of this app have French names wherever they are shown."""
    shown = admin_client.get("/admin/auth/group/add/").content.decode()
    rights = shown[shown.index('name="permissions"') :]
    assert "Can " not in rights
    assert "utilisateur : Peut ajouter" in rights
    assert "dossier : Peut voir les dossiers" in rights
    ours = Permission.objects.filter(content_type__app_label="dsintegration")
    assert not ours.filter(name__startswith="Can ").exists()
