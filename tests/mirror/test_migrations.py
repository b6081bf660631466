"""What migrations make of rows that are there."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def migrate():
    """Takes the database to a migration; it ends as it began."""

    def to(name: str):
        executor = MigrationExecutor(connection)
        executor.migrate([("dsintegration", name)])
        return executor.loader.project_state([("dsintegration", name)]).apps

    latest = MigrationExecutor(connection).loader.graph.leaf_nodes("dsintegration")
    yield to
    MigrationExecutor(connection).migrate(latest)


def test_who_wrote_is_known_of_stored_messages(migrate):
    dossier = DossierFactory(usager_email=" Usager@example.org")
    old = migrate("0007_journal")
    message = old.get_model("dsintegration", "Message")
    for email in ("usager@example.org", "USAGER@example.org ", "agent@example.org", ""):
        message.objects.create(
            dossier_id=dossier.pk, ds_id=email, email=email, created_at=dossier.fetched_at
        )
    new = migrate("0020_message_from_usager")
    rows = new.get_model("dsintegration", "Message").objects.order_by("pk")
    assert list(rows.values_list("from_usager", flat=True)) == [True, True, False, False]
