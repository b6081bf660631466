"""What `manage.py check` says of the way in by OpenID."""

import subprocess
import sys

import pytest

from dsintegration.oidc.checks import check_openid
from tests.config.test_production import OPENID, PROJECT
from tests.management.test_process import LONE
from tests.settings import EMPTY


def ids():
    return [message.id for message in check_openid()]


def test_nothing_to_say(openid):
    assert ids() == []


def test_no_provider(settings):
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("DS_OIDC_CLIENT_ID", "", "E030"),
        ("DS_OIDC_ISSUER", "http://id.example.org", "E030"),
        ("AUTHENTICATION_BACKENDS", ["django.contrib.auth.backends.ModelBackend"], "E032"),
        ("ROOT_URLCONF", "config.urls", "E033"),
    ],
)
def test_what_is_missing(openid, settings, name, value, found):
    setattr(settings, name, value)
    assert ids() == [f"dsintegration.{found}"]


@pytest.mark.parametrize(("more", "status"), [({}, 0), (OPENID, 7)])
def test_without_the_package(more, status):
    """It is optional: nothing else of the project needs it."""
    code = (
        "import sys; sys.modules['mozilla_django_oidc'] = None; sys.argv = ['manage.py', 'check']\n"
        "from manage import main; main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=LONE | EMPTY | {"SECRET_KEY": "for the tests only"} | more,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stderr
    assert ("mozilla-django-oidc n'est pas installé" in run.stderr) is bool(status)
