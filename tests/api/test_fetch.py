"""POST …/fetch/: rights, what upstream failures become, and calls that are shared."""

import json
import os
import re
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from dsintegration.api import fetching, sharing
from dsintegration.api.errors import STATUS_OF, exception_handler
from dsintegration.models import ApiKey, Demarche, Dossier, JournalEntry, OngoingFetch
from dsintegration.representation import dossier_as_json
from dsintegration.sandbox import TOKEN, Reply
from tests.conftest import caller
from tests.factories import FAILURES, DemarcheFactory, DossierFactory, dossier_answer

pytestmark = pytest.mark.django_db


def path(number=12345) -> str:
    return f"/api/v1/dossiers/{number}/fetch/"


def journaled() -> list[tuple[str, str]]:
    """Who fetched 12345, and with which outcome."""
    rows = JournalEntry.objects.filter(interface="api", action="fetch", dossier_number=12345)
    return list(rows.values_list("actor_ref", "outcome"))


@pytest.fixture
def fetcher(api):
    return api(can_fetch=True, can_read_personal_data=True)


class TestFetch:
    def test_new_then_known(self, fetcher, sandbox):
        response = fetcher.post(path())
        assert response.status_code == 201
        assert response.json() == dossier_as_json(Dossier.objects.get())
        assert response["ETag"] == fetcher.get("/api/v1/dossiers/12345/")["ETag"]
        again = fetcher.post(path())
        assert again.status_code == 200
        assert again.json()["version"] == response.json()["version"]
        assert len(sandbox.received) == 2

    def test_without_the_right_to_personal_data(self, api, sandbox):
        response = api(can_fetch=True).post(path())
        assert response.status_code == 201
        assert not response.json().keys() & {"usager_email", "messages"}
        assert Dossier.objects.get().messages.exists()

    @pytest.mark.parametrize("number", [12345, 404])
    def test_without_the_right_to_fetch(self, api, sandbox, number):
        response = api(can_read_personal_data=True).post(path(number))
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
        assert not sandbox.received

    @pytest.mark.parametrize("number", ["0", "2147483648", "9" * 20])
    def test_a_number_that_no_dossier_has(self, fetcher, sandbox, number):
        response = fetcher.post(path(number))
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert response.json()["detail"].startswith("number : ")
        assert not sandbox.received

    @pytest.mark.parametrize(
        ("body", "type", "status", "code"),
        [
            ("", "text/plain", 201, None),
            ("{}", "application/json", 201, None),
            ("", "application/x-www-form-urlencoded", 201, None),
            ('{"number": 1}', "application/json", 400, "invalid"),
            ("number=1", "application/x-www-form-urlencoded", 400, "invalid"),
            ("{", "application/json", 400, "invalid"),
            ("<x/>", "application/xml", 415, "unsupported_media_type"),
        ],
    )
    def test_bodies(self, fetcher, sandbox, body, type, status, code):
        response = fetcher.generic("POST", path(), body, content_type=type)
        assert (response.status_code, response.json().get("code")) == (status, code)
        assert bool(sandbox.received) == (status == 201)

    def test_a_parameter_that_it_does_not_have(self, fetcher, sandbox):
        response = fetcher.post(f"{path()}?force=1")
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert not sandbox.received


