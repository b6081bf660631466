"""What is noted of dossiers and of the platform without an answer that is stored."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from dsintegration.exceptions import DSError
from dsintegration.mirror.absences import store_unmoved
from dsintegration.models import Demarche, Dossier, Platform
from dsintegration.moments import Moment
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossier
from tests.conftest import SITE_URL
from tests.factories import DossierFactory, dossier_answer
from tests.refresh.command import Run

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 70_001
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def in_error(code):
    return Reply(body={"errors": [{"message": "", "extensions": {"code": code}}], "data": None})


OF_THE_PLATFORM = Reply(503)
ANSWERED = [in_error("not_found"), in_error("unauthorized")]


@pytest.fixture
def fetched(sandbox, monkeypatch):
    """Fetches NUMBER so many minutes after START; where it fails, with this reply."""

    def fetch(minutes, reply=None):
        now = START + timedelta(minutes=minutes)
        monkeypatch.setattr("django.utils.timezone.now", lambda: now)
        sandbox.dossiers[NUMBER] = dossier_answer(NUMBER)
        sandbox.replies = {NUMBER: reply} if reply else {}
        if not reply:
            return fetch_dossier(NUMBER).dossier
        with pytest.raises(DSError):
            fetch_dossier(NUMBER)
        return Dossier.objects.filter(number=NUMBER).first()

    return fetch


def noted():
    """The failure of the platform, and its minute."""
    row = Platform.objects.get()
    since = row.last_error_at and (row.last_error_at - START) / timedelta(minutes=1)
    return row.last_error_code, row.last_error_reason, since


class TestOfThePlatform:
    @pytest.mark.parametrize("reply", ANSWERED)
    def test_nothing_is_left_of_one_that_ended(self, fetched, reply):
        fetched(0, OF_THE_PLATFORM)
        assert noted() == ("upstream_unavailable", "maintenance", 0)
        fetched(1, reply)
        assert noted() == ("", "", None)

    @pytest.mark.parametrize("reply", [Reply(429), *ANSWERED])
    def test_what_was_asked_before_it_leaves_it(self, fetched, reply):
        fetched(2, OF_THE_PLATFORM)
        fetched(1, reply)
        assert noted() == ("upstream_unavailable", "maintenance", 2)

    def test_what_a_wrong_clock_stamped_hides_none(self, fetched):
        fetched(0)
        Dossier.objects.update(fetched_at=START + timedelta(days=365))
        fetched(1, OF_THE_PLATFORM)
        assert noted() == ("upstream_unavailable", "maintenance", 1)


@pytest.mark.parametrize(
    ("before", "minutes"), [(0, 15), (1, 30), (2, 60), (6, 960), (7, 1440), (8, 1440)]
)
def test_each_failure_in_a_row_doubles_the_pause_for_a_day_at_most(fetched, before, minutes):
    fetched(0)
    Dossier.objects.update(tries=before)
    row = fetched(0, in_error("timeout"))
    assert row.tries == min(before + 1, 8)
    assert row.next_try_at == START + timedelta(minutes=minutes)


def test_a_destroyed_one_keeps_its_day_and_one_in_the_bin_has_none(sandbox):
    numbers = destroyed, binned, _ = 70_001, 70_002, 70_003
    for number in numbers:
        sandbox.dossiers[number] = dossier_answer(number, messages=[])
        fetch_dossier(number)
    then = timezone.now() - timedelta(hours=2)
    Dossier.objects.update(fetched_at=then, checked_at=then)
    for number, listed in ((destroyed, sandbox.deleted), (binned, sandbox.pending)):
        del sandbox.dossiers[number]
        listed[number] = (timezone.now() - timedelta(hours=1)).isoformat(timespec="seconds")
    days = []
    for _ in range(2):
        Run("--full")
        Run("--full")
        days.append(dict(Dossier.objects.values_list("number", "erased_at")))
        Demarche.objects.update(deleted_read_at=timezone.now() - timedelta(hours=25))
    assert days[0] == days[1]
    assert [number for number, at in days[0].items() if at] == [destroyed]


def test_the_first_row_is_checked_too():
    DossierFactory(pk=1)
    moment = Moment(timezone.now(), timezone.now())
    assert sum(store_unmoved(Dossier.objects.all(), set(), SITE_URL, moment)) == 1
