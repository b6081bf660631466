"""`/metrics`: what the whole SI did, and nothing of people."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from config.celery import app
from dsintegration.background import hand_over
from dsintegration.background.broker import OPTIONS
from dsintegration.exceptions import DSError
from dsintegration.health import metrics
from dsintegration.models import Counter, Demarche, Dossier, Platform
from dsintegration.platform.documents import GET_MOVED_WHOLE
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_demarche, fetch_dossier, fetch_dossiers
from dsintegration.usager.mails import MailNotSent, send_link
from tests.factories import DossierFactory
from tests.processes import PROJECT, environment
from tests.refresh.command import Run
from tests.tcp import TCPServer

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a-token-of-prometheus"
PREFIX = "dsintegration_"


@pytest.fixture(autouse=True)
def token(settings):
    settings.DS_METRICS_TOKEN = TOKEN


def scrape(**headers):
    headers = {"Authorization": f"Bearer {TOKEN}"} | headers
    return Client().get("/metrics", headers=headers)


def figures() -> dict[str, float]:
    """As {"fetches_total{created}": 1}, of now."""
    cache.clear()
    response = scrape()
    assert response.status_code == 200
    return {
        sample.name.removeprefix(PREFIX)
        + (f"{{{','.join(sample.labels.values())}}}" if sample.labels else ""): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


class TestWhoMayAsk:
    def test_without_a_token_there_are_none(self, settings):
        settings.DS_METRICS_TOKEN = ""
        assert scrape().status_code == 404

    @pytest.mark.parametrize("said", ["", "Bearer", "Bearer another", f"Basic {TOKEN}", TOKEN])
    def test_who_shows_no_token_or_another(self, said):
        response = scrape(Authorization=said)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
        assert response.content == b""

    def test_by_any_name_and_over_plain_http(self, settings):
        settings.SECURE_SSL_REDIRECT = True
        settings.ALLOWED_HOSTS = ["dossiers.example.org"]
        response = scrape(host="192.0.2.7:8000")
        assert (response.status_code, response["Cache-Control"]) == (200, "no-store")

    def test_the_database_is_down(self, monkeypatch):
        def refuse(*_, **__):
            raise OperationalError("password of db.example.org")

        monkeypatch.setattr(connection, "cursor", refuse)
        response = scrape()
        assert (response.status_code, response.content) == (503, b"database down\n")


def test_nothing_yet():
    assert figures() == {
        **{f"dossiers{{{state}}}": 0 for state in Dossier.State.values},
        **dict.fromkeys(("overdue", "failing", "absent", "to_answer"), 0),
        "stale{any}": 1,
        "stale{full}": 1,
        "platform_requests_total": 0,
        **{f"fetch_seconds_bucket{{{limit}}}": 0 for limit in metrics.counters.BUCKETS},
        "fetch_seconds_count": 0,
        "fetch_seconds_sum": 0,
        "up{cache}": 1,
    }


def test_dossiers():
    now = timezone.now()
    fresh = {"checked_at": now, "fetched_at": now}
    DossierFactory.create_batch(2, state="accepte", **fresh)
    DossierFactory(state="of_tomorrow", **fresh)
    DossierFactory(usager_spoke_last=True, **fresh)
    DossierFactory(last_error_at=now, last_error_code="upstream_unavailable", **fresh)
    DossierFactory(absent_since=now, **fresh)
    # Due for two hours is overdue, due for one is not.
    DossierFactory(checked_at=now - timedelta(hours=3, minutes=1))
    DossierFactory(checked_at=now - timedelta(hours=2))
    DossierFactory(state="refuse", checked_at=now - timedelta(hours=27))
    DossierFactory(state="refuse", checked_at=now - timedelta(hours=25))
    told = figures()
    assert {name: told[f"dossiers{{{name}}}"] for name in ("accepte", "of_tomorrow", "refuse")} == {
        "accepte": 2,
        "of_tomorrow": 1,
        "refuse": 2,
    }
    assert (told["overdue"], told["failing"], told["absent"], told["to_answer"]) == (2, 1, 1, 1)


def test_refreshes(sandbox):
    fetch_dossier(12345)
    Run()
    told = figures()
    refreshed_at = Platform.objects.get().refreshed_at.timestamp()
    assert told["last_refresh_timestamp_seconds"] == pytest.approx(refreshed_at)
    assert "last_full_refresh_timestamp_seconds" not in told
    assert (told["stale{any}"], told["stale{full}"]) == (0, 1)
    Run("--full")
    told = figures()
    assert told["last_full_refresh_timestamp_seconds"] >= refreshed_at
    assert told["stale{full}"] == 0


def test_fetches_by_outcome(sandbox):
    fetch_dossier(12345)
    fetch_dossier(12345)
    with pytest.raises(DSError):
        fetch_dossier(50301)  # three tries
    list(fetch_dossiers([12345, 12346, 404, 20002]))
    told = figures()
    assert {name: value for name, value in told.items() if name.startswith("fetches")} == {
        "fetches_total{created}": 2,
        "fetches_total{unchanged}": 2,
        "fetches_total{dossier_not_found}": 1,
        "fetches_total{upstream_access_denied}": 1,
        "fetches_total{upstream_unavailable}": 1,
    }
    assert told["platform_requests_total"] == len(sandbox.received)
    assert told["fetch_seconds_count"] == told["fetch_seconds_bucket{+Inf}"] >= 4
    assert told["fetch_seconds_bucket{35.0}"] == told["fetch_seconds_count"]
    assert told["fetch_seconds_sum"] > 0


def test_requests_for_lists_and_demarches_count(sandbox, tracked):
    tracked(120)
    before = figures()["platform_requests_total"]
    Run()
    assert figures()["platform_requests_total"] == before + len(sandbox.received) == before + 3
    fetch_demarche(901)
    assert figures()["platform_requests_total"] == before + 4


def test_so_do_those_for_a_page_that_came_without_its_dossiers(sandbox, tracked, monkeypatch):
    """Once each: they are fetched while lists are read."""
    tracked(3)
    Demarche.objects.update(followed=True)
    whole, before = sandbox.answer, figures()["platform_requests_total"]
    monkeypatch.setattr(
        sandbox,
        "answer",
        lambda asked: Reply(504) if asked.body["query"] == GET_MOVED_WHOLE.text else whole(asked),
    )
    Run()
    assert figures()["platform_requests_total"] == before + len(sandbox.received)


def test_mails(settings, monkeypatch):
    dossier = DossierFactory()
    send_link(dossier, "https://dossiers.example.org/suivi/lien/")
    for failure in (SMTPServerDisconnected(), SMTPRecipientsRefused({"a@example.org": (550, b"")})):

        def refuse(*_, failure=failure):
            raise failure

        monkeypatch.setattr(EmailBackend, "send_messages", refuse)
        with pytest.raises(MailNotSent):
            send_link(dossier, "https://dossiers.example.org/suivi/lien/")
    told = figures()
    assert {name: value for name, value in told.items() if name.startswith("mails")} == {
        "mails_total{delayed}": 1,
        "mails_total{refused}": 1,
        "mails_total{sent}": 1,
    }


@pytest.mark.parametrize("days", [12, -3])
def test_days_of_the_token(settings, days):
    assert "token_days_left" not in figures()
    settings.DS_API_TOKEN_EXPIRES = timezone.localdate() + timedelta(days=days)
    assert figures()["token_days_left"] == days


def test_statements_are_few_whatever_is_stored(sandbox, django_assert_num_queries):
    for count in (1, 30):
        DossierFactory.create_batch(count)
        list(fetch_dossiers([12345, 404, 20002]))
        cache.clear()
        with django_assert_num_queries(3):
            scrape()
    with django_assert_num_queries(0):  # half a minute
        scrape()


def test_a_count_that_cannot_be_written_hides_nothing(sandbox, monkeypatch, logs):
    monkeypatch.setattr("dsintegration.counters.INSERT", "INSERT INTO nowhere ")
    assert fetch_dossier(12345).created
    assert "counters: not written" in logs.text


def test_nothing_of_people(sandbox):
    for number in (12345, 12354):
        fetch_dossier(number)
    text = scrape().content.decode()
    assert not re.search(r"@|12345|subvention|bureau", text)
    assert not Counter.objects.filter(label__contains="@").exists()


def test_what_other_processes_did(sandbox):
    done = subprocess.run(
        [sys.executable, "manage.py", "fetch_dossier", "12345", "12346"],
        cwd=PROJECT,
        env=environment(sandbox) | {"METRICS_TOKEN": TOKEN},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert figures()["fetches_total{created}"] == 2


def read_for_ever(connection) -> None:
    while connection.recv(65536):
        pass


class TestQueue:
    @pytest.fixture
    def broker(self, monkeypatch):
        def at(url):
            monkeypatch.setitem(app.conf, "broker_url", url)
            monkeypatch.setitem(app.conf, "broker_write_url", url)
            app.set_current()

        return at

    @pytest.mark.skipif("REDIS_URL" not in os.environ, reason="needs a Redis")
    def test_what_waits(self, broker):
        broker(os.environ["REDIS_URL"])
        Redis.from_url(os.environ["REDIS_URL"]).flushdb()
        assert (figures()["queue_length"], figures()["up{broker}"]) == (0, 1)
        for _ in range(3):
            assert hand_over("dsintegration.purge_dossiers")
        assert figures()["queue_length"] == 3
        Redis.from_url(os.environ["REDIS_URL"]).flushdb()

    @pytest.mark.parametrize("scheme", ["redis", "amqp"])
    def test_a_broker_that_accepts_and_is_silent(self, broker, scheme):
        with TCPServer(read_for_ever) as silent:
            broker(f"{scheme}://127.0.0.1:{silent.port}//")
            # A broker that answers never: what ends the wait is one of these, in seconds.
            waits = {name: wait for name, wait in OPTIONS.items() if name.endswith("timeout")}
            assert len(waits) == 4
            assert max(waits.values()) <= 2
            told = figures()
            assert silent.connections == 1
            # And nobody else waits for it.
            assert not hand_over("dsintegration.purge_dossiers")
            assert silent.connections == 1
        assert told["up{broker}"] == 0
        assert "queue_length" not in told

    @pytest.mark.parametrize("scheme", ["redis", "amqp"])
    def test_a_broker_that_is_down(self, broker, scheme):
        broker(f"{scheme}://127.0.0.1:9//")
        told = figures()
        assert told["up{broker}"] == 0
        assert "queue_length" not in told
