"""The client against real sockets: what it sends, and what it makes of each answer."""

import gzip
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
from contextlib import ExitStack, closing, nullcontext
from datetime import UTC, datetime
from email.utils import format_datetime
from io import BytesIO

import pytest
import trustme
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import ExceptionReporter

from dsintegration import __version__
from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSError,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.payloads.content import FAILURE
from dsintegration.payloads.selection import Selection
from dsintegration.platform import sockets
from dsintegration.platform.client import get_client
from dsintegration.platform.documents import GET_DOSSIER, GET_MOVED
from dsintegration.platform.failures import http_moment
from dsintegration.platform.rate_limit import has_room
from dsintegration.platform.sockets import deadline, seconds_left
from dsintegration.platform.tokens import fingerprint
from dsintegration.platform.transport import CA_VARIABLES
from dsintegration.sandbox import TOKEN, Reply
from tests.factories import dossier_answer
from tests.tcp import OK, TCPServer, read_request

NUMBER = 28711001


def error(code=None, **fields):
    extensions = {} if code is None else {"extensions": {"code": code}}
    return {"message": "camille@example.org", **fields, **extensions}


def failing(*errors, **body):
    return {"errors": list(errors), "data": None} | body


def fail(client, number=NUMBER) -> DSError:
    with pytest.raises(DSError) as caught:
        client.get_dossier(number)
    return caught.value


@pytest.fixture
def opened(monkeypatch):
    """The sockets that were connected, each with the seconds that this could take."""
    opened = []

    class Socket(sockets._PlainSocket):
        def connect(self, address):
            opened.append((self, self.gettimeout()))
            super().connect(address)

    monkeypatch.setattr(sockets, "_PlainSocket", Socket)
    return opened


