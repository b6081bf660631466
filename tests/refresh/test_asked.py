"""What a refresh asks of the platform, to the request: nothing twice, nothing of others."""

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from dsintegration import refresh
from dsintegration.mirror.locking import forget_instance
from dsintegration.models import (
    Counter,
    Demarche,
    Dossier,
    File,
    JournalEntry,
    Message,
    Platform,
)
from dsintegration.platform import rate_limit
from dsintegration.platform.client import _kept_client
from dsintegration.platform.documents import GET_DELETED, GET_MOVED, GET_MOVED_WHOLE
from dsintegration.platform.tokens import fingerprint
from dsintegration.sandbox import Reply
from dsintegration.sandbox.forms import champ_id
from dsintegration.sandbox.server import LISTS
from dsintegration.services import fetch_dossiers
from tests.factories import DemarcheFactory, DossierFactory, FileFactory, dossier_answer
from tests.refresh.command import FIRST, Run, change, lists_asked, numbers_asked
from tests.refresh.test_tokens import A, B, two  # noqa: F401
from tests.refresh.world import FORM, REVISION

pytestmark = pytest.mark.django_db(transaction=True)


def ago(**duration):
    return timezone.now() - timedelta(**duration)


def numbers_in_turn(sandbox) -> list[int]:
    """One a request."""
    return [request.body["variables"]["number"] for request in sandbox.received]


@pytest.fixture
def one_by_one(settings, monkeypatch):
    settings.DS_BATCH_SIZE = 1
    monkeypatch.setattr("dsintegration.refresh.queue.PAGE", 2)


@pytest.fixture
def any_list(monkeypatch):
    """Lists are worth their requests from two dossiers on."""
    monkeypatch.setattr(refresh, "WORTH_A_LIST", 1)


class TestInTurn:
    def test_each_once(self, sandbox, tracked, one_by_one):
        """What the run itself asked for is due again, by its date, before it ends."""
        numbers = tracked(5)
        Run("--full")
        assert numbers_in_turn(sandbox) == numbers
        sandbox.received.clear()
        Run("--older-than", "0s")
        assert numbers_in_turn(sandbox) == numbers

    @pytest.mark.parametrize("words", [["--full"], ["--older-than", "0s"]])
    def test_each_once_by_a_clock_that_is_ahead(
        self, sandbox, tracked, one_by_one, our_clock, words
    ):
        """By ours, what was just asked for is older than the run."""
        numbers = tracked(5)
        our_clock(minutes=10)
        Run(*words, "--limit", "12")
        assert numbers_in_turn(sandbox) == numbers

    def test_what_bears_a_wrong_date_then_the_stalest_then_what_failed(
        self, sandbox, tracked, one_by_one
    ):
        numbers = tracked(10)
        rows = Dossier.objects.filter
        rows(number__in=numbers[7:]).update(checked_at=ago(days=-30))
        rows(number=numbers[4]).update(checked_at=ago(hours=9))
        rows(number__in=numbers[:2]).update(checked_at=ago(hours=12), next_try_at=ago(hours=1))
        rows(number=numbers[1]).update(next_try_at=ago(hours=1.5))
        Run()
        waited = [numbers[1], numbers[0]]
        stalest = [numbers[4], numbers[2], numbers[3], numbers[5], numbers[6]]
        assert numbers_in_turn(sandbox) == numbers[7:] + stalest + waited

    def test_of_a_full_tour_the_last_whole_answer_tells(self, sandbox, tracked, one_by_one):
        first, second = tracked(2)
        Dossier.objects.filter(number=first).update(checked_at=ago(hours=9))
        Dossier.objects.filter(number=second).update(fetched_at=ago(hours=9))
        Run("--full")
        assert numbers_in_turn(sandbox) == [second, first]

    def test_what_was_checked_since_is_not_due(self, sandbox, tracked):
        tracked(2)
        Run("--older-than", "3h")
        assert not sandbox.received

    @pytest.mark.parametrize(
        ("next_try", "due"),
        [({"minutes": 1}, True), ({"minutes": -1}, False), ({"days": -2}, True)],
    )
    def test_one_that_failed_steps_back(self, next_try, due):
        """For a day at most: what lies beyond was stamped by a clock that went wrong."""
        DossierFactory(checked_at=ago(hours=2), next_try_at=ago(**next_try))
        assert refresh.due_dossiers().exists() is due
        assert refresh.due_dossiers(timedelta(hours=1)).exists() is due

    def test_a_busy_one_goes_by_its_own_age(self, settings):
        settings.DS_REFRESH_FINISHED_AFTER = "10m"
        DossierFactory(checked_at=ago(minutes=30))
        assert not refresh.due_dossiers().exists()


