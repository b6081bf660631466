"""`?pool=true`: who waits for the platform holds no connection that others need."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossiers
from tests.conftest import caller
from tests.factories import dossier_answer

pytestmark = pytest.mark.django_db(transaction=True)

FETCHES, SECONDS = 6, 1.5


@pytest.fixture
def pool(on_sqlite):
    """A real one, of two connections; whoever gets none in half a second fails."""
    if on_sqlite:
        pytest.skip("needs PostgreSQL")
    options = connection.settings_dict
    before = dict(options), dict(options["OPTIONS"])
    connection.close()
    options |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    options["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 2, "timeout": 0.5}
    yield
    connection.close()
    connection.close_pool()
    options |= before[0]
    options["OPTIONS"] = before[1]


@pytest.fixture
def slow(sandbox, monkeypatch):
    """The platform answers after a second and a half; `asked` counts who waits."""
    sandbox.waiting, answer, lock = 0, sandbox.answer, threading.Lock()

    def late(request):
        with lock:
            sandbox.waiting += 1
        time.sleep(SECONDS)
        return answer(request)

    for number in range(101, 101 + FETCHES):
        sandbox.replies[number] = Reply(body={"data": {"dossier": dossier_answer(number)}})
        sandbox.dossiers[number] = dossier_answer(number)
    monkeypatch.setattr(sandbox, "answer", late)
    return sandbox


def closing(work, *args):
    try:
        return work(*args)
    finally:
        connections.close_all()


def test_fetches_and_a_page_beside_them(pool, slow, make_key):
    key = make_key(can_fetch=True)
    connection.close()

    def fetch(number):
        return caller(key).post(f"/api/v1/dossiers/{number}/fetch/").status_code

    def read():
        return caller(key).get("/api/v1/dossiers/").status_code

    with ThreadPoolExecutor(FETCHES + 2) as threads:
        numbers = range(101, 101 + FETCHES)
        fetches = [threads.submit(closing, fetch, number) for number in numbers]
        # And one who waits for somebody else's call.
        fetches.append(threads.submit(closing, fetch, 101))
        ends_at = time.monotonic() + 10 * SECONDS
        while slow.waiting < FETCHES and time.monotonic() < ends_at:
            time.sleep(0.01)
        assert slow.waiting == FETCHES
        started = time.monotonic()
        assert threads.submit(closing, read).result() == 200
        assert time.monotonic() - started < SECONDS / 2
        codes = [each.result() for each in fetches]
    assert set(codes) <= {200, 201}


def test_batches(pool, slow):
    numbers = list(range(101, 101 + FETCHES))

    def fetch(some):
        return [bool(one.result) for one in fetch_dossiers(some, size=1, at_once=2)]

    with ThreadPoolExecutor(4) as threads:
        works = [threads.submit(closing, fetch, numbers[start::3]) for start in range(3)]
        assert [work.result() for work in works] == [[True, True]] * 3
