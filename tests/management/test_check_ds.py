"""`manage.py check_ds`: each check, holding and failing, on real sockets and without a database."""

import copy
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import StringIO
from pathlib import Path

import pytest
import trustme
from django.core.management import CommandError, call_command
from django.utils import timezone
from graphql import build_schema, graphql_sync, introspection_from_schema, parse

from dsintegration.diagnosis import schemas
from dsintegration.diagnosis.schemas import UnreadableSchemaError, compare
from dsintegration.models import Dossier
from dsintegration.numbers import MAX_NUMBER
from dsintegration.platform import documents
from dsintegration.platform.documents import GET_RIGHT, GET_SCHEMA, Document
from dsintegration.sandbox import TOKEN, Reply
from dsintegration.sandbox import server as sandbox_server
from tests.settings import EMPTY
from tests.tcp import OK, TCPServer, read_request

PROJECT = Path(__file__).resolve().parents[2]
NAMES = ["settings", "connection", "tls", "answer", "token", "clock", "schema", "dossier", "rate"]


def failing(code: str, **error: object) -> dict[str, object]:
    return {"errors": [{"message": "hidden", "extensions": {"code": code}} | error], "data": None}


def refusal(status: int, message: object, code: str) -> Reply:
    return Reply(status, failing(code, message=message))


class Report:
    """What the command printed, and the exit status that it asked for."""

    def __init__(self, *words: str) -> None:
        out, err, self.status, words_at_the_end = StringIO(), StringIO(), 0, ""
        try:
            call_command("check_ds", *words, "--format=json", stdout=out, stderr=err)
        except CommandError as error:
            self.status, words_at_the_end = error.returncode, str(error)
        assert words_at_the_end == ""
        self.text = out.getvalue()
        rows = [json.loads(line) for line in self.text.splitlines()]
        assert [row["check"] for row in rows] == NAMES
        assert not err.getvalue()
        assert all(row["sentence"].endswith(".") for row in rows)
        assert all(row["sentence"].isprintable() for row in rows)
        self.ok = {row["check"]: row["ok"] for row in rows}
        self.said = {row["check"]: row["sentence"] for row in rows}

    @property
    def failed(self) -> list[str]:
        return [check for check, ok in self.ok.items() if ok is False]


@pytest.fixture
def secrets_stay(logs, capsys):
    """Nothing that is printed or logged holds the token."""
    yield
    captured = capsys.readouterr()
    for text in (logs.text, captured.out, captured.err):
        assert TOKEN not in text


pytestmark = pytest.mark.usefixtures("secrets_stay")


def schema(*replacements: tuple[str, str]) -> Reply:
    """The sandbox's schema, with some of its text replaced, as our introspection reads it."""
    sdl = Path(sandbox_server.__file__).with_name("schema.graphql").read_text()
    for old, new in replacements:
        assert old in sdl
        sdl = sdl.replace(old, new)
    return Reply(body={"data": graphql_sync(build_schema(sdl), GET_SCHEMA.text).data})


