from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0007_journal"),
    ]

    operations = [
        migrations.CreateModel(
            name="RefreshTurn",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("holder", models.CharField(blank=True, max_length=200)),
                ("is_full", models.BooleanField(default=False)),
                ("ends_at", models.DateTimeField(null=True)),
                ("waited_for_until", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "tour de rafraîchissement",
                "verbose_name_plural": "tours de rafraîchissement",
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="demarche",
            name="covered_from",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="demarche",
            name="deleted_read_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="demarche",
            name="followed",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Tous ses dossiers sont ici, et les nouveaux y viennent d'eux-mêmes. Décocher n'efface rien.",
                verbose_name="suivie en entier",
            ),
        ),
        migrations.AddField(
            model_name="demarche",
            name="list_tries",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="demarche",
            name="next_list_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="demarche",
            name="read_until",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="demarche",
            name="reading_cursor",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="demarche",
            name="reading_from",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="demarche",
            name="reading_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="demarche",
            name="token",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=32,
                verbose_name="empreinte du jeton qui la lit",
            ),
        ),
        migrations.AddField(
            model_name="dossier",
            name="next_try_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="pas redemandé avant"
            ),
        ),
        migrations.AddField(
            model_name="dossier",
            name="tries",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, editable=False, verbose_name="échecs de suite"
            ),
        ),
        migrations.AddIndex(
            model_name="dossier",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False)),
                fields=["next_try_at"],
                name="dossier_next_try",
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshturn",
            constraint=models.CheckConstraint(
                condition=models.Q(("id", 1)), name="refresh_turn_is_a_single_row"
            ),
        ),
    ]