class TestAPart:
    @pytest.fixture
    def followed(self, sandbox, tracked):
        """Two démarches of three dossiers, both followed."""
        tracked(3)
        tracked(3, first=80_000, demarche=8)
        Demarche.objects.update(followed=True)

    def test_reads_the_lists_of_its_own(self, sandbox, followed):
        Run("--demarche", "8")
        assert [asked["demarche"] for asked in lists_asked(sandbox)] == [8]

    @pytest.mark.parametrize("words", [["--state", "accepte"], ["--limit", "1"]])
    def test_reads_none(self, sandbox, followed, words):
        Run(*words)
        assert not lists_asked(sandbox)

    def test_the_whole_reads_all(self, sandbox, followed):
        Run()
        assert [asked["demarche"] for asked in lists_asked(sandbox)] == [7, 8]


class TestNamedByAList:
    def test_one_that_is_absent_here_is_asked_for(self, sandbox, tracked, any_list):
        """It is due in a day, but a list names it among those that moved."""
        back, *_ = tracked(4)
        tracked(1, first=80_000, demarche=8)
        rows = Dossier.objects.filter(number__in=[back, 80_000])
        rows.update(absent_since=ago(hours=3), checked_at=ago(hours=1.5))
        Demarche.objects.update(deleted_read_at=ago(hours=1))
        change(sandbox, back)
        Run()
        assert numbers_asked(sandbox) == {back}
        assert not Dossier.objects.get(number=back).absent_since

    def test_one_that_is_of_another_demarche_here(self, sandbox, tracked, any_list):
        went, *_ = tracked(1, first=80_000, demarche=8)
        tracked(3)
        Dossier.objects.filter(number=went).update(checked_at=timezone.now())
        sandbox.dossiers[went]["demarche"] = sandbox.dossiers[FIRST]["demarche"]
        change(sandbox, went)
        Run()
        assert Dossier.objects.get(number=went).demarche.number == 7

    def test_what_was_checked_a_moment_ago_is_vouched_for(self, sandbox, tracked, any_list):
        tracked(3, hours=0.01)
        Run("--older-than", "0s")
        assert not numbers_asked(sandbox)

    @pytest.mark.parametrize("followed", [True, False])
    def test_lists_that_failed_step_back(self, sandbox, tracked, any_list, followed):
        numbers = tracked(3)
        Dossier.objects.filter(number=FIRST).update(absent_since=ago(days=2))
        Demarche.objects.update(followed=followed, next_list_at=ago(minutes=-1))
        Run()
        assert not lists_asked(sandbox)
        assert numbers_asked(sandbox) == set(numbers[1:])

    def test_until_it_is_time_again(self, sandbox, tracked, any_list):
        tracked(3)
        Demarche.objects.update(next_list_at=ago(minutes=1), list_tries=3)
        Run()
        assert len(lists_asked(sandbox)) == 3
        row = Demarche.objects.get()
        assert (row.list_tries, row.next_list_at) == (0, None)

    def test_each_time_for_longer(self, sandbox, tracked, any_list):
        tracked(3)
        sandbox.list_replies[7, "dossiers"] = Reply(504)
        pauses = []
        for tries in (1, 2, 3):
            Dossier.objects.update(checked_at=ago(hours=2))
            Demarche.objects.update(next_list_at=ago(minutes=1))
            before = timezone.now()
            Run()
            row = Demarche.objects.get()
            assert row.list_tries == tries
            pauses.append(row.next_list_at - before)
        assert timedelta() < pauses[0] < pauses[1] < pauses[2]

    def test_for_days_at_most(self, sandbox, tracked, any_list):
        """Beyond, a clock that went wrong set it."""
        tracked(3)
        Demarche.objects.update(next_list_at=ago(days=-30))
        Run()
        assert len(lists_asked(sandbox)) == 3

    def test_one_that_two_lists_name_is_asked_for(self, sandbox, tracked, any_list):
        """Binned while they were read, or restored: only the dossier itself tells."""
        number, *_ = tracked(3)
        change(sandbox, number)
        sandbox.pending[number] = timezone.now().isoformat()
        assert "sans changement d'après leur démarche : 2, absents : 0," in Run().out
        assert numbers_asked(sandbox) == {number}

    def test_one_that_is_in_the_bin_is_in_the_journal(self, sandbox, tracked, any_list):
        number, *_ = tracked(3)
        sandbox.pending[number] = timezone.now().isoformat()
        del sandbox.dossiers[number]
        before = JournalEntry.objects.latest("pk").pk
        Run()
        Dossier.objects.update(checked_at=ago(hours=25))
        Run()  # still there: it is no news
        told = JournalEntry.objects.filter(pk__gt=before, dossier_number__isnull=False)
        assert list(told.values_list("outcome", "dossier_number")) == [("not_found", number)]

    def test_lists_that_fail_are_their_own_demarche_s(self, sandbox, tracked, any_list):
        """Once one has failed, they go one at a time, and go on."""
        numbers = tracked(3)
        tracked(3, first=80_000, demarche=8)
        sandbox.list_replies |= {(7, name): Reply(504) for name in LISTS}
        Run()
        assert numbers_asked(sandbox) == set(numbers)

    def test_a_stop_while_they_are_vouched_for(self, sandbox, tracked, any_list, monkeypatch):
        monkeypatch.setattr("dsintegration.mirror.absences.AT_ONCE", 1)
        tracked(3)
        tally = refresh.Tally()
        list(refresh.refresh(refresh.due_dossiers(), tally, must_stop=lambda: tally.checked > 0))
        assert tally.checked == 1
        assert not numbers_asked(sandbox)


