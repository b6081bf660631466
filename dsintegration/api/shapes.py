"""What a démarche keeps of its dossiers, for the schema; `representation.py` makes it.

The value of a champ has a shape for each type: `VALUE` says which.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from dsintegration.models import File

WITHOUT_THE_CHOICE = (
    "Absent si la démarche n'en garde rien, si ce n'est pas encore venu, ou si la clé ne peut pas "
    "lire le contenu."
)
VALUE = (
    "null sans réponse ; sinon, selon `type` : CheckboxChamp, YesNoChamp : vrai ou faux. "
    "DateChamp : jour. DatetimeChamp : moment. IntegerNumberChamp, DossierLinkChamp : nombre "
    "entier. DecimalNumberChamp : nombre. CiviliteChamp : `M` ou `Mme`. "
    "MultipleDropDownListChamp : liste des choix. LinkedDropDownListChamp : le premier choix et le "
    "second, ou null. AddressChamp : Adresse. CommuneChamp : Commune. DepartementChamp, "
    "RegionChamp, PaysChamp, EpciChamp : CodeEtNom. SiretChamp, RNAChamp, RNFChamp, "
    "EngagementJuridiqueChamp : l'identifiant. CarteChamp : liste de Zone. Les autres, y compris "
    "ceux qui viendront : le texte. PieceJustificativeChamp et TitreIdentiteChamp ont `files` à la "
    "place ; RepetitionChamp, `rows`."
)


def _text(**said: Any) -> serializers.CharField:
    return serializers.CharField(read_only=True, **said)


def _text_or_null(**said: Any) -> serializers.CharField:
    return serializers.CharField(read_only=True, allow_null=True, **said)


class Shape(serializers.Serializer[Any]):
    pass


# Docstrings here would end in the schema, which is French.
class AdresseSerializer(Shape):
    label = _text(label="L'adresse, en une ligne")  # type: ignore[assignment]
    type = _text()
    street_address = _text_or_null()
    street_number = _text_or_null()
    street_name = _text_or_null()
    postal_code = _text()
    city_code = _text(label="Code INSEE de la commune", help_text="Vide s'il n'est pas connu.")
    city_name = _text()
    department_code = _text_or_null(help_text="`99` à l'étranger.")
    department_name = _text_or_null()
    region_code = _text_or_null()
    region_name = _text_or_null()


class CommuneSerializer(Shape):
    code = _text(label="Code INSEE")
    name = _text()
    postal_code = _text_or_null()
    department_code = _text_or_null()


class CodeEtNomSerializer(Shape):
    code = _text(help_text="Un texte : `2A`, `01`.")
    name = _text()


class GeometrieSerializer(Shape):
    type = _text(help_text="De GeoJSON : `Point`, `LineString`, `Polygon`…")
    coordinates = serializers.ListField(
        read_only=True, label="Longitudes et latitudes, comme en GeoJSON"
    )


class ZoneSerializer(Shape):
    source = _text(help_text="`selection_utilisateur`, `cadastre`…")  # type: ignore[assignment]
    description = _text_or_null()
    geometry = GeometrieSerializer(read_only=True)
    commune = serializers.CharField(
        required=False, help_text="D'une parcelle seulement, comme les suivants."
    )
    prefixe = serializers.CharField(required=False)
    section = serializers.CharField(required=False)
    numero = serializers.CharField(required=False)
    surface = serializers.CharField(required=False, label="Surface en m²")


class ValueField(serializers.JSONField):
    pass


class ValueFieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "dsintegration.api.shapes.ValueField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        def ref(serializer: type[Shape]) -> dict[str, Any]:
            found: dict[str, Any] = auto_schema.resolve_serializer(serializer, direction).ref
            return found

        text = {"type": "string", "nullable": True}
        choices = {"type": "array", "items": text}
        objects = [ref(AdresseSerializer), ref(CommuneSerializer), ref(CodeEtNomSerializer)]
        zones = {"type": "array", "items": ref(ZoneSerializer)}
        others = [{"type": "boolean"}, {"type": "number"}, choices]
        return {"anyOf": [text, *others, *objects, zones], "description": VALUE}


class FileSerializer(serializers.ModelSerializer[File]):
    scan = serializers.CharField(
        read_only=True,
        label="Analyse antivirus",
        help_text=(
            "pending (en cours), safe, infected, integrity_error ; un verdict que la plateforme "
            "viendrait à ajouter passe tel quel."
        ),
    )

    class Meta:
        model = File
        fields = (
            "id",
            "filename",
            "content_type",
            "byte_size",
            "checksum",
            "created_at",
            "scan",
        )
        read_only_fields = fields


class ReponseSerializer(Shape):
    id = _text(label="Identifiant du champ dans le formulaire")
    label = _text(label="Question")  # type: ignore[assignment]
    type = _text(label="Type, au nom que la plateforme lui donne")
    value = ValueField(required=False)
    text = _text(label="La réponse, telle qu'elle se lit")
    files = FileSerializer(many=True, required=False)


class ChampSerializer(ReponseSerializer):
    rows = serializers.ListField(
        child=serializers.ListField(child=ReponseSerializer()),
        required=False,
        label="Les lignes d'un bloc répétable",
    )


class MandataireSerializer(Shape):
    prenom = _text_or_null()
    nom = _text_or_null()


class DemandeurSerializer(Shape):
    type = _text(
        help_text=(
            "PersonnePhysique, PersonneMorale, PersonneMoraleIncomplete (sans son nom, tant que le "
            "registre des entreprises ne répond pas) ; d'autres peuvent venir."
        )
    )
    civilite = _text_or_null()
    nom = _text_or_null()
    prenom = _text_or_null()
    siret = _text_or_null()
    raison_sociale = _text_or_null()
    mandataire = MandataireSerializer(
        read_only=True, allow_null=True, label="Qui a déposé le dossier pour le demandeur"
    )


class GroupeInstructeurSerializer(Shape):
    number = serializers.IntegerField(read_only=True)
    label = _text()  # type: ignore[assignment]


class LabelSerializer(Shape):
    name = _text()
    color = _text()


class TraitementSerializer(Shape):
    event = _text(help_text="`depose`, `passe_en_instruction`, `accepte`…")
    date = serializers.DateTimeField(read_only=True)
    agent = _text_or_null(help_text="null quand c'est l'usager, ou un automate.")


class ContentShape(Shape):
    demandeur = DemandeurSerializer(required=False, help_text=WITHOUT_THE_CHOICE)
    groupe_instructeur = GroupeInstructeurSerializer(required=False, help_text=WITHOUT_THE_CHOICE)
    instructeurs = serializers.ListField(
        child=serializers.CharField(), required=False, help_text=WITHOUT_THE_CHOICE
    )
    labels = LabelSerializer(many=True, required=False, help_text=WITHOUT_THE_CHOICE)
    motivation = serializers.CharField(
        required=False, allow_null=True, help_text=WITHOUT_THE_CHOICE
    )
    traitements = TraitementSerializer(
        many=True, required=False, label="Historique", help_text=WITHOUT_THE_CHOICE
    )
    champs = ChampSerializer(
        many=True, required=False, label="Réponses au formulaire", help_text=WITHOUT_THE_CHOICE
    )
    annotations = ChampSerializer(
        many=True, required=False, label="Annotations privées", help_text=WITHOUT_THE_CHOICE
    )
