from django.db import migrations, models

TABLE = "dsintegration_journalentry"
# As in 0007_journal: Django alters a table of SQLite by copying it, and the trigger is lost.
MAKE_AGAIN = (
    f"DROP TRIGGER IF EXISTS journal_is_append_only; "
    f"CREATE TRIGGER journal_is_append_only BEFORE UPDATE ON {TABLE} "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
)


def make_trigger_again(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        drop, make = MAKE_AGAIN.split("; ", 1)
        schema_editor.execute(drop)
        schema_editor.execute(make)


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0041_all_demarches"),
    ]

    operations = [
        migrations.AddField(
            model_name="journalentry",
            name="demarche_number",
            field=models.PositiveIntegerField(
                blank=True, null=True, verbose_name="numéro de la démarche"
            ),
        ),
        migrations.AddField(
            model_name="journalentry",
            name="demarches",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Dans une liste, celle de chaque dossier, dans le même ordre.",
                verbose_name="numéros des démarches",
            ),
        ),
        migrations.AddField(
            model_name="journalentry",
            name="detail",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Des noms, pas de texte.",
                max_length=255,
                verbose_name="ce qui a changé",
            ),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="action",
            field=models.CharField(
                choices=[
                    ("view", "consultation"),
                    ("list", "liste"),
                    ("fetch", "récupération"),
                    ("refresh", "rafraîchissement"),
                    ("export", "export"),
                    ("link", "demande de lien"),
                    ("settle", "rien à répondre"),
                    ("purge", "effacement"),
                ],
                max_length=10,
                verbose_name="action",
            ),
        ),
        migrations.AddIndex(
            model_name="journalentry",
            index=models.Index(fields=["demarche_number", "at"], name="journal_demarche"),
        ),
        migrations.AddIndex(
            model_name="journalentry",
            index=models.Index(fields=["actor", "at"], name="journal_actor"),
        ),
        migrations.RunPython(make_trigger_again, make_trigger_again),
    ]
