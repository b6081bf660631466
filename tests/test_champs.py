"""Each type of champ, answered and not: what our documents ask of it, and what becomes of it.

A row of the table holds the platform's own fields; they go through our document and a schema of the
platform, as the sandbox sends them, so that a field that is not there, or null where it may not be,
is found here.
"""

import pytest
from graphql import GraphQLObjectType, execute_sync, parse

from dsintegration.numbers import MAX_NUMBER
from dsintegration.payloads.champs import KINDS, WITHOUT_ANSWER
from dsintegration.payloads.dossiers import parse_dossier
from dsintegration.payloads.selection import Selection
from dsintegration.platform.content import variables
from dsintegration.platform.documents import get_dossier
from dsintegration.sandbox.forms import FILE, PLACE, champ_id, whole
from dsintegration.sandbox.server import schema as sandbox_schema
from tests import published
from tests.factories import dossier_answer

NUMBER = 70_001
ID = champ_id(1)
POINT = {"type": "Point", "coordinates": [1.3655, 48.7352]}
PLOT = {
    "__typename": "ParcelleCadastrale",
    "source": "cadastre",
    "description": None,
    "geometry": {"type": "Polygon", "coordinates": [[[1.0, 48.0], [1.1, 48.0], [1.0, 48.1]]]},
    "commune": "28134",
    "prefixe": "000",
    "section": "AB",
    "numero": "12",
    "surface": "1240",
}
DRAWN = {
    "__typename": "SelectionUtilisateur",
    "source": "selection_utilisateur",
    "description": "La scène",
    "geometry": POINT,
}
FIELD = {
    "__typename": "Rpg",
    "source": "rpg",
    "description": "Prairie",
    "geometry": POINT,
    "commune": None,
}
EURE, CENTRE = {"code": "28", "name": "Eure-et-Loir"}, {"code": "24", "name": "Centre"}
ADDRESS = {
    "label": "4 rue de l'Exemple 28100 Dreux",
    "type": "housenumber",
    "street_address": "4 rue de l'Exemple",
    "street_number": "4",
    "street_name": "rue de l'Exemple",
    "postal_code": "28100",
    "city_code": "28134",
    "city_name": "Dreux",
    "department_code": "28",
    "department_name": "Eure-et-Loir",
    "region_code": "24",
    "region_name": "Centre-Val de Loire",
}
COMPANY = {"siret": "44011762001530", "entreprise": {"raisonSociale": "LES CORDES VOCALES"}}
PARCEL_TOLD = {name: PLOT[name] for name in ("source", "description", "geometry")} | {
    name: PLOT[name] for name in ("commune", "prefixe", "section", "numero", "surface")
}
AREA_TOLD = {name: DRAWN[name] for name in ("source", "description", "geometry")}


def row(kind, given, value, text, *, name=None):
    return pytest.param(kind, given, value, text, id=f"{kind}-{name or 'filled'}")


def empty(kind, given, value=None, text=""):
    return row(kind, {"stringValue": ""} | given, value, text, name="empty")


