"""What was seen to make the mirror wrong in silence, each a kind: none of them does any more."""

import os
import platform
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from requests import ReadTimeout
from requests.adapters import HTTPAdapter

from dsintegration.mirror import turn
from dsintegration.mirror.absences import store_unmoved
from dsintegration.models import Demarche, Dossier, OngoingFetch, Platform, RefreshTurn
from dsintegration.moments import Moment
from dsintegration.platform.documents import GET_DELETED, GET_MOVED
from dsintegration.refresh import due_dossiers
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossier
from tests.factories import DossierFactory, dossier_answer, message_answer
from tests.refresh.command import FIRST, Run, change, lists_asked, numbers_asked

pytestmark = pytest.mark.django_db(transaction=True)


def ago(**duration):
    return timezone.now() - timedelta(**duration)


def iso(moment):
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def instance():
    return Platform.objects.get().instance


def kept():
    return set(Dossier.objects.values_list("number", flat=True))


def make_due():
    Dossier.objects.update(checked_at=ago(hours=26), next_try_at=None)


def gone(sandbox, number, *, at, kind="deleted"):
    """The platform has it no longer, and a list says since when."""
    sandbox.dossiers.pop(number, None)
    getattr(sandbox, kind)[number] = iso(at)


@pytest.fixture
def delays(settings):
    settings.DS_PURGE_ABSENT_AFTER, settings.DS_PURGE_EXPIRED_AFTER = "90d", "30d"
    settings.DS_PURGE_DELETED_BY_USAGER_AFTER = "60d"
    return settings


class TestErasedWhileAlive:
    def test_an_expiry_that_was_postponed(self, sandbox, tracked, delays):
        number, *_ = tracked(150)
        Dossier.objects.filter(number=number).update(date_expiration=ago(days=31))
        sandbox.dossiers[number]["dateExpiration"] = iso(timezone.now() + timedelta(days=300))
        for _ in range(5):
            Run()
            make_due()
        call_command("purge_dossiers")
        assert number in kept()

    @pytest.mark.parametrize(
        ("field", "days"),
        [("date_expiration", 31), ("absent_since", 91), ("date_suppression_par_usager", 61)],
    )
    def test_a_purge_alone_asks_first(self, sandbox, delays, field, days, capsys):
        """It was asked last on the day after its date, and is back, or postponed, since."""
        asked = ago(days=days - 1)
        date = {field: ago(days=days), "fetched_at": asked, "checked_at": asked}
        DossierFactory(number=FIRST, **date)
        DossierFactory(number=FIRST + 1, **date)
        sandbox.dossiers[FIRST] = dossier_answer(FIRST)
        still = {
            "dateExpiration": iso(ago(days=31)),
            "dateSuppressionParUsager": iso(ago(days=61)),
        }
        if field != "absent_since":
            sandbox.dossiers[FIRST + 1] = dossier_answer(FIRST + 1, messages=[], **still)
        call_command("purge_dossiers")
        assert kept() == {FIRST}

    def test_while_the_platform_is_down_they_stay(self, sandbox, delays, monkeypatch, capsys):
        DossierFactory(number=FIRST, date_expiration=ago(days=40))
        DossierFactory(number=FIRST + 1, erased_at=ago(days=1), absent_since=ago(days=1))
        monkeypatch.setattr(sandbox, "answer", lambda _: Reply(503))
        call_command("purge_dossiers")
        assert kept() == {FIRST}
        out = capsys.readouterr().out
        assert "Laissés, faute de réponse de la plateforme : 1 (la plateforme est en mainten" in out

    @pytest.mark.parametrize(
        "date",
        [{"absent_since": ago(days=1)}, {"date_expiration": ago(days=10)}],
        ids=["absent", "expired"],
    )
    def test_by_a_clock_that_is_a_year_ahead(self, sandbox, delays, our_clock, date):
        """By ours the delay is over; by the platform's, whose word it is, it is not."""
        DossierFactory(number=FIRST, **date)
        if "date_expiration" in date:
            expired = iso(date["date_expiration"])
            sandbox.dossiers[FIRST] = dossier_answer(FIRST, dateExpiration=expired)
        our_clock(days=365)
        for _ in range(2):
            call_command("purge_dossiers")
        assert kept() == {FIRST}

    def test_without_a_token_too(self, sandbox, delays, capsys):
        DossierFactory(number=FIRST, date_expiration=ago(days=40))
        delays.DS_API_TOKEN = ""
        call_command("purge_dossiers")
        assert kept() == {FIRST}
        assert "DS_API_TOKEN manque" in capsys.readouterr().out


