import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0052_counters"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="OidcIdentity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("issuer", models.CharField(max_length=255, verbose_name="fournisseur")),
                (
                    "subject",
                    models.CharField(
                        blank=True, max_length=255, null=True, verbose_name="identifiant"
                    ),
                ),
                (
                    "open_until",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="peut être liée jusqu'à"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="créée le"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="compte",
                    ),
                ),
            ],
            options={
                "verbose_name": "identité OpenID",
                "verbose_name_plural": "identités OpenID",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("issuer", "subject"), name="oidc_subject"),
                    models.UniqueConstraint(fields=("issuer", "user"), name="oidc_account"),
                ],
            },
        ),
    ]
