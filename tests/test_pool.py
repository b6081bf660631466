"""`?pool=true`: who waits for the platform holds no connection that others need."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from dsintegration.services import fetch_dossiers
from tests.conftest import caller
from tests.factories import dossier_answer

pytestmark = pytest.mark.django_db(transaction=True)

FETCHES = 6
LONG = 60  # seconds: only what waits for ever takes them


@pytest.fixture
def pool(on_sqlite):
    """A real one, of two connections."""
    if on_sqlite:
        pytest.skip("needs PostgreSQL")
    options = connection.settings_dict
    before = dict(options), dict(options["OPTIONS"])
    connection.close()
    options |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    options["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 2, "timeout": LONG / 2}
    yield
    connection.close()
    connection.close_pool()
    options |= before[0]
    options["OPTIONS"] = before[1]


@pytest.fixture
def platform(sandbox, monkeypatch):
    """It answers nobody before it has been asked for all, and those whom a test adds are there."""
    answer = sandbox.answer
    sandbox.meetings = [threading.Barrier(FETCHES)]

    def late(request):
        for meeting in sandbox.meetings:
            meeting.wait(LONG)
        return answer(request)

    for number in range(101, 101 + FETCHES):
        sandbox.dossiers[number] = dossier_answer(number)
    monkeypatch.setattr(sandbox, "answer", late)
    return sandbox


def closing(work, *args):
    try:
        return work(*args)
    finally:
        connections.close_all()


def test_fetches_and_a_page_beside_them(pool, platform, make_key):
    key = make_key(can_fetch=True)
    connection.close()
    # The first when all fetches wait for the platform, the second when the page is read.
    asked, read = platform.meetings = [threading.Barrier(FETCHES + 1) for _ in range(2)]

    def fetch(number):
        return caller(key).post(f"/api/v1/dossiers/{number}/fetch/").status_code

    def look():
        return caller(key).get("/api/v1/dossiers/").status_code

    with ThreadPoolExecutor(FETCHES + 2) as threads:
        numbers = range(101, 101 + FETCHES)
        fetches = [threads.submit(closing, fetch, number) for number in numbers]
        # And one who waits for somebody else's call.
        fetches.append(threads.submit(closing, fetch, 101))
        asked.wait(LONG)
        assert threads.submit(closing, look).result() == 200
        read.wait(LONG)
        codes = [each.result() for each in fetches]
    assert set(codes) <= {200, 201}


def test_batches(pool, platform):
    numbers = list(range(101, 101 + FETCHES))

    def fetch(some):
        return [bool(one.result) for one in fetch_dossiers(some, size=1, at_once=2)]

    with ThreadPoolExecutor(4) as threads:
        works = [threads.submit(closing, fetch, numbers[start::3]) for start in range(3)]
        assert [work.result() for work in works] == [[True, True]] * 3
