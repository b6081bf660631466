"""The SQLite engine of ours (hosting/sqlite3), beside a process that writes much."""

import sqlite3
import threading
import time

import pytest
from django.db import OperationalError, connection, transaction

from dsintegration.mirror.locking import writing
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


def in_batches():
    """As a purge forgets entries of the journal."""
    with transaction.atomic(durable=True):
        Counter.objects.update(value=2)
        time.sleep(0.005)


def under_the_lock():
    """As an import stores a page."""
    with writing(None):
        time.sleep(0.005)


@pytest.mark.parametrize("write_much", [in_batches, under_the_lock])
@pytest.mark.parametrize("write", [in_a_transaction, under_the_lock])
def test_whoever_writes_in_a_row_leaves_gaps(write_much, write):
    begun, over, turns = threading.Event(), threading.Event(), []

    def write_on() -> None:
        while not over.is_set():
            write_much()
            turns.append(1)
            begun.set()
        connection.close()

    greedy = threading.Thread(target=write_on)
    greedy.start()
    begun.wait()
    try:
        for _ in range(WRITES):
            write()
    finally:
        over.set()
        greedy.join()
    # One for each; without gaps, five to twenty.
    assert len(turns) < 4 * WRITES
