"""What docs/rgpd.md takes away from the application's role: emptying the journal."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import ProgrammingError, connection
from django.utils import timezone

from dsintegration import journal
from dsintegration.models import Action, JournalEntry, Outcome

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rgpd.md"
SQL = re.search(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
OWNER = re.compile(r"OWNER TO postgres")


@pytest.fixture
def as_the_application(on_sqlite):
    if on_sqlite:
        pytest.skip("needs PostgreSQL")
    me = connection.settings_dict["USER"]
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE dossiers")
        for statement in OWNER.sub(f"OWNER TO {me}", SQL).strip().split("\n"):
            cursor.execute(statement)
        cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO dossiers")
        cursor.execute("SET ROLE dossiers")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        for name in ("lire", "ajouter", "oublier"):
            cursor.execute(f"DROP POLICY {name} ON dsintegration_journalentry")
        cursor.execute("ALTER TABLE dsintegration_journalentry DISABLE ROW LEVEL SECURITY")
        cursor.execute("DROP OWNED BY dossiers")
        cursor.execute("DROP ROLE dossiers")


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE dsintegration_journalentry",
        "DROP TABLE dsintegration_journalentry",
        "ALTER TABLE dsintegration_journalentry DISABLE TRIGGER ALL",
        "UPDATE dsintegration_journalentry SET count = 0",
    ],
)
def test_what_it_cannot_do(as_the_application, statement):
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute(statement)


def test_what_it_does_as_ever(as_the_application):
    old = journal.CODE.entry(Action.VIEW, Outcome.SHOWN, 1)
    old.at = timezone.now() - timedelta(days=400)
    journal.write(old, journal.CODE.entry(Action.VIEW, Outcome.SHOWN, 2))
    assert JournalEntry.objects.count() == 2
    later = timezone.now() + timedelta(days=1)
    JournalEntry.objects.forget_before(later, at_most=100)
    assert JournalEntry.objects.get().dossier_number == 2  # not old enough to be forgotten
