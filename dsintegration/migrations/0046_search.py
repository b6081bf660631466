"""Parts of numbers and of addresses, found at once among a million.

PostgreSQL's trigrams do that, where its owner may create them (pg_trgm is a trusted extension).
Elsewhere the same searches read the whole table.
"""

from django.db import DatabaseError, migrations, transaction

EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
# The expression is admin/searching.py's, letter by letter.
INDEX = (
    "CREATE INDEX dossier_search ON dsintegration_dossier USING gin "
    "((number::text || ' ' || lower(usager_email)) gin_trgm_ops)"
)


def make_index(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(EXTENSION)
            cursor.execute(INDEX)
    except DatabaseError:
        pass  # not allowed here: a search then takes longer


def drop_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS dossier_search")


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0045_queue_indexes"),
    ]

    operations = [migrations.RunPython(make_index, drop_index)]
