import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0055_oidc_identities"),
    ]

    operations = [
        migrations.CreateModel(
            name="ChampDescriptor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "ds_id",
                    models.CharField(max_length=255, verbose_name="identifiant sur la plateforme"),
                ),
                ("label", models.TextField(verbose_name="libellé")),
                (
                    "type",
                    models.CharField(
                        help_text="Le nom que la plateforme lui donne.",
                        max_length=255,
                        verbose_name="type",
                    ),
                ),
                (
                    "is_annotation",
                    models.BooleanField(default=False, verbose_name="annotation privée"),
                ),
                (
                    "repetition",
                    models.CharField(
                        blank=True,
                        help_text="L'identifiant du bloc qui l'a.",
                        max_length=255,
                        verbose_name="bloc répétable",
                    ),
                ),
                (
                    "level",
                    models.PositiveSmallIntegerField(
                        blank=True, null=True, verbose_name="niveau du titre"
                    ),
                ),
                ("required", models.BooleanField(default=False, verbose_name="obligatoire")),
                ("rank", models.PositiveIntegerField(verbose_name="rang dans le formulaire")),
                ("first_read_at", models.DateTimeField(verbose_name="vu pour la première fois le")),
                (
                    "gone_since",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="absent du formulaire depuis"
                    ),
                ),
                ("is_kept", models.BooleanField(default=False, verbose_name="conservé")),
                ("in_list", models.BooleanField(default=False, verbose_name="colonne de la liste")),
                (
                    "is_searchable",
                    models.BooleanField(default=False, verbose_name="sert à chercher"),
                ),
                (
                    "hidden_from_api",
                    models.BooleanField(default=False, verbose_name="caché à l'API"),
                ),
            ],
            options={
                "verbose_name": "champ du formulaire",
                "verbose_name_plural": "champs du formulaire",
                "ordering": ("demarche", "is_annotation", "rank"),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ChampValue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("champ", models.CharField(max_length=255, verbose_name="identifiant du champ")),
                ("text", models.CharField(max_length=255, verbose_name="texte")),
                (
                    "number",
                    models.DecimalField(
                        decimal_places=10, max_digits=38, null=True, verbose_name="nombre"
                    ),
                ),
                ("date", models.DateField(null=True, verbose_name="date")),
                ("is_whole", models.BooleanField(default=True, verbose_name="réponse entière")),
            ],
            options={
                "verbose_name": "réponse cherchée",
                "verbose_name_plural": "réponses cherchées",
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="demarche",
            name="form_read_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="formulaire lu le"
            ),
        ),
        migrations.AddField(
            model_name="demarche",
            name="selection",
            field=models.JSONField(
                db_default=models.Value({}, models.JSONField()), default=dict, editable=False
            ),
        ),
        migrations.AddField(
            model_name="demarche",
            name="selection_key",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=16
            ),
        ),
        migrations.AddField(
            model_name="dossier",
            name="annotations",
            field=models.JSONField(blank=True, null=True, verbose_name="annotations privées"),
        ),
        migrations.AddField(
            model_name="dossier",
            name="champs",
            field=models.JSONField(blank=True, null=True, verbose_name="champs"),
        ),
        migrations.AddField(
            model_name="dossier",
            name="content_error_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="contenu illisible depuis"
            ),
        ),
        migrations.AddField(
            model_name="dossier",
            name="content_error_reason",
            field=models.CharField(blank=True, max_length=50, verbose_name="contenu illisible"),
        ),
        migrations.AddField(
            model_name="dossier",
            name="content_key",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                max_length=16,
                verbose_name="choix dont vient le contenu",
            ),
        ),
        migrations.AddField(
            model_name="dossier",
            name="demandeur",
            field=models.JSONField(blank=True, null=True, verbose_name="demandeur"),
        ),
        migrations.AddField(
            model_name="dossier",
            name="instruction",
            field=models.JSONField(blank=True, null=True, verbose_name="instruction"),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="action",
            field=models.CharField(
                choices=[
                    ("view", "consultation"),
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
        migrations.AddIndex(
            model_name="dossier",
            index=models.Index(fields=["demarche", "content_key"], name="dossier_content"),
        ),
        migrations.AddField(
            model_name="champdescriptor",
            name="demarche",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="champs",
                to="dsintegration.demarche",
                verbose_name="démarche",
            ),
        ),
        migrations.AddField(
            model_name="champvalue",
            name="dossier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="values",
                to="dsintegration.dossier",
                verbose_name="dossier",
            ),
        ),
        migrations.AddConstraint(
            model_name="champdescriptor",
            constraint=models.UniqueConstraint(
                fields=("demarche", "ds_id"), name="champ_descriptor_is_unique"
            ),
        ),
        migrations.AddIndex(
            model_name="champvalue",
            index=models.Index(fields=["champ", "text", "dossier"], name="champ_value_text"),
        ),
        migrations.AddIndex(
            model_name="champvalue",
            index=models.Index(
                condition=models.Q(("number__isnull", False)),
                fields=["champ", "number", "dossier"],
                name="champ_value_number",
            ),
        ),
        migrations.AddIndex(
            model_name="champvalue",
            index=models.Index(
                condition=models.Q(("date__isnull", False)),
                fields=["champ", "date", "dossier"],
                name="champ_value_date",
            ),
        ),
    ]