class TestAwaitingScan:
    """Files that the antivirus had not seen when they were read."""

    @pytest.fixture
    def pending(self, sandbox, tracked):
        """One of a dossier that is not due; the others of dossiers that are not asked for."""
        numbers = tracked(5, hours=0.2)
        for number in numbers:
            message = Message.objects.get(dossier__number=number)
            FileFactory(message=message, scan="pending", created_at=ago(hours=1))
        _, absent, failing, old, seen = numbers
        rows = Dossier.objects.filter
        rows(number=absent).update(absent_since=ago(minutes=10))
        rows(number=failing).update(next_try_at=ago(hours=-1))
        File.objects.filter(dossier__number=old).update(created_at=ago(hours=25))
        File.objects.filter(dossier__number=seen).update(scan="safe")
        Demarche.objects.update(deleted_read_at=timezone.now())

    def test_the_whole_asks_for_it(self, sandbox, pending):
        Run()
        assert numbers_asked(sandbox) == {FIRST}

    @pytest.mark.parametrize("words", [["--limit", "9"], ["--demarche", "7"]])
    def test_a_part_does_not(self, sandbox, pending, words):
        Run(*words)
        assert not sandbox.received

    @pytest.mark.parametrize("minutes", [4, 6])
    def test_it_takes_minutes(self, sandbox, pending, minutes):
        Dossier.objects.update(fetched_at=ago(minutes=minutes))
        Run()
        assert numbers_asked(sandbox) == ({FIRST} if minutes > 5 else set())


class TestIncomplete:
    """More is chosen of dossiers that are not due."""

    @pytest.fixture
    def wanting(self, sandbox, tracked, settings):
        settings.DS_BATCH_SIZE = 1
        numbers = tracked(3, hours=0.1)
        sandbox.revisions[7] = REVISION
        call_command("setup_demarche", "7", "--champs", champ_id(FORM[0].key))
        sandbox.received.clear()
        return numbers

    def test_the_whole_completes_them(self, sandbox, wanting):
        Run()
        assert numbers_in_turn(sandbox) == wanting
        sandbox.received.clear()
        Run()
        assert not sandbox.received

    def test_but_for_one_that_steps_back(self, sandbox, wanting):
        Dossier.objects.filter(number=wanting[0]).update(next_try_at=ago(hours=-1))
        Run()
        assert numbers_in_turn(sandbox) == wanting[1:]

    def test_a_full_one_asks_once(self, sandbox, wanting):
        Run("--full")
        assert numbers_in_turn(sandbox) == wanting

    @pytest.mark.parametrize("words", [["--limit", "9"], ["--state", "accepte"]])
    def test_a_part_leaves_them(self, sandbox, wanting, words):
        Run(*words)
        assert not sandbox.received

    def test_a_stop(self, sandbox, wanting):
        tally = refresh.Tally()
        list(refresh.refresh(refresh.due_dossiers(), tally, must_stop=lambda: tally.fetched > 0))
        assert tally.fetched == 1
        assert Platform.objects.get().refreshed_at is None


