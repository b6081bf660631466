from django.db import migrations, models

TO_ANSWER = models.Q(("settled_until__isnull", True), ("usager_spoke_last", True))


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0044_queue_of_old"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="dossier",
            index=models.Index(
                condition=TO_ANSWER, fields=["waiting_since", "id"], name="dossier_queue"
            ),
        ),
        migrations.AddIndex(
            model_name="dossier",
            index=models.Index(
                condition=TO_ANSWER,
                fields=["demarche", "waiting_since"],
                name="dossier_demarche_queue",
            ),
        ),
        migrations.AddIndex(
            model_name="dossier",
            index=models.Index(fields=["last_human_at"], name="dossier_last_human"),
        ),
        migrations.AddIndex(
            model_name="dossier",
            index=models.Index(
                fields=["demarche", "date_derniere_modification"], name="dossier_demarche_moved"
            ),
        ),
    ]