class TestKeptThoughDestroyed:
    @pytest.mark.parametrize("count", [3, 50, 100, 150])
    @pytest.mark.parametrize("met_by", ["refresh", "full", "fetch"])
    def test_binned_by_its_usager_and_destroyed(self, sandbox, tracked, count, met_by):
        """`deletedDossiers` dates it from the day of the bin, weeks before it is listed."""
        number, *_ = tracked(count, hours=26)
        binned = ago(hours=20)
        gone(sandbox, number, at=binned, kind="pending")
        if met_by == "fetch":
            with pytest.raises(Exception, match="dossier_not_found"):
                fetch_dossier(number)
        else:
            Run(*(["--full"] if met_by == "full" else []))
        del sandbox.pending[number]
        # Two weeks later, by all that is stored here.
        later = timedelta(days=15)
        for dossier in Dossier.objects.all():
            dossier.fetched_at -= later
            dossier.checked_at -= later
            dossier.absent_since = dossier.absent_since and dossier.absent_since - later
            dossier.save()
        # Read yesterday, the list did not have it yet.
        Demarche.objects.update(deleted_read_at=ago(hours=25))
        sandbox.deleted[number] = iso(binned - later)
        Run()
        assert Dossier.objects.get(number=number).erased_at

    def test_after_a_restored_backup(self, sandbox, tracked):
        """Destroyed before it, and absent only now: its day lies months back."""
        number, *_ = tracked(3)
        Dossier.objects.update(fetched_at=ago(days=100), checked_at=ago(days=100))
        gone(sandbox, number, at=ago(days=95))
        Run()  # asks for it, and learns that it is absent
        assert Dossier.objects.get(number=number).absent_since
        Run()
        assert Dossier.objects.get(number=number).erased_at

    def test_after_it_went_to_another_demarche(self, sandbox, tracked):
        """The list of that one has it, and nobody was told that it went there."""
        number, other, *_ = tracked(3)
        elsewhere = Demarche.objects.create(
            number=8, ds_id="P8", title="Autre", fetched_at=timezone.now()
        )
        gone(sandbox, number, at=ago(hours=1))
        gone(sandbox, other, at=ago(hours=1), kind="pending")
        sandbox.homes = {number: elsewhere.number}
        Run("--full")
        assert Dossier.objects.filter(absent_since__isnull=False).count() == 2
        Run()
        assert {asked["demarche"] for asked in lists_asked(sandbox, GET_DELETED)} == {7}
        Run("--full")
        assert Dossier.objects.get(number=number).erased_at
        Dossier.objects.filter(number=other).update(absent_since=ago(days=40))
        Demarche.objects.update(deleted_read_at=ago(hours=25))
        sandbox.received.clear()
        Run("--full")
        assert {asked["demarche"] for asked in lists_asked(sandbox, GET_DELETED)} == {7}

    def test_the_trash_is_asked_once_a_day(self, sandbox, tracked):
        number, *_ = tracked(3)
        sandbox.dossiers.pop(number)
        for _ in range(4):
            Run()
        assert len(lists_asked(sandbox, GET_DELETED)) == 1
        Demarche.objects.update(deleted_read_at=ago(hours=25))
        Run()
        assert len(lists_asked(sandbox, GET_DELETED)) == 2

    def test_a_trash_that_fails_is_asked_again(self, sandbox, tracked):
        number, *_ = tracked(3)
        gone(sandbox, number, at=ago(hours=1))
        Run()
        sandbox.list_replies[7, "deletedDossiers"] = Reply(504)
        Run()
        assert Dossier.objects.get(number=number).erased_at is None
        sandbox.list_replies.clear()
        Demarche.objects.update(next_list_at=None)
        Run()
        assert Dossier.objects.get(number=number).erased_at