class TestAllWell:
    def test_with_a_number(self, sandbox, settings):
        settings.DS_API_TOKEN_EXPIRES = timezone.localdate() + timedelta(days=300)
        report = Report("12345")
        assert (report.status, report.failed) == (0, [])
        assert report.ok == dict.fromkeys(NAMES, True) | {"tls": None, "rate": None}
        assert report.said["dossier"] == (
            "le jeton donne accès au n° 12345, de la démarche n° 901."
        )

    def test_two_requests_and_no_more_than_they_need(self, sandbox):
        Report("n° 12 345")
        assert [request.body for request in sandbox.received] == [
            {"query": GET_RIGHT.text, "variables": {"number": 12345}},
            {"query": GET_SCHEMA.text, "variables": {}},
        ]
        assert {request.headers["Authorization"] for request in sandbox.received} == {
            f"Bearer {TOKEN}"
        }

    def test_without_a_number(self, sandbox):
        report = Report()
        assert (report.status, report.ok["dossier"]) == (0, None)
        assert sandbox.received[0].body["variables"] == {"number": MAX_NUMBER}

    def test_as_text(self, sandbox, capsys):
        call_command("check_ds", "12345")
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(NAMES)
        assert lines[4] == "✓ Jeton : la plateforme l'accepte, depuis ce réseau."
        assert lines[2].startswith("– TLS : sans objet")

    def test_failures_as_text(self, sandbox, capsys):
        with pytest.raises(CommandError):
            call_command("check_ds", "404")
        assert "\n✗ Dossier : n° 404 : la plateforme ne connaît pas" in capsys.readouterr().out

    def test_nothing_of_the_dossier_is_shown(self, sandbox):
        dossier = sandbox.dossiers[12345]
        report = Report("12345")
        for text in (dossier["demarche"]["title"], dossier["usager"]["email"], dossier["state"]):
            assert text not in report.text


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DS_API_TOKEN", ""),
            ("DS_API_TOKEN", "hid den"),
            ("DS_API_URL", "http://platform.example.org/"),
            ("DS_API_READ_TIMEOUT", 0),
            ("DS_SYSTEM_EMAILS", "none"),
        ],
    )
    def test_wrong_ones(self, sandbox, settings, name, value):
        setattr(settings, name, value)
        report = Report("12345")
        assert (report.status, report.failed) == (7, ["settings"])
        assert name in report.said["settings"]
        assert "hid" not in report.text
        assert [report.ok[name] for name in NAMES[1:]] == [None] * 8
        assert not sandbox.received

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("HTTPS_PROXY", "socks5://me:hidden@localhost:1"),
            ("REQUESTS_CA_BUNDLE", "/nowhere/authorities.pem"),
        ],
    )
    def test_wrong_ones_of_the_network(self, settings, monkeypatch, name, value):
        settings.DS_API_URL, settings.DS_API_TOKEN = "https://platform.example.org/", TOKEN
        monkeypatch.setenv(name, value)
        report = Report()
        assert (report.status, report.failed) == (7, ["settings"])
        assert name in report.said["settings"]
        assert "hidden" not in report.text

    @pytest.mark.parametrize(
        ("days", "words", "status"),
        [
            (None, "un jeton vit un an au plus", 0),
            (300, "le jeton expire le", 0),
            (31, "; le jeton expire le", 0),
            (30, "d'ici là, créez-en un autre", 8),
            (0, "d'ici là, créez-en un autre", 8),
            (-1, "le jeton a expiré le", 7),
        ],
    )
    def test_the_last_day_of_the_token(self, sandbox, settings, days, words, status):
        today = timezone.localdate()
        settings.DS_API_TOKEN_EXPIRES = None if days is None else today + timedelta(days=days)
        report = Report()
        assert words in report.said["settings"]
        assert (report.status, report.failed) == (status, ["settings"] if status else [])
        assert report.ok["token"]  # the platform is asked all the same: the note may be old

    def test_what_fails_today_says_more_than_what_will(self, sandbox, settings):
        settings.DS_API_TOKEN_EXPIRES = timezone.localdate() + timedelta(days=3)
        sandbox.replies[MAX_NUMBER] = refusal(401, "Token expired", "unauthorized")
        report = Report()
        assert (report.status, report.failed) == (4, ["settings", "token"])

    def test_a_token_of_an_odd_length(self, sandbox, settings):
        settings.DS_API_TOKEN = "a" * 20
        assert "longueur habituelle (84 caractères)" in Report().said["settings"]


