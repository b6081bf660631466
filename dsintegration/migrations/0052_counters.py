from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dsintegration", "0051_full_refresh")]

    operations = [
        migrations.CreateModel(
            name="Counter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=50)),
                ("label", models.CharField(blank=True, max_length=50)),
                ("value", models.FloatField(default=0)),
            ],
            options={
                "verbose_name": "compteur",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("name", "label"), name="counter_is_one")
                ],
            },
        ),
    ]
