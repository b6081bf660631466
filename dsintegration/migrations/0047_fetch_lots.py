import uuid

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0046_search"),
    ]

    operations = [
        migrations.CreateModel(
            name="FetchLot",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "account",
                    models.CharField(
                        help_text="Son identifiant.", max_length=64, verbose_name="compte"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="demandé le"
                    ),
                ),
                (
                    "touched_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="avancé le"
                    ),
                ),
                (
                    "ended_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="fini le"),
                ),
                ("left", models.JSONField(default=list, verbose_name="numéros restants")),
                (
                    "outcomes",
                    models.JSONField(
                        default=dict,
                        help_text="Par numéro, l'issue dans les mots du journal.",
                        verbose_name="issues",
                    ),
                ),
            ],
            options={
                "verbose_name": "lot récupéré",
                "verbose_name_plural": "lots récupérés",
                "default_permissions": (),
                "indexes": [models.Index(fields=["created_at"], name="fetch_lot_created")],
            },
        ),
    ]
