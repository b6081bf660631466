"""Threads that share one client."""

import threading
import time

import pytest

from dsintegration.platform.workers import Workers


class Connections:
    """In the place of a client: which threads closed theirs."""

    def __init__(self, seconds: float = 0) -> None:
        self.closed, self.seconds = list[int](), seconds

    def close(self) -> None:
        if self.seconds:
            time.sleep(self.seconds)
        self.closed.append(threading.get_ident())


def test_each_thread_closes_its_own_connection():
    connections = Connections()
    with Workers(connections, 3) as workers:
        threads = {workers.submit(threading.get_ident).result() for _ in range(3)}
    assert len(set(connections.closed)) == len(connections.closed) == 3
    assert threads <= set(connections.closed)


def test_they_are_closed_whatever_happened():
    connections = Connections(0.05)  # those who do not wait for them see nothing

    def work():
        with Workers(connections, 2) as workers:
            workers.submit(threading.get_ident).result()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(connections.closed) == 2


def test_what_came_is_given_before_a_failure():
    with Workers(Connections(), 2) as workers:
        failed, came = workers.submit(lambda: 1 / 0), workers.submit(lambda: 1)
        assert came.result() == 1
        assert failed.exception()
        for futures in ([failed, came], [came, failed]):
            assert workers.done(futures) == [came, failed]
