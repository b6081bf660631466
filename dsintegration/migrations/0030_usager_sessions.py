"""A link opens several browsers: what was one row becomes a link and its sessions."""

import django.db.models.deletion
from django.db import migrations, models


def keep_sessions(apps, schema_editor):
    session = apps.get_model("dsintegration", "UsagerSession")
    opened = apps.get_model("dsintegration", "UsagerAccess").objects.exclude(used_at=None)
    session.objects.bulk_create(
        session(
            access=access,
            digest=access.session_digest,
            opened_at=access.used_at,
            last_seen_at=access.last_seen_at,
        )
        for access in opened.exclude(session_digest="").exclude(last_seen_at=None)
    )
    # A link that was used up opens nothing more.
    opened.update(openings=5)


class Migration(migrations.Migration):
    dependencies = [("dsintegration", "0020_message_from_usager")]

    operations = [
        migrations.AddField(
            "usageraccess",
            "openings",
            models.PositiveSmallIntegerField(default=0, verbose_name="ouvertures"),
        ),
        migrations.CreateModel(
            name="UsagerSession",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "digest",
                    models.CharField(max_length=64, verbose_name="empreinte de la session"),
                ),
                ("opened_at", models.DateTimeField(verbose_name="ouverte le")),
                ("last_seen_at", models.DateTimeField(verbose_name="page vue le")),
                (
                    "access",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to="dsintegration.usageraccess",
                    ),
                ),
            ],
            options={
                "verbose_name": "session d'usager",
                "verbose_name_plural": "sessions d'usagers",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("digest",), name="usager_session_is_unique")
                ],
            },
        ),
        migrations.RunPython(keep_sessions, migrations.RunPython.noop),
    ]