class TestVouchedForThoughGone:
    def test_expired_and_in_no_list(self, sandbox, tracked):
        number, *_ = tracked(150)
        Dossier.objects.filter(number=number).update(date_expiration=ago(hours=1))
        del sandbox.dossiers[number]
        Run()
        assert number in numbers_asked(sandbox)
        assert Dossier.objects.get(number=number).absent_since

    def test_one_that_expires_later_is_vouched_for(self, sandbox, tracked):
        number, *_ = tracked(150)
        Dossier.objects.update(date_expiration=timezone.now() + timedelta(days=1))
        Run()
        assert numbers_asked(sandbox) == set()
        assert not due_dossiers().exists()
        assert number in kept()

    def test_one_that_went_to_another_demarche(self, sandbox, tracked):
        number, *_ = tracked(150)
        tracked(150, first=80_000, demarche=8)
        other = {"id": "Procedure-8", "number": 8, "title": "Bourse"}
        change(sandbox, number, demarche=other)
        Run()
        assert Dossier.objects.get(number=number).demarche.number == 8

    def test_a_list_with_a_null_node(self, sandbox, tracked):
        number, *_ = tracked(150)
        change(sandbox, number)
        sandbox.hidden.add(number)
        run = Run()
        assert (
            "Récupérés : 150 (changés : 1), sans changement d'après leur démarche : 0," in run.out
        )

    @pytest.mark.parametrize(
        "trouble",
        [
            {"nodes": None},
            {"nodes": [None]},
            {"pageInfo": {"hasNextPage": True, "endCursor": None}},
        ],
    )
    @pytest.mark.parametrize("name", ["dossiers", "pendingDeletedDossiers", "deletedDossiers"])
    def test_a_list_that_is_not_whole(self, sandbox, tracked, trouble, name):
        tracked(150)
        page = {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []} | trouble
        sandbox.list_replies[7, name] = Reply(
            body={"data": {"demarche": {"number": 7, "list": page}}}
        )
        run = Run()
        assert (
            "Récupérés : 150 (changés : 0), sans changement d'après leur démarche : 0," in run.out
        )

    def test_the_lists_of_another_demarche(self, sandbox, tracked):
        tracked(150)
        page = {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []}
        reply = Reply(body={"data": {"demarche": {"number": 8, "list": page}}})
        sandbox.list_replies[7, "pendingDeletedDossiers"] = reply
        assert "Récupérés : 150 (" in Run().out

    def test_what_moved_is_not_gone_whatever_the_trash_says(self, sandbox, tracked):
        number, *_ = tracked(150, hours=26)
        change(sandbox, number)
        sandbox.deleted[number] = iso(ago(hours=1))
        run = Run()
        dossier = Dossier.objects.get(number=number)
        assert (dossier.state, dossier.absent_since, dossier.erased_at) == ("accepte", None, None)
        assert ", absents : 0," in run.out  # nor was it for a moment

    def test_what_is_in_two_lists_is_asked_for(self, sandbox, tracked):
        """Binned while the lists were read, or restored: only the dossier itself tells."""
        number, *_ = tracked(150)
        change(sandbox, number)
        sandbox.pending[number] = iso(timezone.now())
        run = Run()
        assert "sans changement d'après leur démarche : 149, absents : 0," in run.out
        assert numbers_asked(sandbox) == {number}
        assert Dossier.objects.get(number=number).absent_since is None


CUT = Reply(body="{", headers={"Content-Length": "5000", "Connection": "close"})
BAD = [Reply(502), Reply(504), Reply(500), Reply(body="{"), CUT]


