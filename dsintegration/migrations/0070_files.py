import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0061_keys_of_content"),
    ]

    operations = [
        migrations.AddField(
            model_name="dossier",
            name="file_marks",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="message",
            name="file_marks",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.CreateModel(
            name="FileCopy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("checksum", models.CharField(max_length=255, verbose_name="somme MD5, en base64")),
                ("byte_size", models.BigIntegerField(verbose_name="taille en octets")),
                (
                    "name",
                    models.CharField(max_length=255, verbose_name="nom dans l'espace de stockage"),
                ),
                ("kept_at", models.DateTimeField(verbose_name="copié le")),
            ],
            options={
                "verbose_name": "copie de fichier",
                "verbose_name_plural": "copies de fichiers",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("checksum", "byte_size"), name="copy_is_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="File",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "place",
                    models.CharField(
                        choices=[
                            ("message", "message"),
                            ("champ", "formulaire"),
                            ("motivation", "motivation de la décision"),
                            ("attestation", "attestation"),
                        ],
                        max_length=20,
                        verbose_name="où il est joint",
                    ),
                ),
                (
                    "champ_id",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Identifiant sur la plateforme, avec celui de sa ligne dans un bloc répétable.",
                        max_length=255,
                        verbose_name="champ",
                    ),
                ),
                ("filename", models.TextField(verbose_name="nom du fichier")),
                ("content_type", models.CharField(blank=True, max_length=255, verbose_name="type")),
                ("byte_size", models.BigIntegerField(verbose_name="taille en octets")),
                (
                    "checksum",
                    models.CharField(
                        blank=True, max_length=255, verbose_name="somme MD5, en base64"
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="joint le")),
                (
                    "scan",
                    models.CharField(
                        choices=[
                            ("pending", "analyse antivirus en cours"),
                            ("safe", "sans virus connu"),
                            ("infected", "infecté par un virus"),
                            ("integrity_error", "fichier abîmé"),
                        ],
                        max_length=255,
                        verbose_name="analyse antivirus",
                    ),
                ),
                ("key", models.CharField(editable=False, max_length=32)),
                ("next_copy_at", models.DateTimeField(editable=False, null=True)),
                (
                    "dossier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="dsintegration.dossier",
                        verbose_name="dossier",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="dsintegration.message",
                        verbose_name="message",
                    ),
                ),
            ],
            options={
                "verbose_name": "fichier",
                "ordering": ("created_at", "id"),
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["checksum"], name="file_checksum"),
                    models.Index(
                        condition=models.Q(("scan", "pending")),
                        fields=["created_at"],
                        name="file_pending",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("key",), name="file_key_is_unique")
                ],
            },
        ),
    ]
