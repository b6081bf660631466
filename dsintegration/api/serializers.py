"""What answers look like, for the schema. `representation.py` makes them, as for the command."""

from typing import Any

from rest_framework import serializers

from dsintegration.api.shapes import ContentShape, FileSerializer
from dsintegration.models import Author, Demarche, Dossier, Message, PurgedDossier
from dsintegration.representation import (
    CHAMPS,
    INSTRUCTION,
    PURGED_COLUMNS,
    dossier_as_json,
    item_as_json,
    message_as_json,
    purged_as_json,
)

WITHOUT_THE_RIGHT = "Absent si la clé ne peut pas lire les données personnelles."
BEFORE_MESSAGES = (
    "number",
    "ds_id",
    "state",
    "state_label",
    "demarche",
    "usager_email",
    "date_depot",
    "date_passage_en_construction",
    "date_passage_en_instruction",
    "date_traitement",
    "date_derniere_modification",
    "date_expiration",
    "date_suppression_par_usager",
)
CONTENT = ("demandeur", *INSTRUCTION, *CHAMPS)
AFTER_MESSAGES = ("url", "version", "changed_at", "fetched_at", "checked_at", "absent_since")


class DemarcheSerializer(serializers.ModelSerializer[Demarche]):
    class Meta:
        model = Demarche
        fields = ("number", "ds_id", "title")
        read_only_fields = fields


class MessageSerializer(serializers.ModelSerializer[Message]):
    author = serializers.ChoiceField(choices=Author.choices, read_only=True)
    attachments = FileSerializer(many=True, read_only=True, label="Pièces jointes")

    class Meta:
        model = Message
        fields = (
            "ds_id",
            "email",
            "author",
            "body",
            "created_at",
            "discarded_at",
            "absent_since",
            "attachments",
        )
        read_only_fields = fields

    def to_representation(self, instance: Message) -> dict[str, Any]:
        return message_as_json(instance)


class _DossierSerializer(serializers.ModelSerializer[Dossier]):
    state = serializers.CharField(
        read_only=True,
        label="État",
        help_text=(
            "en_construction, en_instruction, accepte, refuse, sans_suite ; un état que la "
            "plateforme viendrait à ajouter passe tel quel."
        ),
    )
    state_label = serializers.CharField(read_only=True, label="État, en clair")
    demarche = DemarcheSerializer(read_only=True)
    usager_email = serializers.CharField(
        required=False, label="Adresse de l'usager", help_text=WITHOUT_THE_RIGHT
    )
    url = serializers.URLField(read_only=True, label="Page du dossier sur la plateforme")


# Docstrings here would end in the schema, which is French.
class DossierSerializer(ContentShape, _DossierSerializer):
    messages = MessageSerializer(
        many=True, required=False, label="Messages, du plus ancien au plus récent",
        help_text=WITHOUT_THE_RIGHT,
    )  # fmt: skip

    class Meta:
        model = Dossier
        fields = (*BEFORE_MESSAGES, "messages", *CONTENT, *AFTER_MESSAGES)
        read_only_fields = fields

    def to_representation(self, instance: Dossier) -> dict[str, Any]:
        return dossier_as_json(
            instance,
            personal=self.context["personal"],
            content=self.context["content"],
            hidden=instance.demarche.hidden_champs,
        )


# A row of `values(*COLUMNS)`.
class DossierItemSerializer(_DossierSerializer):
    last_message_author = serializers.ChoiceField(
        choices=Author.choices, read_only=True, allow_null=True, label="Auteur du dernier message"
    )

    class Meta:
        model = Dossier
        fields = (
            *BEFORE_MESSAGES,
            "messages_count",
            "last_message_at",
            "last_message_author",
            *AFTER_MESSAGES,
        )
        read_only_fields = fields

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return item_as_json(
            instance, personal=self.context["personal"], site_url=self.context["site_url"]
        )


class PurgedDossierSerializer(serializers.ModelSerializer[PurgedDossier]):
    class Meta:
        model = PurgedDossier
        fields = PURGED_COLUMNS
        read_only_fields = fields

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return purged_as_json(instance)


class ErrorSerializer(serializers.Serializer[Any]):
    detail = serializers.CharField(read_only=True, help_text="Ce qui s'est passé, en français.")
    code = serializers.CharField(read_only=True, help_text="Le même, pour un programme.")
