import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("dsintegration", "0032_service_of_demarche"),
    ]

    operations = [
        migrations.CreateModel(
            name="Perimeter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "group",
                    models.OneToOneField(
                        help_text="Le groupe dont les membres voient ces démarches.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dsintegration_perimeter",
                        to="auth.group",
                        verbose_name="service",
                    ),
                ),
                (
                    "demarches",
                    models.ManyToManyField(
                        blank=True,
                        related_name="perimeters",
                        to="dsintegration.demarche",
                        verbose_name="démarches",
                    ),
                ),
            ],
            options={
                "verbose_name": "périmètre",
                "permissions": (
                    ("view_all_demarches", "Voit les dossiers de toutes les démarches"),
                ),
            },
        ),
    ]