class TestWhatIsSent:
    def test_one_post_of_our_document(self, sandbox):
        get_client().get_dossier(12345)

        [request] = sandbox.received
        assert request.path == "/api/v2/graphql"
        assert request.body == {"query": GET_DOSSIER.text, "variables": {"number": 12345}}
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert request.headers["User-Agent"] == f"dsintegration/{__version__}"
        assert request.headers["Content-Type"] == "application/json"
        assert "Accept-Language" not in request.headers
        assert "Cookie" not in request.headers

    def test_netrc_does_not_replace_the_token(self, sandbox, make_client, tmp_path, monkeypatch):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

        make_client(sandbox.url).get_dossier(12345)

        assert sandbox.received[0].headers["Authorization"] == f"Bearer {TOKEN}"

    def test_loopback_never_goes_through_a_proxy(self, sandbox, make_client, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert make_client(sandbox.url).get_dossier(12345)["number"] == 12345

    def test_other_hosts_go_through_the_proxy(self, make_client, monkeypatch):
        asked = []

        def refuse(connection):
            asked.append(read_request(connection))
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

        with TCPServer(refuse) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{proxy.port}")
            err = fail(make_client("https://platform.example.org/api/v2/graphql"))

        assert isinstance(err, DSUnavailable)
        assert asked[0].startswith(b"CONNECT platform.example.org:443 ")
        assert TOKEN.encode() not in b"".join(asked)

    def test_no_proxy_is_honoured(self, make_client, monkeypatch):
        with TCPServer(lambda connection: None) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{proxy.port}")
            monkeypatch.setenv("NO_PROXY", "example.org")
            with monkeypatch.context() as patched:
                patched.setattr("socket.getaddrinfo", lambda *_, **__: [])
                fail(make_client("https://platform.example.org/api/v2/graphql"))
        assert proxy.connections == 0

    def test_one_connection_is_kept(self, make_client):
        answer = json.dumps({"data": {"dossier": {"number": 1}}}).encode()

        def serve(connection):
            while read_request(connection):
                connection.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))

        with TCPServer(serve) as server:
            client = make_client(server.url)
            for _ in range(3):
                client.get_dossier(1)
            client.close()
        assert server.connections == 1

    def test_small_requests_are_not_held_back(self, sandbox, make_client, opened):
        make_client(sandbox.url).get_dossier(12345)
        [(sock, _)] = opened
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def test_a_connection_closed_by_the_server_is_opened_again(self, make_client):
        answer = json.dumps({"data": {"dossier": {"number": 1}}}).encode()

        def serve_once(connection):
            read_request(connection)
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))

        with TCPServer(serve_once) as server:
            client = make_client(server.url)
            client.get_dossier(1)
            client.get_dossier(1)
        assert server.connections == 2

    def test_threads_share_a_client_and_get_their_own_dossiers(self, sandbox, make_client):
        client, wrong = make_client(sandbox.url), []

        def ask(number):
            answers = (client.get_dossier(number)["number"] for _ in range(20))
            wrong.extend(answer for answer in answers if answer != number)
            client.close()

        threads = [threading.Thread(target=ask, args=(12345 + rank,)) for rank in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert len(sandbox.received) == 160

    def test_same_settings_same_client(self, sandbox):
        assert get_client() is get_client()
        assert get_client(web=True) is not get_client()


NOT_FOUND = error("not_found", path=["dossier"])

ANSWERS = {
    # The token
    "no or unknown token": (403, failing(error("forbidden")), DSAccessDenied, "token_refused"),
    "expired token": (401, failing(error("unauthorized")), DSAccessDenied, "token_expired"),
    "403 of a firewall": (403, "<html>Forbidden</html>", DSInvalidResponse, "blocked"),
    "403 of another code": (403, failing(error("weird")), DSInvalidResponse, "blocked"),
    "401 of a proxy": (401, "<html>Who?</html>", DSInvalidResponse, "blocked"),
    "407 of a proxy": (407, "<html>Who?</html>", DSInvalidResponse, "blocked"),
    # This dossier
    "no right": (200, failing(error("unauthorized", path=["dossier"])), DSAccessDenied, "no_right"),
    "not found": (200, failing(NOT_FOUND), DossierNotFound, "unknown"),
    # What is near, and is not "not found"
    "not_found over 404": (404, failing(NOT_FOUND), DSInvalidResponse, "not_the_api"),
    "not_found beside data": (
        200,
        failing(NOT_FOUND, data={"dossier": {"number": NUMBER}}),
        DSInvalidResponse,
        "unexpected",
    ),
    "not_found of something inside": (
        200,
        failing(error("not_found", path=["dossier", "demarche"])),
        DSInvalidResponse,
        "unexpected",
    ),
    "not_found of something in a démarche": (
        200,
        failing(error("not_found", path=["demarche", "activeRevision"])),
        DSInvalidResponse,
        "unexpected",
    ),
    "not_found of a dossier and of a démarche": (
        200,
        failing(NOT_FOUND, error("not_found", path=["demarche"])),
        DSInvalidResponse,
        "unexpected",
    ),
    "not_found without a path": (
        200,
        failing(error("not_found")),
        DSInvalidResponse,
        "unexpected",
    ),
    "not_found without data": (
        200,
        {"errors": [NOT_FOUND]},
        DSInvalidResponse,
        "query_refused",
    ),
    "errors an object": (
        200,
        {"errors": {}, "data": {"dossier": {"number": NUMBER}}},
        DSInvalidResponse,
        "unexpected",
    ),
    "errors an empty text beside data": (
        200,
        {"errors": "", "data": {"dossier": {"number": NUMBER}}},
        DSInvalidResponse,
        "unexpected",
    ),
    "not_found and an unknown code": (
        200,
        failing(NOT_FOUND, error("other")),
        DSInvalidResponse,
        "unexpected",
    ),
    "not_found and a timeout": (
        200,
        failing(NOT_FOUND, error("timeout")),
        DSUnavailable,
        "query_timeout",
    ),
    "the words of not found without the code": (
        200,
        failing({"message": "Dossier not found", "path": ["dossier"]}),
        DSInvalidResponse,
        "unexpected",
    ),
    "dossier null": (200, {"data": {"dossier": None}}, DSInvalidResponse, "unexpected"),
    "unauthorized beside data": (
        200,
        failing(error("unauthorized"), data={"dossier": {}}),
        DSInvalidResponse,
        "unexpected",
    ),
    # Errors of the query
    "timeout": (200, failing(error("timeout")), DSUnavailable, "query_timeout"),
    "timeout beside data": (
        200,
        failing(error("timeout"), data={"dossier": {"number": NUMBER}}),
        DSUnavailable,
        "query_timeout",
    ),
    "an error of its own": (
        200,
        failing(error("internal_server_error")),
        DSUnavailable,
        "server_error",
    ),
    "invalid_null": (200, failing(error("invalid_null")), DSInvalidResponse, "unexpected"),
    "unknown code": (200, failing(error("quite_new")), DSInvalidResponse, "unexpected"),
    "undefined field": (
        200,
        {"errors": [error("undefinedField")]},
        DSInvalidResponse,
        "query_refused",
    ),
    "no code at all": (200, {"errors": [error()]}, DSInvalidResponse, "query_refused"),
    "bad_request": (400, failing(error("bad_request")), DSInvalidResponse, "query_refused"),
    "parse failed": (
        400,
        failing(error("graphql_parse_failed")),
        DSInvalidResponse,
        "query_refused",
    ),
    # The platform has a bad day
    "429": (429, "Calm down", DSUnavailable, "throttled"),
    "500": (500, failing(error("internal_server_error")), DSUnavailable, "server_error"),
    "500 over a good answer": (500, {"data": {"dossier": {}}}, DSUnavailable, "server_error"),
    "502": (502, "<html>Bad Gateway</html>", DSUnavailable, "gateway"),
    "503": (503, {"error": "maintenance"}, DSUnavailable, "maintenance"),
    "504": (504, "", DSUnavailable, "timeout"),
    # Not the API
    "404": (404, "<html>Not Found</html>", DSInvalidResponse, "not_the_api"),
    "301": (301, "", DSInvalidResponse, "redirect"),
    "302 over a good answer": (302, {"data": {"dossier": {}}}, DSInvalidResponse, "redirect"),
    "201": (201, {"data": {"dossier": {}}}, DSInvalidResponse, "not_the_api"),
    "204": (204, "", DSInvalidResponse, "not_the_api"),
    "HTML": (200, "<html>Welcome</html>", DSInvalidResponse, "not_the_api"),
    "nothing": (200, "", DSInvalidResponse, "not_the_api"),
    "null": (200, "null", DSInvalidResponse, "not_the_api"),
    "a number": (200, "42", DSInvalidResponse, "not_the_api"),
    "a text": (200, '"errors data"', DSInvalidResponse, "not_the_api"),
    "a list": (200, '["errors", "data"]', DSInvalidResponse, "not_the_api"),
    "another object": (200, {"hello": "world"}, DSInvalidResponse, "not_the_api"),
    "truncated JSON": (200, '{"data": {"dossier"', DSInvalidResponse, "not_the_api"),
    "very deep JSON": (200, "[" * 100_000, DSInvalidResponse, "not_the_api"),
    "latin-1": (
        200,
        '{"data": {"dossier": "é"}}'.encode("latin-1"),
        DSInvalidResponse,
        "unexpected",
    ),
    "data null": (200, {"data": None}, DSInvalidResponse, "unexpected"),
    "data a list": (200, {"data": []}, DSInvalidResponse, "unexpected"),
    "errors a text": (200, {"errors": "boom", "data": None}, DSInvalidResponse, "unexpected"),
    "errors of texts": (200, {"errors": ["boom"], "data": None}, DSInvalidResponse, "unexpected"),
    "errors of nulls": (200, {"errors": [None], "data": None}, DSInvalidResponse, "unexpected"),
    "code a list": (200, failing(error(["not_found"])), DSInvalidResponse, "unexpected"),
}


@pytest.mark.usefixtures("no_collection")
class TestAnswers:
    @pytest.mark.parametrize("name", ANSWERS)
    def test_failure(self, sandbox, logs, name):
        status, body, kind, reason = ANSWERS[name]
        sandbox.replies[NUMBER] = Reply(status, body)

        err = fail(get_client())

        assert (type(err), err.reason) == (kind, reason)
        assert (err.dossier_number, err.http_status or 200) == (NUMBER, status)
        assert err.sentence.endswith(".")
        for text in (str(err), repr(err), str(err.__cause__), logs.text):
            assert "camille@example.org" not in text
            assert TOKEN not in text

    def test_errors_that_are_empty_are_none(self, sandbox):
        sandbox.replies[NUMBER] = Reply(
            body={"errors": [], "data": {"dossier": {"number": NUMBER}}}
        )
        assert get_client().get_dossier(NUMBER) == {"number": NUMBER}

    def test_a_code_that_is_no_word_is_not_repeated(self, sandbox):
        sandbox.replies[NUMBER] = Reply(body=failing(error("camille@example.org is here")))
        assert "camille" not in str(fail(get_client()))

    @pytest.mark.parametrize(
        "header", ["application/json", "application/json; charset=latin-1", "text/html"]
    )
    def test_json_is_utf_8_whatever_the_header_says(self, sandbox, header):
        body = json.dumps({"data": {"dossier": {"state": "Été 🎉"}}}, ensure_ascii=False)
        sandbox.replies[NUMBER] = Reply(body=body, content_type=header)
        assert get_client().get_dossier(NUMBER) == {"state": "Été 🎉"}

    def test_a_byte_order_mark_is_passed_over(self, sandbox):
        body = b"\xef\xbb\xbf" + json.dumps({"data": {"dossier": {"number": 1}}}).encode()
        sandbox.replies[NUMBER] = Reply(body=body)
        assert get_client().get_dossier(NUMBER) == {"number": 1}
        sandbox.replies[NUMBER] = Reply(
            body=b"\xef\xbb\xbf" + json.dumps(failing(NOT_FOUND)).encode()
        )
        assert isinstance(fail(get_client()), DossierNotFound)

    def test_gzip(self, sandbox):
        body = gzip.compress(json.dumps({"data": {"dossier": {"number": 1}}}).encode())
        sandbox.replies[NUMBER] = Reply(body=body, headers={"Content-Encoding": "gzip"})
        assert get_client().get_dossier(NUMBER) == {"number": 1}

    def test_broken_gzip(self, sandbox):
        sandbox.replies[NUMBER] = Reply(body=b"nothing", headers={"Content-Encoding": "gzip"})
        assert fail(get_client()).reason == Reason.UNEXPECTED

    def test_gzip_bomb_is_refused(self, sandbox, monkeypatch):
        monkeypatch.setattr("dsintegration.platform.transport.MAX_BODY_BYTES", 100_000)
        bomb = gzip.compress(b" " * 10_000_000)
        assert len(bomb) < 100_000
        sandbox.replies[NUMBER] = Reply(body=bomb, headers={"Content-Encoding": "gzip"})
        assert fail(get_client()).reason == Reason.TOO_LARGE
        assert get_client().get_dossier(12345)["number"] == 12345

    def test_endless_body_is_refused(self, make_client, monkeypatch):
        monkeypatch.setattr("dsintegration.platform.transport.MAX_BODY_BYTES", 100_000)

        def pour(connection):
            read_request(connection)
            connection.sendall(OK + b"\r\n")
            while True:
                connection.sendall(b" " * 65536)

        with TCPServer(pour) as server:
            assert fail(make_client(server.url)).reason == Reason.TOO_LARGE

    def test_what_was_refused_is_let_go(self, sandbox, monkeypatch):
        """Who asks again, while he holds the failure, does not hold two bodies."""
        bodies = []

        class Body(BytesIO):
            def __init__(self):
                super().__init__()
                bodies.append(self)

        monkeypatch.setattr("dsintegration.platform.transport.MAX_BODY_BYTES", 100)
        monkeypatch.setattr("dsintegration.platform.transport.BytesIO", Body)
        assert fail(get_client(), 12345).reason == Reason.TOO_LARGE
        assert [body.closed for body in bodies] == [True]


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_the_token_does_not_follow(self, sandbox, make_client, status):
        with TCPServer(lambda connection: None) as elsewhere:
            sandbox.replies[NUMBER] = Reply(status, headers={"Location": elsewhere.url})
            assert fail(get_client()).reason == Reason.REDIRECT
        assert elsewhere.connections == 0

    @pytest.mark.parametrize("location", ["http://[::1/", "http://\xe9.example.org/", "", "//"])
    def test_a_broken_one_is_a_redirect_all_the_same(self, sandbox, location):
        sandbox.replies[NUMBER] = Reply(302, headers={"Location": location})
        assert fail(get_client()).reason == Reason.REDIRECT


class TestRetries:
    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    def test_a_bad_moment_is_forgotten(self, sandbox, pauses, status):
        good = Reply(body={"data": {"dossier": {"number": NUMBER}}})
        sandbox.replies[NUMBER] = [Reply(status), good]
        assert get_client().get_dossier(NUMBER) == {"number": NUMBER}
        assert len(pauses) == 1

    def test_each_try_takes_room_in_the_minute(self, sandbox, make_client, pauses, settings):
        settings.DS_RATE_LIMIT = 4
        sandbox.replies[NUMBER] = Reply(503)
        client = make_client(sandbox.url)
        fail(client)
        assert has_room()
        assert client.requests == 3
        fail(client)
        assert not has_room()

    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    def test_tries_are_few(self, sandbox, pauses, status):
        sandbox.replies[NUMBER] = Reply(status)
        fail(get_client())
        assert len(sandbox.received) == 3
        assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2

    @pytest.mark.parametrize(
        "name",
        [
            "not found",
            "expired token",
            "no right",
            "timeout",
            "504",
            "404",
            "301",
            "HTML",
            "invalid_null",
        ],
    )
    def test_what_would_not_change_is_asked_once(self, sandbox, pauses, name):
        status, body, _, _ = ANSWERS[name]
        sandbox.replies[NUMBER] = Reply(status, body)
        fail(get_client())
        assert len(sandbox.received) == 1
        assert not pauses

    @pytest.mark.parametrize(
        ("headers", "asked"),
        [
            ({"Retry-After": "7"}, 7),
            ({"Retry-After": "7", "RateLimit-Reset": "9999999999"}, 7),
            ({"RateLimit-Reset": "8"}, 8),
            (
                {
                    "Date": "Tue, 24 Nov 2026 10:00:00 GMT",
                    "Retry-After": "Tue, 24 Nov 2026 10:00:09 GMT",
                },
                9,
            ),
            (
                {
                    "Date": "Tue, 24 Nov 2026 10:00:00 GMT",
                    "RateLimit-Reset": str(
                        int(datetime(2026, 11, 24, 10, 0, 6, tzinfo=UTC).timestamp())
                    ),
                },
                6,
            ),
            (
                {
                    "Date": "Tue Nov 24 10:00:00 2026",
                    "Retry-After": "Tuesday, 24-Nov-26 10:00:09 GMT",
                },
                9,
            ),
            ({"RateLimit-Reset": "1772445720"}, 0),
            ({"Retry-After": "-5"}, None),
            ({"Retry-After": "1.5"}, None),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": "²"}, None),
            ({"RateLimit-Reset": "²"}, None),
            ({"Retry-After": "9" * 400}, None),
            ({"Retry-After": f"Tue, 24 Nov {'9' * 20} 10:00:09 GMT"}, None),
            ({"RateLimit-Reset": "soon"}, None),
            ({}, None),
        ],
    )
    def test_the_platform_says_how_long(self, sandbox, pauses, headers, asked):
        sandbox.replies[NUMBER] = Reply(429, "Calm down", headers=headers)
        err = fail(get_client())
        assert isinstance(err, DSUnavailable)
        assert err.retry_after == asked
        assert (asked or 0) <= pauses[0] <= max(asked or 0, 0.5) + 0.5

    def test_reset_of_the_sandbox_is_a_moment(self, sandbox):
        sandbox.replies[NUMBER] = Reply(429, reset_in=30)
        err = fail(get_client())
        assert 25 < err.retry_after <= 31  # whole seconds on both sides

    @pytest.mark.parametrize(
        ("headers", "asked"),
        [
            ({"Retry-After": "3600"}, 3600),
            ({"RateLimit-Reset": "3600"}, 3600),
            # Three hundred years, for a slip or a wrong clock: whoever obeyed would stop for good.
            ({"Retry-After": "9999999999"}, 86_400),
            ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400),
            ({"RateLimit-Reset": "9999999999"}, 86_400),
        ],
    )
    def test_a_wait_beyond_the_budget_is_not_begun(self, sandbox, pauses, headers, asked):
        sandbox.replies[NUMBER] = Reply(429, headers=headers)
        err = fail(get_client())
        assert (err.retry_after, pauses) == (asked, [])

    def test_a_page_does_not_wait_a_minute(self, sandbox, pauses):
        sandbox.replies[NUMBER] = Reply(429, headers={"Retry-After": "30"})
        fail(get_client(web=True))
        assert not pauses
        assert len(sandbox.received) == 1


