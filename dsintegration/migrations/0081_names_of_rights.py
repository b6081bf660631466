"""French names of the rights: Django gave those it makes by itself English ones."""

from django.db import migrations


def rename(apps, schema_editor):
    """Those that are there; Django makes the others after the migrations, named as above."""
    permissions = apps.get_model("auth", "Permission").objects.using(schema_editor.connection.alias)
    for model in apps.get_app_config("dsintegration").get_models():
        for codename, name in model._meta.permissions:
            permissions.filter(content_type__app_label="dsintegration", codename=codename).update(
                name=name
            )


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("dsintegration", "0080_key_giver"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="apikey",
            options={
                "default_permissions": (),
                "permissions": (
                    ("add_apikey", "Peut faire des clés de l'API"),
                    ("change_apikey", "Peut changer les droits des clés de l'API, et les révoquer"),
                    ("view_apikey", "Peut voir les clés de l'API"),
                ),
                "verbose_name": "clé de l'API",
                "verbose_name_plural": "clés de l'API",
            },
        ),
        migrations.AlterModelOptions(
            name="demarche",
            options={
                "default_permissions": (),
                "permissions": (
                    ("view_demarche", "Peut voir les démarches"),
                    ("change_demarche", "Peut suivre des démarches, et masquer leurs décisions"),
                ),
                "verbose_name": "démarche",
            },
        ),
        migrations.AlterModelOptions(
            name="dossier",
            options={
                "default_permissions": (),
                "permissions": (
                    ("view_dossier", "Peut voir les dossiers"),
                    ("fetch_dossier", "Peut récupérer un dossier de la plateforme"),
                    ("export_dossier", "Peut exporter la liste des dossiers"),
                    ("settle_dossier", "Peut marquer un dossier « rien à répondre »"),
                ),
                "verbose_name": "dossier",
            },
        ),
        migrations.AlterModelOptions(
            name="journalentry",
            options={
                "default_permissions": (),
                "permissions": (("view_journalentry", "Peut lire le journal"),),
                "verbose_name": "entrée du journal",
                "verbose_name_plural": "entrées du journal",
            },
        ),
        migrations.AlterModelOptions(
            name="message",
            options={
                "default_permissions": (),
                "ordering": ("created_at", "id"),
                "permissions": (("view_message", "Peut voir les messages"),),
                "verbose_name": "message",
            },
        ),
        migrations.AlterModelOptions(
            name="perimeter",
            options={
                "default_permissions": (),
                "permissions": (
                    ("add_perimeter", "Peut créer des périmètres"),
                    ("change_perimeter", "Peut changer les périmètres"),
                    ("delete_perimeter", "Peut supprimer des périmètres"),
                    ("view_perimeter", "Peut voir les périmètres"),
                    ("view_all_demarches", "Voit les dossiers de toutes les démarches"),
                ),
                "verbose_name": "périmètre",
            },
        ),
        migrations.RunPython(rename, migrations.RunPython.noop),
    ]
