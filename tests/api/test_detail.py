"""One dossier through the REST API, and how the API speaks HTTP."""

import gzip
import json
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.test import Client

from dsintegration.models import Dossier, Message
from dsintegration.representation import dossier_as_json
from tests.factories import DossierFactory, MessageFactory

pytestmark = pytest.mark.django_db

DETAIL = "/api/v1/dossiers/12345/"


@pytest.fixture
def dossier(db):
    return DossierFactory(
        number=12345, version=7, usager_email="camille@example.org", state="en_pause"
    )


@pytest.fixture
def messages(dossier):
    def at(hour):
        return datetime(2026, 3, 2, hour, tzinfo=UTC)

    return [
        MessageFactory(dossier=dossier, body="Le premier", created_at=at(9)),
        MessageFactory(dossier=dossier, email="camille@example.org", created_at=at(10)),
        MessageFactory(dossier=dossier, body="", discarded_at=at(12), created_at=at(11)),
    ]


class TestDossier:
    def test_is_what_the_command_prints(self, api, dossier, messages):
        response = api(can_read_personal_data=True).get(DETAIL)
        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"
        body = response.json()
        assert list(body) == list(dossier_as_json(dossier))
        assert body == dossier_as_json(Dossier.objects.get())
        assert [message["author"] for message in body["messages"]] == ["autre", "usager", "autre"]
        assert (body["state"], body["state_label"]) == ("en_pause", "en_pause")

    def test_without_the_right_to_personal_data(self, api, dossier, messages):
        response = api().get(DETAIL)
        whole = dossier_as_json(dossier)
        assert whole.keys() - response.json().keys() == {"usager_email", "messages"}
        for private in (b"camille", b"Le premier", b"agent@example.org"):
            assert private not in response.content

    @pytest.mark.parametrize("personal", [True, False])
    def test_statements(self, api, dossier, messages, django_assert_num_queries, personal):
        client = api(can_read_personal_data=personal)
        client.get(DETAIL)
        with django_assert_num_queries((4 if personal else 2) + 1):  # the journal
            client.get(DETAIL)

    @pytest.mark.parametrize("personal", [True, False])
    def test_an_answer_is_of_one_version(self, api, dossier, messages, personal):
        """Another request stores a newer answer between the two halves of our reading."""
        written = []

        def store_before_messages_are_read(execute, sql, *rest):
            if sql.startswith("SELECT") and "dsintegration_message" in sql and not written:
                written.append(Message.objects.filter(pk=messages[0].pk).update(body="Le neuf"))
                Dossier.objects.update(version=8, state="accepte")
            return execute(sql, *rest)

        client = api(can_read_personal_data=personal)
        with connection.execute_wrapper(store_before_messages_are_read):
            response = client.get(DETAIL)
        body = response.json()
        if personal:
            assert written
            assert (body["version"], body["state"]) == (8, "accepte")
            assert body["messages"][0]["body"] == "Le neuf"
            assert response["ETag"] == 'W/"8p"'
        else:
            assert not written

    @pytest.mark.parametrize("number", ["0", "1", "2147483648", "9" * 30, "012346"])
    def test_not_here(self, api, dossier, number):
        response = api().get(f"/api/v1/dossiers/{number}/")
        assert (response.status_code, response.json()["code"]) == (404, "dossier_not_found")

    def test_a_parameter_that_it_does_not_have(self, api, dossier):
        response = api().get(DETAIL, {"fields": "number"})
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert "fields" in response.json()["detail"]


class TestETag:
    def test_not_modified(self, api, dossier, messages, django_assert_num_queries):
        client = api(can_read_personal_data=True)
        etag = client.get(DETAIL)["ETag"]
        assert etag.startswith('W/"')
        for known in (etag, etag.removeprefix("W/"), f'"x", {etag}', "*"):
            with django_assert_num_queries(2 + 1):  # the journal
                response = client.get(DETAIL, headers={"If-None-Match": known})
            assert (response.status_code, response.content) == (304, b"")
            assert response["ETag"] == etag
        for other in ('W/"x"', "", "x", f"{etag}x"):
            assert client.get(DETAIL, headers={"If-None-Match": other}).status_code == 200

    def test_changes_with_the_version(self, api, dossier):
        client = api()
        etag = client.get(DETAIL)["ETag"]
        Dossier.objects.update(checked_at=datetime(2027, 1, 1, tzinfo=UTC))
        assert client.get(DETAIL, headers={"If-None-Match": etag}).status_code == 304
        Dossier.objects.update(version=8)
        assert client.get(DETAIL, headers={"If-None-Match": etag}).status_code == 200

    def test_changes_with_the_rights_of_the_key(self, api, dossier):
        etag = api().get(DETAIL)["ETag"]
        client = api(can_read_personal_data=True)
        response = client.get(DETAIL, headers={"If-None-Match": etag})
        assert response.status_code == 200
        assert "messages" in response.json()

    def test_caches_keep_it_to_the_key(self, api, dossier):
        response = api().get(DETAIL)
        assert response["Cache-Control"] == "private, no-cache"
        assert "Authorization" in response["Vary"]