TABLE = [
    row("TextChamp", {"stringValue": "Deux\nlignes"}, "Deux\nlignes", "Deux\nlignes"),
    empty("TextChamp", {}),
    row("DropDownListChamp", {"stringValue": "Musique", "value": "item-3"}, "Musique", "Musique"),
    empty("DropDownListChamp", {"value": None}),
    row("CheckboxChamp", {"stringValue": "true", "value": True}, True, "Oui"),
    empty("CheckboxChamp", {"stringValue": "false", "value": False}, False, "Non"),
    row("YesNoChamp", {"stringValue": "true", "value": True}, True, "Oui"),
    row("YesNoChamp", {"stringValue": "false", "value": False}, False, "Non", name="no"),
    empty("YesNoChamp", {"value": None}),
    row(
        "DateChamp",
        {"stringValue": "14 juillet 2026", "date": "2026-07-14"},
        "2026-07-14",
        "14 juillet 2026",
    ),
    row("DateChamp", {"stringValue": "1 mars 0026", "date": "0026-03-01"}, "0026-03-01",
        "1 mars 0026", name="mistyped"),
    empty("DateChamp", {"date": None}),
    row(
        "DatetimeChamp",
        {"stringValue": "18 décembre 2026 14:30", "datetime": "2026-12-18T14:30:00+01:00"},
        "2026-12-18T13:30:00Z",
        "18 décembre 2026 14:30",
    ),
    row("DatetimeChamp", {"stringValue": "1 mars 0026 08:00",
        "datetime": "0026-03-01T08:00:00+00:09"}, "0026-03-01T07:51:00Z", "1 mars 0026 08:00",
        name="mistyped"),
    empty("DatetimeChamp", {"datetime": None}),
    row("IntegerNumberChamp", {"stringValue": "850", "value": "850"}, 850, "850"),
    row("IntegerNumberChamp", {"stringValue": "-0", "value": "0"}, 0, "-0", name="zero"),
    row(
        "IntegerNumberChamp",
        {"stringValue": "9007199254740993", "value": "9007199254740993"},
        9007199254740993,
        "9007199254740993",
        name="large",
    ),
    empty("IntegerNumberChamp", {"value": None}),
    row("DecimalNumberChamp", {"stringValue": "4300.5", "value": 4300.5}, 4300.5, "4300.5"),
    row("DecimalNumberChamp", {"stringValue": "4300", "value": 4300}, 4300, "4300", name="whole"),
    empty("DecimalNumberChamp", {"value": None}),
    row("CiviliteChamp", {"stringValue": "M.", "value": "M"}, "M", "M."),
    empty("CiviliteChamp", {"value": None}),
    row(
        "MultipleDropDownListChamp",
        {"stringValue": "Enfants, Familles, amis", "values": ["Enfants", "Familles, amis"]},
        ["Enfants", "Familles, amis"],
        "Enfants, Familles, amis",
    ),
    empty("MultipleDropDownListChamp", {"values": []}),
    row(
        "LinkedDropDownListChamp",
        {"stringValue": "Théâtre / Salle", "primaryValue": "Théâtre", "secondaryValue": "Salle"},
        ["Théâtre", "Salle"],
        "Théâtre / Salle",
    ),
    row(
        "LinkedDropDownListChamp",
        {"stringValue": "Théâtre", "primaryValue": "Théâtre", "secondaryValue": None},
        ["Théâtre", None],
        "Théâtre",
        name="half",
    ),
    empty("LinkedDropDownListChamp", {"primaryValue": None, "secondaryValue": None}),
    row("AddressChamp", {"stringValue": PLACE["label"], "address": PLACE}, ADDRESS,
        PLACE["label"]),
    row("AddressChamp", {"stringValue": "Le bourg", "address": None}, None, "Le bourg",
        name="incomplete"),
    empty("AddressChamp", {"address": None}),
    row(
        "CommuneChamp",
        {
            "stringValue": "Dreux (28100)",
            "commune": {"code": "28134", "name": "Dreux", "postalCode": "28100"},
            "departement": EURE,
        },
        {"code": "28134", "name": "Dreux", "postal_code": "28100", "department_code": "28"},
        "Dreux (28100)",
    ),
    row(
        "CommuneChamp",
        {"stringValue": "Dreux", "commune": {"code": "28134", "name": "Dreux", "postalCode": None},
         "departement": None},
        {"code": "28134", "name": "Dreux", "postal_code": None, "department_code": None},
        "Dreux",
        name="alone",
    ),
    empty("CommuneChamp", {"commune": None, "departement": None}),
    row("DepartementChamp", {"stringValue": "28 - Eure-et-Loir", "departement": EURE}, EURE,
        "28 - Eure-et-Loir"),
    empty("DepartementChamp", {"departement": None}),
    row("RegionChamp", {"stringValue": "Centre", "region": CENTRE}, CENTRE, "Centre"),
    empty("RegionChamp", {"region": None}),
    row("PaysChamp", {"stringValue": "Belgique", "pays": {"code": "BE", "name": "Belgique"}},
        {"code": "BE", "name": "Belgique"}, "Belgique"),
    empty("PaysChamp", {"pays": None}),
    row("EpciChamp", {"stringValue": "CA de Dreux", "epci": {"code": "200040277",
        "name": "CA de Dreux"}}, {"code": "200040277", "name": "CA de Dreux"}, "CA de Dreux"),
    empty("EpciChamp", {"epci": None}),
    row("SiretChamp", {"stringValue": COMPANY["siret"], "etablissement": COMPANY},
        "44011762001530", "LES CORDES VOCALES (44011762001530)"),
    row("SiretChamp", {"stringValue": "440 117 620 01530", "etablissement": COMPANY},
        "44011762001530", "LES CORDES VOCALES (44011762001530)", name="spaced"),
    row("SiretChamp", {"stringValue": COMPANY["siret"], "etablissement": None},
        "44011762001530", "44011762001530", name="degraded"),
    row("SiretChamp", {"stringValue": COMPANY["siret"],
        "etablissement": COMPANY | {"entreprise": None}}, "44011762001530", "44011762001530",
        name="nameless"),
    empty("SiretChamp", {"etablissement": None}),
    row("RNAChamp", {"stringValue": "W281000123", "rna": {"id": "W281000123", "title": "CHŒUR"}},
        "W281000123", "CHŒUR (W281000123)"),
    row("RNAChamp", {"stringValue": "W281000123", "rna": {"id": "W281000123", "title": None}},
        "W281000123", "W281000123", name="nameless"),
    row("RNAChamp", {"stringValue": "w281000123", "rna": {"id": "W281000123", "title": "CHŒUR"}},
        "W281000123", "CHŒUR (W281000123)", name="typed"),
    row("RNAChamp", {"stringValue": "W281000123", "rna": None}, "W281000123", "W281000123",
        name="degraded"),
    empty("RNAChamp", {"rna": None}),
    row("RNFChamp", {"stringValue": "075-FDD-00003-01",
        "rnf": {"id": "075-FDD-00003-01", "title": "FONDATION"}}, "075-FDD-00003-01",
        "FONDATION (075-FDD-00003-01)"),
    row("RNFChamp", {"stringValue": "075-fdd-00003-01",
        "rnf": {"id": "075-FDD-00003-01", "title": None}}, "075-FDD-00003-01",
        "075-FDD-00003-01", name="nameless"),
    row("RNFChamp", {"stringValue": "075-FDD-00003-01", "rnf": None}, "075-FDD-00003-01",
        "075-FDD-00003-01", name="degraded"),
    empty("RNFChamp", {"rnf": None}),
    row("EngagementJuridiqueChamp", {"stringValue": "2103456789"}, "2103456789", "2103456789"),
    empty("EngagementJuridiqueChamp", {}),
    row("DossierLinkChamp", {"stringValue": "12346"}, 12346, "12346"),
    row("DossierLinkChamp", {"stringValue": str(MAX_NUMBER)}, MAX_NUMBER, str(MAX_NUMBER),
        name="last"),
    row("DossierLinkChamp", {"stringValue": str(MAX_NUMBER + 1)}, None, str(MAX_NUMBER + 1),
        name="beyond"),
    row("DossierLinkChamp", {"stringValue": "le précédent"}, None, "le précédent", name="words"),
    row("DossierLinkChamp", {"stringValue": "9" * 20}, None, "9" * 20, name="large"),
    row("DossierLinkChamp", {"stringValue": "9" * 5000}, None, "9" * 5000, name="endless"),
    empty("DossierLinkChamp", {}),
    row(
        "CarteChamp",
        {"stringValue": None, "geoAreas": [PLOT, DRAWN]},
        [PARCEL_TOLD, AREA_TOLD],
        "Parcelle 28134 000 AB 12 (1240 m²) ; La scène",
    ),
    row(
        "CarteChamp",
        {"stringValue": None, "geoAreas": [PLOT | {"surface": ""}, DRAWN | {"description": ""}]},
        [PARCEL_TOLD | {"surface": ""}, AREA_TOLD | {"description": ""}],
        "Parcelle 28134 000 AB 12 ; Tracé sans description",
        name="bare",
    ),
    empty("CarteChamp", {"geoAreas": []}),
]  # fmt: skip
# Of another shape than id, label, type, value, text.
FILES, ROWS = {"PieceJustificativeChamp", "TitreIdentiteChamp"}, {"RepetitionChamp"}


