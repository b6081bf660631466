from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0060_content"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="can_read_content",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Ce que chaque démarche conserve du formulaire, du demandeur et de l'instruction ; demande le droit de lire les données personnelles.",
                verbose_name="peut lire le contenu des dossiers",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("can_read_content", False), ("can_read_personal_data", True), _connector="OR"
                ),
                name="api_key_content_is_personal",
                violation_error_message="Le contenu des dossiers est fait de données personnelles : cochez aussi « peut lire les données personnelles », ou décochez « peut lire le contenu des dossiers ».",
            ),
        ),
    ]
