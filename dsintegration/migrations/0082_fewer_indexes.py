"""No index that nothing asks for: each one is written again whenever a dossier is checked."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0081_names_of_rights"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="dossier",
            index=models.Index(fields=["state", "demarche"], name="dossier_state_demarche"),
        ),
        migrations.RemoveIndex(model_name="dossier", name="dossier_state"),
        migrations.RemoveIndex(model_name="dossier", name="dossier_demarche"),
        migrations.RemoveIndex(model_name="dossier", name="dossier_changed_at"),
    ]
