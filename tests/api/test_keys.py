"""Keys of the REST API: what they are, whom they let in, and how often."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from django.views.debug import ExceptionReporter
from rest_framework.request import Request

from dsintegration.api.authentication import KeyAuthentication
from dsintegration.models import ApiKey
from tests.conftest import caller
from tests.factories import DemarcheFactory, DossierFactory

pytestmark = pytest.mark.django_db

LIST = "/api/v1/dossiers/"


def numbers(response) -> list[int]:
    assert response.status_code == 200, response.content
    return sorted(dossier["number"] for dossier in response.json()["results"])


class TestRows:
    def test_only_a_hash_is_kept(self):
        row, key = ApiKey.objects.create_key(name="Portail")
        assert len(key) > 40
        table = ApiKey._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            stored = repr(cursor.fetchall())
        secret = key.removeprefix("dsi_")
        assert not [part for part in (key, secret, secret[:12], secret[-12:]) if part in stored]
        for shown in (str(row), repr(row), str(row.pk)):
            assert row.digest not in shown
            assert secret not in shown

    def test_each_has_its_own(self):
        made = [ApiKey.objects.create_key(name="Portail") for _ in range(3)]
        assert len({key for _, key in made}) == len({row.pk for row, _ in made}) == 3

    def test_a_new_key_may_do_nothing_but_ask(self):
        row, key = ApiKey.objects.create_key(name="Portail")
        DossierFactory()
        assert not any([row.can_fetch, row.can_read_personal_data, row.all_demarches, row.revoked])
        assert timedelta(days=364) < row.expiry_date - timezone.now() < timedelta(days=366)
        assert numbers(caller(key).get(LIST)) == []

    def test_a_day_counts_to_its_end(self):
        row, _ = ApiKey.objects.create_key(name="Portail", expiry_date=date(2030, 6, 1))
        assert row.expiry_date == datetime(2030, 6, 1, 22, tzinfo=UTC)  # midnight in Paris


class TestAuthentication:
    def test_a_good_key(self, api):
        dossier = DossierFactory()
        assert numbers(api().get(LIST)) == [dossier.number]

    def test_the_scheme_in_any_case(self, make_key):
        client = Client(headers={"Authorization": f"api-key {make_key()}"})
        assert client.get(LIST).status_code == 200

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            (None, "not_authenticated"),
            ("", "not_authenticated"),
            ("Bearer {key}", "not_authenticated"),
            ("Basic dXNlcjpwYXNz", "not_authenticated"),
            ("{key}", "not_authenticated"),
            ("Api-Key", "authentication_failed"),
            ("Api-Key ", "authentication_failed"),
            ("Api-Key dsi_{wrong}", "authentication_failed"),
            ("Api-Key {key}x", "authentication_failed"),
            ("Api-Key {key} x", "authentication_failed"),
            ("Api-Key {short}", "authentication_failed"),
            ("Api-Key {digest}", "authentication_failed"),
            ("Api-Key clé-é-\x00", "authentication_failed"),
        ],
    )
    @pytest.mark.parametrize("path", [LIST, "/api/v1/dossiers/1/", "/api/v1/purged/"])
    def test_a_wrong_key(self, header, code, path):
        row, key = ApiKey.objects.create_key(name="Portail", all_demarches=True)
        headers = {}
        if header is not None:
            words = {"key": key, "wrong": "a" * 43, "short": key[:-1], "digest": row.digest}
            headers["Authorization"] = header.format(**words)
        response = Client().get(path, headers=headers)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Api-Key"
        assert response.json()["code"] == code
        assert response.json().keys() == {"detail", "code"}

    def test_revoked_at_once(self, make_key):
        client = caller(make_key())
        assert client.get(LIST).status_code == 200
        ApiKey.objects.update(revoked=True)
        response = client.get(LIST)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Api-Key")
        assert "révoquée" in response.json()["detail"]

    def test_expired(self, make_key):
        client = caller(make_key(expiry_date=timezone.now() + timedelta(hours=1)))
        assert client.get(LIST).status_code == 200
        ApiKey.objects.update(expiry_date=timezone.now())
        response = client.get(LIST)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Api-Key")
        assert "a expiré le" in response.json()["detail"]

    def test_a_session_opens_nothing(self, admin_client):
        assert admin_client.get("/admin/").status_code == 200
        assert admin_client.get(LIST).status_code == 401
        assert admin_client.post("/api/v1/dossiers/12345/fetch/").status_code == 401

    def test_a_key_in_the_address_opens_nothing(self, make_key):
        assert Client().get(LIST, {"key": make_key()}).status_code == 401

    def test_the_day_of_use_costs_one_write_a_day(self, make_key, django_assert_num_queries):
        client = caller(make_key())
        client.get(LIST)
        assert ApiKey.objects.get().last_used_on == timezone.localdate()
        with django_assert_num_queries(2 + 1):  # the epoch
            client.get(LIST)

    def test_nothing_of_a_key_is_logged(self, make_key, logs):
        key = make_key()
        caller(key).get(LIST)
        caller(key).get("/api/v1/dossiers/1/")
        caller(f"{key}x").get(LIST)
        assert key not in logs.text
        assert key.removeprefix("dsi_")[:16] not in logs.text


def test_an_error_report_does_not_show_the_key(make_key, rf, monkeypatch):
    """Django mails the variables of each frame to the administrators."""
    key = make_key()

    def fail(**_):
        raise DatabaseError("down")

    monkeypatch.setattr(ApiKey.objects, "filter", fail)
    request = rf.get(LIST, headers={"Authorization": f"Api-Key {key}"})
    with pytest.raises(DatabaseError) as caught:
        KeyAuthentication().authenticate(Request(request))
    ours = caught.tb.tb_next  # this very test knows the key
    reporter = ExceptionReporter(request, caught.type, caught.value, ours)
    for report in (reporter.get_traceback_html(), reporter.get_traceback_text()):
        assert "of_key" in report
        assert key not in report


class TestDemarches:
    @pytest.fixture
    def one(self):
        return DossierFactory(number=101, version=1)

    @pytest.fixture
    def other(self):
        return DossierFactory(number=202, version=2)

    def test_a_list_is_all_there_is(self, api, one, other):
        client = api(demarches=[one.demarche])
        assert numbers(client.get(LIST)) == [101]
        assert numbers(client.get(LIST, {"after_version": 0})) == [101]
        assert numbers(client.get(LIST, {"demarche": other.demarche.number})) == []
        assert client.get("/api/v1/dossiers/101/").status_code == 200
        assert client.get("/api/v1/dossiers/202/").status_code == 404

    def test_several(self, api, one, other):
        DossierFactory(number=303)
        client = api(demarches=[one.demarche, other.demarche])
        assert numbers(client.get(LIST)) == [101, 202]

    def test_all_includes_those_to_come(self, api, one):
        client = api(all_demarches=True)
        DossierFactory(number=303)
        assert numbers(client.get(LIST)) == [101, 303]

    def test_taking_the_last_one_off_leaves_none(self, api, one, other):
        client = api(demarches=[one.demarche])
        ApiKey.objects.get().demarches.clear()
        assert numbers(client.get(LIST)) == []
        assert client.get("/api/v1/dossiers/101/").status_code == 404

    def test_a_demarche_that_disappears_leaves_none(self, api, one):
        empty = DemarcheFactory()
        client = api(demarches=[empty])
        empty.delete()
        assert numbers(client.get(LIST)) == []

    def test_outside_is_as_if_it_did_not_exist(self, api, one, other):
        client = api(demarches=[one.demarche])
        outside, nowhere = (client.get(f"/api/v1/dossiers/{n}/") for n in (202, 999))
        assert outside.status_code == nowhere.status_code == 404
        assert outside.content == nowhere.content
        assert outside.json()["code"] == "dossier_not_found"
        headers = [{**response.headers} for response in (outside, nowhere)]
        assert headers[0] == headers[1]


class TestThrottles:
    @pytest.fixture(autouse=True)
    def _clock(self, monkeypatch):
        """Far from the end of a minute."""
        monkeypatch.setattr("dsintegration.api.throttling.now", lambda: 6015.5)

    def statuses(self, client, times, **headers):
        return [client.get(LIST, headers=headers).status_code for _ in range(times)]

    def test_each_key_by_itself(self, api, settings):
        settings.DS_API_READS_PER_MINUTE = 3
        one, other = api(), api()
        assert self.statuses(one, 5) == [200, 200, 200, 429, 429]
        assert self.statuses(other, 2) == [200, 200]
        response = one.get(LIST)
        assert response.json()["code"] == "throttled"
        assert response["Retry-After"] == "45"

    def test_the_next_minute(self, api, settings, monkeypatch):
        settings.DS_API_READS_PER_MINUTE = 1
        client = api()
        assert self.statuses(client, 2) == [200, 429]
        monkeypatch.setattr("dsintegration.api.throttling.now", lambda: 6060.1)
        assert self.statuses(client, 2) == [200, 429]

    def test_another_address_does_not_help(self, api, settings):
        settings.DS_API_READS_PER_MINUTE = 2
        client = api()
        found = [
            client.get(LIST, headers={"X-Forwarded-For": f"192.0.2.{rank}"}).status_code
            for rank in range(4)
        ]
        assert found == [200, 200, 429, 429]

    def test_fetches_have_a_limit_of_their_own(self, api, settings, sandbox):
        settings.DS_API_FETCHES_PER_MINUTE = 1
        client = api(can_fetch=True)
        path = "/api/v1/dossiers/12345/fetch/"
        assert [client.post(path).status_code for _ in range(3)] == [201, 429, 429]
        assert len(sandbox.received) == 1
        assert client.get(LIST).status_code == 200

    def test_wrong_keys_by_address(self, make_key, monkeypatch):
        monkeypatch.setattr("dsintegration.api.throttling.WRONG_KEYS_PER_MINUTE", 3)
        wrong = caller("dsi_" + "a" * 43)
        assert self.statuses(wrong, 5) == [401, 401, 401, 429, 429]
        assert re.fullmatch("[0-9]+", wrong.get(LIST)["Retry-After"])
        # A good key behind the same address is not shut out.
        assert self.statuses(caller(make_key()), 1) == [200]

    @pytest.mark.parametrize(
        ("proxies", "expected"),
        [(0, [401, 401, 429, 429]), (1, [401, 401, 401, 401])],
    )
    def test_only_our_proxies_vouch_for_an_address(self, settings, monkeypatch, proxies, expected):
        settings.DS_NUM_PROXIES = proxies
        monkeypatch.setattr("dsintegration.api.throttling.WRONG_KEYS_PER_MINUTE", 2)
        wrong = caller("dsi_" + "a" * 43)
        found = [
            wrong.get(LIST, headers={"X-Forwarded-For": f"192.0.2.{rank}"}).status_code
            for rank in range(4)
        ]
        assert found == expected

    def test_a_forged_address_before_our_proxy_s(self, settings, monkeypatch):
        settings.DS_NUM_PROXIES = 1
        monkeypatch.setattr("dsintegration.api.throttling.WRONG_KEYS_PER_MINUTE", 2)
        wrong = caller("dsi_" + "a" * 43)
        found = [
            wrong.get(LIST, headers={"X-Forwarded-For": f"10.0.0.{rank}, 192.0.2.1"}).status_code
            for rank in range(4)
        ]
        assert found == [401, 401, 429, 429]