class TestConnection:
    @pytest.fixture(autouse=True)
    def token(self, settings):
        settings.DS_API_TOKEN = TOKEN
        return settings

    def closed_port(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return listener.getsockname()[1]

    def test_unknown_name(self, settings, monkeypatch):
        def unknown(*_, **__):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        monkeypatch.setattr("socket.getaddrinfo", unknown)
        settings.DS_API_URL = "https://nowhere.example.org/api/v2/graphql"
        report = Report()
        assert (report.status, report.failed) == (5, ["connection"])
        assert "le nom nowhere.example.org est introuvable" in report.said["connection"]

    def test_nobody_listens(self, settings, pauses):
        settings.DS_API_URL = f"http://127.0.0.1:{self.closed_port()}/"
        report = Report()
        assert (report.status, report.failed) == (5, ["connection"])
        assert "ne se laisse pas joindre" in report.said["connection"]
        assert not pauses  # one try is enough to see it

    def test_a_proxy_that_is_away(self, settings, monkeypatch):
        port = self.closed_port()
        settings.DS_API_URL = "https://platform.example.org/"
        monkeypatch.setenv("HTTPS_PROXY", f"http://account:hidden@localhost:{port}")
        report = Report()
        assert (report.status, report.failed) == (5, ["connection"])
        assert f"le proxy http://localhost:{port} ne se laisse" in report.said["connection"]
        assert "hidden" not in report.text
        assert "account" not in report.text

    def test_a_proxy_without_a_port(self, settings, monkeypatch):
        settings.DS_API_URL = "https://platform.example.org/"
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org")
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [])
        said = Report().said["connection"]
        assert "le nom du proxy http://proxy.example.org est introuvable" in said

    def test_a_proxy_that_refuses(self, settings, monkeypatch):
        def refuse(connection):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")

        settings.DS_API_URL = "https://platform.example.org/"
        with TCPServer(refuse) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://account:hidden@localhost:{proxy.port}")
            report = Report()
        assert (report.status, report.failed) == (5, ["connection"])
        assert "n'ouvre pas de passage vers platform.example.org" in report.said["connection"]
        assert "hidden" not in report.text

    @pytest.mark.parametrize(
        "script",
        [lambda connection: None, lambda connection: connection.recv(65536)],
        ids=["closes", "hangs up"],
    )
    def test_a_connection_without_an_answer(self, settings, script):
        with TCPServer(script) as server:
            settings.DS_API_URL = server.url
            report = Report()
        assert (report.status, report.failed) == (5, ["answer"])
        assert report.ok["connection"]

    def test_silence(self, settings):
        settings.DS_API_READ_TIMEOUT = 0.2
        with TCPServer(lambda connection: (read_request(connection), connection.recv(1))) as server:
            settings.DS_API_URL = server.url
            report = Report()
        assert (report.status, report.failed) == (5, ["answer"])
        assert "à temps" in report.said["answer"]


class TestTLS:
    @pytest.fixture
    def authority(self, tmp_path, monkeypatch):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        return authority

    def ask(self, certificate, sandbox, settings, monkeypatch, *, proxied=False) -> Report:
        """The sandbox behind TLS, and behind a proxy too if so asked."""
        port = int(sandbox.url.split(":")[2].split("/")[0])

        def serve(connection):
            with socket.create_connection(("127.0.0.1", port)) as plain:
                relay(connection, plain)

        def tunnel(connection):
            assert read_request(connection).startswith(b"CONNECT platform.example.org:443 ")
            connection.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
            with socket.create_connection(("127.0.0.1", server.port)) as encrypted:
                relay(connection, encrypted)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        with TCPServer(serve, context) as server, TCPServer(tunnel) as proxy:
            settings.DS_API_URL = server.url
            if proxied:
                settings.DS_API_URL = "https://platform.example.org/api/v2/graphql"
                monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden@localhost:{proxy.port}")
            return Report("12345")

    def test_good(self, authority, sandbox, settings, monkeypatch):
        end = datetime.now(UTC) + timedelta(days=40, hours=1)
        certificate = authority.issue_cert("localhost", not_after=end)
        report = self.ask(certificate, sandbox, settings, monkeypatch)
        assert (report.status, report.failed) == (0, [])
        assert report.said["tls"] == (
            f"TLS 1.3, certificat vérifié, valable encore 40 jours (jusqu'au {end:%d/%m/%Y}), "
            "autorités lues dans REQUESTS_CA_BUNDLE."
        )

    def test_through_a_proxy(self, authority, sandbox, settings, monkeypatch):
        certificate = authority.issue_cert("platform.example.org")
        report = self.ask(certificate, sandbox, settings, monkeypatch, proxied=True)
        assert (report.status, report.failed) == (0, [])
        assert "à travers le proxy http://localhost:" in report.said["connection"]
        assert "hidden" not in report.text

    @pytest.mark.parametrize(
        ("dates", "words"),
        [
            ({"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, "a expiré"),
            ({"not_before": datetime(2090, 1, 1, tzinfo=UTC)}, "n'est pas encore valable"),
        ],
    )
    def test_dates(self, authority, sandbox, settings, monkeypatch, dates, words):
        ends = {"not_after": datetime(2099, 1, 1, tzinfo=UTC)}
        certificate = authority.issue_cert("localhost", **ends | dates)
        report = self.ask(certificate, sandbox, settings, monkeypatch)
        self.refused(report, sandbox, words)

    def test_another_name(self, authority, sandbox, settings, monkeypatch):
        certificate = authority.issue_cert("other.example.org")
        report = self.ask(certificate, sandbox, settings, monkeypatch)
        self.refused(report, sandbox, "n'est pas au nom de localhost")

    def test_unknown_authority(self, sandbox, settings, monkeypatch):
        certificate = trustme.CA().issue_cert("localhost")
        report = self.ask(certificate, sandbox, settings, monkeypatch)
        self.refused(report, sandbox, "autorité inconnue ici")
        assert "REQUESTS_CA_BUNDLE" in report.said["tls"]

    def test_self_signed(self, sandbox, settings, monkeypatch, tmp_path):
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
            "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem"
        )
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)

        class SelfSigned:
            def configure_cert(self, context):
                context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

        report = self.ask(SelfSigned(), sandbox, settings, monkeypatch)
        self.refused(report, sandbox, "est signé par lui-même")

    def refused(self, report, sandbox, words):
        assert (report.status, report.failed) == (6, ["tls"])
        assert words in report.said["tls"]
        assert "le jeton n'a pas été envoyé" in report.said["tls"]
        assert report.ok["connection"]
        assert not sandbox.received

    def test_no_tls_at_all(self, sandbox, settings):
        settings.DS_API_URL = sandbox.url.replace("http:", "https:")
        report = Report()
        assert (report.status, report.failed) == (5, ["tls"])
        assert "ne parle pas TLS" in report.said["tls"]