class TestUpstream:
    @pytest.mark.parametrize(
        ("number", "status", "code"),
        [
            (404, 404, "dossier_not_found"),
            (20002, 502, "upstream_access_denied"),
            (40101, 502, "upstream_access_denied"),
            (40301, 502, "upstream_access_denied"),
            (20003, 503, "upstream_unavailable"),
            (42901, 503, "upstream_unavailable"),
            (50001, 503, "upstream_unavailable"),
            (50201, 503, "upstream_unavailable"),
            (50301, 503, "upstream_unavailable"),
            (20004, 502, "upstream_invalid_response"),
        ],
    )
    def test_each_failure(self, fetcher, sandbox, number, status, code):
        response = fetcher.post(path(number))
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.json().keys() == {"detail", "code"}
        assert response.json()["detail"].startswith(f"Dossier n° {number} : ")
        assert ("Retry-After" in response) == (status == 503)
        if status == 503:
            assert int(response["Retry-After"]) >= 1
        assert not Dossier.objects.exists()

    @pytest.mark.parametrize(
        ("kind", "reason"), [(kind, reason) for kind in STATUS_OF for reason in kind.sentences]
    )
    def test_no_failure_speaks_of_our_settings(self, kind, reason):
        told = exception_handler(kind(reason, dossier_number=7), {}).data["detail"]
        assert not re.search(r"[A-Z]{2,}_|https?:|DS_|profil de|mettez", told)
        assert told.startswith("Dossier n° 7 : ")

    def test_the_platform_s_own_delay_is_passed_on(self, fetcher, sandbox):
        sandbox.replies[12345] = Reply(503, "", headers={"Retry-After": "120"})
        assert fetcher.post(path())["Retry-After"] == "120"
        sandbox.replies[12345] = Reply(503, "")
        assert fetcher.post(path())["Retry-After"] == "30"

    def test_the_platform_is_down(self, fetcher, sandbox, settings):
        settings.DS_API_URL = "http://127.0.0.1:9/api/v2/graphql"
        response = fetcher.post(path())
        assert (response.status_code, response.json()["code"]) == (503, "upstream_unavailable")
        assert "Retry-After" in response

    def test_wrong_settings(self, fetcher, settings, logs):
        settings.DS_API_TOKEN = ""
        fetcher.raise_request_exception = False
        response = fetcher.post(path())
        assert (response.status_code, response.json()["code"]) == (500, "server_error")
        assert "DS_API_TOKEN manque" in logs.text
        assert "DS_API_TOKEN" not in response.content.decode()
        assert not OngoingFetch.objects.filter(number=12345).exists()

    def test_last_known_data_stay_readable(self, fetcher, sandbox):
        fetcher.post(path())
        sandbox.replies[12345] = Reply(503, "")
        assert fetcher.post(path()).status_code == 503
        assert fetcher.get("/api/v1/dossiers/12345/").status_code == 200


class TestLimitedKeys:
    """Dossier 12345 is of démarche 901, 12346 of 902; our token has no right to 20002."""

    @pytest.fixture
    def limited(self, api, sandbox):
        return api(can_fetch=True, demarches=[DemarcheFactory(number=901)])

    def test_inside(self, limited):
        assert limited.post(path(12345)).status_code == 201

    def test_outside_nothing_is_stored(self, limited):
        assert limited.post(path(12346)).status_code == 404
        assert not Dossier.objects.exists()
        assert not Demarche.objects.filter(number=902).exists()

    def test_one_and_the_same_answer(self, limited):
        """Not here, not allowed, unknown there, forbidden there."""
        DossierFactory(number=500, demarche=DemarcheFactory(number=902))
        answers = [limited.get(f"/api/v1/dossiers/{number}/") for number in (499, 500)]
        answers += [limited.post(path(number)) for number in (12346, 404, 20002, 500)]
        assert {response.status_code for response in answers} == {404}
        assert len({response.content for response in answers}) == 1
        assert json.loads(answers[0].content)["code"] == "dossier_not_found"
        told = [{k: v for k, v in r.headers.items() if k != "Allow"} for r in answers]
        assert told.count(told[0]) == len(told)

    @pytest.fixture
    def slow(self, sandbox, monkeypatch):
        """Dossier 7 outlasts a page; everything else is answered at once."""
        ended = threading.Event()
        answer = sandbox.answer

        def wait(request):
            if 7 in (request.body["variables"] or {}).values():
                ended.wait(10)
            return answer(request)

        monkeypatch.setattr(sandbox, "answer", wait)
        monkeypatch.setattr(fetching, "WEB_BUDGET", fetching.SECONDS_TO_TELL + 0.2)
        yield
        ended.set()

    @pytest.mark.parametrize("reply", FAILURES)
    def test_a_foreign_one_that_fails_tells_nothing(self, limited, sandbox, reply):
        sandbox.replies[7] = reply
        DossierFactory(number=7, demarche=DemarcheFactory(number=902))
        unknown, foreign = limited.post(path(404)), limited.post(path(7))
        assert (foreign.status_code, foreign.content) == (404, unknown.content)
        assert foreign.headers == unknown.headers

    def test_nor_does_one_that_is_slow(self, limited, slow):
        assert limited.post(path(7)).content == limited.post(path(404)).content

    def test_nor_does_the_call_of_somebody_else(self, limited, sandbox, monkeypatch):
        monkeypatch.setattr(sharing, "PATIENCE", 0.2)
        OngoingFetch.objects.create(number=7)
        assert limited.post(path(7)).content == limited.post(path(404)).content

    def test_of_its_own_it_hears_the_truth(self, limited, sandbox, slow):
        DossierFactory(number=7, demarche=Demarche.objects.get(number=901))
        assert limited.post(path(7)).status_code == 503
        DossierFactory(number=20004, demarche=Demarche.objects.get(number=901))
        assert limited.post(path(20004)).status_code == 502

    def test_a_platform_that_is_down_is_down_for_everybody(self, limited, settings):
        settings.DS_API_URL = "http://127.0.0.1:9/api/v2/graphql"
        assert limited.post(path(7)).status_code == 503

    def test_a_stored_one_outside_stays_as_it_is(self, limited, fetcher, sandbox):
        fetcher.post(path(12346))
        before = dossier_as_json(Dossier.objects.get())
        sandbox.replies[12346] = Reply(body={"data": {"dossier": dossier_answer(12346)}})
        assert limited.post(path(12346)).status_code == 404
        assert dossier_as_json(Dossier.objects.get()) == before

    def test_no_demarche_at_all(self, api, sandbox):
        assert api(can_fetch=True, demarches=[]).post(path()).status_code == 404
        assert not Dossier.objects.exists()

    def test_what_is_nobody_s_dossier_is_told(self, limited):
        for number, status in ((40101, 502), (50301, 503)):
            assert limited.post(path(number)).status_code == status


