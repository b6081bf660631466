"""What a purge asks of the platform before it erases, and of which news it needs no more."""

import pytest
from django.db.models import ProtectedError
from django.utils import timezone

from dsintegration import journal, purging
from dsintegration.mirror import erasing
from dsintegration.models import Dossier, FetchLot
from dsintegration.sandbox import Reply
from tests.factories import DossierFactory, dossier_answer
from tests.test_purging import DELAYS, ago, confirmed, gone, kept

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asks(sandbox, settings):
    """Has the purge ask for one dossier a request; the numbers that it asked for."""
    for name, value in DELAYS.items():
        setattr(settings, name, value)
    settings.DS_BATCH_SIZE = settings.DS_IN_FLIGHT = 1

    def numbers(**options) -> list[int]:
        tally.__init__()
        purging.purge(tally, by=journal.CODE, **options)
        return [request.body["variables"]["number"] for request in sandbox.received]

    tally = purging.Tally()
    numbers.tally = tally
    return numbers


def expired(number, **fields):
    """Of which nothing is known since the end of its delay."""
    return DossierFactory(
        number=number, **{"date_expiration": ago(40), "fetched_at": ago(20)} | fields
    )


def test_only_those_whose_last_word_is_old(sandbox, asks):
    gone(1)
    confirmed(number=2, date_expiration=ago(31))
    expired(3)
    assert asks() == [3]
    assert kept() == []


def test_nothing_before_its_delay_is_over(sandbox, asks):
    DossierFactory(number=1, absent_since=ago(89), checked_at=ago(89))
    DossierFactory(number=2, date_expiration=ago(29), fetched_at=ago(29))
    assert asks() == []
    assert asks.tally.left == 0


def test_a_list_does_not_confirm_a_date(sandbox, asks):
    """It says that nothing moved; a postponed expiry moves nothing."""
    expired(1, checked_at=timezone.now())
    sandbox.dossiers[1] = dossier_answer(1)
    assert asks() == [1]
    assert kept() == [1]


def test_a_list_confirms_an_absence(sandbox, asks):
    then = ago(100)
    DossierFactory(number=1, absent_since=then, fetched_at=then, checked_at=timezone.now())
    assert asks() == []
    assert kept() == []


def test_page_by_page_each_once(sandbox, asks, monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 2)
    error = {"message": "", "path": ["dossier"], "extensions": {"code": "unauthorized"}}
    for number in range(1, 6):
        expired(number)
        sandbox.replies[number] = Reply(body={"errors": [error], "data": None})
    assert asks() == [1, 2, 3, 4, 5]
    assert asks.tally.left == 5
    assert kept() == [1, 2, 3, 4, 5]


def test_a_stop_ends_the_questions_too(sandbox, asks):
    for number in range(1, 4):
        expired(number)
    assert len(asks(must_stop=lambda: bool(sandbox.received))) == 1
    assert len(kept()) == 3


def test_one_that_is_held_is_not_left_for_want_of_an_answer(asks, monkeypatch):
    def refuse(*_):
        raise ProtectedError("…", set())

    confirmed(number=1, date_expiration=ago(31))
    monkeypatch.setattr(erasing, "_leave_numbers", refuse)
    asks()
    assert kept() == [1]
    assert (asks.tally.left, asks.tally.dossiers) == (0, {})


def test_counts(asks):
    for number in (1, 2):
        gone(number)
    confirmed(number=3, absent_since=ago(91))
    asks()
    assert asks.tally.counts == {
        "dossiers_erased": 2,
        "dossiers_absent": 1,
        "left": 0,
        "entries": 0,
        "accesses": 0,
    }
    assert not Dossier.objects.exists()


def test_lots_of_the_week_stay(asks):
    FetchLot.objects.create(account="1", created_at=ago(8))
    lot = FetchLot.objects.create(account="1", created_at=ago(6))
    asks()
    assert FetchLot.objects.get() == lot


def test_a_word_of_days_to_come_is_none(sandbox, asks):
    """Stamped by a clock that went wrong."""
    expired(1, fetched_at=ago(-400))
    sandbox.dossiers[1] = dossier_answer(1)
    assert asks() == [1]
    assert kept() == [1]