class TestBeforeAnything:
    def test_another_instance_is_refused(self, sandbox, tracked):
        tracked(1)
        forget_instance()
        Platform.objects.update(instance="https://demarches.example.org")
        assert Run().status == 7
        assert not sandbox.received

    def test_room_in_the_minute_is_waited_for(self, sandbox, tracked, settings, monkeypatch):
        """By work that nobody waits for, as a task."""
        tracked(2)
        settings.DS_BATCH_SIZE, settings.DS_RATE_LIMIT = 1, 1
        now = [1_800_000_000.0]
        monkeypatch.setattr(rate_limit, "now", lambda: now[0])
        monkeypatch.setattr(rate_limit, "pause", lambda s: now.append(now.pop() + s))
        done = refresh.refresh(refresh.due_dossiers(), refresh.Tally())
        assert sum(done) == 2
        assert len(sandbox.received) == 2
        assert now[0] >= 1_800_000_060

    def test_only_a_full_one_says_that_it_was(self, sandbox, tracked):
        tracked(1)
        Run()
        row = Platform.objects.get()
        assert (bool(row.refreshed_at), row.fully_refreshed_at) == (True, None)
        Run("--full")
        assert Platform.objects.get().fully_refreshed_at

    def test_requests_for_lists_are_counted(self, sandbox, tracked, any_list, settings):
        settings.DS_METRICS_TOKEN = "x" * 32
        tracked(3)
        change(sandbox, FIRST)
        Counter.objects.all().delete()
        Run()
        assert len(sandbox.received) == 4
        assert Counter.objects.get(name="platform_requests").value == 4


class TestStopping:
    def test_in_the_midst_of_a_list(self, sandbox, tracked):
        """The page in hand is stored, and nothing else is asked for."""
        tracked(220)
        Dossier.objects.update(state="refuse")
        Demarche.objects.update(followed=True)
        tally = refresh.Tally()
        stops = refresh.refresh(refresh.due_dossiers(), tally, must_stop=lambda: tally.fetched > 0)
        list(stops)
        assert tally.fetched == 100
        assert len(lists_asked(sandbox, GET_MOVED_WHOLE)) == len(sandbox.received) <= 2
        row = Demarche.objects.get()
        assert (row.read_until, bool(row.reading_cursor)) == (None, True)
        assert Platform.objects.get().refreshed_at is None
        last = JournalEntry.objects.order_by("pk").last()
        assert (last.outcome, last.count) == ("stopped", 100)

    def test_what_was_read_meanwhile_and_is_not_stored_is_read_again(self, sandbox, tracked):
        """Two lists are under way: the page of the second one comes too late."""
        tracked(3)
        other = DemarcheFactory(number=8, ds_id="Procedure-8")
        home = {"id": other.ds_id, "number": 8, "title": other.title}
        for number in range(FIRST + 10, FIRST + 13):
            sandbox.dossiers[number] = dossier_answer(number, demarche=home, messages=[])
        Demarche.objects.update(followed=True)
        tally = refresh.Tally()
        list(refresh.refresh(refresh.due_dossiers(), tally, must_stop=lambda: tally.fetched > 0))
        assert tally.fetched == 3
        assert not Demarche.objects.exclude(read_until=None)
        Run()
        assert Dossier.objects.count() == 6
        assert not Demarche.objects.filter(read_until=None)


class TestTokens:
    @pytest.fixture
    def lists_of_both(self, two, any_list):  # noqa: F811
        """Both démarches have enough due dossiers; this process knows nothing of tokens."""
        list(fetch_dossiers(range(FIRST, FIRST + 4)))
        Dossier.objects.update(checked_at=ago(hours=2))
        _kept_client.cache_clear()
        two.received.clear()
        return two

    def used(self, sandbox):
        return {
            (request.body["variables"]["demarche"], request.headers["Authorization"][-1])
            for request in sandbox.received
        }

    def test_each_list_is_asked_with_its_own(self, lists_of_both):
        Run()
        assert self.used(lists_of_both) == {(7, "a"), (8, "b")}
        assert len(lists_of_both.received) == 6

    def test_which_is_learnt_of_lists_too(self, lists_of_both):
        Demarche.objects.update(token="")
        Run()
        assert Demarche.objects.get(number=8).token == fingerprint(B)
        assert Demarche.objects.get(number=7).token == fingerprint(A)


