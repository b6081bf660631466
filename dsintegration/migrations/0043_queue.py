from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0042_journal_demarches"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="dossier",
            options={
                "default_permissions": ("view",),
                "permissions": (
                    ("fetch_dossier", "Peut récupérer un dossier de la plateforme"),
                    ("export_dossier", "Peut exporter la liste des dossiers"),
                    ("settle_dossier", "Peut marquer un dossier « rien à répondre »"),
                ),
                "verbose_name": "dossier",
            },
        ),
        migrations.RemoveIndex(model_name="dossier", name="dossier_last_message"),
        migrations.RemoveIndex(model_name="dossier", name="dossier_to_answer"),
        migrations.AddField(
            model_name="dossier",
            name="last_human_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="dernier message d'une personne"
            ),
        ),
        migrations.AddField(
            model_name="dossier",
            name="last_human_author",
            field=models.CharField(
                blank=True,
                choices=[
                    ("usager", "usager"),
                    ("systeme", "message automatique"),
                    ("autre", "service ou tiers"),
                ],
                max_length=10,
                verbose_name="auteur du dernier message d'une personne",
            ),
        ),
        migrations.AddField(
            model_name="dossier",
            name="waiting_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Le premier message de l'usager qui n'a pas eu de réponse.",
                null=True,
                verbose_name="attend une réponse depuis",
            ),
        ),
        migrations.AddField(
            model_name="dossier",
            name="settled_until",
            field=models.DateTimeField(
                blank=True,
                help_text="Marqué par un agent ; s'efface dès que l'usager écrit de nouveau.",
                null=True,
                verbose_name="rien à répondre aux messages jusqu'au",
            ),
        ),
    ]
