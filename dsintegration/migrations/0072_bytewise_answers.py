"""Answers in the order of their bytes, so that one index finds them by their beginnings.

PostgreSQL sorts texts by the language of the database otherwise, and no range of its index is what
begins alike. SQLite does it by itself.
"""

from django.db import migrations

CHANGE = "ALTER TABLE dsintegration_champvalue ALTER COLUMN text TYPE varchar(255) COLLATE {}"


def by_bytes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CHANGE.format('"C"'))


def by_language(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CHANGE.format('"default"'))


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0071_journal_files"),
    ]

    operations = [migrations.RunPython(by_bytes, by_language)]