def node(kind, given, id=ID):
    head = {"__typename": kind, "id": id, "champDescriptorId": id, "label": "Question"}
    return head | given


def content_of(nodes, schema, **fields):
    """What is read of a dossier with these champs, through our document."""
    selection = Selection(
        champs=tuple(n["champDescriptorId"] for n in nodes), **fields.pop("s", {})
    )
    dossier = whole(dossier_answer(NUMBER, **({"champs": nodes} | fields)))
    result = execute_sync(
        schema,
        parse(get_dossier(selection).text),
        {"dossier": lambda _info, number: dossier},
        variable_values={"number": NUMBER} | variables(selection),
    )
    assert not result.errors
    return parse_dossier(result.data["dossier"], NUMBER, selection).content


def told(kind, given, schema):
    content = content_of([node(kind, given)], schema)
    assert not content.failure
    [champ] = content.champs
    return champ


@pytest.fixture(
    params=[
        pytest.param(None, id="sandbox"),
        pytest.param(published.SCHEMA, id="published", marks=published.needs_schema),
        pytest.param(published.NEWER, id="newer", marks=published.needs_schema),
    ]
)
def schema(request):
    return sandbox_schema() if request.param is None else published.schema(request.param)


@pytest.mark.parametrize(("kind", "given", "value", "text"), TABLE)
def test_type(schema, kind, given, value, text):
    champ = told(kind, given, schema)
    assert champ == {"id": ID, "label": "Question", "type": kind, "value": value, "text": text}
    assert type(champ["value"]) is type(value) or kind == "DecimalNumberChamp"


