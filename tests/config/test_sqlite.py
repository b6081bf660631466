"""The SQLite engine of ours (hosting/sqlite3), beside a process that writes much."""

import sqlite3
import threading
import time

import pytest
from django.db import OperationalError, connection, transaction

from dsintegration.mirror.locking import A_PAGE, writing
from dsintegration.models import Counter

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="is about SQLite"),
]

WRITES = 10


@pytest.fixture
def other():
    """Another process's connection."""
    other = sqlite3.connect(
        connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False
    )
    yield other
    other.close()


class Greedy:
    """Takes the lock again as soon as it has left it."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw, self.turns = raw, 0
        self.has_it, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.write_much)
        self.thread.start()

    def write_much(self) -> None:
        while not self.over.is_set():
            self.raw.execute("BEGIN IMMEDIATE")
            self.turns += 1
            self.has_it.set()
            time.sleep(0.005)
            self.has_it.clear()
            self.raw.execute("COMMIT")
            time.sleep(0.001)


@pytest.fixture
def greedy(other):
    greedy = Greedy(other)
    yield greedy
    greedy.over.set()
    greedy.thread.join()


def in_a_transaction():
    with transaction.atomic():
        Counter.objects.create(name="fetches", label=str(Counter.objects.count()))


def by_itself():
    Counter.objects.update(value=1)


@pytest.mark.parametrize("write", [in_a_transaction, by_itself])
def test_whoever_waits_gets_in_between(greedy, write):
    before = greedy.turns
    for _ in range(WRITES):
        greedy.has_it.wait()
        write()
    # Looking each tenth of a second, it would be thirty turns for each of them.
    assert greedy.turns - before < 10 * WRITES


@pytest.mark.parametrize("write", [in_a_transaction, by_itself])
def test_nobody_waits_for_ever(other, write):
    other.execute("BEGIN IMMEDIATE")
    connection.ensure_connection()
    raw = connection.connection
    raw.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(OperationalError, match="locked"):
        write()
    assert raw.execute("PRAGMA busy_timeout").fetchone() == (50,)
    other.execute("COMMIT")
    write()


def test_who_writes_the_mirror_in_a_row_leaves_gaps():
    over, has_it, turns = threading.Event(), threading.Event(), [0]

    def write_much() -> None:
        while not over.is_set():
            with writing(None):
                turns[0] += 1
                has_it.set()
                time.sleep(0.005)
                has_it.clear()
        connection.close()

    greedy = threading.Thread(target=write_much)
    greedy.start()
    try:
        has_it.wait()
        before = turns[0]
        for _ in range(WRITES):
            has_it.wait()
            with writing(None, A_PAGE):
                pass
        # Without them, it would be some seventy for each.
        assert turns[0] - before < 10 * WRITES
    finally:
        over.set()
        greedy.join()
