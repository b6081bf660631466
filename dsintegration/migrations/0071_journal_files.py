from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0070_files"),
    ]

    operations = [
        migrations.AlterField(
            model_name="journalentry",
            name="action",
            field=models.CharField(
                choices=[
                    ("view", "consultation"),
                    ("file", "ouverture d'un fichier"),
                    ("list", "liste"),
                    ("fetch", "récupération"),
                    ("refresh", "rafraîchissement"),
                    ("export", "export"),
                    ("link", "demande de lien"),
                    ("settle", "rien à répondre"),
                    ("purge", "effacement"),
                    ("choose", "choix de ce qui est conservé"),
                ],
                max_length=10,
                verbose_name="action",
            ),
        ),
    ]