class TestStoppedForGood:
    @pytest.mark.parametrize("reply", BAD)
    @pytest.mark.parametrize("name", ["dossiers", "pendingDeletedDossiers", "deletedDossiers"])
    def test_a_list_that_fails(self, sandbox, tracked, reply, name):
        numbers = tracked(120) + tracked(120, first=80_000, demarche=8)
        for number in numbers:
            change(sandbox, number)
        sandbox.list_replies[7, name] = reply
        run = Run()
        assert run.status == 0, run.err
        assert Dossier.objects.filter(state="accepte").count() == 240
        demarche = Demarche.objects.get(number=7)
        assert demarche.list_tries == 1
        make_due()
        sandbox.received.clear()
        Run()
        assert {asked["demarche"] for asked in lists_asked(sandbox)} == {8}

    @pytest.mark.parametrize("status", [502, 504, 413, 500])
    def test_one_dossier_costs_its_neighbours_nothing(self, sandbox, tracked, status):
        numbers = tracked(50)
        culprits = numbers[7], numbers[31]
        sandbox.replies |= dict.fromkeys(culprits, Reply(status))
        Run()
        fresh = Dossier.objects.filter(checked_at__gte=ago(minutes=5))
        assert fresh.count() == 48
        assert set(Dossier.objects.failing().values_list("number", flat=True)) == set(culprits)
        assert not due_dossiers().exists()  # they step back
        assert not Platform.objects.get().last_error_at
        tries = []
        for _ in range(3):
            Dossier.objects.failing().update(next_try_at=ago(minutes=1))
            Run()
            row = Dossier.objects.failing().first()
            tries.append(
                (row.tries, round((row.next_try_at - timezone.now()) / timedelta(minutes=15)))
            )
        assert tries == [(2, 2), (3, 4), (4, 8)]
        sandbox.replies.clear()
        Dossier.objects.failing().update(next_try_at=ago(minutes=1))
        Run()
        assert set(Dossier.objects.values_list("tries", "next_try_at")) == {(0, None)}

    @pytest.mark.parametrize("kind", ["too large", "gateway", "cut", "silent"])
    def test_a_culprit_in_each_batch(self, sandbox, tracked, monkeypatch, settings, kind):
        """32 MiB, 502, a cut, or longer than anybody reads: the others are fresh all the same.

        Each stands at the head of its batch, so that halves fail in a row; in one there are two.
        """
        settings.DS_BATCH_SIZE = 32
        tracked(96)
        make_due()
        culprits = [FIRST + rank for rank in (0, 1, 32, 64)]
        whole, send = sandbox.answer, HTTPAdapter.send
        replies = {"gateway": Reply(502), "cut": CUT}

        def answer(request):
            is_of_them = set(culprits) & set(request.body["variables"].values())
            return (is_of_them and replies.get(kind)) or whole(request)

        def outlast(adapter, request, **options):
            if any(str(number).encode() in request.body for number in culprits):
                raise ReadTimeout
            return send(adapter, request, **options)

        if kind == "silent":
            monkeypatch.setattr(HTTPAdapter, "send", outlast)
        if kind == "too large":
            monkeypatch.setattr("dsintegration.platform.transport.MAX_BODY_BYTES", 200_000)
            for number in culprits:
                message = message_answer(f"m{number}", body="x" * 200_000)
                sandbox.dossiers[number]["messages"] = [message]
        monkeypatch.setattr(sandbox, "answer", answer)
        Run("--full")
        fresh = Dossier.objects.filter(fetched_at__gte=ago(minutes=5))
        assert fresh.count() == 92
        failing = Dossier.objects.failing().values_list("number", "tries")
        assert dict(failing) == dict.fromkeys(culprits, 1)
        assert Platform.objects.get().refreshed_at

    def test_a_list_that_fails_half_way(self, sandbox, tracked, monkeypatch):
        """What its first page named is news; of the rest nobody knows."""
        numbers = tracked(250) + tracked(150, first=80_000, demarche=8)
        for number in numbers:
            change(sandbox, number)
        whole = sandbox.answer

        def half(request):
            variables = request.body["variables"]
            is_later = variables.get("demarche") == 7 and "after" in variables
            return Reply(502) if is_later else whole(request)

        monkeypatch.setattr(sandbox, "answer", half)
        assert "leur démarche : 0," in Run().out
        assert Dossier.objects.filter(state="accepte").count() == 400

    def test_a_limit_asks_for_others_than_those_that_are_refused(self, sandbox, tracked):
        numbers = tracked(120)
        refused = numbers[:30]
        Dossier.objects.filter(number__in=refused).update(checked_at=ago(days=2))
        error = {"message": "", "path": ["dossier"], "extensions": {"code": "unauthorized"}}
        reply = Reply(body={"errors": [error], "data": None})
        sandbox.replies |= dict.fromkeys(refused, reply)
        for _ in range(5):
            Run("--limit", "25")
        assert Dossier.objects.filter(checked_at__gte=ago(minutes=5)).count() == 90
        assert len(numbers_asked(sandbox)) == 120

    def test_a_platform_that_is_down(self, sandbox, tracked, settings, monkeypatch):
        settings.DS_IN_FLIGHT = 4
        tracked(300)
        tracked(300, first=80_000, demarche=8)
        monkeypatch.setattr(sandbox, "answer", lambda _: Reply(502))
        run = Run()
        assert run.status == 5
        assert len(sandbox.received) <= 30
        assert not Dossier.objects.failing().exists()
        assert Platform.objects.get().last_error_reason == "gateway"

    def test_a_part_does_not_say_that_the_whole_ran(self, sandbox, tracked):
        tracked(3)
        for words in (["--demarche", "7"], ["--state", "accepte"], ["--limit", "2"]):
            Run(*words)
            assert Platform.objects.get().refreshed_at is None
        Run()
        assert Platform.objects.get().refreshed_at


