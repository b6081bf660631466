"""Many dossiers in few requests: none costs the others anything."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from dsintegration.exceptions import DSUnavailable, Reason
from dsintegration.models import Demarche, Dossier, Message, Platform
from dsintegration.payloads.selection import NOTHING
from dsintegration.platform import batches
from dsintegration.representation import dossier_as_json
from dsintegration.sandbox import Reply
from dsintegration.services import Outcome, fetch_dossier, fetch_dossiers
from tests.factories import dossier_answer, message_answer

pytestmark = pytest.mark.django_db

FIRST = 30_000


@pytest.fixture
def many(sandbox, settings):
    """Puts so many dossiers on the platform; their numbers."""
    settings.DS_IN_FLIGHT = 1

    def put(count, **fields):
        numbers = list(range(FIRST, FIRST + count))
        for number in numbers:
            messages = [
                message_answer(f"{number}-{rank}", email="usager@example.org") for rank in range(3)
            ]
            sandbox.dossiers[number] = dossier_answer(
                number, **({"messages": messages, "state": "accepte"} | fields)
            )
        return numbers

    return put


@pytest.fixture
def asked_at(sandbox, monkeypatch):
    """The moments when requests reached the platform."""
    moments, answer = [], sandbox.answer

    def note(request):
        moments.append(timezone.now())
        return answer(request)

    monkeypatch.setattr(sandbox, "answer", note)
    return moments


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_stored_is_as_old_as_its_question(many, asked_at, count):
    """Not as its answer: what changed meanwhile would be older than what is here."""
    list(fetch_dossiers(many(count)))
    assert Dossier.objects.count() == count
    assert not Dossier.objects.filter(fetched_at__gt=asked_at[0]).exists()
    assert not Dossier.objects.filter(checked_at__gt=asked_at[0]).exists()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("column", ["absent_since", "last_error_at"])
def test_so_is_what_fails(many, sandbox, asked_at, count, column):
    numbers = many(count)
    list(fetch_dossiers(numbers))
    asked_at.clear()
    for number in numbers:
        del sandbox.dossiers[number]
        if column == "last_error_at":
            sandbox.replies[number] = Reply(body={"data": None, "errors": [error("timeout")]})
    list(fetch_dossiers(numbers))
    noted = list(Dossier.objects.values_list(column, flat=True))
    assert len(noted) == count
    assert max(noted) <= asked_at[-1]


def by_number(outcomes) -> dict[int, Outcome]:
    outcomes = list(outcomes)
    found = {outcome.number: outcome for outcome in outcomes}
    assert len(found) == len(outcomes)
    return found


def reasons(outcomes) -> dict[int, str]:
    return {
        number: outcome.error.reason
        for number, outcome in by_number(outcomes).items()
        if outcome.error
    }


def error(code, *path):
    extensions = {"extensions": {"code": code}} if code else {}
    return {"message": "…", "path": ["dossier", *path], **extensions}


def in_error(code, *path):
    return Reply(body={"errors": [error(code, *path)], "data": None})


def sizes(sandbox) -> list[int]:
    """How many dossiers each request asked for."""
    return [len(request.body["variables"]) for request in sandbox.received]


def shown(dossier: Dossier) -> dict[str, Any]:
    """Its JSON, without the ids that are ours."""
    told = dossier_as_json(dossier)
    for message in told["messages"]:
        message["attachments"] = [file | {"id": 0} for file in message["attachments"]]
    return told


class TestRequests:
    def test_fifty_a_request(self, sandbox, many):
        numbers = many(120)
        outcomes = by_number(fetch_dossiers(numbers))
        assert sizes(sandbox) == [50, 50, 20]
        assert all(outcomes[number].result.created for number in numbers)
        assert Dossier.objects.count() == 120
        assert Message.objects.count() == 360

    def test_the_same_as_one_by_one(self, sandbox, many, monkeypatch):
        now = datetime(2026, 6, 1, tzinfo=UTC)
        monkeypatch.setattr("django.utils.timezone.now", lambda: now)
        numbers = [*many(3), 12345, 12352, 12358]
        together = {o.number: shown(o.result.dossier) for o in fetch_dossiers(numbers)}
        Dossier.objects.all().delete()
        Platform.objects.update(version=0)
        alone = {number: shown(fetch_dossier(number).dossier) for number in numbers}
        assert together == alone
        stored = {d.number: shown(d) for d in Dossier.objects.all()}
        assert stored == alone

    def test_one_alone_is_asked_as_ever(self, sandbox):
        list(fetch_dossiers([12345]))
        assert list(sandbox.received[0].body["variables"]) == ["number"]

    def test_none(self, sandbox):
        assert list(fetch_dossiers([])) == []
        assert not sandbox.received

    def test_several_at_once(self, sandbox, many, settings):
        settings.DS_IN_FLIGHT, settings.DS_BATCH_SIZE = 4, 10
        numbers = many(200)
        assert sorted(by_number(fetch_dossiers(numbers))) == numbers
        assert sizes(sandbox) == [10] * 20
        assert Platform.objects.get().version == 200

    def test_numbers_are_read_as_requests_go(self, sandbox, many, settings):
        settings.DS_IN_FLIGHT, settings.DS_BATCH_SIZE = 2, 10
        read = []
        numbers = (read.append(number) or number for number in many(500))
        outcomes = fetch_dossiers(numbers)
        next(outcomes)
        assert len(read) <= 50
        outcomes.close()
        assert len(sandbox.received) <= 5

    @pytest.mark.parametrize("at_once", [1, 4])
    def test_a_refused_token_ends_it(self, sandbox, many, settings, at_once):
        settings.DS_IN_FLIGHT, settings.DS_BATCH_SIZE = at_once, 10
        numbers = many(300)
        sandbox.replies[FIRST + 15] = Reply(
            403, {"errors": [{"message": "", "extensions": {"code": "forbidden"}}], "data": None}
        )
        failed = reasons(fetch_dossiers(numbers))
        assert list(failed.values()) == [Reason.TOKEN_REFUSED]
        assert len(sandbox.received) <= 2 + 3 * at_once
        if at_once == 1:  # else a request that was sent later may have succeeded here
            assert Platform.objects.get().last_error_reason == "token_refused"

    def test_one_that_all_of_them_meet_is_said_once(self, sandbox, many, settings, monkeypatch):
        settings.DS_IN_FLIGHT, settings.DS_BATCH_SIZE = 4, 10
        together = threading.Barrier(4, timeout=30)
        refused = {"errors": [{"message": "", "extensions": {"code": "forbidden"}}], "data": None}

        def refuse(_):
            together.wait()
            return Reply(403, refused)

        monkeypatch.setattr(sandbox, "answer", refuse)
        assert list(reasons(fetch_dossiers(many(300))).values()) == [Reason.TOKEN_REFUSED]

    def test_a_bug_is_not_swallowed(self, sandbox, many, settings, monkeypatch):
        settings.DS_IN_FLIGHT, settings.DS_BATCH_SIZE = 4, 10

        def broken(*_):
            raise ZeroDivisionError

        monkeypatch.setattr(batches, "parse_dossier", broken)
        with pytest.raises(ZeroDivisionError):
            list(fetch_dossiers(many(100)))


class TestFailuresInside:
    """One request more sets aside those that the answer names; what names none is halved."""

    def test_unknown_and_forbidden_ones(self, sandbox, many):
        numbers = [*many(10), 404, 20002, 405]
        failed = reasons(fetch_dossiers(numbers))
        assert failed == {404: "unknown", 405: "unknown", 20002: "no_right"}
        assert sizes(sandbox) == [13, 10]
        assert Dossier.objects.count() == 10

    def test_all_of_them(self, sandbox):
        assert set(reasons(fetch_dossiers([404, 405, 20002]))) == {404, 405, 20002}
        assert sizes(sandbox) == [3]

    def test_known_ones_are_marked(self, sandbox, many):
        numbers = many(4)
        list(fetch_dossiers(numbers))
        del sandbox.dossiers[numbers[0]]
        sandbox.replies[numbers[1]] = in_error("invalid_null", "messages", 0, "body")
        failed = reasons(fetch_dossiers(numbers))
        assert failed == {numbers[0]: "unknown", numbers[1]: "unexpected"}
        gone, wrong, *good = Dossier.objects.order_by("number")
        assert gone.absent_since
        assert gone.version == 5
        assert wrong.last_error_reason == "unexpected"
        assert [row.last_error_code for row in good] == ["", ""]

    def test_a_server_that_names_one_failure_at_a_time(self, sandbox, many, monkeypatch):
        numbers = [*many(20), *range(400, 420)]
        whole = sandbox.answer

        def first_only(request):
            reply = whole(request)
            if errors := reply.body.get("errors"):
                return Reply(body={"errors": errors[:1], "data": None})
            return reply

        monkeypatch.setattr(sandbox, "answer", first_only)
        failed = reasons(fetch_dossiers(numbers))
        assert failed == dict.fromkeys(range(400, 420), "unknown")
        assert Dossier.objects.count() == 20

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (in_error("timeout", "messages"), "query_timeout"),
            (
                Reply(500, {"errors": [{"message": "", "extensions": {"code": "x"}}]}),
                "server_error",
            ),
            (Reply(body={"data": {"dossier": dossier_answer(1)}}), "unexpected"),
            (Reply(body={"data": {"dossier": dossier_answer(FIRST + 7, state=3)}}), "unexpected"),
            (in_error("quite_new"), "unexpected"),
            (
                Reply(body={"errors": [error("other"), {"message": "…"}], "data": None}),
                "unexpected",
            ),
        ],
    )
    def test_one_bad_dossier_is_found(self, sandbox, many, pauses, reply, reason):
        numbers = many(16)
        sandbox.replies[FIRST + 7] = reply
        assert reasons(fetch_dossiers(numbers)) == {FIRST + 7: reason}
        assert Dossier.objects.count() == 15

    def test_one_that_takes_too_long_costs_the_others_nothing(self, sandbox, many):
        numbers = many(16)
        sandbox.replies[FIRST + 7] = Reply(504)
        assert reasons(fetch_dossiers(numbers)) == {FIRST + 7: "timeout"}
        assert Dossier.objects.count() == 15

    @pytest.mark.parametrize("path", [None, [], "d6", [6]])
    def test_forbidden_ones_that_the_answer_does_not_name(self, sandbox, many, monkeypatch, path):
        numbers = [*many(6), 20002]
        whole = sandbox.answer

        def nameless(request):
            reply = whole(request)
            errors = [{**error, "path": path} for error in reply.body.get("errors", [])]
            return Reply(body={"errors": errors, "data": None}) if errors else reply

        monkeypatch.setattr(sandbox, "answer", nameless)
        assert reasons(fetch_dossiers(numbers)) == {20002: "no_right"}
        assert Dossier.objects.count() == 6

    def test_what_is_not_found_in_a_dossier_is_not_the_dossier(self, sandbox, many, monkeypatch):
        numbers = many(2)
        list(fetch_dossiers(numbers))
        whole = sandbox.answer
        within = {"errors": [error("not_found") | {"path": ["d1", "usager"]}], "data": None}
        monkeypatch.setattr(
            sandbox,
            "answer",
            lambda request: (
                Reply(body=within) if len(request.body["variables"]) > 1 else whole(request)
            ),
        )
        assert reasons(fetch_dossiers(numbers)) == {numbers[1]: "unexpected"}
        assert not Dossier.objects.exclude(absent_since=None)

    @pytest.mark.parametrize("name", ["d4", "d500"])
    def test_a_name_that_nobody_asked_for(self, sandbox, many, monkeypatch, name):
        numbers = many(4)
        whole = sandbox.answer
        odd = {"errors": [error("not_found") | {"path": [name]}], "data": None}
        monkeypatch.setattr(
            sandbox,
            "answer",
            lambda request: (
                Reply(body=odd) if len(request.body["variables"]) > 1 else whole(request)
            ),
        )
        assert not reasons(fetch_dossiers(numbers))
        assert Dossier.objects.count() == 4

    @pytest.mark.parametrize("status", [413, 414])
    def test_a_proxy_that_finds_it_too_large(self, sandbox, many, monkeypatch, status):
        numbers = many(20)
        whole = sandbox.answer
        monkeypatch.setattr(
            sandbox,
            "answer",
            lambda request: (
                Reply(status, "<html>") if len(request.body["variables"]) > 8 else whole(request)
            ),
        )
        assert not reasons(fetch_dossiers(numbers))

    def test_a_number_given_twice(self, sandbox, many):
        first, second = many(2)
        outcomes = list(fetch_dossiers([first, second, first]))
        assert sorted(outcome.number for outcome in outcomes) == [first, second]

    def test_a_message_that_changes_dossiers(self, sandbox, many):
        first, second = many(2)
        list(fetch_dossiers([first, second]))
        moved = sandbox.dossiers[first]["messages"].pop()
        sandbox.dossiers[second]["messages"].append(moved)
        list(fetch_dossiers([second, first]))
        message = Message.objects.get(ds_id=moved["id"])
        assert (message.dossier.number, message.absent_since) == (second, None)
        assert message.body == moved["body"]

    def test_a_request_that_is_too_large_is_halved(self, sandbox, many, monkeypatch):
        numbers = many(50)
        whole = sandbox.answer

        def narrow(request):
            if len(request.body["variables"]) > 15:
                return Reply(body={"errors": [{"message": "This query is too large to execute."}]})
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", narrow)
        assert not reasons(fetch_dossiers(numbers))
        assert sizes(sandbox) == [50, 25, 13, 12, 25, 13, 12]

    def test_a_document_that_does_not_fit_is_not_tried_a_hundred_times(
        self, sandbox, many, monkeypatch
    ):
        numbers = many(50)
        refusal = Reply(
            body={"errors": [{"message": "", "extensions": {"code": "undefinedField"}}]}
        )
        monkeypatch.setattr(sandbox, "answer", lambda _: refusal)
        failed = reasons(fetch_dossiers(numbers))
        assert failed == dict.fromkeys(numbers, "query_refused")
        assert sizes(sandbox) == [50, 25, 13, 7, 4, 0]  # 0: whether it answers at all

    @pytest.mark.parametrize("status", [429, 502, 503])
    def test_a_platform_that_is_down(self, sandbox, many, pauses, monkeypatch, status):
        numbers = many(50)
        monkeypatch.setattr(sandbox, "answer", lambda _: Reply(status))
        assert set(reasons(fetch_dossiers(numbers))) == set(numbers)
        assert len(sandbox.received) == (18 if status == 502 else 3)
        assert Platform.objects.get().last_error_at

    def test_a_silent_platform_is_given_up(self):
        asked = []

        def silent(numbers, _selection=NOTHING):
            asked.append(len(numbers))
            raise DSUnavailable(Reason.TIMEOUT)

        parts = {"sent_at": None, "requests_here": 0, "get_dossiers": staticmethod(silent)}
        parts |= {"now": lambda _: timezone.now(), "answers": lambda _: False}
        client = type("Silent", (), parts)()
        client.get_dossier = lambda number, _: silent([number])
        answers = list(batches.ask(client, batches.Batch(range(1, 51))))
        assert asked == [50, 25, 13, 7, 4]
        assert [len(answer.failures) for answer in answers] == [50]


class TestCost:
    def test_a_fixed_number_of_statements(self, sandbox, many, django_assert_max_num_queries):
        numbers = many(50)
        with django_assert_max_num_queries(12 + 3):  # savepoints for BEGIN and COMMIT, journal
            list(fetch_dossiers(numbers))
        with django_assert_max_num_queries(5 + 3):
            assert not any(o.result.changed for o in fetch_dossiers(numbers))
        many(
            50,
            state="refuse",
            demarche={"id": "Procedure-7", "number": 7, "title": "Nouveau titre"},
            messages=[],
        )
        with django_assert_max_num_queries(12 + 3):
            assert all(o.result.changed for o in fetch_dossiers(numbers))
        assert set(Dossier.objects.values_list("messages_count", flat=True)) == {3}
        assert not Message.objects.exclude(absent_since=None).filter(absent_since=None).exists()

    def test_several_demarches_in_one_batch(self, sandbox, many, django_assert_max_num_queries):
        numbers = many(50)
        for number in numbers:
            key = number % 7 + 1
            sandbox.dossiers[number]["demarche"] = {
                "id": f"Procedure-{key}",
                "number": key,
                "title": f"Démarche {key}",
            }
        with django_assert_max_num_queries(12 + 3):
            list(fetch_dossiers(numbers))
        assert Demarche.objects.count() == 7
        assert {d.demarche.number for d in Dossier.objects.select_related("demarche")} == {
            number % 7 + 1 for number in numbers
        }

    def test_what_is_absent_costs_no_more(self, sandbox, many, django_assert_max_num_queries):
        numbers = many(50)
        list(fetch_dossiers(numbers))
        sandbox.dossiers.clear()
        with django_assert_max_num_queries(6 + 3):
            assert len(reasons(fetch_dossiers(numbers))) == 50
        assert Dossier.objects.absent().count() == 50


class TestVersions:
    def test_a_new_title_shows_in_dossiers_outside_the_batch(self, sandbox, many):
        numbers = many(6)
        list(fetch_dossiers(numbers))
        before = Platform.objects.get().version
        many(6, demarche={"id": "Procedure-7", "number": 7, "title": "Nouveau titre"})
        list(fetch_dossiers(numbers[:3]))
        versions = dict(Dossier.objects.values_list("number", "version"))
        many(6, demarche={"id": "Procedure-7", "number": 7, "title": "Encore un titre"})
        results = [outcome.result for outcome in fetch_dossiers(numbers[:3])]
        assert {result.dossier.demarche.title for result in results} == {"Encore un titre"}
        assert sorted(versions[n] for n in numbers[:3]) == [before + 1, before + 2, before + 3]
        assert {versions[n] for n in numbers[3:]} == {before + 3}

    def test_older_answers_lose_one_by_one(self, sandbox, many):
        numbers = many(3)
        list(fetch_dossiers(numbers))
        Dossier.objects.filter(number=numbers[1]).update(
            date_derniere_modification=datetime(2026, 9, 1, tzinfo=UTC), state="sans_suite"
        )
        many(3, state="refuse")
        outcomes = by_number(fetch_dossiers(numbers))
        assert [outcomes[n].result.changed for n in numbers] == [True, False, True]
        assert Dossier.objects.get(number=numbers[1]).state == "sans_suite"
        assert outcomes[numbers[1]].result.dossier.state == "sans_suite"

    def test_a_check_that_was_later_stays(self, sandbox, many):
        [number, other] = many(2)
        list(fetch_dossiers([number, other]))
        later = datetime.now(UTC) + timedelta(minutes=1)
        Dossier.objects.filter(number=number).update(checked_at=later)
        list(fetch_dossiers([number, other]))
        first, second = Dossier.objects.order_by("number")
        assert first.checked_at == later
        assert second.checked_at == second.fetched_at == first.fetched_at


@pytest.mark.django_db(transaction=True)
def test_batches_and_single_fetches_at_once(sandbox, many, settings):
    settings.DS_IN_FLIGHT, settings.DS_BATCH_SIZE = 2, 10
    numbers, raised = many(60), []

    def run(work):
        try:
            work()
        except Exception as err:  # noqa: BLE001  # shown to the test
            raised.append(err)
        finally:
            connection.close()

    def one_by_one():
        from dsintegration.platform.client import get_client

        client = get_client()
        for number in reversed(numbers):
            fetch_dossier(number, client=client)
        client.close()

    works = [lambda: list(fetch_dossiers(numbers)), one_by_one]
    threads = [threading.Thread(target=run, args=(work,)) for work in (*works, *works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not raised
    assert Dossier.objects.count() == 60
    assert Message.objects.count() == 180
    assert Platform.objects.get().version == 60
