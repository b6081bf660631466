"""Whatever is sent, typed or set: a 4xx or a French sentence, never a 500, never a traceback."""

import io
import os
import re
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from urllib.parse import quote_from_bytes

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command, load_command_class
from django.test import Client as Browser
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsintegration import conf
from dsintegration.models import ApiKey
from dsintegration.usager.links import make_link
from tests.factories import DossierFactory, MessageFactory
from tests.processes import PROJECT
from tests.settings import EMPTY

pytestmark = pytest.mark.django_db

some = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

NUMBER, USAGER = 70_000, "usager@example.org"
NASTY = [
    *("", " ", "\0", "a\0b", "-1", "0", "1.5", "1e309", "NaN", "²", "٣", "𝟙", "9" * 19, "9" * 5000),
    *("2026-13-45", "9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00+14:00", "24:00", "None"),
    *("' OR 1=1 --", "%", "%%", "%s", "{{ 7 }}", "{0.__class__}", "<script>", "../../etc/passwd"),
    *("\r\nX: y", "\ud800", "\ufeff", "\u202e", "a" * 70_000, "[]", "{}", "true", "null"),
    *("x@example.org", "x@" + "a" * 300 + ".org", "https://[", "http://", "//example.org", "é"),
]
RAW = [b"\xff", b"\xed\xa0\x80", b"%", b"%zz", b"&=&", b";", b"a" * 9000]
text = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))
# As it stands in an address: bytes, encoded or not.
in_address = st.one_of(
    text.map(lambda value: quote_from_bytes(value.encode("utf-8", "surrogatepass"))),
    st.binary(max_size=20).map(quote_from_bytes),
    st.sampled_from(RAW).map(lambda raw: raw.decode("latin-1")),
)


def check(response) -> None:
    """Not a 5xx; those who sent something wrong are told so in their own words."""
    assert response.status_code < 500 or response.status_code in {502, 503}, response.content[:500]
    body = b"".join(response) if response.streaming else response.content
    assert b"Traceback" not in body


@pytest.fixture
def rows(db):
    dossier = DossierFactory(number=NUMBER, usager_email=USAGER)
    MessageFactory(dossier=dossier)
    return dossier


@pytest.fixture
def anyone() -> Browser:
    return Browser()


@pytest.fixture
def agent(rows) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.create_superuser("agent", password="agent"))
    return browser


@pytest.fixture
def system(rows, sandbox) -> Browser:
    rights = {"all_demarches": True, "can_fetch": True, "can_read_personal_data": True}
    _, key = ApiKey.objects.create_key(name="Portail", **rights)
    return Browser(headers={"Authorization": f"Api-Key {key}"})


ADMIN = "/admin/dsintegration"
LISTS = {
    f"{ADMIN}/dossier/": (
        "q p o e all situation depot state__exact demarche__id__exact position cursor _popup "
        "_to_field usager_email pk__in"
    ),
    f"{ADMIN}/demarche/": "q p o e all number",
    f"{ADMIN}/apikey/": "q p o e all revoked__exact",
    f"{ADMIN}/dossier/export/": "q format state__exact situation depot",
    "/admin/": "next q",
    "/admin/login/": "next",
    "/suivi/": "number email",
}
API = {
    "/api/v1/dossiers/": (
        "page_size cursor after_version state demarche absent deposited_after deposited_before "
        "format"
    ),
    "/api/v1/purged/": "page_size cursor after_version state",
    f"/api/v1/dossiers/{NUMBER}/": "format x",
    "/api/v1/schema/": "format lang version",
    "/api/v1/docs/": "format x",
}


class TestQueries:
    @some
    @given(st.data())
    def test_of_pages(self, agent, data):
        self.ask(agent, LISTS, data)

    @some
    @given(st.data())
    def test_of_the_api(self, system, data):
        self.ask(system, API, data)

    def ask(self, browser, addresses, data):
        path = data.draw(st.sampled_from(sorted(addresses)))
        names = st.one_of(st.sampled_from(addresses[path].split()), in_address)
        pairs = data.draw(st.lists(st.tuples(names, in_address), max_size=4))
        query = "&".join(f"{name}={value}" for name, value in pairs)
        check(browser.get(path, QUERY_STRING=query))


