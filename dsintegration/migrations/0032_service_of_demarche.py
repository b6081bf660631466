from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dsintegration", "0031_usager_access_is_a_link")]

    operations = [
        migrations.AddField(
            "demarche",
            "service_nom",
            models.TextField(blank=True, default="", verbose_name="service"),
        ),
        migrations.AddField(
            "demarche",
            "service_organisme",
            models.TextField(blank=True, default="", verbose_name="organisme du service"),
        ),
    ]
