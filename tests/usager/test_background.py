"""The threads behind `run_later`: bounded, and nobody's bug stops them."""

import threading

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from dsintegration import background
from dsintegration.models import Dossier
from tests.factories import DossierFactory


@pytest.fixture
def pool():
    pool = background.Pool(threads=1, waiting=3)
    yield pool
    pool.close()


def test_nobody_waits(pool):
    gate, done = threading.Event(), []
    pool.run_later(gate.wait, 10)
    pool.run_later(done.append, "done")
    assert done == []
    gate.set()
    pool.close()
    assert done == ["done"]


def test_too_much_is_given_up(pool, logs):
    gate, done = threading.Event(), []
    pool.run_later(gate.wait, 10)
    for rank in range(4):
        pool.run_later(done.append, rank)
    assert "work on dossier 2 was given up: too much is waiting" in logs.text
    assert "work on dossier 3 was given up" in logs.text
    gate.set()
    pool.close()
    assert done == [0, 1]


def test_room_comes_back(pool):
    for _ in range(10):
        done = threading.Event()
        pool.run_later(done.set)
        assert done.wait(5)
        # The room is given back just after the work.
        with pool._room:
            pass


def test_what_cannot_be_done_now_is_tried_again_a_few_times(logs):
    pool = background.Pool(threads=1, waiting=1, pauses=(0, 0))
    tries, given_up = [], threading.Event()

    def work():
        tries.append(1)
        if len(tries) == 3:
            given_up.set()
        raise background.TryAgain

    pool.run_later(work)
    assert given_up.wait(5)
    # The room is given back just after the work.
    with pool._room:
        pool.close()
    assert len(tries) == 3
    assert "was given up: it was tried several times" in logs.text


def test_a_second_try_may_succeed(pool):
    pool._pauses = (0,)
    tries, done = [], threading.Event()

    def work():
        tries.append(1)
        if len(tries) == 1:
            raise background.TryAgain
        done.set()

    pool.run_later(work)
    assert done.wait(5)


def test_the_end_of_the_process_waits_for_no_second_try(logs):
    pool = background.Pool(threads=1, waiting=1, pauses=(0.2,))
    tried = threading.Event()

    def work():
        tried.set()
        raise background.TryAgain

    pool.run_later(work)
    assert tried.wait(5)
    pool.close()
    # Whoever holds the room now knows that the second try was given up.
    with pool._room:
        assert "Traceback" not in logs.text
        assert "was given up: the process ends" in logs.text


def test_a_bug_is_logged_without_its_words(pool, logs):
    address = "usager@example.org"

    def work():
        raise RuntimeError(address)

    done = []
    pool.run_later(work)
    pool.run_later(done.append, "next")
    pool.close()
    assert done == ["next"]
    assert "RuntimeError in background work" in logs.text
    assert "in work" in logs.text
    assert "usager@example.org" not in logs.text


@pytest.mark.django_db(transaction=True)
def test_connections_are_closed(pool):
    used = []

    def work():
        Dossier.objects.count()
        used.append(connection.connection)

    pool.run_later(work)
    pool.close()
    (raw,) = used
    with pytest.raises(Exception, match=r"(?i)closed"):
        raw.cursor()


@pytest.mark.django_db(transaction=True)
def test_a_request_goes_through_the_threads(client, sandbox, monkeypatch):
    cache.clear()
    pool = background.Pool()
    calls = background.Pool()
    monkeypatch.setattr(background, "pool", pool)
    monkeypatch.setattr(background, "calls", calls)
    form = {"number": "12345", "email": "bureau@lescordesvocales.example.org"}
    assert client.post("/suivi/", form).status_code == 302
    pool.close()
    calls.close()
    assert [message.to for message in mail.outbox] == [[form["email"]]]


def test_a_platform_that_hangs_delays_no_mail_that_needs_no_call(client, db, monkeypatch):
    """What needs a call waits with its kind alone, however many wait there."""
    left = []

    class Lane:
        def __init__(self, name):
            self.name = name

        def run_later(self, work, *args):
            left.append((self.name, work, args))

    monkeypatch.setattr(background, "pool", Lane("mails"))
    monkeypatch.setattr(background, "calls", Lane("calls"))
    DossierFactory(number=5, usager_email="usager@example.org", fetched_at=timezone.now())
    for number in (404, 5):
        client.post("/suivi/", {"number": number, "email": "usager@example.org"})
    for _, work, args in [*left]:
        work(*args)
    assert [name for name, *_ in left] == ["mails", "mails", "calls"]
    assert [message.to for message in mail.outbox] == [["usager@example.org"]]
