"""Batches, and what the run makes of those that fail: a platform that does as it is told."""

import threading
import time
from datetime import UTC, datetime
from itertools import islice

import pytest

from dsintegration.exceptions import DSUnavailable, Reason
from dsintegration.platform import outage as outages
from dsintegration.platform.batches import Batch, ask, ask_all
from dsintegration.platform.outage import IN_A_ROW, Outage
from tests.factories import dossier_answer

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


class Platform:
    """In the place of a client: it fails what it is told to fail, alone or among others."""

    sent_at, requests_here = NOW, 0

    def __init__(self, *, is_up=True, alone=(), together=()) -> None:
        self.is_up, self.alone, self.together = is_up, set(alone), set(together)
        self.probes = 0

    def now(self) -> datetime:
        return NOW

    def close(self) -> None:
        pass

    def answers(self) -> bool:
        self.probes += 1
        return self.is_up

    def get_dossier(self, number, selection):
        if number in self.alone:
            raise DSUnavailable(Reason.TIMEOUT)
        return dossier_answer(number)

    def get_dossiers(self, numbers, selection):
        if (self.alone | self.together).intersection(numbers):
            raise DSUnavailable(Reason.TIMEOUT)
        return {number: dossier_answer(number) for number in numbers}, {}


def outcomes(answers) -> dict[int, bool]:
    """By number, whether it came."""
    found = {}
    for answer in answers:
        found |= {payload.number: True for payload in answer.payloads}
        found |= {failure.dossier_number: False for failure in answer.failures}
    return found


@pytest.mark.parametrize("at_once", [1, 3])
def test_halves_of_each_batch_come_to_their_end(at_once):
    platform = Platform(alone=range(0, 60, 7), together=range(0, 60, 5))
    batches = [Batch(range(start, start + 10)) for start in range(1, 61, 10)]
    found = outcomes(ask_all(platform, batches, at_once=at_once))
    assert found == {number: number not in platform.alone for number in range(1, 61)}


def test_two_that_fail_only_together_are_no_reason_to_ask_the_platform():
    platform = Platform(together=[1])
    assert outcomes(ask(platform, Batch([1, 2]))) == {1: True, 2: True}
    assert platform.probes == 0


def test_what_came_clears_the_platform():
    platform, batches = Platform(together=[1]), [Batch([1, 2]), Batch([3, 4])]
    outage = Outage(platform)
    assert all(outcomes(ask_all(platform, batches, at_once=1, outage=outage)).values())
    assert not outage.is_suspected


def test_those_that_fail_by_themselves_are_many_at_most(monkeypatch):
    monkeypatch.setattr(outages, "AT_MOST", 3)
    platform = Platform(alone=range(1, 11))
    found = outcomes(ask(platform, Batch(range(1, 11))))
    assert found == dict.fromkeys(range(1, 11), False)
    assert platform.probes == 3


def test_while_the_platform_is_in_doubt_one_is_asked_at_a_time():
    together, lock, running, begun = threading.Barrier(3, timeout=20), threading.Lock(), [0], []

    class Down(Platform):
        def get_dossier(self, number, selection):
            with lock:
                running[0] += 1
                begun.append(running[0])
            if number <= 3:
                together.wait()
            else:
                time.sleep(0.02)  # whoever is begun beside it is seen
            with lock:
                running[0] -= 1
            raise DSUnavailable(Reason.TIMEOUT)

    platform, read = Down(is_up=False), []

    def batches():
        for number in range(1, 20):
            read.append(number)
            yield Batch([number])

    outage = Outage(platform)
    answers = ask_all(platform, batches(), at_once=3, outage=outage)
    assert len(list(islice(answers, 1))) == 1
    assert read == [1, 2, 3]
    list(answers)
    assert outage.is_over
    assert sorted(begun[:3]) == [1, 2, 3]
    assert begun[3:] == [1] * (IN_A_ROW - 3)