class TestClocks:
    @pytest.mark.parametrize(
        "wrong", [{"minutes": 10}, {"minutes": -10}, {"days": 1}, {"days": -1}, {"days": 365}]
    )
    def test_rows_bear_the_time_of_the_platform(self, sandbox, our_clock, wrong):
        our_clock(**wrong)
        fetch_dossier(12345)
        now = datetime.now(UTC)
        row = Dossier.objects.get()
        assert abs(row.fetched_at - now) < timedelta(seconds=10)
        assert abs(row.checked_at - now) < timedelta(seconds=10)

    @pytest.mark.parametrize(
        "wrong", [{"minutes": 10}, {"minutes": -10}, {"days": 1}, {"days": -1}, {"days": 365}]
    )
    def test_changes_are_not_vouched_away(self, sandbox, tracked, our_clock, wrong):
        our_clock(**wrong)
        number, *_ = tracked(150)
        now = datetime.now(UTC)
        Dossier.objects.update(checked_at=now - timedelta(hours=2))
        moved = iso(now - timedelta(minutes=3))
        Dossier.objects.filter(number=number).update(checked_at=now - timedelta(hours=1))
        change(sandbox, number, dateDerniereModification=moved)
        Run("--older-than", "0s")
        assert Dossier.objects.get(number=number).state == "accepte"
        assert set(Dossier.objects.values_list("absent_since", flat=True)) == {None}

    @pytest.mark.parametrize(
        "wrong", [{"minutes": 10}, {"minutes": -10}, {"days": 1}, {"days": -1}, {"days": 365}]
    )
    def test_a_change_just_after_a_check(self, sandbox, tracked, our_clock, wrong):
        """By our clock, it came before it."""
        our_clock(**wrong)
        number, *_ = tracked(150)
        Run("--older-than", "0s")
        change(sandbox, number)
        later = timedelta(hours=2)
        sandbox.now = lambda: datetime.now(UTC) + later
        our_clock(seconds=(timedelta(**wrong) + later).total_seconds())
        run = Run()
        assert Dossier.objects.get(number=number).state == "accepte"
        assert "leur démarche : 149," in run.out or "Récupérés : 150 (" in run.out

    def test_what_a_wrong_clock_stamped_is_asked_for(self, sandbox, tracked):
        number, other = tracked(2)
        Dossier.objects.filter(number=number).update(
            fetched_at=ago(days=-365),
            checked_at=ago(days=-365),
            last_error_at=ago(days=-365),
            last_error_code="upstream_unavailable",
            last_error_reason="timeout",
            tries=1,
            next_try_at=ago(days=-365),
        )
        change(sandbox, number)
        Run()
        row = Dossier.objects.get(number=number)
        assert (row.state, row.last_error_at, row.tries) == ("accepte", None, 0)
        assert row.checked_at < timezone.now()
        del sandbox.dossiers[other]
        Dossier.objects.filter(number=other).update(checked_at=ago(days=-365))
        Run()
        assert Dossier.objects.get(number=other).absent_since
        # Kept till a year and its delay were over, it would be.
        Dossier.objects.update(absent_since=ago(days=-365), checked_at=ago(days=2))
        Run()
        assert Dossier.objects.get(number=other).absent_since < timezone.now()

    def test_no_list_vouches_for_what_a_wrong_clock_stamped(self, sandbox, tracked):
        """It changed before the list begins."""
        number, *_ = tracked(150, hours=26)
        sandbox.dossiers[number] |= {
            "state": "accepte",
            "dateDerniereModification": iso(ago(days=3)),
        }
        Dossier.objects.filter(number=number).update(
            fetched_at=ago(days=-365), checked_at=ago(days=-365)
        )
        assert "leur démarche : 149," in Run().out
        row = Dossier.objects.get(number=number)
        assert row.state == "accepte"
        assert row.checked_at < timezone.now()

    def test_an_earlier_date_wins_minutes_later(self, sandbox, tracked):
        [number] = tracked(1)
        Dossier.objects.update(date_derniere_modification=ago(days=1))
        sandbox.dossiers[number]["state"] = "refuse"  # and its date is older than ours
        fetch_dossier(number)
        assert Dossier.objects.get().state == "refuse"

    def test_and_loses_within_them(self, sandbox, tracked):
        [number] = tracked(1, hours=0.01)
        Dossier.objects.update(date_derniere_modification=ago(days=1))
        sandbox.dossiers[number]["state"] = "refuse"
        fetch_dossier(number)
        assert Dossier.objects.get().state == "en_construction"

    def test_two_answers_of_one_moment(self):
        """Neither is older: the one that comes is stored."""
        now = timezone.now()
        assert not Moment(now, now).loses_to(now, now, now)
        assert Moment(now, now).loses_to(now, now, now + timedelta(microseconds=1))

    @pytest.mark.parametrize("minutes", [60, -60])
    def test_a_shared_fetch_whose_leader_died(self, sandbox, api, monkeypatch, minutes):
        monkeypatch.setattr(
            "dsintegration.api.sharing.pause", lambda _: pytest.fail("nobody is waited for")
        )
        OngoingFetch.objects.create(number=12345, started_at=ago(minutes=minutes))
        response = api(can_fetch=True).post("/api/v1/dossiers/12345/fetch/")
        assert response.status_code == 201

    def test_a_check_does_not_move_back(self, tracked):
        numbers = tracked(2)
        later = timezone.now()
        Dossier.objects.filter(number=numbers[0]).update(checked_at=later)
        sent_at = later - timedelta(minutes=1)
        checked = store_unmoved(
            Dossier.objects.all(), set(), instance(), Moment(sent_at, timezone.now())
        )
        assert sum(checked) == 1
        assert Dossier.objects.get(number=numbers[0]).checked_at == later

    def test_nor_by_an_answer_that_was_long_on_its_way(self, sandbox, tracked, monkeypatch):
        [number] = tracked(1)
        later, whole = timezone.now() + timedelta(minutes=1), sandbox.answer

        def checked_meanwhile(request):
            Dossier.objects.update(checked_at=later)
            connection.close()
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", checked_meanwhile)
        assert not fetch_dossier(number).changed
        row = Dossier.objects.get()
        assert row.fetched_at < row.checked_at == later