class TestTokens:
    A, B = "a" * 84, "b" * 84

    @pytest.fixture
    def two(self, sandbox, settings):
        """Only B may read the dossier."""
        settings.DS_API_TOKEN, settings.DS_API_TOKENS = "", [self.A, self.B]
        sandbox.rights = {self.A: {7}, self.B: set()}
        sandbox.dossiers[NUMBER] = dossier_answer(NUMBER)
        return sandbox

    def used(self, sandbox):
        return [request.headers["Authorization"][-1] for request in sandbox.received]

    def test_the_one_that_should_read_it_is_first(self, two):
        client = get_client()
        client.get_dossier(NUMBER)
        client.tokens.expected[NUMBER] = fingerprint(self.B)
        client.get_dossier(NUMBER)
        assert self.used(two) == ["a", "b", "b"]

    def test_one_that_is_refused_is_last(self, two):
        del two.rights[self.A]
        get_client().get_dossier(NUMBER)
        get_client().get_dossier(NUMBER)
        assert self.used(two) == ["a", "b", "b"]
        assert get_client().tokens.refused() == [fingerprint(self.A)]

    @pytest.mark.parametrize(
        ("rights", "reason"),
        [
            ({A: {7}}, Reason.NO_RIGHT),
            ({B: {7}}, Reason.NO_RIGHT),
            ({A: {7}, B: {7}}, Reason.NO_RIGHT),
            ({}, Reason.TOKEN_REFUSED),
        ],
    )
    def test_one_that_is_good_and_has_no_right_is_enough(self, two, rights, reason):
        two.rights = rights
        assert fail(get_client()).reason == reason
        with pytest.raises(DSError) as caught:
            get_client().get_list(GET_MOVED, 7, since="2026-01-01T00:00:00Z", first=10)
        assert caught.value.reason == reason

    @pytest.mark.parametrize("odd", [None, [], "camille@example.org", {"demarche": []}])
    def test_a_dossier_that_is_none_among_others(self, two, monkeypatch, odd):
        given = Reply(body={"data": {"d0": two.dossiers[NUMBER], "d1": odd}})
        monkeypatch.setattr(two, "answer", lambda _: given)
        found, failed = get_client().get_dossiers([NUMBER, NUMBER + 1])
        assert (found, failed) == ({NUMBER: two.dossiers[NUMBER], NUMBER + 1: odd}, {})

    def test_one_alone_never_steps_aside(self, sandbox, settings):
        settings.DS_API_TOKEN = self.A
        assert fail(get_client()).reason == Reason.TOKEN_REFUSED
        assert get_client().tokens.refused() == []

    @pytest.mark.parametrize(
        "ask", [lambda client: client.get_dossier(12345), lambda client: client.answers(within=5)]
    )
    def test_requests_of_one_alone_take_the_room_of_all(self, sandbox, settings, ask):
        settings.DS_RATE_LIMIT = 1
        assert has_room()
        assert ask(get_client())
        assert not has_room()


