"""Our documents, our sandbox and our client against what the platform publishes."""

import json

import pytest
from gql import GraphQLRequest
from graphql import GraphQLNamedType, build_schema, is_enum_type, is_object_type, validate

from dsintegration import exceptions
from dsintegration.models import Dossier
from dsintegration.payloads.selection import Selection
from dsintegration.platform import documents
from dsintegration.platform.documents import GET_DOSSIER, Document
from dsintegration.sandbox import Reply
from dsintegration.sandbox import schema as sandbox_schema
from dsintegration.services import fetch_dossier
from tests.published import NEWER, SAMPLES, SCHEMA, needs_schema, samples, schema

DOCUMENTS = {name: value for name, value in vars(documents).items() if isinstance(value, Document)}
FEW = Selection(("a", "b"), ("c",), demandeur=True, instruction=True)
MANY = Selection(tuple(map(str, range(30))), (), all_champs=True)
for which, chosen in (("few", FEW), ("many", MANY)):
    DOCUMENTS |= {
        f"one with {which} champs": documents.get_dossier(chosen),
        f"fifty with {which} champs": documents.get_dossiers(50, chosen),
        f"list with {which} champs": documents.get_moved_whole(chosen),
    }


@needs_schema
@pytest.mark.parametrize("published", [SCHEMA, NEWER], ids=lambda path: path.stem)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_fit_the_published_schemas(name, published):
    assert validate(schema(published), DOCUMENTS[name].document) == []


@needs_schema
def test_a_document_that_does_not_fit_would_be_seen():
    assert validate(schema(), GraphQLRequest("{ dossier(number: 1) { nom } }").document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_fit_the_sandbox(name):
    assert validate(sandbox_schema(), DOCUMENTS[name].document) == []


def differences(ours: GraphQLNamedType) -> list[str]:
    """Where a type of the sandbox is not as published."""
    theirs = schema().type_map.get(ours.name)
    if type(theirs) is not type(ours):
        return [ours.name]
    if is_enum_type(ours):
        return [f"{ours.name}.{value}" for value in ours.values.keys() ^ theirs.values.keys()]
    if not is_object_type(ours):
        return []
    return [
        f"{ours.name}.{name}"
        for name, field in ours.fields.items()
        if name not in theirs.fields
        or str(field.type) != str(theirs.fields[name].type)
        or any(
            argument not in theirs.fields[name].args
            or str(value.type) != str(theirs.fields[name].args[argument].type)
            for argument, value in field.args.items()
        )
    ]


@needs_schema
def test_the_sandbox_speaks_as_published():
    ours = [type_ for name, type_ in sandbox_schema().type_map.items() if name[:2] != "__"]
    assert [difference for type_ in ours for difference in differences(type_)] == []


@needs_schema
@pytest.mark.parametrize(
    ("sdl", "difference"),
    [
        ("type Query { dossier(number: Int): Int }", ["Query.dossier"]),
        ("type Query { nowhere: Int }", ["Query.nowhere"]),
        ("type Inconnu { id: ID! }", ["Inconnu"]),
        ("type DossierState { id: ID! }", ["DossierState"]),
    ],
)
def test_a_difference_would_be_seen(sdl, difference):
    name = sdl.split()[1]
    assert differences(build_schema(sdl).type_map[name]) == difference


@needs_schema
def test_etats_are_those_of_the_platform():
    assert set(Dossier.State.values) == schema().type_map["DossierState"].values.keys()


def completed(text: str) -> str:
    """A sample that answers another query, with neutral values for what ours asks beyond it."""
    body = json.loads(text)
    dossier = body["data"]["dossier"]
    dossier["demarche"].setdefault("number", 1)
    dossier["usager"].setdefault("id", "VXNlci01")
    dossier.setdefault("dateDerniereCorrectionEnAttente", None)
    for message in dossier["messages"]:
        message.setdefault("discardedAt", None)
        message.setdefault("attachments", [])
    return json.dumps(body)


@pytest.mark.django_db
@pytest.mark.parametrize("sample", samples())
def test_each_sample_ends_as_expected(sandbox, sample):
    number = sample["variables"]["dossierNumber"]
    text = (SAMPLES / sample["file"]).read_text(encoding="utf-8")
    headers = dict(sample["headers"])
    expected = sample["expect"]
    sandbox.replies[number] = Reply(
        sample["http_status"],
        completed(text) if expected == "stored" else text,
        headers.pop("Content-Type", "text/plain"),
        headers,
    )

    if expected != "stored":
        with pytest.raises(getattr(exceptions, expected)) as caught:
            fetch_dossier(number)
        assert type(caught.value).__name__ == expected
        assert not Dossier.objects.exists()
        return

    given = json.loads(text)["data"]["dossier"]
    dossier = fetch_dossier(number).dossier
    assert (dossier.number, dossier.state) == (number, given["state"])
    assert [(message.ds_id, message.email, message.body) for message in dossier.messages.all()] == [
        (message["id"], message["email"], message["body"]) for message in given["messages"]
    ]
    assert not fetch_dossier(number).changed


def test_gql_still_sends_what_we_wrote():
    """`Document` stands on `GraphQLRequest.payload`."""
    document = GET_DOSSIER.with_variables(number=1)
    assert document.payload == {"query": GET_DOSSIER.text, "variables": {"number": 1}}
    assert GET_DOSSIER.payload["variables"] == {}