class TestTurns:
    def test_a_pooler_leaves_nothing_behind(self, sandbox, tracked):
        """No lock of a session: whatever connection comes next, the turn is free."""
        tracked(1)
        Run()
        connection.close()
        assert "en cours" not in Run().out
        assert RefreshTurn.objects.get().holder == ""

    def test_a_lost_machine_holds_it_for_minutes(self, sandbox, tracked):
        tracked(1)
        Run()
        RefreshTurn.objects.update(holder="elsewhere/1/x", ends_at=ago(minutes=-9))
        assert "en cours" in Run().out
        RefreshTurn.objects.update(ends_at=ago(minutes=0))
        assert "en cours" not in Run().out

    def test_an_end_beyond_any_is_none(self, sandbox, tracked):
        RefreshTurn.objects.create(holder="elsewhere/1/x", ends_at=ago(days=-365))
        assert "en cours" not in Run().out

    DEAD = 4194305  # above the last number that Linux gives

    def holds(self, holder):
        RefreshTurn.objects.create(holder=f"{holder}/x", ends_at=ago(minutes=-9))
        return "en cours" in Run().out

    def test_a_dead_process_of_this_machine_holds_nothing(self, sandbox):
        assert not self.holds(f"{turn._here()}/{self.DEAD}")

    def test_nor_does_one_that_nobody_has_buried(self, sandbox):
        with subprocess.Popen(["true"]) as process:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert not self.holds(f"{turn._here()}/{process.pid}")

    def test_nor_does_this_one_before_it_began_anew(self, sandbox):
        assert not self.holds(f"{turn._here()}/{os.getpid()}")

    def test_a_thread_of_this_one_holds_it(self, sandbox, monkeypatch):
        holder = f"{turn._here()}/{os.getpid()}"
        monkeypatch.setattr(turn, "_ours", {f"{holder}/x"})
        assert self.holds(holder)

    @pytest.fixture
    def living(self):
        with subprocess.Popen(["sleep", "60"]) as process:
            yield process
            process.kill()

    def test_a_living_process_holds_it(self, sandbox, living, monkeypatch):
        kill, sent = os.kill, []
        with monkeypatch.context() as seen:
            seen.setattr("os.kill", lambda pid, signal: (sent.append(signal), kill(pid, 0)))
            assert self.holds(f"{turn._here()}/{living.pid}")
        assert set(sent) == {0}  # it does not feel that we look

    def test_a_full_tour_waits_for_one_that_dies(self, sandbox, tracked, monkeypatch, living):
        tracked(1)
        holder = f"{turn._here()}/{living.pid}/x"
        RefreshTurn.objects.create(holder=holder, ends_at=ago(minutes=-9))

        def pause(_):
            assert living.poll() is None, "it was to be freed by now"
            living.kill()
            living.wait()

        monkeypatch.setattr(turn, "pause", pause)
        assert "en cours" not in Run("--full").out

    def test_a_process_of_somebody_else_holds_it(self, sandbox, monkeypatch, living):
        def kill(*_):
            raise PermissionError

        with monkeypatch.context() as others:
            others.setattr("os.kill", kill)
            assert self.holds(f"{turn._here()}/{living.pid}")

    @pytest.mark.parametrize("process", [DEAD, "4194305a", ""])
    def test_what_another_machine_says_is_its_own(self, sandbox, process):
        assert self.holds(f"elsewhere/{process}")

    def test_a_system_without_proc(self, sandbox, monkeypatch, living):
        """Processes are told apart by their numbers alone."""

        def missing(*_):
            raise FileNotFoundError

        monkeypatch.setattr(turn, "Path", missing)
        assert not self.holds(f"{platform.node()}/{self.DEAD}")
        RefreshTurn.objects.all().delete()
        assert self.holds(f"{platform.node()}/{living.pid}")

    def test_the_full_tour_waits_for_its_turn(self, sandbox, tracked, monkeypatch):
        tracked(1)
        RefreshTurn.objects.create(holder="elsewhere/1/x", ends_at=ago(minutes=-9))
        seen = []

        def pause(_):
            seen.append(Run().out)  # a quarter-hourly one lets it pass
            if len(seen) == 2:
                RefreshTurn.objects.update(holder="", ends_at=None)
                seen.append(Run().out)

        monkeypatch.setattr("dsintegration.mirror.turn.pause", pause)
        run = Run("--full")
        assert "Récupérés : 1 (" in run.out
        assert all("en cours" in out for out in seen)
        assert len(seen) == 3
        assert "en cours" not in Run().out

    def test_a_full_tour_leaves_another_one(self, sandbox):
        RefreshTurn.objects.create(holder="elsewhere/1/x", ends_at=ago(minutes=-9), is_full=True)
        assert "en cours" in Run("--full").out

    def test_who_lost_it_stops(self, sandbox, tracked, monkeypatch, settings):
        settings.DS_BATCH_SIZE = 1
        tracked(5)
        monkeypatch.setattr("dsintegration.mirror.turn.RENEWED_AFTER", -1)
        whole = sandbox.answer

        def robbed(request):
            RefreshTurn.objects.update(holder="elsewhere/1/x")
            connection.close()
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", robbed)
        Run()
        assert len(sandbox.received) == 1
        assert RefreshTurn.objects.get().holder == "elsewhere/1/x"


def test_lists_are_asked_for_apart(sandbox, tracked):
    tracked(150)
    Run()
    assert [len(lists_asked(sandbox, document)) for document in (GET_MOVED, GET_DELETED)] == [1, 1]
