from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0072_bytewise_answers"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="given_by",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=64,
                verbose_name="donnée par le compte",
            ),
        ),
    ]
