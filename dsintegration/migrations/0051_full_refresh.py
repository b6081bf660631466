from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dsintegration", "0050_epoch")]

    operations = [
        migrations.AddField(
            model_name="platform",
            name="fully_refreshed_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="dernier rafraîchissement de fond"
            ),
        ),
    ]
