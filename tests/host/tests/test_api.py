"""The REST API keeps its own rules beside those of the project's own."""

import pytest
from django.urls import reverse

from dsintegration.models import Dossier, JournalEntry

pytestmark = pytest.mark.django_db(transaction=True)
LIST = reverse("dsintegration_api:dossiers")


def address(name, number=12345):
    return reverse(f"dsintegration_api:{name}", args=[number])


def test_fetch_then_read(api, ds_sandbox):
    ds_sandbox.add_dossier(12345, messages=["Café"])
    ds_sandbox.add_dossier(12346)
    response = api.post(address("fetch"))
    assert response.status_code == 201
    assert "Café".encode() in response.content  # neither escaped nor blown up, as documented
    assert b'": ' not in response.content
    assert api.post(address("fetch")).status_code == 200  # the project's own limit is one a day
    assert api.post(address("fetch", 12346)).status_code == 201
    read = api.get(address("dossier"))
    assert read.json()["number"] == 12345
    assert api.get(address("dossier"), headers={"If-None-Match": read["ETag"]}).status_code == 304
    rows = api.get(LIST).json()
    assert [row["number"] for row in rows["results"]] == [12346, 12345]
    assert rows["next"] is None


def test_a_failure_has_our_form_and_leaves_its_trace(api, ds_sandbox):
    ds_sandbox.fail(12345, "maintenance")
    response = api.post(address("fetch"))
    assert response.status_code == 503
    assert response.json()["code"] == "upstream_unavailable"
    assert response["Retry-After"]
    missing = api.get(address("dossier"))
    assert (missing.status_code, missing.json()["code"]) == (404, "dossier_not_found")
    outcomes = list(JournalEntry.objects.values_list("outcome", flat=True).order_by("pk"))
    assert outcomes == ["upstream_unavailable maintenance", "not_found"]
    assert not Dossier.objects.exists()


def test_a_format_is_an_unknown_parameter(api):
    for word in ("json", "api", "nothing"):
        assert api.get(f"{LIST}?format={word}").status_code == 400


def test_no_key(client):
    response = client.get(LIST)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Api-Key"


def test_the_schema_is_ours_alone(client):
    schema = client.get(reverse("dsintegration_api:schema")).json()
    assert schema["info"]["title"] == "Dossiers de Démarche numérique"
    assert set(schema["paths"]) == {
        "/si/dossiers/api/v1/dossiers/",
        "/si/dossiers/api/v1/dossiers/{number}/",
        "/si/dossiers/api/v1/dossiers/{number}/fetch/",
        "/si/dossiers/api/v1/dossiers/{number}/files/{file}/",
        "/si/dossiers/api/v1/purged/",
    }
    assert "salaires" not in str(schema)


def test_the_docs(client):
    page = client.get(reverse("dsintegration_api:docs")).content.decode()
    assert "/si/dossiers/api/v1/dossiers/{number}/fetch/" in page
    assert "salaires" not in page


def test_the_project_s_own_api_is_as_it_was(client):
    response = client.get(reverse("salaries"))
    assert response.status_code in {401, 403}
    assert list(response.json()) == ["si_error"]


def test_an_address_that_does_not_exist(api):
    response = api.get(f"{LIST}nothing/")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
