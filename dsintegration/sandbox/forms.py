"""The sandbox's forms, and what dossiers answer to them: invented, one champ of each type.

A champ is written `(id, type, label, value)`; `answer` makes of it what the platform would say.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dsintegration.sandbox.papers import paper
from dsintegration.sandbox.storage import file

RIB = paper(
    "Relevé d'identité bancaire",
    "Titulaire : Les Cordes vocales",
    "IBAN : FR76 0000 0000 0000 0000 0000 000",
)
FILE = file("rib-association.pdf", "2026-09-07T10:02:11+02:00", content=RIB)


def champ_id(key: int, row: str = "") -> str:
    """As the platform writes it: in a row, its id follows behind a bar."""
    text = f"Champ-{key}" + (f"|{row}" if row else "")
    return b64encode(text.encode()).decode()


@dataclass(frozen=True)
class Line:
    """A line of a form; `inner`: of a repetition; `level`: of a title."""

    key: int
    type: str
    label: str
    inner: tuple["Line", ...] = ()
    level: int = 1
    required: bool = False

    @property
    def descriptor(self) -> dict[str, Any]:
        return {
            "__typename": f"{self.type}ChampDescriptor",
            "id": champ_id(self.key),
            "label": self.label,
            "required": self.required,
            "level": self.level,
            "champDescriptors": [line.descriptor for line in self.inner] or None,
        }


FORM = (
    Line(100, "HeaderSection", "Le porteur du projet"),
    Line(101, "Text", "Nom de l'association", required=True),
    Line(102, "Siret", "Numéro SIRET"),
    Line(103, "RNA", "Numéro RNA"),
    Line(104, "RNF", "Fondation partenaire"),
    Line(105, "Civilite", "Civilité de la personne à contacter"),
    Line(106, "Email", "Adresse de la personne à contacter"),
    Line(107, "Phone", "Téléphone"),
    Line(108, "Address", "Adresse du siège"),
    Line(110, "HeaderSection", "La manifestation"),
    Line(111, "Explication", "Ne décrivez ici que la manifestation de cette année."),
    Line(112, "Textarea", "Description"),
    Line(113, "DropDownList", "Discipline"),
    Line(114, "MultipleDropDownList", "Publics visés"),
    Line(115, "LinkedDropDownList", "Lieu et salle"),
    Line(116, "Date", "Date de la représentation"),
    Line(117, "Datetime", "Montage à partir du"),
    Line(118, "Commune", "Commune"),
    Line(119, "Departement", "Département"),
    Line(120, "Region", "Région"),
    Line(121, "Epci", "Intercommunalité"),
    Line(122, "Pays", "Pays des artistes"),
    Line(123, "Carte", "Emprise sur la place"),
    Line(130, "HeaderSection", "Le budget"),
    Line(131, "IntegerNumber", "Nombre de spectateurs attendus"),
    Line(132, "DecimalNumber", "Montant demandé (en euros)", required=True),
    Line(133, "YesNo", "Avez-vous déjà reçu une subvention ?"),
    Line(134, "DossierLink", "Dossier de l'an dernier"),
    Line(135, "Checkbox", "Je certifie l'exactitude de ces renseignements"),
    Line(
        136,
        "Repetition",
        "Partenaires",
        inner=(Line(137, "Text", "Partenaire"), Line(138, "IntegerNumber", "Apport en euros")),
    ),
    Line(139, "PieceJustificative", "Relevé d'identité bancaire", required=True),
    Line(140, "TitreIdentite", "Pièce d'identité du président"),
    Line(141, "Iban", "IBAN"),
)
ANNOTATIONS = (
    Line(201, "Text", "Avis du service culture"),
    Line(202, "DecimalNumber", "Montant proposé"),
    Line(203, "EngagementJuridique", "Engagement juridique"),
)
# What the crowd's démarches ask: short, as most forms are.
SHORT_FORM = (
    Line(301, "Text", "Nom du demandeur", required=True),
    Line(302, "Siret", "Numéro SIRET"),
    Line(303, "DecimalNumber", "Montant demandé (en euros)"),
    Line(304, "Date", "Début des travaux"),
    Line(305, "Commune", "Commune"),
)

PLACE = {
    "label": "4 rue de l'Exemple 28100 Dreux",
    "type": "housenumber",
    "streetAddress": "4 rue de l'Exemple",
    "streetNumber": "4",
    "streetName": "rue de l'Exemple",
    "postalCode": "28100",
    "cityCode": "28134",
    "cityName": "Dreux",
    "departmentCode": "28",
    "departmentName": "Eure-et-Loir",
    "regionCode": "24",
    "regionName": "Centre-Val de Loire",
}
_WEST, _EAST, _SOUTH, _NORTH = 1.3655, 1.3669, 48.7352, 48.7361
_CORNERS = [[_WEST, _SOUTH], [_EAST, _SOUTH], [_EAST, _NORTH], [_WEST, _NORTH], [_WEST, _SOUTH]]
_SQUARE = {"type": "Polygon", "coordinates": [_CORNERS]}
_PARCEL = {
    "__typename": "ParcelleCadastrale",
    "source": "cadastre",
    "description": None,
    "geometry": {
        "type": "Polygon",
        "coordinates": [
            [[1.3640, 48.7350], [1.3652, 48.7350], [1.3652, 48.7358], [1.3640, 48.7350]]
        ],
    },
    "commune": "28134",
    "prefixe": "000",
    "section": "AB",
    "numero": "12",
    "surface": "1240",
}
_DRAWN = {
    "__typename": "SelectionUtilisateur",
    "source": "selection_utilisateur",
    "description": "La scène et les gradins",
    "geometry": _SQUARE,
}

# What dossier 12345 answers, by the key of the line.
ANSWERS: dict[int, Any] = {
    101: "Les Cordes vocales",
    102: ("44011762001530", "LES CORDES VOCALES"),
    103: ("W281000123", "LES CORDES VOCALES"),
    104: None,
    105: "Mme",
    106: "bureau@lescordesvocales.example.org",
    107: "02 37 00 00 00",
    108: PLACE,
    112: "Trois soirées de chant choral.\nEntrée libre, sur la place.",
    113: "Musique",
    114: ["Enfants", "Familles, amis"],
    115: ("Théâtre", "Grande salle"),
    116: ("2026-12-19", "19 décembre 2026"),
    117: ("2026-12-18T14:30:00+01:00", "18 décembre 2026 14:30"),
    118: ("28134", "Dreux", "28100", "28"),
    119: ("28", "Eure-et-Loir"),
    120: ("24", "Centre-Val de Loire"),
    121: ("200040277", "CA du Pays de Dreux"),
    122: ("BE", "Belgique"),
    123: [_PARCEL, _DRAWN],
    131: 850,
    132: 4300.5,
    133: True,
    134: 12346,
    135: True,
    136: [{137: "Ville d'Exemple", 138: 1500}, {137: "Crédit des arts", 138: 800}],
    139: [FILE],
    140: True,
    141: "FR7630001007941234567890185",
    201: "Favorable",
    202: 4000.0,
    203: None,
}


def answer(line: Line, value: Any, row: str = "") -> dict[str, Any]:
    """The champ as the platform gives it; `value`: None where nothing was answered."""
    head = {
        "id": champ_id(line.key, row),
        "champDescriptorId": champ_id(line.key),
        "label": line.label,
        "stringValue": "",
    }
    given: dict[str, Any] = _GIVEN.get(line.type, _text)(value, line)
    typename = "TextChamp" if line.type in _AS_TEXT else f"{line.type}Champ"
    return {"__typename": typename} | head | given


def answers(form: Iterable[Line], values: dict[int, Any]) -> list[dict[str, Any]]:
    return [answer(line, values.get(line.key)) for line in form]


_AS_TEXT = {"Textarea", "Email", "Phone", "Iban"}


def _text(value: Any, _: Line) -> dict[str, Any]:
    return {"stringValue": str(value) if value is not None else ""}


def _boolean(value: Any, line: Line) -> dict[str, Any]:
    given = value if line.type == "YesNo" else bool(value)
    return {"value": given, "stringValue": "" if given is None else str(given).lower()}


def _dated(value: Any, line: Line) -> dict[str, Any]:
    moment, text = value or (None, "")
    return {line.type.lower(): moment, "stringValue": text}


def _number(value: Any, line: Line) -> dict[str, Any]:
    text = "" if value is None else str(value)
    return {"value": (text or None) if line.type == "IntegerNumber" else value, "stringValue": text}


def _civilite(value: Any, _: Line) -> dict[str, Any]:
    return {"value": value, "stringValue": {"M": "M.", "Mme": "Mme"}.get(value, "")}


def _several(value: Any, _: Line) -> dict[str, Any]:
    return {"values": value or [], "stringValue": ", ".join(value or [])}


def _linked(value: Any, _: Line) -> dict[str, Any]:
    first, second = value or (None, None)
    text = " / ".join(part for part in (first, second) if part)
    return {"primaryValue": first, "secondaryValue": second, "stringValue": text}


def _address(value: Any, _: Line) -> dict[str, Any]:
    return {"address": value, "stringValue": value["label"] if value else ""}


def _commune(value: Any, _: Line) -> dict[str, Any]:
    if value is None:
        return {"commune": None, "departement": None}
    code, name, postal_code, departement = value
    return {
        "commune": {"code": code, "name": name, "postalCode": postal_code},
        "departement": {"code": departement, "name": "Eure-et-Loir"},
        "stringValue": f"{name} ({postal_code})",
    }


def _coded(value: Any, line: Line) -> dict[str, Any]:
    name = {"Departement": "departement", "Region": "region", "Pays": "pays", "Epci": "epci"}
    coded = {"code": value[0], "name": value[1]} if value else None
    return {name[line.type]: coded, "stringValue": value[1] if value else ""}


def _siret(value: Any, _: Line) -> dict[str, Any]:
    if value is None:
        return {"etablissement": None}
    siret, name = value
    company = {"id": siret, "siret": siret, "entreprise": {"raisonSociale": name}}
    # While the register of companies is down, there is the number alone.
    return {"etablissement": company if name else None, "stringValue": siret}


def _registered(value: Any, line: Line) -> dict[str, Any]:
    name = line.type.lower()
    if value is None:
        return {name: None}
    return {name: {"id": value[0], "title": value[1]}, "stringValue": value[0]}


def _carte(value: Any, _: Line) -> dict[str, Any]:
    return {"geoAreas": value or [], "stringValue": None if value else ""}


def _files(value: Any, _: Line) -> dict[str, Any]:
    return {"files": value or [], "stringValue": None if value else ""}


def _identity(value: Any, _: Line) -> dict[str, Any]:
    return {"filled": bool(value), "stringValue": None if value else ""}


def _rows(value: Sequence[dict[int, Any]] | None, line: Line) -> dict[str, Any]:
    rows = [
        {"champs": [answer(inner, row.get(inner.key), f"ROW{rank}") for inner in line.inner]}
        for rank, row in enumerate(value or ())
    ]
    return {"rows": rows}


_GIVEN: dict[str, Any] = {
    "Checkbox": _boolean, "YesNo": _boolean, "Date": _dated, "Datetime": _dated,
    "IntegerNumber": _number, "DecimalNumber": _number, "Civilite": _civilite,
    "MultipleDropDownList": _several, "LinkedDropDownList": _linked, "Address": _address,
    "Commune": _commune, "Departement": _coded, "Region": _coded, "Pays": _coded, "Epci": _coded,
    "Siret": _siret, "RNA": _registered, "RNF": _registered, "Carte": _carte,
    "PieceJustificative": _files, "TitreIdentite": _identity, "Repetition": _rows,
}  # fmt: skip

# By the number of the démarche.
FORMS: dict[int, tuple[tuple[Line, ...], tuple[Line, ...]]] = {901: (FORM, ANNOTATIONS)}


def revision(demarche: int) -> dict[str, Any]:
    champs, annotations = FORMS.get(demarche, (SHORT_FORM, ()))
    return {
        "champDescriptors": [line.descriptor for line in champs],
        "annotationDescriptors": [line.descriptor for line in annotations],
    }


# What a dossier has when nobody says otherwise.
NEUTRAL: dict[str, Any] = {
    "champs": [],
    "annotations": [],
    "demandeur": {
        "__typename": "PersonnePhysique",
        "id": "Individual-1",
        "civilite": "Mme",
        "nom": "Exemple",
        "prenom": "Camille",
    },
    "deposeParUnTiers": False,
    "groupeInstructeur": {"number": 1, "label": "défaut"},
    "instructeurs": [],
    "labels": [],
    "traitements": [],
}


def whole(dossier: dict[str, Any]) -> dict[str, Any]:
    """A dossier with all that can be asked of it; its lists of champs give one by its id, too."""
    given = NEUTRAL | dossier
    return given | {name: _by_id(given[name]) for name in ("champs", "annotations")}


def as_asked(dossier: dict[str, Any], champs: Sequence[str]) -> dict[str, Any]:
    """The answer to a request for these champs of the short form, each by its id."""
    answered = {champ["champDescriptorId"]: champ for champ in dossier["champs"]}
    aliased = {
        f"c{rank}": [answered[champ] | {"decimal": answered[champ].get("value")}]
        for rank, champ in enumerate(champs)
    }
    unsaid = ("prenomMandataire", "nomMandataire", "motivationAttachment", "attestation")
    return NEUTRAL | dict.fromkeys(unsaid) | dossier | aliased


def _by_id(champs: list[dict[str, Any]]) -> Callable[..., list[dict[str, Any]]]:
    def resolve(_info: object, id: str | None = None) -> list[dict[str, Any]]:
        return [champ for champ in champs if id is None or champ["champDescriptorId"] == id]

    return resolve