class TestHTTP:
    def test_gzip(self, api, dossier):
        client = api()
        plain = client.get(DETAIL)
        packed = client.get(DETAIL, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.content) == plain.content
        assert packed["ETag"] == plain["ETag"]
        assert "Accept-Encoding" in packed["Vary"]

    def test_pages_with_a_session_are_not_packed(self, admin_client):
        response = admin_client.get("/admin/", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in response

    @pytest.mark.parametrize("path", [DETAIL, "/api/v1/dossiers/", "/api/v1/purged/"])
    def test_head(self, api, dossier, path):
        client = api()
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("Content-Type", "Content-Length", "Cache-Control"):
            assert head[name] == got[name]
        assert head.get("ETag") == got.get("ETag")
        assert client.head("/api/v1/dossiers/1/").status_code == 404

    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            (DETAIL, "GET, HEAD, OPTIONS"),
            ("/api/v1/dossiers/", "GET, HEAD, OPTIONS"),
            ("/api/v1/dossiers/12345/fetch/", "POST, OPTIONS"),
        ],
    )
    def test_options(self, api, path, allowed):
        response = api(can_fetch=True).options(path)
        assert (response.status_code, response.content, response["Allow"]) == (204, b"", allowed)

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_nothing_can_be_written(self, api, dossier, method):
        client = api(can_fetch=True)
        for path in (DETAIL, "/api/v1/dossiers/", "/api/v1/purged/"):
            response = getattr(client, method)(path)
            assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
            assert response["Allow"] == "GET, HEAD, OPTIONS"

    def test_json_only(self, api, dossier):
        client = api()
        for accepted in ("text/html", "application/xml", "text/html;q=1"):
            response = client.get(DETAIL, headers={"Accept": accepted})
            assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
        for accepted in ("*/*", "application/*", "text/html, */*;q=0.1", "application/json"):
            assert client.get(DETAIL, headers={"Accept": accepted}).status_code == 200

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "x/",
            "dossiers/abc/",
            "dossiers/-1/",
            "dossiers/1.5/",
            "dossiers/" + "9" * 5000 + "/",
            "dossiers/1/messages/",
            "dossiers//",
            "purged/1/",
            "dossiers/%FF/",
        ],
    )
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_unknown_addresses(self, client, path, method):
        response = getattr(client, method)(f"/api/v1/{path}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert response.json().keys() == {"detail", "code"}

    @pytest.mark.parametrize("method", ["get", "post", "head", "put"])
    def test_a_slash_that_is_missing(self, client, method):
        """308 keeps the method and the body, which the 301 of APPEND_SLASH would lose."""
        response = getattr(client, method)("/api/v1/dossiers?state=a%20b")
        assert response.status_code == 308
        assert response["Location"] == "/api/v1/dossiers/?state=a%20b"
        assert client.post("/api/v1/dossiers/1/fetch")["Location"] == "/api/v1/dossiers/1/fetch/"

    def test_a_slash_that_is_missing_leads_nowhere_else(self, client):
        for path in ("/api/v1//example.org", "/api/v1/x"):
            assert client.get(path).status_code == 404
        assert client.get("//example.org").url == "/suivi/"  # as the root does: a page of ours

    @pytest.mark.parametrize(
        "failure",
        [
            RuntimeError("camille@example.org"),
            DatabaseError("camille@example.org"),
            ImproperlyConfigured("DS_API_TOKEN manque"),
        ],
    )
    def test_a_bug_shows_nothing(self, api, dossier, monkeypatch, failure, logs):
        def fail(*_):
            raise failure

        client = api()
        monkeypatch.setattr("dsintegration.api.views.DossierView.find", fail)
        client.raise_request_exception = False
        response = client.get(DETAIL)
        assert response.status_code == 500
        assert response.json()["code"] == "server_error"
        assert str(failure) not in response.content.decode()
        assert [record.exc_info[1] for record in logs.records if record.exc_info] == [failure]

    def test_cookies_are_neither_needed_nor_given(self, api, dossier):
        client = api()
        client.get(DETAIL)
        assert not client.cookies


def test_errors_have_one_form(api, dossier):
    """Without the csrf check of pages, too."""
    strict = Client(enforce_csrf_checks=True)
    responses = [
        strict.get(DETAIL),
        strict.post("/api/v1/dossiers/12345/fetch/"),
        strict.post("/api/v1/x/"),
        api().get(DETAIL, {"x": 1}),
        api().post("/api/v1/dossiers/12345/fetch/"),
        api().get("/api/v1/dossiers/1/"),
        api().delete(DETAIL),
        api().get(DETAIL, headers={"Accept": "text/html"}),
    ]
    assert [response.status_code for response in responses] == [
        401,
        401,
        404,
        400,
        403,
        404,
        405,
        406,
    ]
    for response in responses:
        assert response["Content-Type"] == "application/json"
        body = json.loads(response.content)
        assert list(body) == ["detail", "code"]
        assert all(isinstance(value, str) and value for value in body.values())
