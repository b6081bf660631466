"""Whoever could see dossiers goes on seeing them all, until somebody narrows it.

The accounts, and not their groups: a group that saw everything would make each perimeter useless.
"""

from django.conf import settings
from django.db import migrations
from django.db.models import Q

GROUP = "Toutes les démarches"
RIGHT = {"codename": "view_all_demarches", "name": "Voit les dossiers de toutes les démarches"}
# What showed dossiers until now; who made keys of the API gave sight of all of them.
SHOWED = ["view_dossier", "view_journalentry", "add_apikey", "change_apikey"]


def keep_what_was_seen(apps, schema_editor):
    User = apps.get_model(settings.AUTH_USER_MODEL)
    names = {field.name for field in User._meta.get_fields()}
    if not {"groups", "user_permissions"} <= names:  # a project with rights of its own making
        return
    database = schema_editor.connection.alias
    Permission = apps.get_model("auth", "Permission")
    rights = Permission.objects.using(database).filter(
        content_type__app_label="dsintegration", codename__in=SHOWED
    )
    pks = list(rights.values_list("pk", flat=True))
    could_see = Q(user_permissions__in=pks) | Q(groups__permissions__in=pks)
    accounts = list(User._default_manager.using(database).filter(could_see).distinct())
    if not accounts:
        return
    ContentType = apps.get_model("contenttypes", "ContentType")
    content_type, _ = ContentType.objects.using(database).get_or_create(
        app_label="dsintegration", model="perimeter"
    )
    right, _ = Permission.objects.using(database).get_or_create(
        content_type=content_type,
        codename=RIGHT["codename"],
        defaults={"name": RIGHT["name"]},
    )
    group, _ = apps.get_model("auth", "Group").objects.using(database).get_or_create(name=GROUP)
    group.permissions.add(right)
    for account in accounts:
        account.groups.add(group)


class Migration(migrations.Migration):
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("dsintegration", "0040_perimeters"),
    ]

    operations = [migrations.RunPython(keep_what_was_seen, migrations.RunPython.noop)]