def test_files(schema):
    files = [FILE, FILE | {"filename": "plan.pdf", "virusScanResult": "pending"}]
    content = content_of(
        [node("PieceJustificativeChamp", {"stringValue": None, "files": files})], schema
    )
    head = {"id": ID, "label": "Question", "type": "PieceJustificativeChamp", "text": ""}
    assert content.champs == [head | {"champ": ID}]
    assert [placed.file.filename for placed in content.files] == [FILE["filename"], "plan.pdf"]
    assert {placed.champ for placed in content.files} == {ID}
    champ = told("PieceJustificativeChamp", {"stringValue": "", "files": []}, schema)
    assert champ == head | {"champ": ID}


@pytest.mark.parametrize(("filled", "text"), [(True, "Fourni"), (False, "")])
def test_identity_papers(schema, filled, text):
    champ = told("TitreIdentiteChamp", {"stringValue": None, "filled": filled}, schema)
    assert champ == {
        "id": ID,
        "label": "Question",
        "type": "TitreIdentiteChamp",
        "champ": ID,
        "text": text,
    }


def test_a_repetition(schema):
    """Each of its rows is a list, in the form's order; what is hidden in one is not there."""
    inner = [champ_id(2, "ROW0"), champ_id(3, "ROW0"), champ_id(2, "ROW1")]
    rows = [
        {
            "champs": [
                node("HeaderSectionChamp", {"stringValue": ""}),
                node("TextChamp", {"stringValue": "Ville"}, inner[0]),
                node("PieceJustificativeChamp", {"stringValue": None, "files": [FILE]}, inner[1]),
            ]
        },
        {"champs": [node("TextChamp", {"stringValue": ""}, inner[2])]},
    ]
    content = content_of([node("RepetitionChamp", {"stringValue": "", "rows": rows})], schema)
    [champ] = content.champs
    assert champ.keys() == {"id", "label", "type", "text", "rows"}
    assert [[c["id"] for c in row] for row in champ["rows"]] == [inner[:2], inner[2:]]
    assert [row[0]["value"] for row in champ["rows"]] == ["Ville", None]
    assert [placed.champ for placed in content.files] == [inner[1]]
    assert told("RepetitionChamp", {"stringValue": "", "rows": []}, schema)["rows"] == []


@pytest.mark.parametrize("kind", sorted(WITHOUT_ANSWER))
def test_what_has_no_answer(schema, kind):
    given = {"stringValue": "", "level": 1}
    assert content_of([node(kind, given)], schema).champs == []


def test_a_type_that_we_do_not_know():
    """Its document of tomorrow gives the fields of the interface."""
    data = dossier_answer(NUMBER, c0=[node("HologramChamp", {"stringValue": "Bleu"})], messages=[])
    content = parse_dossier(data, NUMBER, Selection(champs=(ID,))).content
    assert content.champs == [
        {"id": ID, "label": "Question", "type": "HologramChamp", "value": "Bleu", "text": "Bleu"}
    ]


def test_a_type_that_changed_with_a_revision(schema):
    """The same descriptor: a castable answer follows, in the new type; else it reads as empty."""
    before = told("IntegerNumberChamp", {"stringValue": "12", "value": "12"}, schema)
    after = told("TextChamp", {"stringValue": "12"}, schema)
    assert (before["id"], before["value"]) == (after["id"], 12)
    assert (after["type"], after["value"]) == ("TextChamp", "12")


@pytest.mark.parametrize(("given", "value"), [("12", 12), (12, 12), (None, None)])
def test_a_big_integer_comes_as_text_or_as_a_number(given, value):
    champ = node("IntegerNumberChamp", {"stringValue": "12", "integer": given})
    data = dossier_answer(NUMBER, c0=[champ], messages=[])
    [told] = parse_dossier(data, NUMBER, Selection(champs=(ID,))).content.champs
    assert told["value"] == value


