from django.db import migrations, models
from django.db.models import Exists, OuterRef
from django.db.models.functions import Lower, Trim


def know_usagers(apps, schema_editor):
    """Those that bear the address that their dossier has now; the others are not known any more."""
    dossiers = apps.get_model("dsintegration", "Dossier").objects.alias(
        address=Lower(Trim("usager_email"))
    )
    theirs = dossiers.filter(pk=OuterRef("dossier_id"), address=Lower(Trim(OuterRef("email"))))
    messages = apps.get_model("dsintegration", "Message").objects
    messages.using(schema_editor.connection.alias).filter(Exists(theirs)).update(from_usager=True)


class Migration(migrations.Migration):
    dependencies = [("dsintegration", "0010_refresh_anew")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="from_usager",
            field=models.BooleanField(
                default=False,
                help_text="Le reste quand l'adresse de l'usager change, ou que le dossier change "
                "de mains.",
                verbose_name="écrit par l'usager",
            ),
        ),
        migrations.RunPython(know_usagers, migrations.RunPython.noop),
    ]
