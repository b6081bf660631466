"""What the logs say of each fetch, and what they never say of people."""

import json
import logging

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError
from django.test import Client as Browser

from dsintegration.exceptions import DSError
from dsintegration.hosting import logs as config_logs
from dsintegration.models import Dossier
from dsintegration.platform.client import get_client
from dsintegration.refresh import Tally, due_dossiers, refresh
from dsintegration.sandbox import TOKEN
from dsintegration.sandbox.server import Reply
from dsintegration.services import AnswerNotWanted, fetch_dossier, fetch_dossiers
from dsintegration.signals import dossier_changed

PERSON = "camille.martin@example.org"
FIELDS = ("operation", "number", "outcome", "reason", "requests")


@pytest.fixture
def lines(logs):
    """What production would have written, line by line."""
    formatter = config_logs.JsonFormatter()
    return lambda: [json.loads(formatter.format(record)) for record in logs.records]


@pytest.fixture
def fetches(lines):
    """The lines of fetches, by their fields."""

    def read():
        told = [line for line in lines() if line["logger"] == "dsintegration.fetch"]
        assert all(line["duration"] >= 0 for line in told)
        return [tuple(line[name] for name in FIELDS) for line in told]

    return read


@pytest.mark.django_db(transaction=True)
class TestFetches:
    def test_one_dossier(self, sandbox, fetches, logs):
        fetch_dossier(12345)
        fetch_dossier(12345)
        sandbox.dossiers[12345] = sandbox.dossiers[12345] | {"state": "sans_suite"}
        fetch_dossier(12345)
        with pytest.raises(AnswerNotWanted):
            fetch_dossier(12346, wanted=lambda _: False)
        with pytest.raises(DSError):
            fetch_dossier(404)
        assert fetches() == [
            ("fetch_dossier", 12345, "created", "", 1),
            ("fetch_dossier", 12345, "unchanged", "", 1),
            ("fetch_dossier", 12345, "changed", "", 1),
            ("fetch_dossier", 12346, "not_wanted", "", 1),
            ("fetch_dossier", 404, "dossier_not_found", "unknown", 1),
        ]
        for private in (TOKEN, "@", "budget", "Bonjour"):
            assert private not in logs.text

    def test_retries_count(self, sandbox, fetches):
        sandbox.replies[12345] = Reply(status=503, body=b"{}")
        with pytest.raises(DSError):
            fetch_dossier(12345)
        assert fetches() == [
            ("fetch_dossier", 12345, "upstream_unavailable", "maintenance", 3),
        ]

    def test_a_bug(self, sandbox, fetches, monkeypatch):
        monkeypatch.setattr("dsintegration.services.store", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fetch_dossier(12345)
        assert fetches() == [("fetch_dossier", 12345, "failed", "", 1)]

    @pytest.mark.parametrize("at_once", [1, 3])
    def test_requests_of_a_batch_are_told_once(self, sandbox, fetches, at_once):
        numbers = [12345, 12346, 12347, 404, 405, 12348]
        client = get_client()
        before = client.requests
        outcomes = list(fetch_dossiers(numbers, client=client, size=2, at_once=at_once))
        assert len(outcomes) == 6
        told = fetches()
        assert sorted(line[:4] for line in told) == sorted(
            ("fetch_dossiers", number, *outcome)
            for number in numbers
            for outcome in [
                ("dossier_not_found", "unknown") if number in {404, 405} else ("created", "")
            ]
        )
        assert sum(line[4] for line in told) == client.requests - before == len(sandbox.received)

    def test_a_batch_that_was_halved(self, sandbox, fetches):
        list(fetch_dossiers([12345, 20003, 12346], size=3, at_once=1))
        assert sum(line[4] for line in fetches()) == len(sandbox.received) > 2

    def test_the_lists_of_a_demarche(self, sandbox, fetches, lines, monkeypatch):
        monkeypatch.setattr("dsintegration.refresh.WORTH_A_LIST", 0)
        fetch_dossier(12345)
        Dossier.objects.update(checked_at="2026-01-01T00:00:00Z")
        list(refresh(due_dossiers(), Tally()))
        demarche = Dossier.objects.get().demarche.number
        told = {
            line["operation"]: (line["demarche"], line["outcome"], line["requests"])
            for line in lines()
            if line.get("operation", "").startswith("list_")
        }
        assert told == dict.fromkeys(
            ["list_moved", "list_pending", "list_deleted"], (demarche, "listed", 1)
        )

    def test_lists_that_are_refused(self, sandbox, lines, monkeypatch):
        monkeypatch.setattr("dsintegration.refresh.WORTH_A_LIST", 0)
        fetch_dossier(12345)
        Dossier.objects.update(checked_at="2026-01-01T00:00:00Z")
        sandbox.unlistable.add(Dossier.objects.get().demarche.number)
        list(refresh(due_dossiers(), Tally()))
        [line] = [line for line in lines() if line.get("operation") == "list_moved"]
        assert line["outcome"].startswith("upstream_")
        assert line["reason"]

    def test_a_receiver_that_fails(self, sandbox, lines):
        def broken(**_):
            raise ValueError(PERSON)

        dossier_changed.connect(broken)
        try:
            fetch_dossier(12345)
        finally:
            dossier_changed.disconnect(broken)
        [line] = [line for line in lines() if line["logger"] == "django.dispatch"]
        assert line["exception"]["type"] == "builtins.ValueError"
        assert PERSON not in str(lines())


class TestFormat:
    def written(self, formatter, *args, level=logging.ERROR, exc_info=None, **extra):
        record = logging.getLogger("a.library").makeRecord(
            "a.library", level, __file__, 1, args[0], args[1:], exc_info, extra=extra
        )
        return formatter().format(record)

    def test_a_line(self):
        line = json.loads(
            self.written(config_logs.JsonFormatter, "%s : « %d »", "dossier", 7, number=7, token=1)
        )
        assert line.pop("time").endswith("Z")
        assert line == {
            "level": "error",
            "logger": "a.library",
            "event": "dossier : « 7 »",
            "number": 7,
        }

    def test_places_of_an_exception_and_no_words(self):
        try:
            try:
                raise IntegrityError(f"DETAIL: Key (email)=({PERSON}) already exists.")
            except IntegrityError as err:
                raise RuntimeError(PERSON) from err
        except RuntimeError as err:
            text = self.written(
                config_logs.JsonFormatter, "Broken: %s", err, exc_info=(type(err), err, None)
            )
        line = json.loads(text)
        assert "\n" not in text
        assert "camille" not in text
        assert line["event"] == "Broken: builtins.RuntimeError"
        assert line["exception"]["type"] == "builtins.RuntimeError"
        assert line["exception"]["cause"]["type"] == "django.db.utils.IntegrityError"
        [frame] = line["exception"]["frames"]
        assert frame.startswith("tests/config/test_logs.py:")
        assert frame.endswith(" test_places_of_an_exception_and_no_words")

    def test_a_cause_that_was_hidden_on_purpose(self):
        try:
            try:
                raise KeyError(PERSON)
            except KeyError:
                raise ValueError from None
        except ValueError as err:
            text = self.written(config_logs.JsonFormatter, "x", exc_info=(ValueError, err, None))
        assert "cause" not in json.loads(text)["exception"]

    def test_what_celery_says_of_a_task_that_failed(self):
        """Its words are those of the exception: a database quotes what it refused."""
        said = "Task %(name)s[%(id)s] %(description)s: %(exc)s"
        args = {
            "name": "dsintegration.fetch_dossier",
            "id": "1",
            "description": "raised unexpected",
            "exc": "IntegrityError('DETAIL: (Bonjour, je suis malade) already exists')",
        }
        record = logging.LogRecord("celery.app.trace", logging.ERROR, "", 1, said, (args,), None)
        line = json.loads(config_logs.JsonFormatter().format(record))
        assert line["event"] == (
            "Task dsintegration.fetch_dossier[1] raised unexpected: IntegrityError"
        )

    def test_words_of_our_own_stay(self):
        err = ImproperlyConfigured("DS_API_TOKEN manque")
        text = self.written(config_logs.JsonFormatter, "cannot ask: %s", err)
        assert json.loads(text)["event"] == "cannot ask: DS_API_TOKEN manque"

    @pytest.mark.parametrize("formatter", [config_logs.JsonFormatter, config_logs.TextFormatter])
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            (f"Mail for <{PERSON}> refused", "Mail for <[adresse]> refused"),
            ("q=camille.martin%40example.org", "q=[adresse]"),
            ("'GET /admin/?q=Camille HTTP/1.1' 200", "'GET /admin/ HTTP/1.1' 200"),
            ("Error handling request /admin/?q=Camille&x=1", "Error handling request /admin/"),
            ("Vraiment ? Oui.", "Vraiment ? Oui."),
        ],
    )
    def test_the_last_net(self, formatter, text, left):
        assert left in self.written(formatter, text)
        assert "amille" not in self.written(formatter, text)

    def test_for_a_developer(self):
        try:
            raise ValueError("why")
        except ValueError as err:
            text = self.written(config_logs.TextFormatter, "x", exc_info=(ValueError, err, None))
        assert "ERROR x\nValueError: why" in text


