"""What leaves for Sentry, read off the wire: the place of an error, and nothing of people."""

import gzip
import json
import logging
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sentry_sdk
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client

from config import sentry
from dsintegration.usager.views import LinkRequestView
from tests.processes import PROJECT
from tests.settings import EMPTY

pytestmark = pytest.mark.django_db

PERSON, SECRET = "camille.durand@example.org", "le budget signé"


@pytest.fixture
def received():
    """What a Sentry of our own gets, as it came and decoded."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    sentry.start(f"http://key@127.0.0.1:{server.server_port}/1")

    def read():
        sentry_sdk.flush(5)
        return bodies

    yield read
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    server.shutdown()
    thread.join()
    server.server_close()


def events(bodies):
    """The items of the envelopes."""
    return [json.loads(body.split(b"\n")[2]) for body in bodies]


def test_a_bug_in_a_page(received, monkeypatch):
    account = User.objects.create_user("durand", PERSON)
    client = Client(raise_request_exception=False, headers={"user-agent": f"Mozilla {SECRET}"})
    client.force_login(account)

    def fail(self, request):
        body, query = request.POST.dict(), request.GET.dict()  # noqa: F841  # variables of a frame
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s", [PERSON])
        raise ValueError(f"{PERSON}: {SECRET}")

    monkeypatch.setattr(LinkRequestView, "post", fail)
    answer = client.post(
        f"/suivi/?q={PERSON}", {"number": "12345", "email": PERSON, "body": SECRET}
    )
    assert answer.status_code == 500
    bodies = received()
    [event] = events(bodies)
    assert [each["type"] for each in event["exception"]["values"]] == ["ValueError"]
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert frames[-1]["function"] == "fail"
    assert all(frame.keys() == set(sentry.KEPT_OF_FRAMES) for frame in frames)
    assert event["tags"] == {"route": "suivi/", "method": "POST", "status": "500"}
    assert event.keys() <= {*sentry.KEPT, "message", "tags", "exception", "sdk"}
    for private in (PERSON, "camille", SECRET, "durand", "sessionid", "127.0.0.1", "Mozilla"):
        assert all(private.encode() not in body for body in bodies), private
        assert all(json.dumps(private)[1:-1].encode() not in body for body in bodies), private


def test_a_line_of_level_error(received):
    logging.getLogger("dsintegration.usager").error("no mail for dossier %d: %s", 12345, PERSON)
    [event] = events(received())
    assert event["message"] == "no mail for dossier 12345: [adresse]"
    assert "breadcrumbs" not in event
    assert "extra" not in event


def test_lines_below_leave_nothing_behind(received):
    logging.getLogger("dsintegration").warning(PERSON)
    logging.getLogger("dsintegration").error("an error")
    bodies = received()
    assert len(bodies) == 1
    assert PERSON.encode() not in bodies[0]


def test_an_address_that_is_none():
    with pytest.raises(ImproperlyConfigured, match="SENTRY_DSN doit être une adresse"):
        sentry.start("sentry.example.org")


def test_off_by_default_and_not_even_imported():
    program = (
        "import sys, django; django.setup();"
        "sys.exit(any(name.startswith('sentry_sdk') for name in sys.modules))"
    )
    env = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "x" * 50,
        "DATABASE_URL": "sqlite:///x.sqlite3",
    }
    env = EMPTY | env | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT, env=env, check=True, timeout=60)
