"""What each type of champ says, by its typed fields (interface `Champ` and who implements it).

`stringValue` is "" for what was never filled, null for files and maps. It stands for types that we
do not know, and for those whose typed field says less: the text of a list that a référentiel feeds
is an id there, and an IBAN has blanks. A champ may change its type from one revision to the next.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

from dsintegration.numbers import MAX_NUMBER
from dsintegration.payloads.fields import Payload, ShortText, Text
from dsintegration.payloads.files import FilePayload

# No answer of their own.
WITHOUT_ANSWER = {"HeaderSectionChamp", "ExplicationChamp"}
DEEPEST = 8


def _day(value: Any) -> str | None:
    """ISO 8601 (type ISO8601Date)."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004  # pydantic collects ValueErrors
    return date.fromisoformat(value).isoformat()


def _integer(value: Any) -> int | None:
    """A BigInt, which arrives as text."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if not isinstance(value, str):
        raise ValueError("not an integer")  # noqa: TRY004
    return int(value)


def _when(value: Any) -> datetime | None:
    """ISO 8601 with an offset, as UTC, of any year: people mistype theirs."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None


def _coordinates(value: Any, depth: int = 0) -> Any:
    """Nested lists of numbers; those of a MultiPolygon are four deep."""
    if isinstance(value, list) and depth < DEEPEST:
        return [_coordinates(inner, depth + 1) for inner in value]
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        raise ValueError("not a coordinate")
    return value


When = Annotated[datetime | None, BeforeValidator(_when)]
Day = Annotated[str | None, BeforeValidator(_day)]
Integer = Annotated[int | None, BeforeValidator(_integer)]


class Champ(Payload):
    """One answer; `value`: as the API gives it, None where there is none; `text`: for people."""

    typename: ShortText = Field(alias="__typename")
    id: ShortText
    champ_descriptor_id: ShortText
    label: Text
    string_value: Text | None

    @property
    def value(self) -> Any:
        return self.string_value or None

    @property
    def text(self) -> str:
        return self.string_value or ""

    @property
    def files(self) -> list[tuple[str, FilePayload]]:
        """Each with the id of the champ that it is in."""
        return []

    def as_json(self) -> dict[str, Any]:
        return self._head() | {"value": self.value, "text": self.text}

    def _head(self) -> dict[str, Any]:
        return {"id": self.champ_descriptor_id, "label": self.label, "type": self.typename}


class _Coded(Payload):
    """Types `Departement`, `Region`, `Pays`, `Epci`; codes are texts: « 2A », « 971 »."""

    code: Text
    name: Text

    @property
    def value(self) -> dict[str, Any]:
        return {"code": self.code, "name": self.name}


class _Identified(Payload):
    """Types `RNA`, `RNF`."""

    id: Text
    title: Text | None


class _Address(Payload):
    label: Text
    type: Text
    street_address: Text | None
    street_number: Text | None
    street_name: Text | None
    postal_code: Text
    city_code: Text
    city_name: Text
    department_code: Text | None
    department_name: Text | None
    region_code: Text | None
    region_name: Text | None


class _Commune(Payload):
    code: Text
    name: Text
    postal_code: Text | None


class Entreprise(Payload):
    raison_sociale: Text


class _Etablissement(Payload):
    siret: Text
    entreprise: Entreprise | None


class _Geometry(Payload):
    type: Text
    coordinates: Annotated[Any, BeforeValidator(_coordinates)]


class _GeoArea(Payload):
    source: Text
    description: Text | None
    geometry: _Geometry
    # Of a parcel alone.
    commune: Text | None = None
    prefixe: Text | None = None
    section: Text | None = None
    numero: Text | None = None
    surface: Text | None = None

    @property
    def value(self) -> dict[str, Any]:
        parcel = ("commune", "prefixe", "section", "numero", "surface")
        known = {name: getattr(self, name) for name in parcel if getattr(self, name) is not None}
        shape = {"type": self.geometry.type, "coordinates": self.geometry.coordinates}
        return {
            "source": self.source,
            "description": self.description,
            "geometry": shape,
            **known,
        }

    @property
    def text(self) -> str:
        if self.numero:
            place = " ".join(filter(None, (self.commune, self.prefixe, self.section, self.numero)))
            return f"Parcelle {place}" + (f" ({self.surface} m²)" if self.surface else "")
        return self.description or "Tracé sans description"


class CheckboxChamp(Champ):
    checked: bool

    @property
    def value(self) -> bool:
        return self.checked

    @property
    def text(self) -> str:
        return "Oui" if self.checked else "Non"


class YesNoChamp(Champ):
    answer: bool | None

    @property
    def value(self) -> bool | None:
        return self.answer

    @property
    def text(self) -> str:
        return "" if self.answer is None else "Oui" if self.answer else "Non"


class DateChamp(Champ):
    date: Day

    @property
    def value(self) -> str | None:
        return self.date


class DatetimeChamp(Champ):
    moment: When = Field(alias="datetime")

    @property
    def value(self) -> str | None:
        return f"{self.moment.isoformat()[:-6]}Z" if self.moment else None


class IntegerNumberChamp(Champ):
    integer: Integer

    @property
    def value(self) -> int | None:
        return self.integer


class DecimalNumberChamp(Champ):
    decimal: Annotated[float | None, Field(allow_inf_nan=False)]

    @property
    def value(self) -> float | None:
        return self.decimal


class CiviliteChamp(Champ):
    civilite: Text | None

    @property
    def value(self) -> str | None:
        return self.civilite


