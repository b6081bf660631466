"""Another SECRET_KEY: what SECRET_KEY_FALLBACKS keep, and what a forgotten process says."""

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from dsintegration import secret_keys
from dsintegration.models import JournalEntry
from dsintegration.usager.digests import address_digest
from dsintegration.usager.links import make_link
from dsintegration.usager.requests import answer_later
from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db

NUMBER, USAGER = 28711001, "usager@example.org"
OLD, NEW = "the-key-of-yesterday-0123456789", "the-key-of-today-0123456789"


@pytest.fixture
def dossier():
    now = timezone.now()
    return DossierFactory(number=NUMBER, usager_email=USAGER, checked_at=now, fetched_at=now)


@pytest.fixture
def change(settings):
    def to(key, *former):
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, list(former)

    to(OLD)
    return to


@pytest.fixture(autouse=True)
def nothing_was_said():
    secret_keys._tell.cache_clear()


def outcomes():
    return list(JournalEntry.objects.filter(action="link").values_list("outcome", flat=True))


class TestARequest:
    def ask(self):
        asker = address_digest(NUMBER, USAGER)
        answer_later(NUMBER, asker, "192.0.2.1", "https://dossiers.example.org/suivi/lien/")

    def test_of_a_key_that_nobody_knows_here(self, change, dossier, later, logs):
        change(NEW)
        self.ask()
        change(OLD)
        later.run()
        assert outcomes() == ["other_key"]
        assert mail.outbox == []
        assert "under another SECRET_KEY" in logs.text

    def test_of_a_former_key(self, change, dossier, later):
        self.ask()
        change(NEW, OLD)
        later.run()
        assert outcomes() == ["sent"]

    def test_that_waits_since_before_requests_bore_a_mark(self, change, dossier, later):
        from dsintegration.usager.requests import answer_request

        answer_request(NUMBER, address_digest(NUMBER, USAGER), "x", "https://ds.example.org/")
        assert outcomes() == ["sent"]


@pytest.mark.parametrize(("former", "status"), [([OLD], 200), ([], 403)])
def test_an_open_page_outlives_a_soft_change(change, dossier, former, status):
    _, token = make_link(dossier)
    client = Client()
    assert client.post("/suivi/lien/", {"token": token}).status_code == 302
    change(NEW, *former)
    assert client.get(f"/suivi/{NUMBER}/").status_code == status


@pytest.mark.parametrize(("former", "status"), [([OLD], 302), ([], 410)])
def test_a_link_in_a_mail_does_too(change, dossier, former, status):
    _, token = make_link(dossier)
    change(NEW, *former)
    answer = Client().post("/suivi/lien/", {"token": token})
    assert (answer.status_code == 302) == (status == 302)


class TestMarks:
    def test_the_same(self, change, settings, logs):
        settings.DS_API_TOKEN = "a" * 84
        secret_keys.compare(secret_keys.settings_mark())
        assert logs.text == ""

    def test_another_key_is_said_once(self, change, logs):
        mark = secret_keys.settings_mark()
        change(NEW, OLD)
        for _ in range(3):
            secret_keys.compare(mark)
        assert logs.text.count("SECRET_KEY of this process is not that of whoever asks") == 1

    def test_another_token(self, change, settings, logs):
        settings.DS_API_TOKEN = "a" * 84
        mark = secret_keys.settings_mark()
        settings.DS_API_TOKEN = "b" * 84
        secret_keys.compare(mark)
        assert "DS_API_TOKEN of this process" in logs.text
        assert "bbbb" not in logs.text

    def test_they_tell_nothing(self, change, settings):
        settings.DS_API_TOKEN = "a" * 84
        mark = secret_keys.settings_mark()
        assert len(mark) == 25
        assert OLD not in mark
