"""`manage.py check`: what is said of our settings, compared whole."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from dsintegration import conf
from dsintegration.checks import check_settings
from dsintegration.sandbox import TOKEN


@pytest.fixture
def good(settings):
    settings.DS_API_URL = "https://demarche.example.org/api/v2/graphql"
    settings.DS_API_TOKEN = TOKEN
    settings.DS_SYSTEM_EMAILS = ["contact@example.org"]
    for name in conf.purge_delays():
        setattr(settings, name, "90d")
    return settings


def ids() -> list[str]:
    return [message.id.removeprefix("dsintegration.") for message in check_settings()]


def test_nothing_to_say(good):
    assert check_settings() == []


def test_defaults_need_a_token_and_a_decision_on_what_is_kept():
    assert ids() == ["W001", "W004"]


def test_what_is_kept_for_ever_is_named(good):
    good.DS_PURGE_ABSENT_AFTER = good.DS_PURGE_DELETED_BY_USAGER_AFTER = ""
    (message,) = check_settings()
    assert message.id == "dsintegration.W004"
    assert message.msg == (
        "Des dossiers sont gardés sans limite de durée, faute de DS_PURGE_ABSENT_AFTER, "
        "DS_PURGE_DELETED_BY_USAGER_AFTER."
    )
    assert "docs/rgpd.md" in message.hint


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DS_API_URL", "http://demarche.example.org/", ["E002"]),
        ("DS_API_URL", "demarche.example.org", ["E002"]),
        ("DS_API_URL", "https://me:hidden@demarche.example.org/", ["E002"]),
        ("DS_API_TOKEN_EXPIRES", "2027-06-30", ["E003"]),
        ("DS_API_CONNECT_TIMEOUT", 0, ["E004"]),
        ("DS_API_READ_TIMEOUT", float("inf"), ["E004"]),
        ("DS_API_READ_TIMEOUT", 1e10, ["E004"]),
        ("DS_API_READ_TIMEOUT", "35", ["E004"]),
        ("DS_SITE_URL", "ftp://demarche.example.org", ["E005"]),
        ("DS_SYSTEM_EMAILS", "contact@example.org", ["E006"]),
        ("DS_SYSTEM_EMAILS", ["contact"], ["E006"]),
        ("DS_SYSTEM_EMAILS", [None], ["E006"]),
        ("DS_SYSTEM_EMAILS", [["contact@example.org"]], ["E006"]),
        ("DS_JOURNAL_KEPT", "a year", ["E014"]),
        ("DS_FRESH_WITHIN", "soon", ["E040"]),
        ("DS_FULL_WITHIN", "36", ["E040"]),
        ("DS_METRICS_TOKEN", "short", ["E041"]),
        ("DS_PURGE_ABSENT_AFTER", "90", ["E015"]),
        ("DS_PURGE_EXPIRED_AFTER", "-1d", ["E015"]),
        ("DS_PURGE_DELETED_BY_USAGER_AFTER", "1y", ["E015"]),
        ("DS_API_TOKEN", "two words", ["E001"]),
        ("DS_API_TOKEN", TOKEN[:-10], ["W002"]),
        ("DS_API_TOKEN", "", ["W001"]),
        ("DS_API_TOKEN", TOKEN.rstrip("="), []),
    ],
)
def test_a_wrong_value(good, name, value, expected):
    setattr(good, name, value)
    assert ids() == expected
    for message in check_settings():
        assert name in message.msg
        assert message.hint
        assert "hidden" not in message.msg
        assert "two words" not in message.msg


@pytest.mark.parametrize(
    ("days", "words"),
    [(-1, "a expiré le"), (0, "expire le"), (30, "expire le"), (31, None)],
)
def test_the_end_of_the_token_is_announced(good, days, words):
    day = timezone.localdate() + timedelta(days=days)
    good.DS_API_TOKEN_EXPIRES = day
    said = check_settings()
    if words is None:
        assert said == []
    else:
        assert [message.id for message in said] == ["dsintegration.W003"]
        assert said[0].msg == f"Le jeton de la plateforme {words} {day:%d/%m/%Y}."


@pytest.mark.parametrize(
    ("url", "emails", "expected"),
    [
        ("https://demarche.example.org/api/v2/graphql", [], ["W005"]),
        ("https://demarche.example.org/api/v2/graphql", ["contact@example.org"], []),
        ("https://demarche.numerique.gouv.fr/api/v2/graphql", [], []),
        ("https://www.demarches-simplifiees.fr/api/v2/graphql", None, []),
        ("", [], []),
    ],
)
def test_another_instance_has_other_automatic_messages(good, url, emails, expected):
    good.DS_API_URL, good.DS_SYSTEM_EMAILS = url, emails
    assert ids() == expected
    assert all("DS_SYSTEM_EMAILS manque" in message.msg for message in check_settings())


def test_a_sandbox_needs_no_token(settings):
    settings.DS_SANDBOX = True
    settings.DS_API_TOKEN_EXPIRES = date(2020, 1, 1)
    assert check_settings() == []
