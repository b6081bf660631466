"""The one lock of those who write: nobody waits for it for long."""

import sqlite3
import threading
import time

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from dsintegration import journal
from dsintegration.exceptions import DSUnavailable
from dsintegration.mirror.absences import store_unmoved
from dsintegration.mirror.choices import choose
from dsintegration.mirror.locking import PATIENCE, _is_busy, writing
from dsintegration.models import Dossier, Platform
from dsintegration.moments import Moment
from dsintegration.platform.client import get_client
from dsintegration.platform.sockets import deadline
from dsintegration.services import (
    LEAST_PATIENCE,
    _patience,
    fetch_demarche,
    fetch_dossier,
    read_form,
)
from tests.factories import DemarcheFactory
from tests.refresh.command import FIRST

# Seconds: a page has ten, and work that nobody waits for sixty.
LONG = 30

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held():
    """Somebody else writes, and does not end."""
    ready, done = threading.Event(), threading.Event()

    def hold():
        with writing(None):
            ready.set()
            done.wait()
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait()
    yield
    done.set()
    thread.join()


def test_a_page_gives_up(sandbox, api, held, monkeypatch):
    key = api(can_fetch=True) if connection.vendor == "postgresql" else None
    monkeypatch.setattr("dsintegration.services.PATIENCE", 0.1)
    before = time.monotonic()
    with pytest.raises(DSUnavailable, match="busy") as caught:
        fetch_dossier(12345, client=get_client(web=True))
    assert caught.value.retry_after
    if key:
        response = key.post("/api/v1/dossiers/12345/fetch/")
        assert (response.status_code, response.json()["code"]) == (503, "upstream_unavailable")
        assert response.headers["Retry-After"]
    assert not Dossier.objects.exists()
    assert time.monotonic() - before < LONG


@pytest.mark.parametrize("ask", [fetch_demarche, read_form])
def test_so_does_one_that_asks_for_a_demarche(sandbox, held, ask, monkeypatch):
    monkeypatch.setattr("dsintegration.services.PATIENCE", 0.1)
    before = time.monotonic()
    with pytest.raises(DSUnavailable, match="busy"):
        ask(901)
    assert time.monotonic() - before < LONG


def test_and_one_that_chooses(held, monkeypatch):
    monkeypatch.setattr("dsintegration.mirror.choices.A_PAGE", 0.1)
    demarche = DemarcheFactory.build(number=901)
    before = time.monotonic()
    with pytest.raises(DSUnavailable, match="busy"):
        choose(demarche, by=journal.CODE, demandeur=True)
    assert time.monotonic() - before < LONG


def test_a_page_waits_for_what_is_left_of_its_time(sandbox):
    client, now = get_client(web=True), time.monotonic()
    assert LEAST_PATIENCE < _patience(client, now) <= client.budget
    assert _patience(client, now - client.budget) == LEAST_PATIENCE
    with deadline(2):
        assert _patience(client, now) <= 2
    assert _patience(get_client(patient=True), now - client.budget) == PATIENCE


def test_few_dossiers_at_a_time(tracked, monkeypatch):
    monkeypatch.setattr("dsintegration.mirror.absences.AT_ONCE", 3)
    monkeypatch.setattr("dsintegration.mirror.absences.LOOKED_UP", 6)
    tracked(8)
    moment = Moment(timezone.now(), timezone.now())
    instance = Platform.objects.get().instance
    assert list(store_unmoved(Dossier.objects.all(), {FIRST}, instance, moment)) == [2, 3, 2]


def test_sqlite_that_recovers_is_busy():
    """After a kill: SQLITE_BUSY_RECOVERY."""
    error, error.__cause__ = OperationalError(), sqlite3.OperationalError()
    error.__cause__.sqlite_errorcode = 261
    assert _is_busy(error)
    error.__cause__.sqlite_errorcode = sqlite3.SQLITE_LOCKED
    assert not _is_busy(error)