class TestPaths:
    PLACES = [
        *("/suivi/{}/", "/suivi/lien/{}/", "/suivi/{}/actualiser/", "/suivi/{}/quitter/", "/{}"),
        *("/api/v1/dossiers/{}/", "/api/v1/dossiers/{}/fetch/", "/api/v1/{}/", "/admin/{}"),
        *(f"{ADMIN}/dossier/{{}}/change/", f"{ADMIN}/demarche/{{}}/change/"),
        *(f"{ADMIN}/apikey/{{}}/change/", f"{ADMIN}/dossier/{{}}/history/", f"{ADMIN}/{{}}/"),
        *(f"{ADMIN}/dossier/{{}}/refresh/", "/static/{}"),
    ]

    @some
    @given(st.sampled_from(PLACES), in_address, st.sampled_from(["get", "post", "put", "delete"]))
    def test_paths(self, agent, system, place, value, method):
        for browser in (agent, system):
            check(getattr(browser, method)(place.format(value)))


class TestForms:
    FORMS = {
        "/admin/login/": {"username": "agent", "password": "agent", "next": "/admin/"},
        f"{ADMIN}/dossier/fetch/": {"numbers": str(NUMBER)},
        f"{ADMIN}/dossier/": {
            "action": "refresh_selected",
            "_selected_action": "1",
            "select_across": "0",
            "index": "0",
        },
        f"{ADMIN}/demarche/": {"action": "delete_selected", "_selected_action": "1", "index": "0"},
        f"{ADMIN}/apikey/": {"action": "revoke", "_selected_action": "1", "index": "0"},
        f"{ADMIN}/dossier/export/": {"format": "0", "resource": ""},
        f"{ADMIN}/apikey/add/": {
            "name": "x",
            "all_demarches": "on",
            "demarches": "1",
            "expiry_date_0": "2027-01-01",
            "expiry_date_1": "00:00",
            "expiry_date": "2027-01-01",
        },
        "/admin/password_change/": {"old_password": "agent", "new_password1": "x"},
        "/suivi/": {"number": str(NUMBER), "email": USAGER},
        "/suivi/lien/": {"token": "x"},
        f"/api/v1/dossiers/{NUMBER}/fetch/": {"x": "1"},
    }

    @some
    @given(st.data())
    def test_forms(self, agent, system, sandbox, later, data):
        path = data.draw(st.sampled_from(sorted(self.FORMS)))
        fields = dict(self.FORMS[path])
        for name in data.draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=2)):
            fields[name] = data.draw(text)
        browser = system if path.startswith("/api/") else agent
        body = "&".join(
            f"{name}={quote_from_bytes(value.encode('utf-8', 'surrogatepass'))}"
            for name, value in fields.items()
        )
        check(browser.post(path, body, content_type="application/x-www-form-urlencoded"))
        later.run()

    @some
    @given(
        st.sampled_from(sorted(FORMS)),
        st.binary(max_size=300),
        st.sampled_from(
            [
                *("application/json", "multipart/form-data", "multipart/form-data; boundary=x"),
                *("text/plain", "", "é", "application/x-www-form-urlencoded; charset=utf-7"),
                *("application/x-www-form-urlencoded; charset=nothing", "a/b; c=\0"),
            ]
        ),
    )
    def test_bodies(self, agent, system, path, body, content_type):
        for browser in (agent, system):
            check(browser.generic("POST", path, body, content_type=content_type))

    def test_a_link_with_a_nasty_end(self, anyone, rows):
        _, token = make_link(rows)
        for end in NASTY:
            check(anyone.post("/suivi/lien/", {"token": token + end.replace("\ud800", "")}))


class TestHeaders:
    NAMES = [
        *("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_HOST", "HTTP_ACCEPT", "HTTP_IF_NONE_MATCH"),
        *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_ORIGIN"),
        *("HTTP_REFERER", "HTTP_ACCEPT_LANGUAGE", "HTTP_ACCEPT_ENCODING", "HTTP_RANGE"),
        *("HTTP_IF_MODIFIED_SINCE", "HTTP_USER_AGENT", "CONTENT_TYPE", "CONTENT_LENGTH"),
        *("HTTP_X_CSRFTOKEN", "HTTP_X_HTTP_METHOD_OVERRIDE", "REMOTE_ADDR"),
    ]
    PATHS = ["/suivi/", f"/suivi/{NUMBER}/", f"/api/v1/dossiers/{NUMBER}/", "/admin/", "/"]
    # As WSGI gives them: bytes read as Latin-1.
    values = st.one_of(
        text.map(lambda value: value.encode("utf-8", "surrogatepass").decode("latin-1")),
        st.binary(max_size=30).map(lambda raw: raw.decode("latin-1")),
        st.sampled_from(["Api-Key", "Api-Key x y", "Bearer x", "sessionid=x; a", 'W/"1"', "*"]),
        st.sampled_from(['"', "W/", "bytes=0-", "*/*;q=x", "text/html;q=9", "[::1", "a:b:c"]),
    )

    @some
    @given(st.sampled_from(PATHS), st.sampled_from(NAMES), values)
    def test_headers(self, rows, agent, system, path, name, value):
        for browser in (agent, system):
            with override_settings(DS_NUM_PROXIES=1):
                check(browser.get(path, **{name: value}))
                check(browser.post(path, **{name: value}))