class TestWindows:
    """From when on lists are asked for."""

    def since(self, sandbox, document):
        return [datetime.fromisoformat(asked["since"]) for asked in lists_asked(sandbox, document)]

    def test_of_those_that_are_gone_weeks_more(self, sandbox, tracked, any_list):
        tracked(3)
        Run()
        [deleted] = self.since(sandbox, GET_DELETED)
        [moved] = self.since(sandbox, GET_MOVED)
        assert moved - deleted == timedelta(days=16)

    def test_of_a_followed_one_minutes_before_the_last_end(self, sandbox, tracked):
        """A change that was being written then."""
        tracked(1, hours=0.1)
        ended = ago(hours=1)
        Demarche.objects.update(followed=True, read_until=ended, covered_from=ended)
        Run()
        [moved] = self.since(sandbox, GET_MOVED_WHOLE)
        assert timedelta(minutes=5) <= ended - moved < timedelta(minutes=5, seconds=1)

    @pytest.mark.parametrize(
        ("absent", "since"),
        [
            ({"days": 40}, {"days": 16, "hours": 25}),
            ({"hours": 3}, {"days": 66}),
            ({"hours": 25, "seconds": -10}, {"days": 66}),
            ({"hours": 25, "seconds": 10}, {"days": 66}),
        ],
        ids=[
            "from the last one",
            "but for those that are absent since",
            "or were found to be so in the same run",
            "or a moment before",
        ],
    )
    def test_the_next_look_back_goes_on(self, sandbox, tracked, absent, since):
        number, _ = tracked(2)
        Dossier.objects.filter(number=number).update(
            absent_since=ago(**absent), fetched_at=ago(days=50)
        )
        Demarche.objects.update(deleted_read_at=ago(hours=25))
        Run()
        [deleted] = self.since(sandbox, GET_DELETED)
        assert abs(deleted - ago(**since)) < timedelta(minutes=1)

    @pytest.mark.parametrize("words", [(), ("--full",)])
    def test_at_night_one_may_be_gone_from_where_it_went(self, sandbox, tracked, words):
        """Absent since this morning, and seen in its démarche fifty days ago: since then it may
        have gone to another one and been destroyed there, be the list of that one read since.
        """
        number, _ = tracked(2)
        Dossier.objects.filter(number=number).update(
            absent_since=ago(hours=3), fetched_at=ago(days=50)
        )
        other = DemarcheFactory(number=8)
        DossierFactory(demarche=other, absent_since=ago(days=40), fetched_at=ago(days=45))
        Demarche.objects.update(deleted_read_at=ago(hours=25))
        Run(*words)
        since = {
            asked["demarche"]: datetime.fromisoformat(asked["since"])
            for asked in lists_asked(sandbox, GET_DELETED)
        }
        assert abs(since[7] - ago(days=66)) < timedelta(minutes=1)
        elsewhere = {"days": 66} if words else {"days": 16, "hours": 25}
        assert abs(since[8] - ago(**elsewhere)) < timedelta(minutes=1)

    def test_what_vouches_is_no_look_back(self, sandbox, tracked, any_list):
        """Its list begins later: the daily one would never come."""
        absent, *_ = tracked(4)
        Dossier.objects.filter(number=absent).update(
            absent_since=ago(days=40), fetched_at=ago(days=50)
        )
        Demarche.objects.update(deleted_read_at=(last := ago(hours=2)))
        Run()
        assert len(lists_asked(sandbox, GET_DELETED)) == 1
        assert Demarche.objects.get().deleted_read_at == last

    def test_a_look_back_in_days_to_come_is_none(self, sandbox, tracked):
        """Stamped by a clock that went wrong: all is looked up anew."""
        absent, _ = tracked(2)
        Dossier.objects.filter(number=absent).update(
            absent_since=ago(days=40), fetched_at=ago(days=50)
        )
        Demarche.objects.update(deleted_read_at=ago(days=-400))
        Run()
        [deleted] = self.since(sandbox, GET_DELETED)
        assert abs(deleted - ago(days=66)) < timedelta(minutes=1)

    def test_both_reasons_share_a_list(self, sandbox, tracked, any_list):
        absent, *_ = tracked(4)
        Dossier.objects.filter(number=absent).update(
            absent_since=ago(days=40), fetched_at=ago(days=50)
        )
        Run()
        [deleted] = self.since(sandbox, GET_DELETED)
        assert abs(deleted - ago(days=66)) < timedelta(minutes=1)
        assert Demarche.objects.get().deleted_read_at