@pytest.fixture
def admin(db):
    User.objects.create_superuser("chef", PERSON, "a password")
    browser = Browser(raise_request_exception=False)
    browser.post("/admin/login/", {"username": "chef", "password": "a password"})
    return browser


class TestRequests:
    """Django's own lines quote paths, headers and what was typed."""

    def last(self, lines):
        assert "camille" not in json.dumps(lines()).lower()
        return {name: value for name, value in lines()[-1].items() if name != "time"}

    def test_a_bug_in_a_search(self, admin, lines, monkeypatch):
        def fail(*_, **__):
            raise IntegrityError(f"DETAIL: ({PERSON})")

        monkeypatch.setattr("dsintegration.admin.dossiers.DossierAdmin.get_search_results", fail)
        response = admin.get("/admin/dsintegration/dossier/", {"q": PERSON})
        assert response.status_code == 500
        assert "Traceback" not in response.content.decode()
        line = self.last(lines)
        assert line["exception"].pop("frames")[-1].endswith(" fail")
        assert line == {
            "level": "error",
            "logger": "django.request",
            "event": "Internal Server Error",
            "method": "GET",
            "status": 500,
            "route": "admin/dsintegration/dossier/",
            "exception": {"type": "django.db.utils.IntegrityError"},
        }

    def test_an_unknown_page(self, client, lines):
        client.get("/camille.martin/", {"q": PERSON})
        assert self.last(lines) == {
            "level": "warning",
            "logger": "django.request",
            "event": "Not Found",
            "method": "GET",
            "status": 404,
        }

    def test_a_link_of_the_usager_s_page(self, client, lines, db):
        client.get("/suivi/lien/camille:1abc:secret/")
        line = self.last(lines)
        assert (line["event"], line["route"]) == ("Not Found", "suivi/lien/<str:token>/")

    def test_a_dossier_is_named_by_its_number(self, api, lines):
        api().get("/api/v1/dossiers/12345/")
        line = self.last(lines)
        assert (line["number"], line["route"]) == (12345, "api/v1/dossiers/<int:number>/")

    def test_a_host_that_is_not_ours(self, client, lines):
        client.get("/", headers={"host": "camille.example.net"})
        line = self.last(lines)
        assert line.pop("exception")["type"] == "django.core.exceptions.DisallowedHost"
        assert line == {
            "level": "error",
            "logger": "django.security.DisallowedHost",
            "event": "Request refused",
            "method": "GET",
            "status": 400,
        }

    def test_a_forged_form(self, lines, db):
        browser = Browser(enforce_csrf_checks=True)
        browser.post("/admin/login/?q=camille", {"username": PERSON}, secure=True)
        line = self.last(lines)
        assert line["logger"] == "django.security.csrf"
        assert line["event"].startswith("Forbidden (")

    def test_a_wrong_password(self, client, logs, db):
        client.post("/admin/login/", {"username": PERSON, "password": "wrong"})
        assert [r for r in logs.records if PERSON in r.getMessage() and r.name != "axes"] == []
        assert logging.getLogger("axes").getEffectiveLevel() == logging.CRITICAL


def test_nothing_is_mailed_to_admins():
    named = [logging.getLogger(name) for name in ("django", "django.request", "django.server")]
    assert [logger.handlers for logger in named] == [[], [], []]
