"""Our own address in mails: never what whoever asks has put into his request."""

import re

import pytest
from django.core import mail
from django.test.utils import override_script_prefix
from django.utils import timezone

from dsintegration.models import JournalEntry
from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db

NUMBER = 28711001
USAGER = "usager@example.org"


@pytest.fixture
def address(client, later):
    """What stands before the token, in the mail that a request with these headers leads to."""
    DossierFactory(number=NUMBER, usager_email=USAGER, fetched_at=timezone.now())

    def ask(host: str, **extra) -> str | None:
        mail.outbox.clear()
        form = {"number": NUMBER, "email": USAGER}
        client.post("/suivi/", form, HTTP_HOST=host, **extra)
        later.run()
        return re.search(r"\S+(?=lien/)", mail.outbox[0].body)[0] if mail.outbox else None

    return ask


@pytest.mark.parametrize("host", ["testserver", "localhost", "evil.example.org"])
def test_the_one_that_the_settings_say(address, settings, host):
    settings.ALLOWED_HOSTS = ["*"]
    settings.DS_PUBLIC_URL = "https://dossiers.example.org/"
    assert address(host) == "https://dossiers.example.org/suivi/"


@pytest.mark.parametrize("host", ["dossiers.example.org", "evil.example.org", "evil.localhost"])
def test_without_it_no_mail_goes(address, settings, logs, host):
    settings.DS_PUBLIC_URL, settings.ALLOWED_HOSTS = "", ["*"]
    assert address(host) is None
    assert f"no link for dossier {NUMBER}, DS_PUBLIC_URL is not set" in logs.text
    assert JournalEntry.objects.last().outcome == "no_address"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", "http://localhost:8000/suivi/"),
        ("localhost:6666", "http://localhost:8000/suivi/"),
        ("localhost.", "http://localhost:8000/suivi/"),
        ("127.0.0.1:6666", "http://127.0.0.1:8000/suivi/"),
        ("[::1]:6666", "http://[::1]:8000/suivi/"),
    ],
)
def test_this_very_machine(address, settings, host, expected):
    settings.DS_PUBLIC_URL, settings.ALLOWED_HOSTS = "", ["localhost", "127.0.0.1", "[::1]"]
    assert address(host, SERVER_PORT="8000") == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("dev.example.org:6666", "http://dev.example.org/suivi/"),
        ("dev.example.org.", "http://dev.example.org/suivi/"),
        ("evil.dev.example.org", None),
    ],
)
def test_a_developer_s_machine(address, settings, host, expected):
    settings.DEBUG = True
    settings.DS_PUBLIC_URL = ""
    settings.ALLOWED_HOSTS = ["dev.example.org", ".dev.example.org"]
    assert address(host, SERVER_PORT="80") == expected


def test_below_a_prefix(address, later):
    """What the mail says is decided in the request: a worker knows no prefix."""
    with override_script_prefix("/si/"):
        assert address("testserver") == "https://dossiers.example.org/si/suivi/"
