"""The schema of the REST API, its copy, its page, and whether answers keep to it."""

import re
from pathlib import Path

import pytest
import schemathesis
import yaml
from django.core.wsgi import get_wsgi_application
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.checks import negative_data_rejection

from dsintegration.api.errors import SENTENCES
from dsintegration.api.openapi import DOSSIER_EXAMPLE, _document, document
from dsintegration.models import Dossier, PurgedDossier
from dsintegration.representation import dossier_as_json
from dsintegration.services import fetch_dossier
from tests.content import keep_all
from tests.factories import DossierFactory, MessageFactory

PROJECT = Path(__file__).resolve().parents[2]
COPY = PROJECT / "docs" / "openapi.yaml"


def test_the_generator_has_nothing_to_say(capsys):
    GENERATOR_STATS.reset()
    _document.cache_clear()
    validate_schema(document())
    assert not GENERATOR_STATS
    assert capsys.readouterr().err == ""


def test_the_copy_is_the_schema(client):
    """`make schema` writes it."""
    served = client.get("/api/v1/schema/")
    assert served["Content-Type"] == "application/json"
    assert yaml.safe_load(COPY.read_text(encoding="utf-8")) == served.json()


def test_every_operation_declares_what_it_may_answer():
    common = {"200", "400", "401", "406", "429", "500", "503"}
    declared = {
        operation["operationId"]: set(operation["responses"])
        for operations in document()["paths"].values()
        for operation in operations.values()
    }
    assert declared == {
        "list_dossiers": common | {"403", "409"},
        "list_purged": common | {"409"},
        "read_dossier": common | {"304", "404"},
        "read_file": common - {"406"} | {"304", "404", "502", "503"},
        "fetch_dossier": common | {"201", "403", "404", "415", "502", "503"},
    }


