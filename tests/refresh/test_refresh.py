"""Keeping the mirror fresh: what is asked for, what is not, and what it says of itself."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle

import pytest
from django.core.cache import cache
from django.db import connections
from django.utils import timezone

from dsintegration import refresh
from dsintegration.durations import parse_duration
from dsintegration.models import Demarche, Dossier, Message, Platform
from dsintegration.platform import rate_limit
from dsintegration.platform.documents import GET_DELETED, GET_MOVED, GET_PENDING
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossier
from tests.factories import DossierFactory, dossier_answer, message_answer
from tests.processes import PROJECT, environment
from tests.refresh.command import FIRST, LISTS, Run, change, lists_asked, numbers_asked

pytestmark = pytest.mark.django_db(transaction=True)


class TestLists:
    def test_a_quiet_demarche_is_three_requests(self, sandbox, tracked):
        numbers = tracked(120)
        run = Run()
        assert run.status == 0
        assert len(sandbox.received) == 3
        assert run.out.startswith(
            "Récupérés : 0 (changés : 0), sans changement d'après leur démarche : 120, "
            "absents : 0, refusés : 0, en échec : 0 ; requêtes : 3, en "
        )
        assert not refresh.due_dossiers().exists()
        assert Dossier.objects.filter(number__in=numbers).count() == 120
        assert Platform.objects.get().refreshed_at

    def test_what_moved_is_fetched_and_nothing_else(self, sandbox, tracked):
        numbers = tracked(120)
        change(sandbox, numbers[3])
        change(sandbox, numbers[70])
        run = Run()
        assert numbers_asked(sandbox) == {numbers[3], numbers[70]}
        assert (
            "Récupérés : 2 (changés : 2), sans changement d'après leur démarche : 118," in run.out
        )
        assert Dossier.objects.filter(state="accepte").count() == 2

    def test_only_numbers_and_dates_are_asked_of_lists(self):
        for private in ("email", "body", "usager", "messages"):
            assert not any(
                private in document.text for document in (GET_MOVED, GET_PENDING, GET_DELETED)
            )

    def test_lists_begin_before_the_stalest_check(self, sandbox, tracked):
        tracked(120)
        stalest = timezone.now() - timedelta(hours=9)
        Dossier.objects.filter(number=FIRST).update(checked_at=stalest)
        Run()
        since = datetime.fromisoformat(lists_asked(sandbox)[0]["since"])
        assert since <= stalest - timedelta(minutes=4)

    def test_what_moved_after_a_former_check_is_never_missed(self, sandbox, tracked):
        """Not due at one refresh, moved meanwhile: the next one, where it is due, must see it."""
        numbers = tracked(120)
        Dossier.objects.filter(number=FIRST).update(
            checked_at=timezone.now() - timedelta(minutes=50)
        )
        moved = (datetime.now(UTC) - timedelta(minutes=40)).isoformat(timespec="seconds")
        change(sandbox, FIRST, dateDerniereModification=moved)
        Run()
        assert Dossier.objects.get(number=FIRST).state == "en_construction"
        Dossier.objects.filter(number=FIRST).update(
            checked_at=timezone.now() - timedelta(minutes=61)
        )
        Dossier.objects.exclude(number=FIRST).update(
            checked_at=timezone.now() - timedelta(minutes=61)
        )
        Run()
        assert Dossier.objects.get(number=FIRST).state == "accepte"
        assert len(numbers) == 120

    def test_pages(self, sandbox, tracked, settings):
        numbers = tracked(250)
        for number in numbers[:130]:
            change(sandbox, number)
        Run()
        first, second = lists_asked(sandbox, GET_MOVED)
        assert "after" not in first
        assert second["after"]
        assert Dossier.objects.filter(state="accepte").count() == 130

    def test_lists_longer_than_the_dossiers_are_left(self, sandbox, tracked):
        tracked(120)
        for number in range(80_000, 81_000):
            sandbox.dossiers[number] = dossier_answer(number)
            change(sandbox, number)
        run = Run()
        assert len(lists_asked(sandbox, GET_MOVED)) == 3
        assert "Récupérés : 120 (" in run.out

    def test_few_dossiers_are_asked_for(self, sandbox, tracked):
        tracked(60)
        run = Run()
        assert not lists_asked(sandbox)
        assert len(sandbox.received) == 2
        assert "Récupérés : 60 (changés : 0)" in run.out

    def test_a_demarche_that_may_not_be_listed(self, sandbox, tracked):
        tracked(120)
        sandbox.unlistable.add(7)
        run = Run()
        assert (run.status, run.err) == (0, "")
        assert "Récupérés : 120 (" in run.out

    def test_several_demarches(self, sandbox, tracked):
        tracked(110)
        tracked(110, first=80_000, demarche=8)
        tracked(30, first=90_000, demarche=9)
        Run()
        asked = sorted(variables["demarche"] for variables in lists_asked(sandbox))
        assert asked == [7, 7, 7, 8, 8, 8]
        assert len(sandbox.received) == 7

    def test_what_is_in_the_bin_or_gone(self, sandbox, tracked):
        numbers = tracked(120)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        sandbox.pending[numbers[0]] = now
        sandbox.deleted[numbers[1]] = now
        for number in numbers[:2]:
            del sandbox.dossiers[number]
        run = Run()
        assert "sans changement d'après leur démarche : 118, absents : 2," in run.out
        in_the_bin, gone, other = Dossier.objects.order_by("number")[:3]
        assert in_the_bin.absent_since
        assert not in_the_bin.erased_at
        assert gone.absent_since
        assert gone.erased_at
        assert not other.absent_since
        assert len(sandbox.received) == 3

    def test_absent_and_failing_ones_are_asked_for_by_number(self, sandbox, tracked):
        numbers = tracked(120)
        old = timezone.now() - timedelta(days=3)
        Dossier.objects.filter(number=numbers[0]).update(absent_since=old, checked_at=old)
        Dossier.objects.filter(number=numbers[1]).update(
            last_error_at=old,
            last_error_code="upstream_unavailable",
            last_error_reason="query_timeout",
        )
        Run()
        assert numbers_asked(sandbox) == {numbers[0], numbers[1]}
        assert not Dossier.objects.absent().exists()
        assert not Dossier.objects.failing().exists()

    def test_full_asks_for_each(self, sandbox, tracked):
        numbers = tracked(120)
        sandbox.dossiers[numbers[0]]["usager"] = {"id": "u", "email": "other@example.org"}
        Run()
        assert not Dossier.objects.of_usager("other@example.org").exists()
        run = Run("--full")  # also those that a list vouched for just now
        assert "Récupérés : 120 (changés : 1)" in run.out
        assert Dossier.objects.of_usager("other@example.org").exists()


class TestSelection:
    @pytest.mark.parametrize(
        ("fields", "hours", "due"),
        [
            ({}, 2, True),
            ({}, 0.5, False),
            ({"state": "accepte"}, 2, False),
            ({"state": "accepte"}, 25, True),
            ({"state": "en_pause"}, 2, False),
            ({"absent_since": datetime(2026, 1, 1, tzinfo=UTC)}, 2, False),
            ({"absent_since": datetime(2026, 1, 1, tzinfo=UTC)}, 25, True),
        ],
    )
    def test_schedule(self, fields, hours, due):
        DossierFactory(checked_at=timezone.now() - timedelta(hours=hours), **fields)
        assert refresh.due_dossiers().exists() is due

    def test_settings_and_option(self, settings):
        DossierFactory(checked_at=timezone.now() - timedelta(minutes=10))
        assert not refresh.due_dossiers().exists()
        assert refresh.due_dossiers(timedelta(minutes=5)).exists()
        settings.DS_REFRESH_AFTER = "5m"
        assert refresh.due_dossiers().exists()

    def test_full_goes_by_the_last_full_answer(self):
        old, now = timezone.now() - timedelta(hours=13), timezone.now()
        gone = {"absent_since": old, "fetched_at": old}
        for number, fields in enumerate(
            [
                {"fetched_at": old, "checked_at": now},  # a list vouched for it
                {"fetched_at": now, "checked_at": now},
                gone | {"checked_at": old},
                gone | {"checked_at": now},
            ],
            start=FIRST,
        ):
            DossierFactory(number=number, **fields)
        due = refresh.due_dossiers(timedelta(hours=12), full=True)
        assert set(due.values_list("number", flat=True)) == {FIRST, FIRST + 2}
        assert refresh.due_dossiers(full=True).count() == 4

    def test_the_stalest_first(self, sandbox, tracked, settings):
        settings.DS_BATCH_SIZE = 1
        numbers = tracked(4)
        for rank, number in enumerate([2, 0, 3, 1]):
            Dossier.objects.filter(number=numbers[number]).update(
                checked_at=timezone.now() - timedelta(hours=9 - rank)
            )
        Run("--limit", "3")
        asked = [request.body["variables"]["number"] for request in sandbox.received]
        assert asked == [numbers[2], numbers[0], numbers[3]]

    def test_by_state_and_demarche(self, sandbox, tracked):
        tracked(3)
        others = tracked(3, first=80_000, demarche=8)
        Dossier.objects.filter(number=others[0]).update(state="en_instruction")
        Run("--demarche", "8", "--state", "en_instruction", "--state", "refuse")
        assert numbers_asked(sandbox) == {others[0]}

    def test_a_page_is_no_end(self, sandbox, tracked, monkeypatch):
        monkeypatch.setattr("dsintegration.refresh.queue.PAGE", 7)
        monkeypatch.setattr(refresh, "WORTH_A_LIST", 1000)
        tracked(40)
        assert "Récupérés : 40 (" in Run().out
        assert not refresh.due_dossiers().exists()

    def test_nothing_is_due(self, sandbox):
        run = Run()
        assert (run.status, run.err) == (0, "")
        assert run.out.startswith("Récupérés : 0 (")
        assert not sandbox.received

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--older-than", "soon"], "--older-than : « soon » : écrivez une durée"),
            (["--limit", "0"], "--limit : « 0 » n'est pas un nombre entier"),
            (["--limit", "²"], "n'est pas un nombre entier"),
            (["--demarche", "12345678901"], "n'est pas un nombre entier de 1 à 2147483647"),
            (["--demarche", "12"], "aucun dossier enregistré pour la démarche n° 12"),
            (["--what"], "argument inconnu : --what"),
        ],
    )
    def test_bad_input(self, sandbox, words, sentence):
        run = Run(*words)
        assert run.status == 2
        assert sentence in run.err
        assert not sandbox.received

    @pytest.mark.parametrize(
        ("text", "duration"),
        [
            ("0s", timedelta(0)),
            ("45s", timedelta(seconds=45)),
            ("30m", timedelta(minutes=30)),
            (" 1H ", timedelta(hours=1)),
            ("2d", timedelta(days=2)),
            ("2j", timedelta(days=2)),
        ],
    )
    def test_durations(self, text, duration):
        assert parse_duration(text) == duration

    @pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1.5h", "1h30m", "9999999h", "١h"])
    def test_what_is_no_duration(self, text):
        with pytest.raises(ValueError, match="durée"):
            parse_duration(text)

    @pytest.mark.parametrize("text", ["36501d", "999999j"])
    def test_none_leads_out_of_the_calendar(self, text):
        with pytest.raises(ValueError, match="100 ans"):
            parse_duration(text)


class TestTrouble:
    def test_each_failure_is_counted_and_the_status_is_true(self, sandbox, tracked):
        numbers = tracked(6)
        del sandbox.dossiers[numbers[0]]
        run = Run()
        assert (run.status, run.err) == (0, "")  # an absence is news, not a failure
        assert (
            "Récupérés : 5 (changés : 0), sans changement d'après leur démarche : 0, absents : 1"
            in run.out
        )
        Dossier.objects.update(checked_at=timezone.now() - timedelta(days=2))
        sandbox.replies[numbers[1]] = Reply(
            body={
                "errors": [
                    {"message": "", "path": ["dossier"], "extensions": {"code": "unauthorized"}}
                ],
                "data": None,
            }
        )
        run = Run()
        assert run.status == 4
        assert "absents : 1, refusés : 1, en échec : 0 ;" in run.out
        assert f"le dossier n° {numbers[1]}" in run.err

    def test_a_refused_token_stops_at_once(self, sandbox, tracked, monkeypatch):
        tracked(300)
        refusal = Reply(
            401, {"errors": [{"message": "", "extensions": {"code": "unauthorized"}}], "data": None}
        )
        monkeypatch.setattr(sandbox, "answer", lambda _: refusal)
        run = Run()
        assert run.status == 4
        assert "le jeton a expiré" in run.err
        assert "la suite au prochain lancement" in run.err
        assert len(sandbox.received) == 1
        assert Platform.objects.get().refreshed_at is None

    def test_a_platform_that_is_down_is_left_soon(self, sandbox, tracked, monkeypatch):
        tracked(300)
        monkeypatch.setattr(sandbox, "answer", lambda _: Reply(503))
        run = Run("--full")
        assert run.status == 5
        assert len(sandbox.received) <= 30
        assert "Arrêté avant la fin" in run.err

    def test_the_next_one_goes_on(self, sandbox, tracked, monkeypatch):
        numbers = tracked(120)
        whole, asked = sandbox.answer, []

        def first_only(request):
            asked.append(1)
            return whole(request) if len(asked) == 1 else Reply(503)

        monkeypatch.setattr(sandbox, "answer", first_only)
        assert Run("--full", "--older-than", "1h").status == 5
        monkeypatch.setattr(sandbox, "answer", whole)
        sandbox.received.clear()
        assert Run("--full", "--older-than", "1h").status == 0
        assert len(numbers_asked(sandbox)) == 70
        assert len(numbers) == 120

    def test_lists_in_trouble(self, sandbox, tracked, monkeypatch):
        tracked(120)
        whole = sandbox.answer

        def odd_lists(request):
            if request.body["query"] in LISTS:
                return Reply(body={"data": {"demarche": {"dossiers": None}}})
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", odd_lists)
        run = Run()
        assert run.status == 0
        assert "Récupérés : 120 (" in run.out

    @pytest.mark.parametrize("header", ["RateLimit-Reset", "Retry-After"])
    def test_a_429_is_waited_out(self, sandbox, tracked, monkeypatch, pauses, header):
        tracked(60)
        whole, asked = sandbox.answer, []

        def busy(request):
            asked.append(1)
            return Reply(429, headers={header: "7"}) if len(asked) == 1 else whole(request)

        monkeypatch.setattr(sandbox, "answer", busy)
        assert "Récupérés : 60 (" in Run().out
        assert pauses[0] >= 7


class TestAtOnce:
    def test_a_refresh_and_single_fetches(self, sandbox, tracked, settings, monkeypatch):
        """While the platform moves: no deadlock, no failure, and the newest answer stays."""
        settings.DS_BATCH_SIZE, settings.DS_IN_FLIGHT = 5, 2
        monkeypatch.setattr(refresh, "WORTH_A_LIST", 10)
        monkeypatch.setattr("dsintegration.platform.client.wait_for_turn", lambda *_: None)
        numbers = tracked(40)
        failures, done = [], threading.Event()

        def work(loop):
            try:
                loop()
            except Exception as err:  # noqa: BLE001  # told in the end
                failures.append(err)
            finally:
                connections.close_all()

        def refresh_again_and_again():
            for full in cycle([True, False]):
                due = refresh.due_dossiers(timedelta(0), full=full)
                list(refresh.refresh(due, refresh.Tally(), full=full))
                if done.is_set():
                    return

        def fetch_some(numbers):
            for rank, number in enumerate(numbers):
                change(sandbox, number, messages=[message_answer(f"m{number}-{rank}")])
                fetch_dossier(number)

        refreshing = threading.Thread(target=work, args=[refresh_again_and_again])
        fetching = [
            threading.Thread(target=work, args=[partial(fetch_some, numbers[rank::2] * 3)])
            for rank in range(2)
        ]
        for thread in (refreshing, *fetching):
            thread.start()
        for thread in fetching:
            thread.join()
        done.set()
        refreshing.join()
        assert failures == []
        for dossier in Dossier.objects.prefetch_related("messages"):
            answer = sandbox.dossiers[dossier.number]
            kept = {m.ds_id for m in dossier.messages.all() if m.absent_since is None}
            assert kept == {message["id"] for message in answer["messages"]}
            assert dossier.state == answer["state"]
        versions = list(Dossier.objects.values_list("version", flat=True))
        assert len(set(versions)) == len(versions) == 40


class TestPace:
    @pytest.fixture
    def clock(self, monkeypatch):
        """A clock that moves when somebody sleeps."""
        now = [1_800_000_000.25]

        def sleep(seconds):
            assert 0 < seconds <= 1
            now[0] += seconds

        monkeypatch.setattr(rate_limit, "now", lambda: now[0])
        monkeypatch.setattr(rate_limit, "pause", sleep)
        return now

    def test_bursts_then_waits_for_the_minute(self, clock, settings):
        settings.DS_RATE_LIMIT = 5
        started, turns = clock[0], []
        for _ in range(12):
            rate_limit.wait_for_turn()
            turns.append(clock[0] - started)
        assert turns[4] == 0
        for early, late in zip(turns, turns[5:], strict=False):
            assert late - early >= 60
        assert turns[5] < 62

    @pytest.mark.skipif("REDIS_URL" not in os.environ, reason="needs a Redis: make test-services")
    def test_over_redis(self, clock, settings):
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": os.environ["REDIS_URL"],
            }
        }
        cache.clear()
        self.test_bursts_then_waits_for_the_minute(clock, settings)
        cache.clear()

    def test_what_others_send_counts(self, clock, settings):
        settings.DS_RATE_LIMIT = 5
        started = clock[0]
        for _ in range(5):
            rate_limit.count_request()
        rate_limit.wait_for_turn()
        assert clock[0] - started >= 60

    def test_requests_are_counted(self, sandbox, tracked, clock, settings):
        tracked(60)
        cache.clear()
        Run()
        assert sum(cache.get_many([rate_limit._key(1_800_000_000)]).values()) == 2

    def test_what_was_sent_before_the_last_minute_takes_no_room(self, clock, settings):
        settings.DS_RATE_LIMIT = 1
        rate_limit.count_request()
        clock[0] += 60
        assert not rate_limit.has_room()
        clock[0] += 1
        assert rate_limit.has_room()

    def test_who_waits_looks_at_the_beginning_of_a_second(self, clock, settings):
        settings.DS_RATE_LIMIT = 1
        rate_limit.count_request()
        rate_limit.wait_for_turn()
        assert clock[0] == 1_800_000_061


def start(sandbox, *words):
    """A refresh in a process of its own, on the database of the test."""
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "manage.py"), "refresh_dossiers", *words],
        env=environment(sandbox, DS_BATCH_SIZE="5", DS_IN_FLIGHT="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


class TestProcesses:
    @pytest.fixture
    def slow(self, sandbox, tracked, monkeypatch):
        """Forty dossiers, five a request; each request takes some time."""
        numbers = tracked(40)
        whole = sandbox.answer

        def slowly(request):
            time.sleep(0.3)
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", slowly)
        for number in numbers:
            change(sandbox, number)
        return numbers

    def wait_for_requests(self, sandbox, count):
        while len(sandbox.received) < count:
            time.sleep(0.01)

    def test_sigterm_ends_it_after_the_batch_in_hand(self, sandbox, slow):
        process = start(sandbox)
        self.wait_for_requests(sandbox, 2)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 143, err
        assert "Arrêté sur demande" in err
        assert "Traceback" not in err
        done = Dossier.objects.filter(state="accepte").count()
        assert done % 5 == 0
        assert 10 <= done < 40
        assert f"Récupérés : {done} (" in out

    def test_kill_then_again(self, sandbox, slow):
        for _ in range(3):
            process = start(sandbox)
            self.wait_for_requests(sandbox, len(sandbox.received) + 2)
            process.kill()
            process.communicate()
            assert Dossier.objects.count() == Message.objects.count() == 40
        process = start(sandbox)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert Dossier.objects.filter(state="accepte").count() == 40
        assert Message.objects.count() == 40
        assert Demarche.objects.count() == 1

    def test_two_at_once(self, sandbox, slow, monkeypatch):
        """The first one waits for its first answer until the second one has ended."""
        whole, has_ended = sandbox.answer, threading.Event()

        def held(request):
            has_ended.wait(60)
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", held)
        first = start(sandbox)
        self.wait_for_requests(sandbox, 1)
        second = start(sandbox)
        out, err = second.communicate(timeout=60)
        has_ended.set()
        assert (second.returncode, err) == (0, "")
        assert out == "Un autre rafraîchissement est en cours : celui-ci s'arrête.\n"
        out, err = first.communicate(timeout=60)
        assert first.returncode == 0, err
        assert "Récupérés : 40 (changés : 40)" in out
