"""Whose pages they are: settings, their checks, and what they change."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template.loader import render_to_string
from django.utils import timezone

from config import env
from dsintegration import conf
from dsintegration.checks import check_settings
from dsintegration.sandbox import TOKEN
from dsintegration.usager.checks import check_usager_page
from dsintegration.usager.colors import contrast
from dsintegration.usager.words import hour
from tests.pages import check_html

ORGANISATION = "DS_ORGANISATION_"


@pytest.fixture
def good(settings):
    settings.DS_API_TOKEN = TOKEN
    for name in conf.purge_delays():
        setattr(settings, name, "90d")
    settings.DS_ORGANISATION_NAME = "Ville d'Exemple"
    settings.DS_ORGANISATION_ACCESSIBILITY_URL = "/accessibilite/"
    settings.DS_ORGANISATION_LEGAL_URL = "/mentions-legales/"
    settings.DS_ORGANISATION_PRIVACY_URL = "/donnees-personnelles/"
    settings.DEFAULT_FROM_EMAIL = "Ville <ne-pas-repondre@example.org>"
    return settings


def ids(messages):
    return [message.id.removeprefix("dsintegration.") for message in messages]


def test_nothing_to_say(good):
    assert check_settings() == check_usager_page() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DS_ORGANISATION_NAME", "Ville\nBcc: all@example.org", "E011"),
        ("DS_ORGANISATION_LOGO_TEXT", "a\tb", "E011"),
        ("DS_ORGANISATION_COLOR", "blue", "E011"),
        ("DS_ORGANISATION_COLOR", "#0b5394; } body { display: none", "E011"),
        ("DS_ORGANISATION_COLOR_DARK", "#fff", "E011"),
        ("DS_ORGANISATION_ACCESSIBILITY", "oui", "E011"),
        ("DS_ORGANISATION_ACCESSIBILITY_URL", "javascript:alert(1)", "E011"),
        ("DS_ORGANISATION_LEGAL_URL", "//example.org", "E011"),
        ("DS_ORGANISATION_PRIVACY_URL", "data:text/html,x", "E011"),
        ("DS_ORGANISATION_CONTACT_URL", "www.example.org", "E011"),
        ("DS_PUBLIC_URL", "http://dossiers.example.org", "E012"),
        ("DS_PUBLIC_URL", "https://dossiers.example.org/suivi", "E012"),
        ("DS_PUBLIC_URL", "https://me:hidden@dossiers.example.org", "E012"),
        ("DS_CLIENT_ADDRESS", "config.nothing.address", "E013"),
        ("DS_USAGER_FIRST_TIMERS", 0, "E016"),
    ],
)
def test_what_can_never_work(good, name, value, expected):
    setattr(good, name, value)
    (message,) = check_settings()
    assert ids([message]) == [expected]
    assert name in message.msg
    assert "hidden" not in message.msg


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DS_ORGANISATION_COLOR", "#ffd700", ["W021"]),
        ("DS_ORGANISATION_COLOR", "#0b5394", []),
        ("DS_ORGANISATION_COLOR_DARK", "#0b5394", ["W021"]),
        ("DS_ORGANISATION_COLOR_DARK", "#ffd700", []),
        ("DS_ORGANISATION_NAME", "", ["W022"]),
        ("DEFAULT_FROM_EMAIL", "webmaster@localhost", ["W023"]),
        ("DS_PUBLIC_URL", "", ["W024"]),
        ("DS_ORGANISATION_ACCESSIBILITY_URL", "", ["W025"]),
        ("DS_ORGANISATION_LEGAL_URL", "", ["W026"]),
        ("DS_ORGANISATION_PRIVACY_URL", "", ["W027"]),
    ],
)
def test_what_production_needs(good, name, value, expected):
    setattr(good, name, value)
    assert ids(check_usager_page()) == expected
    for message in check_usager_page():
        assert name in f"{message.msg} {message.hint}"


def test_a_statement_of_the_project_s_own_is_no_model(good, tmp_path):
    good.DS_ORGANISATION_ACCESSIBILITY_URL = ""
    own = tmp_path / "dsintegration" / "usager" / "accessibility.html"
    own.parent.mkdir(parents=True)
    own.write_text("{% extends 'dsintegration/usager/page.html' %}", encoding="utf-8")
    [engine] = good.TEMPLATES
    good.TEMPLATES = [engine | {"DIRS": [tmp_path, *engine["DIRS"]]}]
    assert check_usager_page() == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("#123456", "#123456", 1)],
)
def test_contrast(one, other, expected):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(expected, abs=0.01)


def test_pages_bear_the_organisation(client, settings):
    settings.DS_ORGANISATION_NAME = "Ville d'<Exemple>"
    settings.DS_ORGANISATION_LOGO_TEXT = "EXEMPLE"
    settings.DS_ORGANISATION_ACCESSIBILITY = "partiellement"
    settings.DS_ORGANISATION_ACCESSIBILITY_URL = "/accessibilite/"
    settings.DS_ORGANISATION_LEGAL_URL = "https://www.example.org/legal"
    page = client.get("/suivi/").content.decode()
    check_html(page)
    assert "Ville d&#x27;&lt;Exemple&gt;</title>" in page
    assert '<p class="logo">EXEMPLE</p>' in page
    assert '<a href="/accessibilite/">Accessibilité&nbsp;: partiellement conforme</a>' in page
    assert 'href="https://www.example.org/legal"' in page
    assert "Nous contacter" not in page
    assert "couleurs.css" not in page


def test_colors(client, settings):
    settings.DS_ORGANISATION_COLOR = "#663399"
    settings.DS_ORGANISATION_COLOR_DARK = "#ccaaff"
    assert 'href="/suivi/couleurs.css"' in client.get("/suivi/").content.decode()
    response = client.get("/suivi/couleurs.css")
    assert response["Content-Type"] == "text/css"
    assert response.content.decode() == (
        ".suivi, .suivi-page { --suivi-accent: #663399; }\n"
        "@media screen and (prefers-color-scheme: dark) "
        "{ .suivi-page, .suivi-page .suivi { --suivi-accent: #ccaaff; } }"
    )


def test_without_a_project_s_word_on_proxies(settings, rf):
    del settings.DS_CLIENT_ADDRESS
    request = rf.get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="192.0.2.2")
    assert conf.client_address()(request) == "192.0.2.1"


class TestEmailUrl:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            (
                "smtp+tls://me:a%20secret@mail.example.org:587",
                {
                    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
                    "EMAIL_HOST": "mail.example.org",
                    "EMAIL_PORT": 587,
                    "EMAIL_HOST_USER": "me",
                    "EMAIL_HOST_PASSWORD": "a secret",
                    "EMAIL_USE_TLS": True,
                },
            ),
            ("consolemail://", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
        ],
    )
    def test_read(self, monkeypatch, url, expected):
        monkeypatch.setenv("EMAIL_URL", url)
        assert env.email("EMAIL_URL", default="") == expected

    @pytest.mark.parametrize(
        "url", ["mail.example.org", "https://hidden@example.org", "smtp://", "smtp://hidden:x"]
    )
    def test_what_cannot_be_used(self, monkeypatch, url):
        monkeypatch.setenv("EMAIL_URL", url)
        with pytest.raises(ImproperlyConfigured, match="EMAIL_URL doit être") as caught:
            env.email("EMAIL_URL", default="")
        assert "hidden" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_default(self, monkeypatch):
        monkeypatch.setenv("EMAIL_URL", "")
        assert env.email("EMAIL_URL", default="smtp://localhost:25")["EMAIL_PORT"] == 25


class TestStatement:
    """Of accessibility: a page of ours unless the project says otherwise, reachable everywhere."""

    def test_page(self, client, settings):
        settings.DS_ORGANISATION_NAME = "Ville d'Exemple"
        page = client.get("/suivi/accessibilite/").content.decode()
        check_html(page)
        for words in ("Ville d&#x27;Exemple", "non conforme", "RGAA", "Défenseur des droits"):
            assert words in page

    def test_what_the_law_calls_the_others(self, client, settings):
        settings.DS_ORGANISATION_ACCESSIBILITY = "partiellement"
        assert "partiellement conformes" in client.get("/suivi/accessibilite/").content.decode()

    @pytest.mark.parametrize("template", ["400", "403", "403_csrf", "404", "413", "500"])
    def test_error_pages_lead_there(self, template):
        page = render_to_string(f"{template}.html")
        check_html(page)
        assert '<a href="/suivi/accessibilite/">Accessibilité&nbsp;: non conforme</a>' in page

    def test_the_project_s_own(self, client, settings):
        settings.DS_ORGANISATION_ACCESSIBILITY_URL = "https://www.example.org/a11y"
        response = client.get("/nowhere/")
        assert response.status_code == 404
        assert 'href="https://www.example.org/a11y"' in response.content.decode()

    def test_a_wrong_setting_takes_no_error_page_down(self, client, settings):
        settings.DS_ORGANISATION_COLOR = "blue"
        response = client.get("/nowhere/")
        assert response.status_code == 404
        assert "Page introuvable" in response.content.decode()


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Paris", "10\xa0h\xa005 (heure de Paris)"),
        ("Indian/Reunion", "13\xa0h\xa005 (heure de La Réunion)"),
        ("America/St_Barthelemy", "5\xa0h\xa005 (heure de St Barthelemy)"),
    ],
)
def test_hours_are_said_with_their_clock(zone, said):
    with timezone.override(zone):
        assert hour(datetime(2026, 1, 2, 9, 5, tzinfo=UTC)) == said
