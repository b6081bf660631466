"""What the `Date` headers of answers say of our clock."""

from datetime import UTC, datetime, timedelta

import pytest

from dsintegration.platform.clock import Clock

SENT = datetime(2026, 11, 2, 9, 0, 0, tzinfo=UTC)


def learn(clock, says, *, after=0.0, took=0.5):
    """An answer to what was sent `after` so many seconds; `says`: what it adds to our own SENT."""
    sent_at = SENT + timedelta(seconds=after)
    clock.learn(sent_at, timedelta(seconds=took), (SENT + timedelta(seconds=says)).timestamp())


def offset(clock) -> float:
    return clock.offset.total_seconds()


def test_ours_counts_as_long_as_nothing_was_said(monkeypatch):
    clock = Clock()
    clock.learn(SENT, timedelta(seconds=1), None)
    monkeypatch.setattr("django.utils.timezone.now", lambda: SENT)
    assert (offset(clock), clock.now()) == (0, SENT)


@pytest.mark.parametrize(
    ("says", "least"), [(0, 0), (2, 0), (3, 2.5), (600, 599.5), (-3, 0), (-4, -3), (-600, -599)]
)
def test_the_least_that_explains_the_answer(monkeypatch, says, least):
    """`Date` was written within half a second, and has whole ones."""
    clock = Clock()
    learn(clock, says)
    monkeypatch.setattr("django.utils.timezone.now", lambda: SENT)
    assert offset(clock) == least
    assert clock.now() == SENT + timedelta(seconds=least)


@pytest.mark.parametrize(("sign", "first", "both"), [(1, 599.5, 600.75), (-1, -599, -600.25)])
def test_answers_that_agree_make_it_narrower(sign, first, both):
    clock = Clock()
    learn(clock, sign * 600)
    assert offset(clock) == first
    learn(clock, 611 if sign > 0 else -591, after=10.25 if sign < 0 else 10, took=0.25)
    assert offset(clock) == both
    learn(clock, sign * 600)  # says nothing new
    assert offset(clock) == both


def test_a_clock_that_was_set(monkeypatch):
    clock = Clock()
    learn(clock, 600)
    learn(clock, 0)
    assert offset(clock) == 0
    learn(clock, -600)
    assert offset(clock) == -599
