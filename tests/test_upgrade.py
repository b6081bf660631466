"""What an upgrade makes of accounts and rows that were there before."""

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import connection

from dsintegration.models import Dossier
from dsintegration.perimeters import sight_of
from tests.factories import DossierFactory, MessageFactory

pytestmark = pytest.mark.django_db

PLATFORM = "contact@demarche.numerique.gouv.fr"


def run(name, function):
    migration = import_module(f"dsintegration.migrations.{name}")
    getattr(migration, function)(apps, SimpleNamespace(connection=connection))


def permission(codename):
    return Permission.objects.get(codename=codename)


def test_accounts_that_could_see_go_on_seeing_all():
    readers = Group.objects.create(name="Lecteurs")
    readers.permissions.add(permission("view_dossier"))
    by_group, by_right, none = (User.objects.create_user(name) for name in ("a", "b", "c"))
    by_group.groups.add(readers)
    by_right.user_permissions.add(permission("view_journalentry"))
    none.user_permissions.add(permission("view_user"))
    for _ in range(2):
        run("0041_all_demarches", "keep_what_was_seen")
    seen = {user.username for user in User.objects.all() if sight_of(user).is_whole}
    assert seen == {"a", "b"}
    # The accounts, and not their groups: whoever joins later has a perimeter.
    assert not readers.permissions.filter(codename="view_all_demarches").exists()


def test_nobody_there_nothing_made():
    run("0041_all_demarches", "keep_what_was_seen")
    assert not Group.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_queue_is_told_by_the_messages():
    def conversation(*writers, **fields):
        dossier = DossierFactory(
            usager_email="U@example.org", messages_count=len(writers), last_human_at=None, **fields
        )
        for day, email in enumerate(writers, start=1):
            at = datetime(2026, 3, day, tzinfo=UTC)
            MessageFactory(dossier=dossier, email=email, created_at=at)
        Dossier.objects.filter(pk=dossier.pk).update(waiting_since=None)
        return dossier.pk

    usager, agent = "u@example.org", "agent@example.org"
    waits = conversation(agent, usager, PLATFORM, usager, PLATFORM, usager_spoke_last=True)
    first = conversation(usager, usager_spoke_last=True)
    answered = conversation(usager, agent, PLATFORM)
    silent = conversation(PLATFORM)
    run("0044_queue_of_old", "fill")
    days = {
        row.pk: (
            row.last_human_at and row.last_human_at.day,
            row.last_human_author,
            row.waiting_since and row.waiting_since.day,
        )
        for row in Dossier.objects.all()
    }
    assert days == {
        waits: (4, "usager", 2),
        first: (1, "usager", 1),
        answered: (2, "autre", None),
        silent: (None, "", None),
    }


def test_the_journal_is_append_only_still():
    with connection.cursor() as cursor:
        names = {
            "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
            "postgresql": "SELECT tgname FROM pg_trigger",
        }
        cursor.execute(names[connection.vendor])
        assert "journal_is_append_only" in {row[0] for row in cursor.fetchall()}


def test_rights_get_their_french_names():
    Permission.objects.filter(codename="view_dossier").update(name="Can view dossier")
    run("0081_names_of_rights", "rename")
    assert permission("view_dossier").name == "Peut voir les dossiers"