class MultipleDropDownListChamp(Champ):
    values: list[Text]

    @property
    def value(self) -> list[str] | None:
        return self.values or None


class LinkedDropDownListChamp(Champ):
    primary_value: Text | None
    secondary_value: Text | None

    @property
    def value(self) -> list[str | None] | None:
        chosen = [self.primary_value, self.secondary_value]
        return chosen if any(chosen) else None


class AddressChamp(Champ):
    """`address` is null unless it is complete; the text says what there is."""

    address: _Address | None

    @property
    def value(self) -> dict[str, Any] | None:
        return self.address.model_dump() if self.address else None


class CommuneChamp(Champ):
    commune: _Commune | None
    departement: _Coded | None

    @property
    def value(self) -> dict[str, Any] | None:
        if self.commune is None:
            return None
        code = self.departement.code if self.departement else None
        return self.commune.model_dump() | {"department_code": code}


class DepartementChamp(Champ):
    departement: _Coded | None

    @property
    def value(self) -> dict[str, Any] | None:
        return self.departement.value if self.departement else None


class RegionChamp(Champ):
    region: _Coded | None

    @property
    def value(self) -> dict[str, Any] | None:
        return self.region.value if self.region else None


class PaysChamp(Champ):
    pays: _Coded | None

    @property
    def value(self) -> dict[str, Any] | None:
        return self.pays.value if self.pays else None


class EpciChamp(Champ):
    epci: _Coded | None

    @property
    def value(self) -> dict[str, Any] | None:
        return self.epci.value if self.epci else None


class SiretChamp(Champ):
    """Without an établissement while the register of companies is down: the SIRET is there."""

    etablissement: _Etablissement | None

    @property
    def value(self) -> str | None:
        return self.etablissement.siret if self.etablissement else self.string_value or None

    @property
    def text(self) -> str:
        entreprise = self.etablissement.entreprise if self.etablissement else None
        return _named(self.value, entreprise.raison_sociale if entreprise else None)


class RNAChamp(Champ):
    rna: _Identified | None

    @property
    def value(self) -> str | None:
        return self.rna.id if self.rna else self.string_value or None

    @property
    def text(self) -> str:
        return _named(self.value, self.rna.title if self.rna else None)


class RNFChamp(Champ):
    rnf: _Identified | None

    @property
    def value(self) -> str | None:
        return self.rnf.id if self.rnf else self.string_value or None

    @property
    def text(self) -> str:
        return _named(self.value, self.rnf.title if self.rnf else None)


class DossierLinkChamp(Champ):
    """The other dossier itself is not asked for: one that the token may not read is an error."""

    @property
    def value(self) -> int | None:
        text = self.string_value or ""
        # Python refuses to convert thousands of digits, and a database those beyond its columns.
        if len(text) > len(str(MAX_NUMBER)) or not (text.isascii() and text.isdigit()):
            return None
        return number if (number := int(text)) <= MAX_NUMBER else None


class CarteChamp(Champ):
    geo_areas: list[_GeoArea]

    @property
    def value(self) -> list[dict[str, Any]] | None:
        return [area.value for area in self.geo_areas] or None

    @property
    def text(self) -> str:
        return " ; ".join(area.text for area in self.geo_areas)


class PieceJustificativeChamp(Champ):
    """`as_json` bears the champ's own id, by which its files are found."""

    given: list[FilePayload]

    @property
    def files(self) -> list[tuple[str, FilePayload]]:
        return [(self.id, file) for file in self.given]

    def as_json(self) -> dict[str, Any]:
        return self._head() | {"champ": self.id, "text": ""}


class TitreIdentiteChamp(Champ):
    """Never a file: the platform does not give it."""

    filled: bool

    def as_json(self) -> dict[str, Any]:
        return self._head() | {"champ": self.id, "text": "Fourni" if self.filled else ""}


class Row(Payload):
    champs: list[Annotated[Champ, PlainValidator(lambda node: parse_champ(node))]]


class RepetitionChamp(Champ):
    rows: list[Row]

    @property
    def files(self) -> list[tuple[str, FilePayload]]:
        return [file for row in self.rows for champ in row.champs for file in champ.files]

    def as_json(self) -> dict[str, Any]:
        rows = [[c.as_json() for c in answered(row.champs)] for row in self.rows]
        return self._head() | {"text": "", "rows": rows}


KINDS: dict[str, type[Champ]] = {
    kind.__name__: kind
    for kind in (
        CheckboxChamp, YesNoChamp, DateChamp, DatetimeChamp, IntegerNumberChamp,
        DecimalNumberChamp, CiviliteChamp, MultipleDropDownListChamp, LinkedDropDownListChamp,
        AddressChamp, CommuneChamp, DepartementChamp, RegionChamp, PaysChamp, EpciChamp, SiretChamp,
        RNAChamp, RNFChamp, DossierLinkChamp, CarteChamp, PieceJustificativeChamp,
        TitreIdentiteChamp, RepetitionChamp,
    )
}  # fmt: skip


def parse_champ(node: Any) -> Champ:
    """Raises pydantic's ValidationError."""
    kind = node.get("__typename") if isinstance(node, dict) else None
    return KINDS.get(str(kind), Champ).model_validate(node)


def answered(champs: list[Champ]) -> list[Champ]:
    """Without titles of sections and explanations."""
    return [champ for champ in champs if champ.typename not in WITHOUT_ANSWER]


def _named(identifier: str | None, name: str | None) -> str:
    return f"{name} ({identifier})" if identifier and name else identifier or ""