class TestNetwork:
    def test_nobody_listens(self, make_client, pauses):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        err = fail(make_client(f"http://127.0.0.1:{port}/"))
        assert (type(err), err.reason) == (DSUnavailable, Reason.NETWORK)
        assert len(pauses) == 2

    def test_nothing_below_is_chained(self, make_client):
        """The frames below hold the header with the token."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        err = fail(make_client(f"http://127.0.0.1:{port}/"))
        assert err.__cause__ is None
        assert err.__suppress_context__

    @pytest.mark.parametrize(
        "reply",
        [Reply(500, "camille@example.org"), Reply(body="camille@example.org"), Reply(body=[])],
    )
    def test_nor_what_repeats_the_answer(self, sandbox, reply):
        sandbox.replies[NUMBER] = reply
        err = fail(get_client())
        assert err.__cause__ is None
        assert err.__suppress_context__
        assert "camille" not in f"{err!r}{err}"

    def test_unknown_host(self, make_client, monkeypatch):
        def unknown(*_, **__):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        monkeypatch.setattr("socket.getaddrinfo", unknown)
        assert fail(make_client("https://nowhere.example.org/")).reason == Reason.NETWORK

    def test_host_that_is_no_name(self, make_client):
        assert fail(make_client(f"https://{'a' * 64}.example.org/")).reason == Reason.NETWORK

    def test_a_second_address_is_tried(self, sandbox, make_client, monkeypatch):
        port = int(re.search(r":(\d+)/", sandbox.url)[1])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            dead_port = listener.getsockname()[1]
        monkeypatch.setattr(
            "socket.getaddrinfo",
            lambda *_, **__: [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", dead_port)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ],
        )
        client = make_client(f"http://localhost:{port}/api/v2/graphql")
        assert client.get_dossier(12345)["number"] == 12345

    def test_an_address_that_keeps_silent_takes_no_more_than_its_timeout(
        self, sandbox, make_client, monkeypatch
    ):
        port = int(re.search(r":(\d+)/", sandbox.url)[1])
        with ExitStack() as opened:
            full = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(3):  # a full queue leaves the others without an answer
                waiting = opened.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            monkeypatch.setattr(
                "socket.getaddrinfo",
                lambda *_, **__: [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname()),
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
                ],
            )
            client = make_client(
                f"http://localhost:{port}/api/v2/graphql", timeouts=(0.2, 35), budget=5
            )
            assert client.get_dossier(12345)["number"] == 12345

    @pytest.mark.parametrize(
        "part", [b"", b"HTTP/1.", OK[:-20], OK, OK + b"\r\n", OK + b"Content-Length: 99\r\n\r\n{"]
    )
    def test_cut_in_the_middle(self, make_client, part):
        def cut(connection):
            read_request(connection)
            connection.sendall(part)

        with TCPServer(cut) as server:
            err = fail(make_client(server.url))
        assert (type(err), err.reason) == (DSUnavailable, Reason.NETWORK)
        assert server.connections == 3

    def test_headers_that_are_none_stay_out_of_the_logs(self, make_client, logs):
        def answer(connection):
            read_request(connection)
            connection.sendall(OK + b"anne.onyme@example.org\r\n\r\n")

        with TCPServer(answer) as server:
            fail(make_client(server.url))
        assert "anne" not in logs.text
        assert "Traceback" not in logs.text

    def test_reset(self, make_client):
        def reset(connection):
            connection.recv(1)
            linger_for_nothing = b"\1\0\0\0\0\0\0\0"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)

        with TCPServer(reset) as server:
            assert fail(make_client(server.url)).reason == Reason.NETWORK


def drip(connection, text):
    """One byte at a time, each well within any read timeout, for as long as somebody reads."""
    for byte in text:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


class TestDeadline:
    """One deadline over everything. Were it not there, these tests would last for hours."""

    PARTS = {
        "silence": lambda connection: connection.recv(1),
        "status line": lambda connection: drip(connection, b"HTTP/1.1 200 " + b"O" * 60_000),
        "headers": lambda connection: drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 60_000),
        "body": lambda connection: (
            connection.sendall(OK + b"Content-Length: 60000\r\n\r\n"),
            drip(connection, b" " * 60_000),
        ),
        "chunks": lambda connection: (
            connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\nea60\r\n"),
            drip(connection, b" " * 60_000),
        ),
        "compressed body": lambda connection: (
            connection.sendall(OK + b"Content-Encoding: gzip\r\nContent-Length: 60000\r\n\r\n"),
            drip(connection, gzip.compress(os.urandom(50_000))),
        ),
    }

    @pytest.mark.parametrize("part", PARTS)
    def test_drip(self, make_client, part):
        def serve(connection):
            read_request(connection)
            self.PARTS[part](connection)

        with TCPServer(serve) as server:
            err = fail(make_client(server.url, timeouts=(5, 35), budget=0.4))
        assert (type(err), err.reason) == (DSUnavailable, Reason.TIMEOUT)
        assert server.connections == 1

    def test_read_timeout_comes_before_the_deadline(self, make_client):
        with TCPServer(lambda connection: (read_request(connection), connection.recv(1))) as server:
            err = fail(make_client(server.url, timeouts=(5, 0.2), budget=3600))
        assert err.reason == Reason.TIMEOUT
        assert server.connections == 1

    def test_a_body_that_stalls_is_a_timeout_too(self, make_client):
        def stall(connection):
            read_request(connection)
            connection.sendall(OK + b"Content-Length: 99\r\n\r\n{")
            connection.recv(1)

        with TCPServer(stall) as server:
            err = fail(make_client(server.url, timeouts=(5, 0.2), budget=3600))
        assert err.reason == Reason.TIMEOUT
        assert server.connections == 1

    def test_tls_handshake(self, make_client):
        with TCPServer(
            lambda connection: drip(connection, b"\x16\x03\x03\x40\x00" + b"\x02" * 60_000)
        ) as server:
            url = server.url.replace("http:", "https:")
            assert fail(make_client(url, budget=0.4)).reason == Reason.TIMEOUT

    def test_name_look_up(self, make_client, monkeypatch):
        ended = threading.Event()
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: ended.wait() and [])
        err = fail(make_client("https://slow.example.org/", budget=0.2))
        ended.set()
        assert err.reason == Reason.TIMEOUT

    def test_a_look_up_that_hangs_does_not_hold_the_process(self, make_client, monkeypatch):
        asking, ended = list[threading.Thread](), threading.Event()

        def hang(*_, **__):
            asking.append(threading.current_thread())
            return ended.wait() and []

        monkeypatch.setattr("socket.getaddrinfo", hang)
        fail(make_client("https://slow.example.org/", budget=0.2))
        ended.set()
        assert [thread.daemon for thread in asking] == [True]

    @pytest.mark.parametrize(("budget", "most"), [(3600, 5), (2, 2)])
    def test_connecting(self, sandbox, make_client, opened, budget, most):
        make_client(sandbox.url, timeouts=(5, 35), budget=budget).get_dossier(12345)
        [(_, allowed)] = opened
        assert most - 1 < allowed <= most

    def test_none_is_left_for_a_connection_that_is_open(self, sandbox, make_client):
        client = make_client(sandbox.url)
        client.get_dossier(12345)
        with deadline(0):
            assert fail(client).reason == Reason.TIMEOUT

    def test_proxy(self, make_client, monkeypatch):
        def serve(connection):
            read_request(connection)
            drip(connection, b"HTTP/1.1 200 " + b"O" * 60_000)

        with TCPServer(serve) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{proxy.port}")
            err = fail(make_client("https://platform.example.org/", budget=0.4))
        assert err.reason == Reason.TIMEOUT

    def test_a_deadline_around_several_calls(self, make_client):
        with TCPServer(lambda connection: (read_request(connection), connection.recv(1))) as server:
            client = make_client(server.url, budget=3600)
            with deadline(0.3):
                fail(client)
                with deadline(3600):
                    assert seconds_left() == 0
                assert fail(client).reason == Reason.TIMEOUT
            assert seconds_left() is None
        assert server.connections == 1

    @pytest.mark.parametrize(("budget", "around"), [(1, None), (3600, 1)])
    def test_content_leaves_time_for_the_rest(self, make_client, budget, around):
        answer = json.dumps({"data": {"dossier": {"number": NUMBER}}}).encode()
        asked = []

        def serve(connection):
            asked.append(read_request(connection))
            if b"demandeur" in asked[-1]:
                connection.recv(1)
            else:
                connection.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))

        with (
            TCPServer(serve) as server,
            closing(make_client(server.url, budget=budget)) as client,
            deadline(around) if around else nullcontext(),
        ):
            dossier = client.get_dossier(NUMBER, Selection(demandeur=True))
        assert dossier == {"number": NUMBER, FAILURE: "timeout"}
        assert len(asked) == 2

    def test_a_page_waits_ten_seconds_in_all(self, sandbox):
        client = get_client(web=True)
        assert client.budget == 10
        assert get_client().budget == 120
        assert max(client._timeouts) <= 10


class TestTLS:
    @pytest.fixture
    def authority(self, tmp_path, monkeypatch):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        return authority

    def ask(self, certificate, make_client):
        answer = json.dumps({"data": {"dossier": dossier_answer(NUMBER)}}).encode()
        received = []

        def serve(connection):
            received.append(read_request(connection))
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        with TCPServer(serve, context) as server:
            try:
                return make_client(server.url).get_dossier(NUMBER)
            finally:
                assert received or server.connections == 1  # refused at once, not retried

    def test_an_authority_of_the_environment_is_trusted(self, authority, make_client):
        assert self.ask(authority.issue_cert("localhost"), make_client)["number"] == NUMBER

    def test_unknown_authority(self, make_client, monkeypatch):
        for name in CA_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(DSInvalidResponse) as caught:
            self.ask(trustme.CA().issue_cert("localhost"), make_client)
        assert caught.value.reason == Reason.CERTIFICATE

    def test_another_name(self, authority, make_client):
        with pytest.raises(DSInvalidResponse) as caught:
            self.ask(authority.issue_cert("other.example.org"), make_client)
        assert caught.value.reason == Reason.CERTIFICATE

    def test_expired(self, authority, make_client):
        past = datetime(2020, 1, 1, tzinfo=UTC)
        with pytest.raises(DSInvalidResponse) as caught:
            self.ask(authority.issue_cert("localhost", not_after=past), make_client)
        assert caught.value.reason == Reason.CERTIFICATE

    def test_a_server_that_does_not_speak_tls(self, sandbox, make_client):
        err = fail(make_client(sandbox.url.replace("http:", "https:")))
        assert (type(err), err.reason) == (DSUnavailable, Reason.NETWORK)


class TestSettings:
    @pytest.mark.parametrize(
        "url",
        [
            "http://platform.example.org/api/v2/graphql",
            "http://127.0.0.1.example.org/",
            "http://localhost.example.org/",
            "ftp://localhost/",
            "platform.example.org",
            "https://",
            "https://user:secret@platform.example.org/",
            "https://platform.example.org:port/",
            "https://platform.example.org/ api",
            "https://[::1/",
        ],
    )
    def test_the_token_is_not_given_to_such_an_address(self, make_client, url):
        with pytest.raises(ImproperlyConfigured, match="DS_API_URL") as caught:
            make_client(url)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_authorities_that_are_not_there(self, make_client, monkeypatch, name):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.setenv(name, "/nowhere/authorities.pem")
        with pytest.raises(ImproperlyConfigured, match=name):
            make_client("https://platform.example.org/").get_dossier(NUMBER)

    @pytest.mark.parametrize("proxy", ["::junk", "socks5://localhost:1", "http://"])
    def test_a_proxy_that_is_none(self, make_client, monkeypatch, proxy):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(ImproperlyConfigured, match="HTTPS_PROXY"):
            make_client("https://platform.example.org/").get_dossier(NUMBER)

    @pytest.mark.parametrize(
        "url", ["http://localhost/", "http://127.0.0.1:80/", "http://[::1]:8/"]
    )
    def test_loopback_may_be_plain(self, make_client, url):
        make_client(url)

    @pytest.mark.parametrize(
        "token", ["", "two words", "line\nbreak", "jéton", "a,b", "a\x00b", "a\tb"]
    )
    def test_a_malformed_token_is_refused(self, sandbox, settings, token):
        settings.DS_API_TOKEN = token
        with pytest.raises(ImproperlyConfigured, match="DS_API_TOKEN") as caught:
            get_client()
        assert len(token) < 3 or token not in str(caught.value)


def test_an_error_report_holds_no_token(make_client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    try:
        make_client(f"http://127.0.0.1:{port}/").get_dossier(NUMBER)
    except DSUnavailable:
        report = ExceptionReporter(None, *sys.exc_info()).get_traceback_html()
    assert "get_dossier" in report
    assert TOKEN not in report


def test_an_http_date_of_the_past_is_no_wait(sandbox):
    past = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
    sandbox.replies[NUMBER] = Reply(503, headers={"Retry-After": past})
    assert fail(get_client()).retry_after == 0


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_an_http_date_without_a_zone_is_gmt(zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        moments = {
            http_moment(text)
            for text in (
                "Sat Nov 28 10:00:30 2026",
                "Saturday, 28-Nov-26 10:00:30 GMT",
                "Sat, 28 Nov 2026 10:00:30 GMT",
                "Sat, 28 Nov 2026 10:00:30 -0000",
                "Sat, 28 Nov 2026 12:00:30 +0200",  # as no server should
            )
        }
    finally:
        monkeypatch.undo()
        time.tzset()
    assert moments == {datetime(2026, 11, 28, 10, 0, 30, tzinfo=UTC).timestamp()}


@pytest.mark.parametrize("text", [None, "", "soon", "Sat, 28 Nov 99999 10:00:30 GMT"])
def test_what_is_no_http_date(text):
    assert http_moment(text) is None
