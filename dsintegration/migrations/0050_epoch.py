from django.db import migrations, models

import dsintegration.models.mirror


class Migration(migrations.Migration):
    dependencies = [("dsintegration", "0047_fetch_lots")]

    operations = [
        migrations.AddField(
            model_name="platform",
            name="epoch",
            field=models.CharField(
                default=dsintegration.models.mirror.new_epoch,
                editable=False,
                max_length=32,
                verbose_name="époque",
            ),
        ),
    ]