def test_of_a_form_that_is_read_whole_what_is_chosen_is_kept():
    """It brings questions that were added since, and of former revisions."""
    ids = [champ_id(rank) for rank in range(1, 30)]
    nodes = [node("TextChamp", {"stringValue": "oui"}, id) for id in ids]
    nodes = [given | {"champDescriptorId": given["id"]} for given in nodes]
    chosen = Selection(champs=tuple(ids[:-1]), all_champs=True)
    data = dossier_answer(NUMBER, champs=nodes, messages=[])
    content = parse_dossier(data, NUMBER, chosen).content
    assert [champ["id"] for champ in content.champs] == ids[:-1]
    assert content.annotations is None


def test_a_hidden_champ_is_not_there(schema):
    shown = node("TextChamp", {"stringValue": "oui"})
    selection = {"s": {}}
    content = content_of([shown], schema, **selection)
    assert [champ["id"] for champ in content.champs] == [ID]
    data = dossier_answer(NUMBER, c0=[shown], c1=[], messages=[])
    content = parse_dossier(data, NUMBER, Selection(champs=(ID, champ_id(2)))).content
    assert [champ["id"] for champ in content.champs] == [ID]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("CarteChamp", {"geoAreas": [DRAWN | {"geometry": POINT | {"coordinates": ["Infinity"]}}]}),
        ("CarteChamp", {"geoAreas": [DRAWN | {"geometry": POINT | {"coordinates": None}}]}),
        ("DecimalNumberChamp", {"decimal": float("inf")}),
        ("DateChamp", {"date": "14/07/2026"}),
        ("DatetimeChamp", {"datetime": "2026-07-14T10:00:00"}),
        ("DatetimeChamp", {"datetime": "9999-12-31T23:59:59-10:00"}),
        ("IntegerNumberChamp", {"integer": "douze"}),
        ("IntegerNumberChamp", {"integer": True}),
        ("YesNoChamp", {"answer": "true"}),
        ("SiretChamp", {}),
    ],
)
def test_what_is_not_of_its_type_costs_the_content(kind, given):
    data = dossier_answer(NUMBER, c0=[node(kind, {"stringValue": "?"} | given)], messages=[])
    content = parse_dossier(data, NUMBER, Selection(champs=(ID,))).content
    assert (content.failure, content.champs) == ("unexpected", None)


@pytest.mark.parametrize("nodes", [[None], ["TextChamp"], [[]], [{}], None, "TextChamp"])
def test_what_is_no_champ_costs_the_content(nodes):
    data = dossier_answer(NUMBER, c0=nodes, messages=[])
    content = parse_dossier(data, NUMBER, Selection(champs=(ID,))).content
    assert (content.failure, content.champs) == ("unexpected", None)


def test_rows_without_a_bottom():
    def repetition(champs):
        return node("RepetitionChamp", {"stringValue": "", "rows": [{"champs": champs}]})

    nodes = []
    for _ in range(400):
        nodes = [repetition(nodes)]
    dossier = dossier_answer(NUMBER) | {"c0": nodes}
    content = parse_dossier(dossier, NUMBER, Selection(champs=(ID,))).content
    assert (content.failure, content.champs) == ("unexpected", None)


def test_a_map_without_a_bottom(no_collection):
    """As the parser of JSON lets it through, and no further."""
    deep: list = []
    for _ in range(900):
        deep = [deep]
    area = DRAWN | {"geometry": POINT | {"coordinates": deep}}
    data = dossier_answer(
        NUMBER, c0=[node("CarteChamp", {"stringValue": None, "geoAreas": [area]})], messages=[]
    )
    content = parse_dossier(data, NUMBER, Selection(champs=(ID,))).content
    assert content.failure == "unexpected"


NOBODY = dict.fromkeys(("civilite", "nom", "prenom", "siret", "raison_sociale", "mandataire"))
PERSON = {"__typename": "PersonnePhysique", "civilite": "Mme", "nom": "Exemple", "prenom": "Sam"}
FIRM = {"__typename": "PersonneMorale", "association": None} | COMPANY