COMMANDS = sorted(
    path.stem
    for path in (PROJECT / "dsintegration/management/commands").glob("*.py")
    if path.stem != "__init__"
)
# What a shell can give: no NUL, and bytes that are no text as lone surrogates.
word = st.one_of(
    text.map(lambda value: value.replace("\0", "")),
    st.binary(min_size=1, max_size=8).map(lambda raw: os.fsdecode(raw.replace(b"\0", b""))),
).filter(lambda value: "\ud800" not in value)


class TestCommands:
    @some
    @given(st.sampled_from(COMMANDS), st.data())
    def test_arguments(self, rows, sandbox, monkeypatch, name, data):
        # It would end the test's transaction.
        monkeypatch.setattr("dsintegration.management.base.connections.close_all", lambda: None)
        command = load_command_class("dsintegration", name)
        options = [
            option
            for action in command.create_parser("manage.py", name)._actions
            for option in action.option_strings
            if option not in {"-h", "--help", "--traceback", "--settings", "--pythonpath"}
        ]
        words = st.lists(st.one_of(word, st.sampled_from([*options, str(NUMBER)])), max_size=4)
        out, err = io.StringIO(), io.StringIO()
        command.stdout._out, command.stderr._out = out, err
        status = 0
        try:
            with redirect_stderr(err), redirect_stdout(out):
                command.run_from_argv(["manage.py", name, *data.draw(words)])
        except SystemExit as end:
            status = end.code
        said = out.getvalue() + err.getvalue()
        assert status in range(9)
        assert "Traceback" not in said
        assert bool(err.getvalue().strip()) or not status, "no word of what went wrong"

    @pytest.mark.parametrize("name", COMMANDS)
    def test_bytes_that_are_no_text(self, name):
        """As a shell really gives them."""
        run = subprocess.run(
            [sys.executable, "manage.py", name, b"\xff\xfe", "--nothing=\u202e"],
            cwd=PROJECT,
            env=EMPTY | {"PATH": os.environ["PATH"], "SECRET_KEY": "x" * 50},
            capture_output=True,
            check=False,
        )
        assert run.returncode == 2
        assert b"Traceback" not in run.stderr
        assert run.stderr.strip()

    @pytest.mark.parametrize("file", ["/dev/zero", "/proc/self/mem", "/", "\udcff", "a" * 5000])
    def test_files_that_are_none(self, file):
        with pytest.raises(CommandError) as raised:
            call_command("fetch_dossier", file=file)
        assert raised.value.returncode == 2
        assert str(raised.value).startswith("le fichier donné à --file ")


VARIABLES = sorted(
    set(re.findall(r"^([A-Z][A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE))
    | {"SECRET_KEY_FILE", "DS_API_TOKEN_FILE"}
)


class TestEnvironment:
    @some
    @given(st.sampled_from(VARIABLES), word)
    def test_variables(self, monkeypatch, name, value):
        self.start(monkeypatch, name, value)

    @pytest.mark.parametrize("name", VARIABLES)
    def test_each_with_all_that_is_nasty(self, monkeypatch, name):
        for value in NASTY:
            if "\0" not in value and "\ud800" not in value:
                self.start(monkeypatch, name, value)

    def start(self, monkeypatch, name, value):
        """The settings as a process reads them, and all that reads them later."""
        with monkeypatch.context() as patch:
            patch.setattr("config.env.read_file", lambda _: None)
            for variable, empty in (EMPTY | {"SECRET_KEY": "x" * 50}).items():
                patch.setenv(variable, empty)
            patch.setenv(name, value)
            refusal = ""
            try:
                made = runpy.run_path(str(PROJECT / "config/settings.py"))
                ours = {key: given for key, given in made.items() if key.startswith("DS_")}
                with override_settings(**ours | {"DS_SANDBOX": False}):
                    for reader in (*conf.READERS, *conf.PAGE_READERS):
                        reader()
            except ImproperlyConfigured as err:
                refusal = str(err)
            if refusal:
                assert re.fullmatch(r"[^\n]+\.", refusal)
                assert re.search(r"\b(DEBUG|[A-Z]+(_[A-Z]+)+)\b", refusal), "it names no variable"
                assert len(value) < 8 or value not in refusal