def relay(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until either side leaves."""

    def pour(source, drain):
        try:
            while data := source.recv(65536):
                drain.sendall(data)
            drain.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it left

    back = threading.Thread(target=pour, args=(other, one))
    back.start()
    pour(one, other)
    back.join()


@pytest.mark.usefixtures("no_collection")
class TestAnswer:
    @pytest.mark.parametrize(
        ("location", "words"),
        [
            ("https://other.example.org/login?token=hidden", "vers https://other.example.org, "),
            ("/login?back=hidden", "vers une autre page du même serveur"),
            ("http://[::1/hidden", "renvoie vers ailleurs"),
            ("https://hidden\x1b[31m.example.org/", "renvoie vers ailleurs"),
            ("javascript:hidden", "renvoie vers ailleurs"),
        ],
    )
    def test_redirect(self, sandbox, location, words):
        sandbox.replies[MAX_NUMBER] = Reply(301, headers={"Location": location})
        report = Report()
        assert (report.status, report.failed) == (6, ["answer"])
        assert words in report.said["answer"]
        assert "le jeton n'y a pas été envoyé" in report.said["answer"]
        assert "hidden" not in report.text
        assert len(sandbox.received) == 1

    @pytest.mark.parametrize(
        ("reply", "status", "words"),
        [
            (Reply(200, "<html>Hello", "text/html"), 6, "n'est pas celle de l'API"),
            (Reply(404, "<html>Not Found", "text/html"), 6, "n'est pas celle de l'API"),
            (Reply(200, "[" * 100_000), 6, "n'est pas celle de l'API"),
            (Reply(200, {"data": None}), 6, "incompréhensible"),
            (Reply(200, b"\xff" * 10), 6, "incompréhensible"),
            (Reply(403, "<html>Forbidden", "text/html"), 6, "un intermédiaire"),
            (Reply(407, "<html>Who?", "text/html"), 6, "un intermédiaire"),
            (Reply(503, {"error": "hidden"}), 5, "en maintenance"),
            (Reply(500, {"errors": []}), 5, "a rencontré une erreur interne ; réessayez"),
            (Reply(502, ""), 5, "momentanément en panne"),
            (Reply(429, "", headers={"Retry-After": "7"}), 5, "Elle demande d'attendre 7 s."),
        ],
    )
    def test_what_is_not_the_api_or_not_now(self, sandbox, pauses, reply, status, words):
        sandbox.replies[MAX_NUMBER] = reply
        report = Report()
        assert (report.status, report.failed) == (status, ["answer"])
        assert words in report.said["answer"]
        assert [report.ok[name] for name in NAMES[4:]] == [None] * 5
        assert (len(sandbox.received), pauses) == (1, [])

    def test_a_body_without_end(self, settings, monkeypatch):
        monkeypatch.setattr("dsintegration.platform.transport.MAX_BODY_BYTES", 100_000)

        def pour(connection):
            read_request(connection)
            connection.sendall(OK + b"\r\n")
            while True:
                connection.sendall(b" " * 65536)

        settings.DS_API_TOKEN = TOKEN
        with TCPServer(pour) as server:
            settings.DS_API_URL = server.url
            report = Report()
        assert (report.status, report.failed) == (6, ["answer"])


class TestToken:
    def test_expired(self, sandbox):
        sandbox.replies[MAX_NUMBER] = refusal(401, "Token expired", "unauthorized")
        report = Report()
        assert (report.status, report.failed) == (4, ["token"])
        assert "a expiré" in report.said["token"]
        assert "vit un an au plus" in report.said["token"]
        assert len(sandbox.received) == 1

    @pytest.mark.parametrize("address", ["203.0.113.45", "2001:db8::1"])
    def test_wrong_network(self, sandbox, address):
        message = f"Request issued from a forbidden network. Add {address}/32 to your allowed …"
        sandbox.replies[MAX_NUMBER] = refusal(403, message, "forbidden")
        report = Report()
        assert (report.status, report.failed) == (4, ["token"])
        assert f"elle nous voit venir de {address} ;" in report.said["token"]
        assert "se lie au premier réseau" in report.said["token"]
        assert len(sandbox.received) == 1

    def test_unknown(self, sandbox, settings):
        """The platform answers an introspection to it all the same, since September 2026."""
        settings.DS_API_TOKEN = "b" * 84
        report = Report("12345")
        assert (report.status, report.failed) == (4, ["token"])
        assert "la plateforme ne le connaît pas" in report.said["token"]
        assert (report.ok["schema"], report.ok["dossier"]) == (True, None)
        assert "b" * 84 not in report.text

    @pytest.mark.parametrize("message", ["No", "Add 999.0.0.1/32", None, ["203.0.113.45"], "1/2"])
    def test_refused_without_a_reason(self, sandbox, message):
        """As the platform did to unknown tokens, and others may still do."""
        sandbox.replies[MAX_NUMBER] = refusal(403, message, "forbidden")
        sandbox.introspection = refusal(403, message, "forbidden")
        report = Report("12345")
        assert report.ok["token"]  # of this dossier's own request
        report = Report()
        assert (report.status, report.failed) == (4, ["token"])
        assert "sans dire pourquoi" in report.said["token"]
        assert report.ok["schema"] is None


class TestClock:
    def answered(self, sandbox, seconds) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        not_found = failing("not_found", path=["dossier"])
        sandbox.replies[MAX_NUMBER] = Reply(body=not_found, headers={"Date": date})
        sandbox.introspection = Reply(body=schema().body, headers={"Date": date})

    @pytest.mark.parametrize("seconds", [-50, 0, 50])
    def test_near_enough(self, sandbox, seconds):
        self.answered(sandbox, seconds)
        report = Report()
        assert (report.status, report.ok["clock"]) == (0, True)

    @pytest.mark.parametrize(("seconds", "words"), [(-3600, "avance de 3"), (3600, "retarde de 3")])
    def test_skewed(self, sandbox, seconds, words):
        self.answered(sandbox, seconds)
        report = Report()
        assert (report.status, report.failed) == (1, ["clock"])
        assert words in report.said["clock"]
        assert "NTP" in report.said["clock"]

    @pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Nov 2026 10:00:00 GMT"])
    def test_no_date(self, sandbox, date):
        sandbox.replies[MAX_NUMBER] = Reply(
            body={"data": {"dossier": {"number": MAX_NUMBER}}}, headers={"Date": date}
        )
        sandbox.introspection = Reply(body=schema().body, headers={"Date": date})
        report = Report()
        assert (report.status, report.ok["clock"]) == (0, None)


@pytest.mark.usefixtures("no_collection")
class TestSchema:
    def test_gone(self, sandbox):
        sandbox.introspection = schema(
            ("dateExpiration", "dateFin"), ("discardedAt", "deletedAt"), ("updatedSince", "since")
        )
        report = Report()
        assert (report.status, report.failed) == (6, ["schema"])
        assert report.said["schema"] == (
            "n'existe plus : Dossier.dateExpiration, Message.discardedAt, "
            "Demarche.dossiers(updatedSince:) ; mettez dsintegration à jour."
        )

    def test_gone_of_what_can_be_chosen(self, sandbox):
        """Whatever is chosen here: what is missed is said before somebody chooses it."""
        sandbox.introspection = schema(
            ("  demandeur: Demandeur", "  demandeuse: Demandeur"),
            ("  motivation: String", "  motif: String"),
            ("  annotations(", "  notes("),
        )
        said = Report().said["schema"]
        assert "Dossier.demandeur" in said
        assert "Dossier.motivation" in said
        assert "Dossier.annotations" in said

    def test_two_kinds_of_failure(self, sandbox):
        sandbox.introspection = schema(("dateExpiration", "dateFin"))
        report = Report("404")
        assert (report.status, report.failed) == (1, ["schema", "dossier"])

    def test_misfits(self, sandbox):
        sandbox.introspection = schema(("dossier(number: Int!)", "dossier(number: ID!)"))
        report = Report()
        assert (report.status, report.failed) == (6, ["schema"])
        assert "ne convient plus : « Variable '$number' of type" in report.said["schema"]

    def test_deprecated(self, sandbox):
        reason = r"Trop \u001b[31mvieux\u202e. " + "x" * 200
        old = f'@deprecated(reason: "{reason}")'
        sandbox.introspection = schema(
            ("dateExpiration: ISO8601DateTime", f"dateExpiration: ISO8601DateTime {old}"),
            ("(updatedSince: ISO8601DateTime", f"(updatedSince: ISO8601DateTime {old}"),
        )
        report = Report()
        assert (report.status, report.failed) == (0, [])
        said = report.said["schema"]
        assert "attention, déprécié : Dossier.dateExpiration (« Trop \ufffd[31mvieux\ufffd." in said
        assert "Demarche.dossiers(updatedSince:) (« Trop" in said
        assert "x" * 120 not in said

    def test_enum_values_that_a_document_would_use(self, monkeypatch):
        document = Document("{ dossiers(state: [en_construction, refuse]) }")
        monkeypatch.setattr(schemas, "DOCUMENTS", [document])
        sdl = """
            type Query { dossiers(state: [State!]): Int }
            enum State { en_construction @deprecated(reason: "renamed") accepte }
        """
        differences = compare(introspection_from_schema(build_schema(sdl)), [])
        assert differences.gone == ["State.refuse"]
        assert differences.deprecated == {"State.en_construction": "renamed"}

    def test_unknown_states(self, sandbox):
        sandbox.introspection = schema(("sans_suite", "sans_suite suspendu"))
        report = Report()
        assert (report.status, report.failed) == (0, [])
        assert "montre tels quels : « suspendu »." in report.said["schema"]

    def test_lists_end(self, sandbox):
        many = " ".join(f"etat{rank}" for rank in range(500))
        sandbox.introspection = schema(("sans_suite", many))
        assert "« etat7 » et 492 de plus." in Report().said["schema"]

    @pytest.mark.parametrize(
        ("reply", "status", "words"),
        [
            (Reply(body={"errors": [{"message": "hidden"}]}), 6, "refuse qu'on lui demande"),
            (refusal(403, "hidden", "forbidden"), 4, "pas comparé"),
            (Reply(body="<html>hidden"), 6, "n'est pas celle de l'API"),
            (Reply(503), 5, "en maintenance"),
            (Reply(body={"data": None}), 6, "incompréhensible"),
            (Reply(body={"data": []}), 6, "incompréhensible"),
            (Reply(body={"data": {}}), 6, "n'est pas un schéma"),
            (Reply(body={"data": {"__schema": None}}), 6, "n'est pas un schéma"),
            (Reply(body={"data": {"__schema": {"types": []}}}), 6, "n'est pas un schéma"),
            (Reply(body='{"data": {"__schema": ' + '{"ofType":' * 50_000), 6, "n'est pas celle"),
        ],
    )
    def test_what_is_none(self, sandbox, pauses, reply, status, words):
        sandbox.introspection = reply
        report = Report("12345")
        assert (report.status, report.failed) == (status, ["schema"])
        assert words in report.said["schema"]
        assert report.ok["dossier"]
        assert "hidden" not in report.text
        assert (len(sandbox.received), pauses) == (2, [])

    def test_a_huge_one(self, sandbox, monkeypatch):
        monkeypatch.setattr("dsintegration.diagnosis.rights.MOST_BYTES", 10_000)
        report = Report()
        assert (report.status, report.failed) == (6, ["schema"])
        assert "démesurée" in report.said["schema"]

    def test_a_slow_one(self, settings, monkeypatch):
        monkeypatch.setattr("dsintegration.diagnosis.settings.BUDGET", 2)
        answer = json.dumps({"data": {"dossier": {}}}).encode()

        def serve(connection):
            read_request(connection)
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))
            read_request(connection)
            connection.sendall(OK + b"Content-Length: 60000\r\n\r\n")
            for _ in range(60_000):
                connection.sendall(b" ")
                time.sleep(0.02)

        settings.DS_API_TOKEN = TOKEN
        with TCPServer(serve) as server:
            settings.DS_API_URL = server.url
            report = Report()
        assert (report.status, report.failed) == (5, ["schema"])
        assert "à temps" in report.said["schema"]

    def test_garbage_anywhere_in_one(self):
        """Each kind of place in turn holds each kind of nonsense: refused or compared, no more."""
        sdl = """
            type Query implements Node { id: ID! dossier(number: Int! = 1): Dossier! }
            interface Node { id: ID! }
            type Dossier { number: Int! all(by: By): Any messages: [Query!]! state: DossierState }
            union Any = Query | Dossier
            input By { state: DossierState = accepte }
            enum DossierState { accepte }
            scalar ISO8601DateTime
        """
        good = introspection_from_schema(build_schema(sdl), input_value_deprecation=True)
        deep = {"kind": "LIST", "ofType": None}
        for _ in range(3_000):
            deep = {"kind": "LIST", "ofType": deep}
        nonsense = [None, 0, "x\x1b", [None], {"name": "Query"}, deep]
        unreadable = 0
        for path in kinds_of_places(good):
            for value in nonsense:
                try:
                    compare(with_value(good, path, value), [])
                except UnreadableSchemaError:
                    unreadable += 1
        assert unreadable > 100

    def test_all_our_documents_are_compared(self):
        ours = {value for value in vars(documents).values() if isinstance(value, Document)}
        assert set(schemas.DOCUMENTS) == ours - {GET_SCHEMA}

    def test_the_platform_takes_documents_that_are_15_levels_deep(self):
        fragments = {
            node.name.value: node.selection_set
            for node in parse(GET_SCHEMA.text).definitions
            if node.kind == "fragment_definition"
        }

        def depth(selections):
            return max(
                depth(fragments[node.name.value])
                if node.kind == "fragment_spread"
                else 1 + (depth(node.selection_set) if node.selection_set else 0)
                for node in selections.selections
            )

        assert depth(GET_SCHEMA.document.definitions[0].selection_set) <= 15


def kinds_of_places(tree) -> list[tuple]:
    """One path to each kind of node: the first of a list stands for the others of its kind."""
    found: dict[tuple, tuple] = {}

    def walk(node, path):
        found.setdefault(tuple("*" if isinstance(key, int) else key for key in path), path)
        keys = {dict: list, list: lambda items: range(len(items))}.get(type(node))
        for key in keys(node) if keys else ():
            walk(node[key], (*path, key))

    walk(tree, ())
    return list(found.values())


def with_value(tree, path, value):
    if not path:
        return value
    tree = copy.deepcopy(tree)
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return tree


class TestDossier:
    @pytest.mark.parametrize(
        ("number", "status", "words"),
        [
            ("404", 3, "ne connaît pas ce dossier"),
            ("20002", 4, "n'a pas accès à la démarche"),
            ("20003", 5, "trop de temps"),
        ],
    )
    def test_no_right(self, sandbox, number, status, words):
        report = Report(number)
        assert (report.status, report.failed) == (status, ["dossier"])
        assert f"n° {number} : " in report.said["dossier"]
        assert words in report.said["dossier"]
        assert report.ok["schema"]

    @pytest.mark.parametrize(
        "dossier",
        [
            None,
            [],
            {},
            {"number": 5, "demarche": {"number": 901}},
            {"number": 12345, "demarche": {"number": "hidden"}},
            {"number": 12345, "demarche": {"number": True}},
            {"number": 12345, "demarche": None},
        ],
    )
    def test_not_what_was_asked(self, sandbox, dossier):
        sandbox.replies[12345] = Reply(body={"data": {"dossier": dossier}})
        report = Report("12345")
        assert (report.status, report.failed) == (6, ["dossier"])
        assert "hidden" not in report.text

    def test_a_query_that_is_refused(self, sandbox):
        error = {"message": "hidden", "extensions": {"code": "undefinedField"}}
        sandbox.replies[12345] = Reply(body={"errors": [error]})
        report = Report("12345")
        assert (report.status, report.failed) == (6, ["dossier"])
        assert (report.ok["token"], report.ok["schema"]) == (None, True)

    @pytest.mark.parametrize("words", [["abc"], ["0"], ["12345", "12346"], ["12345", "--format=x"]])
    def test_bad_input(self, sandbox, words):
        with pytest.raises(CommandError) as caught:
            call_command("check_ds", *words)
        assert caught.value.returncode == 2
        assert not sandbox.received


class TestRate:
    def answered(self, sandbox, **headers) -> Report:
        headers = {f"RateLimit-{name}": value for name, value in headers.items()}
        sandbox.introspection = Reply(body=schema().body, headers=headers)
        return Report()

    def test_what_is_left(self, sandbox):
        report = self.answered(sandbox, Limit="400", Remaining="12", Reset="30")
        assert (report.status, report.ok["rate"]) == (0, True)
        assert "reste 12 sur 400 demandes, remis à zéro dans 30 s" in report.said["rate"]

    def test_nothing_is_left(self, sandbox):
        report = self.answered(sandbox, Remaining="0", Reset=str(int(time.time()) + 40))
        assert (report.status, report.failed) == (5, ["rate"])
        assert "DS_RATE_LIMIT" in report.said["rate"]

    @pytest.mark.parametrize("junk", ["", "hidden", "²", "9" * 400, "-1"])
    def test_junk(self, sandbox, junk):
        report = self.answered(sandbox, Limit=junk, Remaining=junk, Reset=junk)
        assert (report.status, report.ok["rate"]) == (0, None)
        assert "300 demandes par minute" in report.said["rate"]
        report = self.answered(sandbox, Limit=junk, Remaining="3", Reset=junk)
        assert "reste 3 demandes ;" in report.said["rate"]


class TestProcess:
    """As an operator's shell sees it: no database is there, and none is made."""

    def run(self, tmp_path, *words, **env):
        return subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), "check_ds", *words],
            env=EMPTY
            | {"SECRET_KEY": "for the tests only", "PATH": os.environ["PATH"]}
            | {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
            | env,
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
        )

    @pytest.mark.parametrize(("number", "status"), [("12345", 0), ("404", 3)])
    def test_status(self, sandbox, tmp_path, number, status):
        run = self.run(tmp_path, number, DS_API_URL=sandbox.url, DS_API_TOKEN=TOKEN)
        assert (run.returncode, run.stderr) == (status, "")
        assert len(run.stdout.splitlines()) == len(NAMES)
        assert TOKEN not in run.stdout
        assert list(tmp_path.iterdir()) == []

    def test_a_database_that_is_down(self, sandbox, tmp_path):
        run = self.run(
            tmp_path,
            DATABASE_URL="postgres://nobody@127.0.0.1:9/nothing",
            DS_API_URL=sandbox.url,
            DS_API_TOKEN=TOKEN,
        )
        assert (run.returncode, run.stderr) == (0, "")

    def test_a_cache_that_is_down(self, sandbox, tmp_path):
        run = self.run(
            tmp_path,
            CACHE_URL="redis://127.0.0.1:9/0",
            DS_API_URL=sandbox.url,
            DS_API_TOKEN=TOKEN,
        )
        assert (run.returncode, run.stderr) == (0, "")

    def test_in_the_sandbox(self, tmp_path):
        run = self.run(tmp_path, "40301", DS_SANDBOX="1", DEBUG="1")
        assert (run.returncode, run.stderr) == (4, "")
        assert "203.0.113.45" in run.stdout

    def test_no_token(self, tmp_path):
        run = self.run(tmp_path)
        assert (run.returncode, run.stderr) == (7, "")
        assert run.stdout.startswith("✗ Réglages : DS_API_TOKEN manque")


def test_etats_that_we_know_are_those_of_the_sandbox():
    data = introspection_from_schema(sandbox_server.schema())
    assert compare(data, Dossier.State.values).unknown_states == []