@pytest.mark.parametrize(
    ("demandeur", "expected"),
    [
        (PERSON, {"civilite": "Mme", "nom": "Exemple", "prenom": "Sam"}),
        (PERSON | {"civilite": None}, {"nom": "Exemple", "prenom": "Sam"}),
        (FIRM, {"siret": COMPANY["siret"], "raison_sociale": "LES CORDES VOCALES"}),
        (
            FIRM | {"entreprise": None, "association": {"titre": "Les Cordes vocales"}},
            {"siret": COMPANY["siret"], "raison_sociale": "Les Cordes vocales"},
        ),
        (FIRM | {"entreprise": None}, {"siret": COMPANY["siret"]}),
        (
            {"__typename": "PersonneMoraleIncomplete", "siret": COMPANY["siret"]},
            {"siret": COMPANY["siret"]},
        ),
    ],
)
def test_demandeur(schema, demandeur, expected):
    content = content_of([], schema, demandeur=demandeur, s={"demandeur": True})
    assert content.demandeur == {"type": demandeur["__typename"]} | NOBODY | expected


def test_a_kind_of_demandeur_that_we_do_not_know():
    """Announced on the platform: of it, the kind alone."""
    people = {
        "demandeur": {"__typename": "AnonymousType"},
        "deposeParUnTiers": None,
        "prenomMandataire": None,
        "nomMandataire": None,
    }
    data = dossier_answer(NUMBER, messages=[], **people)
    content = parse_dossier(data, NUMBER, Selection(demandeur=True)).content
    assert content.demandeur == {"type": "AnonymousType"} | NOBODY


@pytest.mark.parametrize(
    ("by_another", "mandataire"), [(True, {"prenom": "Ali", "nom": "Tiers"}), (False, None)]
)
def test_a_dossier_filed_for_another(schema, by_another, mandataire):
    filer = {"deposeParUnTiers": by_another, "prenomMandataire": "Ali", "nomMandataire": "Tiers"}
    content = content_of([], schema, demandeur=PERSON, s={"demandeur": True}, **filer)
    assert content.demandeur["mandataire"] == mandataire
    assert content.demandeur["prenom"] == "Sam"


@pytest.mark.parametrize(("given", "told"), [("Complet.", "Complet."), ("", None), (None, None)])
def test_a_motivation(schema, given, told):
    content = content_of([], schema, motivation=given, s={"instruction": True})
    assert content.instruction["motivation"] == told


def test_what_is_chosen_no_more_is_left_out(schema):
    files = [node("PieceJustificativeChamp", {"stringValue": None, "files": [FILE]})]
    everything = {"demandeur": True, "instruction": True}
    given = content_of(
        files, schema, demandeur=PERSON, motivationAttachment=FILE | {"url": "…"}, s=everything
    )
    people = given.within(Selection(demandeur=True))
    assert people.demandeur == given.demandeur is not None
    assert (people.instruction, people.champs, people.files) == (None, None, [])
    history = given.within(Selection(instruction=True))
    assert history.instruction == given.instruction is not None
    assert (history.demandeur, history.champs) == (None, None)
    assert [placed.place for placed in history.files] == ["motivation"]
    form = given.within(Selection(champs=(ID,)))
    assert (form.champs, form.demandeur, form.instruction) == (given.champs, None, None)
    assert [placed.place for placed in form.files] == ["champ"]
    assert given.within(given.selection) == given


def in_the_table() -> set[str]:
    return {param.values[0] for param in TABLE} | FILES | ROWS | WITHOUT_ANSWER


def test_every_type_that_we_know_has_a_row():
    assert set(KINDS) <= in_the_table()


@published.needs_schema
@pytest.mark.parametrize("path", [published.SCHEMA, published.NEWER], ids=lambda path: path.stem)
def test_every_type_of_the_platform_has_a_row(path):
    schema = published.schema(path)
    kinds = schema.get_possible_types(schema.get_type("Champ"))
    assert {kind.name for kind in kinds if isinstance(kind, GraphQLObjectType)} == in_the_table()
    # What is filled and what is empty, both, of those that have a value.
    for kind in in_the_table() - FILES - ROWS - WITHOUT_ANSWER:
        ids = {param.id for param in TABLE if param.values[0] == kind}
        assert {f"{kind}-filled", f"{kind}-empty"} <= ids


@published.needs_schema
@pytest.mark.parametrize("path", [published.SCHEMA, published.NEWER], ids=lambda path: path.stem)
def test_every_kind_of_demandeur_is_asked_for(path):
    schema = published.schema(path)
    kinds = {kind.name for kind in schema.get_possible_types(schema.get_type("Demandeur"))}
    text = get_dossier(Selection(demandeur=True)).text
    assert [kind for kind in kinds if f"... on {kind} {{" not in text] == []