@pytest.mark.django_db(transaction=True)
class TestShared:
    """The platform answers when the test says so: calls overlap for certain."""

    @pytest.fixture
    def gate(self, sandbox, monkeypatch):
        """Set when the platform may answer; `asked` counts the calls."""
        gate = threading.Event()
        answer = sandbox.answer

        def wait(request):
            gate.wait(10)
            return answer(request)

        monkeypatch.setattr(sandbox, "answer", wait)
        yield gate
        gate.set()

    @pytest.fixture
    def start(self):
        """Posts in threads; what each got is in its `response` after `join`."""
        started = []

        def run(key, number=12345):
            def post():
                try:
                    thread.response = caller(key).post(path(number))
                finally:
                    connection.close()

            thread = threading.Thread(target=post)
            thread.start()
            started.append(thread)
            return thread

        yield run
        for thread in started:
            thread.join()

    def until(self, condition):
        waited = threading.Event()
        for _ in range(200):
            if condition():
                return
            waited.wait(0.05)
        raise AssertionError("it did not come to that")

    @pytest.fixture
    def waiting(self, monkeypatch):
        """How many threads wait for another one's call."""
        seen = set()
        pause = sharing.pause

        def note(seconds):
            seen.add(threading.get_ident())
            pause(seconds)

        monkeypatch.setattr(sharing, "pause", note)
        return seen

    def finish(self, gate, *threads):
        gate.set()
        for thread in threads:
            thread.join()
        return [thread.response for thread in threads]

    def test_those_that_overlap_share_one(self, make_key, sandbox, gate, start, waiting):
        keys = [make_key(can_fetch=True) for _ in range(4)]
        threads = [start(key) for key in keys]
        self.until(lambda: len(waiting) == 3)
        responses = self.finish(gate, *threads)
        assert [response.status_code for response in responses] == [201] * 4
        assert len({response.content for response in responses}) == 1
        assert len(sandbox.received) == 1
        # Each of those that got it has its entry.
        assert set(journaled()) == {
            (str(pk), "created") for pk in ApiKey.objects.values_list("pk", flat=True)
        }

    def test_each_by_its_rights(self, make_key, sandbox, gate, start, waiting):
        leader = start(make_key(can_fetch=True, can_read_personal_data=True))
        self.until(lambda: sandbox.received)
        inside = start(make_key(can_fetch=True, demarches=[DemarcheFactory(number=901)]))
        outside = start(make_key(can_fetch=True, demarches=[DemarcheFactory(number=902)]))
        self.until(lambda: len(waiting) == 2)
        first, second, third = self.finish(gate, leader, inside, outside)
        assert (first.status_code, second.status_code, third.status_code) == (201, 201, 404)
        assert "messages" in first.json()
        assert "messages" not in second.json()
        assert len(sandbox.received) == 1
        assert sorted(word for _, word in journaled()) == ["created", "created", "not_found"]

    def test_one_that_ended_is_not_reused(self, make_key, sandbox):
        client = caller(make_key(can_fetch=True))
        for _ in range(3):
            client.post(path())
        assert len(sandbox.received) == 3

    def test_other_dossiers_do_not_wait(self, make_key, sandbox, gate, start, waiting):
        key = make_key(can_fetch=True)
        threads = [start(key, number) for number in (12345, 12346)]
        self.until(lambda: len(sandbox.received) == 2)
        assert not waiting
        assert [r.status_code for r in self.finish(gate, *threads)] == [201, 201]

    def test_failures_are_shared(self, make_key, sandbox, gate, start, waiting):
        sandbox.replies[12345] = Reply(503, "", headers={"Retry-After": "120"})
        threads = [start(make_key(can_fetch=True)) for _ in range(3)]
        self.until(lambda: len(waiting) == 2)
        responses = self.finish(gate, *threads)
        assert [(r.status_code, r["Retry-After"]) for r in responses] == [(503, "120")] * 3
        assert len({r.content for r in responses}) == 1
        assert [word for _, word in journaled()] == ["upstream_unavailable maintenance"] * 3

    def test_what_the_first_may_not_see_the_second_asks_for_itself(
        self, make_key, sandbox, gate, start, waiting
    ):
        limited = start(make_key(can_fetch=True, demarches=[]))
        self.until(lambda: sandbox.received)
        allowed = start(make_key(can_fetch=True))
        also_limited = start(make_key(can_fetch=True, demarches=[]))
        self.until(lambda: len(waiting) == 2)
        responses = self.finish(gate, limited, allowed, also_limited)
        assert [r.status_code for r in responses] == [404, 201, 404]
        assert len(sandbox.received) == 2
        assert sorted(word for _, word in journaled()) == ["created", "not_wanted", "not_wanted"]

    def test_a_bug_of_the_first_is_not_the_second_s(
        self, make_key, sandbox, gate, start, waiting, monkeypatch
    ):
        from dsintegration.api import fetching

        fetch, calls = fetching.fetch_dossier, []

        def fail_once(*args, **kwargs):
            calls.append(1)
            if len(calls) == 1:
                gate.wait(10)
                raise KeyboardInterrupt
            return fetch(*args, **kwargs)

        monkeypatch.setattr(fetching, "fetch_dossier", fail_once)
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
        start(make_key(can_fetch=True))
        self.until(lambda: calls)
        second = start(make_key(can_fetch=True))
        self.until(lambda: waiting)
        assert self.finish(gate, second)[0].status_code == 201

    def test_a_process_that_died_is_not_awaited(self, make_key, sandbox):
        started = timezone.now() - sharing.DEAD_AFTER - timedelta(seconds=1)
        OngoingFetch.objects.create(number=12345, started_at=started)
        assert caller(make_key(can_fetch=True)).post(path()).status_code == 201
        assert not OngoingFetch.objects.filter(ended_at=None).exists()

    def test_patience_ends(self, make_key, sandbox, monkeypatch):
        monkeypatch.setattr(sharing, "PATIENCE", 0.2)
        OngoingFetch.objects.create(number=12345)
        response = caller(make_key(can_fetch=True)).post(path())
        assert (response.status_code, response.json()["code"]) == (503, "upstream_unavailable")
        assert "Retry-After" in response
        assert not sandbox.received

    def test_old_outcomes_go(self, make_key, sandbox):
        ended = timezone.now() - 2 * sharing.KEPT
        OngoingFetch.objects.create(number=None, started_at=ended, ended_at=ended)
        caller(make_key(can_fetch=True)).post(path())
        assert OngoingFetch.objects.count() == 1

    def test_across_processes(self, make_key, sandbox, gate, start, waiting):
        leader = start(make_key(can_fetch=True))
        self.until(lambda: sandbox.received)
        script = (
            "import sys, time, django; django.setup()\n"
            "from django.test import Client\n"
            "from dsintegration.api import sharing\n"
            "sharing.pause = lambda _: (print('waiting', flush=True), time.sleep(0.05))\n"
            "key, path = sys.argv[1:]\n"
            "client = Client(headers={'Authorization': f'Api-Key {key}'})\n"
            "print(client.post(path, secure=True).status_code)\n"
        )
        database = connection.settings_dict
        if connection.vendor == "sqlite":
            url = f"sqlite:///{database['NAME']}"
        else:
            url = f"postgres://{database['USER']}@{database['HOST']}:{database['PORT']}/"
            url += database["NAME"]
        environment = os.environ | {
            "DATABASE_URL": url,
            "ALLOWED_HOSTS": "testserver",
            "DS_API_URL": sandbox.url,
            "DS_API_TOKEN": TOKEN,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        other = subprocess.Popen(
            [sys.executable, "-c", script, make_key(can_fetch=True), path()],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        with other:
            assert other.stdout.readline() == "waiting\n"
            gate.set()
            assert other.stdout.read().split()[-1] == "201"
        leader.join()
        assert leader.response.status_code == 201
        assert len(sandbox.received) == 1