def test_every_answer_has_an_example():
    for operations in document()["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status != "304" and "application/octet-stream" not in answer["content"]:
                    assert answer["content"]["application/json"]["examples"]


@pytest.fixture
def whole(db, sandbox):
    """A dossier of which all is kept."""
    keep_all(901)
    fetch_dossier(12345)
    return Dossier.objects.get()


def test_the_example_is_a_dossier(whole):
    dossier = dossier_as_json(whole)
    assert sorted(DOSSIER_EXAMPLE) == sorted(dossier)
    for name in ("messages", "champs", "annotations", "traitements"):
        assert sorted(DOSSIER_EXAMPLE[name][0]) == sorted(dossier[name][0])
    assert sorted(DOSSIER_EXAMPLE["demandeur"]) == sorted(dossier["demandeur"])


def test_the_schema_has_the_fields_that_answers_have(api, whole):
    """In their order, too: the serializers name them, representation.py makes them."""
    PurgedDossier.objects.create(
        number=9, demarche_number=1, version=3, purged_at="2026-01-01T00:00:00Z"
    )
    client = api(can_read_personal_data=True, can_read_content=True)
    dossier = client.get("/api/v1/dossiers/12345/").json()
    champs = {champ["type"]: champ for champ in dossier["champs"]}
    answers = {
        "Demandeur": dossier["demandeur"],
        "Dossier": dossier,
        "Demarche": dossier["demarche"],
        "Message": dossier["messages"][0],
        "DossierItem": client.get("/api/v1/dossiers/").json()["results"][0],
        "PurgedDossier": client.get("/api/v1/purged/").json()["results"][0],
    }
    schemas = document()["components"]["schemas"]
    for name, answer in answers.items():
        assert list(schemas[name]["properties"]) == list(answer)
    stored = {
        "Mandataire": dossier["demandeur"]["mandataire"],
        "GroupeInstructeur": dossier["groupe_instructeur"],
        "Label": dossier["labels"][0],
        "Traitement": dossier["traitements"][0],
        "Adresse": champs["AddressChamp"]["value"],
        "Commune": champs["CommuneChamp"]["value"],
        "CodeEtNom": champs["RegionChamp"]["value"],
        "Zone": champs["CarteChamp"]["value"][0],
    }
    for name, answer in stored.items():  # jsonb has an order of its own
        assert schemas[name]["properties"].keys() == answer.keys()
    head = {"id", "label", "type", "text"}
    for champ in champs.values():
        assert champ.keys() - head in ({"value"}, {"files"}, {"rows"})


def test_answers_are_of_the_schema(whole):
    """Each champ of the sandbox, which has one of each type."""
    components = _without_nullable(document()["components"])
    schema = {"$ref": "#/components/schemas/Dossier", "components": components}
    validator = Draft202012Validator(schema)
    assert [error.json_path for error in validator.iter_errors(dossier_as_json(whole))] == []
    broken = dossier_as_json(whole)
    broken["champs"][0]["value"] = {"code": 12}
    assert not validator.is_valid(broken)


def _without_nullable(shape):
    """OpenAPI 3.0 as JSON Schema."""
    if isinstance(shape, list):
        return [_without_nullable(one) for one in shape]
    if not isinstance(shape, dict):
        return shape
    made = {name: _without_nullable(one) for name, one in shape.items() if name != "nullable"}
    return {"anyOf": [made, {"type": "null"}]} if shape.get("nullable") is True else made


def test_every_code_is_documented():
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    described = yaml.safe_dump(document())
    for code in SENTENCES:
        assert f"`{code}`" in page
        if code not in {"not_found", "method_not_allowed"}:  # of no operation in particular
            assert f"code: {code}" in described


class TestPage:
    def test_stands_under_the_strict_csp(self, client):
        response = client.get("/api/v1/docs/")
        assert response.status_code == 200
        assert "default-src 'self'" in response["Content-Security-Policy"]
        assert "unsafe" not in response["Content-Security-Policy"]
        page = response.content.decode()
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page)
        addresses = re.findall(r'(?:src|href)="([^"#]+)"', page)
        assert addresses == [
            "/static/dsintegration/icon.svg",
            "/static/dsintegration/api-docs.css",
            "/api/v1/schema/",
        ]

    def test_what_scrolls_takes_the_focus(self, client):
        page = client.get("/api/v1/docs/").content.decode()
        scrolling = re.findall(r"<(?:table|pre)\b[^>]*>", page)
        assert scrolling
        assert all('tabindex="0"' in tag for tag in scrolling)

    def test_tells_all(self, client):
        page = client.get("/api/v1/docs/").content.decode()
        assert '<html lang="fr">' in page
        assert page.count("<h1") == 1
        for path, operations in document()["paths"].items():
            for method, operation in operations.items():
                assert f"<code>{method.upper()} {path}</code>" in page
                assert f'id="{operation["operationId"]}"' in page
                for parameter in operation.get("parameters", []):
                    assert f"<code>{parameter['name']}</code>" in page
        for word in [*SENTENCES, *DOSSIER_EXAMPLE, "WWW-Authenticate", "Retry-After"]:
            assert f"<code>{word}</code>" in page

    def test_its_style_is_served(self, client):
        response = client.get("/static/dsintegration/api-docs.css")
        assert response.status_code == 200
        assert response.getvalue()

    def test_nothing_but_reading(self, client):
        assert client.post("/api/v1/docs/").status_code == 405
        assert client.head("/api/v1/docs/").status_code == 200

    def test_needs_no_key_and_no_database(self, client):
        """No database mark here: a query would fail the test."""
        assert client.get("/api/v1/docs/").status_code == 200
        assert client.get("/api/v1/schema/").status_code == 200


schema = schemathesis.openapi.from_path(COPY)
schema.app = get_wsgi_application()


@pytest.fixture
def every_right(make_key, sandbox, settings):
    """The headers of a key that may do everything, with rows of all kinds to be found."""
    settings.ALLOWED_HOSTS = ["localhost"]
    settings.DS_API_READS_PER_MINUTE = settings.DS_API_FETCHES_PER_MINUTE = 100_000
    MessageFactory(dossier=DossierFactory(number=12345, state="en_pause"))
    dossier = DossierFactory(number=1, last_message_author="usager", messages_count=2, version=2)
    PurgedDossier.objects.create(
        number=9, demarche_number=1, version=3, purged_at=dossier.fetched_at
    )
    key = make_key(can_fetch=True, can_read_personal_data=True, can_read_content=True)
    return {"Authorization": f"Api-Key {key}", "Accept-Encoding": "identity"}


@pytest.mark.django_db(transaction=True)
@schema.parametrize()
@hypothesis_settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
    ],
)
def test_nothing_undocumented(case, every_right):
    """Neither an undeclared status, nor a body of another shape, nor a failure of ours."""
    # Its check of refusals is left out: the generator takes for wrong what is not sent so (a header
    # that we add again, an empty list that becomes nothing, an état of any text). Malformed values
    # are in test_lists.py, by name, and in test_bad_input.py. OpenAPI 3.0 cannot say how the name
    # of a parameter begins (`champ.<id>`): test_content.py has these.
    named = {parameter["name"] for parameter in case.operation.definition.raw["parameters"]}
    case.query = {name: value for name, value in (case.query or {}).items() if name in named}
    case.call_and_validate(headers=every_right, excluded_checks=[negative_data_rejection])
