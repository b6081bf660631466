"""The lists of démarches: how far they are read, how many at once, and when they are given up."""

from datetime import UTC, datetime
from threading import Barrier

import pytest
from django.utils import timezone

from dsintegration.payloads.selection import Selection
from dsintegration.platform.client import get_client
from dsintegration.platform.documents import GET_MOVED_WHOLE, GET_PULSE
from dsintegration.platform.lists import Kind, Reading, read_all
from dsintegration.platform.outage import Outage
from dsintegration.sandbox import Reply
from dsintegration.sandbox.forms import SHORT_FORM, answers, champ_id
from tests.factories import dossier_answer

FIRST = 40_000


@pytest.fixture
def read(sandbox):
    """Reads these lists to their end; the pages."""

    def read_lists(readings, *, at_once=1, outage=None):
        client = get_client()
        outage = outage or Outage(client)
        return list(read_all(client, readings, at_once=at_once, outage=outage))

    return read_lists


def reading(demarche=7, kind=Kind.MOVED, **fields) -> Reading:
    return Reading(demarche, kind, datetime(2020, 1, 1, tzinfo=UTC), **fields)


def fail_lists(sandbox, monkeypatch, *, answers: bool) -> None:
    """`answers`: whether the platform does, beside its lists."""
    whole = sandbox.answer

    def answer(request):
        is_pulse = request.body["query"] == GET_PULSE.text
        return whole(request) if answers and is_pulse else Reply(504)

    monkeypatch.setattr(sandbox, "answer", answer)


def demarches_asked(sandbox) -> list[int]:
    variables = [request.body.get("variables") or {} for request in sandbox.received]
    return [each["demarche"] for each in variables if "demarche" in each]


def sizes_asked(sandbox) -> list[int]:
    variables = [request.body.get("variables") or {} for request in sandbox.received]
    return [each["first"] for each in variables if "first" in each]


def test_no_more_pages_than_are_wanted(sandbox, read):
    for number in range(FIRST, FIRST + 10):
        sandbox.dossiers[number] = dossier_answer(number)
    short = reading(size=1, most_pages=2)
    assert [len(page.page.numbers) for page in read([short])] == [1, 2]
    assert short.numbers == {FIRST, FIRST + 1, FIRST + 2}
    assert not short.is_complete


def test_a_list_is_as_new_as_its_first_request(sandbox, read, monkeypatch):
    for number in range(FIRST, FIRST + 3):
        sandbox.dossiers[number] = dossier_answer(number)
    whole, received = sandbox.answer, []

    def answer(request):
        received.append(timezone.now())
        return whole(request)

    monkeypatch.setattr(sandbox, "answer", answer)
    long = reading(size=1)
    first, second = read([long])
    assert first.sent_at <= received[0] <= second.sent_at <= received[1]
    assert long.sent_at == first.sent_at
    assert long.is_complete


def test_whole_dossiers_that_are_too_heavy_are_asked_for_in_halves(sandbox, read, monkeypatch):
    """Below five it is one of them that is at fault: their numbers will do."""
    sandbox.dossiers[FIRST] = dossier_answer(FIRST)
    whole = sandbox.answer
    monkeypatch.setattr(
        sandbox,
        "answer",
        lambda request: (
            Reply(504) if request.body["query"] == GET_MOVED_WHOLE.text else whole(request)
        ),
    )
    heavy = reading(size=40, with_dossiers=True)
    [page] = read([heavy])
    assert sizes_asked(sandbox) == [40, 20, 10, 5, 25]
    assert (page.page.numbers, page.page.nodes) == ({FIRST}, [])
    assert heavy.requests == 5


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(503), "maintenance"),
        (
            Reply(body={"errors": [{"extensions": {"code": "unauthorized"}}], "data": None}),
            "no_right",
        ),
    ],
)
def test_what_smaller_pages_would_meet_too_is_asked_once(sandbox, read, monkeypatch, reply, reason):
    monkeypatch.setattr(sandbox, "answer", lambda _: reply)
    refused = reading(size=40, with_dossiers=True)
    assert read([refused]) == []
    assert set(sizes_asked(sandbox)) == {40}
    assert refused.error.reason == reason
    assert refused.requests == len(sizes_asked(sandbox))


def test_a_cursor_that_comes_back_ends_it(sandbox, read, monkeypatch):
    for number in range(FIRST, FIRST + 9):
        sandbox.dossiers[number] = dossier_answer(number)
    whole, first = sandbox.answer, []

    def answer(request):
        first.append(first[0] if first else whole(request))
        return first[0]

    monkeypatch.setattr(sandbox, "answer", answer)
    endless = reading(size=1)
    assert len(read([endless])) == 1
    assert (endless.error.reason, endless.requests) == ("unexpected", 2)


def test_what_is_kept_of_a_form_comes_with_whole_dossiers(sandbox, read, monkeypatch):
    name = champ_id(301)
    sandbox.dossiers[FIRST] = dossier_answer(
        FIRST, champs=answers(SHORT_FORM, {301: "Commune de Dreux"})
    )
    chosen = Selection(champs=(name,))
    [page] = read([reading(with_dossiers=True, selection=chosen)])
    assert page.page.nodes[0].content.champs[0]["value"] == "Commune de Dreux"
    whole = sandbox.answer
    monkeypatch.setattr(
        sandbox,
        "answer",
        lambda request: Reply(504) if "Champ" in request.body["query"] else whole(request),
    )
    [page] = read([reading(size=5, with_dossiers=True, selection=chosen)])
    assert (page.page.numbers, page.page.nodes) == ({FIRST}, [])
    assert name not in sandbox.received[-1].body["variables"].values()


def test_each_page_has_a_line_in_the_logs(sandbox, read, monkeypatch, logs):
    sandbox.dossiers[FIRST] = dossier_answer(FIRST)
    read([reading()])
    fail_lists(sandbox, monkeypatch, answers=True)
    read([reading(8, Kind.DELETED)])
    lines = [record for record in logs.records if record.name == "dsintegration.fetch"]
    told = [(each.operation, each.demarche, each.outcome, each.reason) for each in lines]
    assert told == [
        ("list_moved", 7, "listed", ""),
        ("list_deleted", 8, "upstream_unavailable", "timeout"),
    ]


def test_a_list_that_comes_clears_the_platform(sandbox, read, monkeypatch):
    whole = sandbox.answer
    monkeypatch.setattr(
        sandbox,
        "answer",
        lambda request: (
            Reply(504) if request.body["variables"].get("demarche") == 8 else whole(request)
        ),
    )
    sandbox.dossiers[FIRST] = dossier_answer(FIRST)
    outage = Outage(get_client())
    read([reading(8)], outage=outage)
    assert outage.is_suspected
    read([reading(7)], outage=outage)
    assert not outage.is_suspected


def test_what_was_read_is_not_asked_again(sandbox, read):
    assert read([reading(is_read=True), reading(8, most_pages=0)]) == []
    assert not sandbox.received


def test_two_lists_are_under_way_at_once(sandbox, read, monkeypatch):
    sandbox.dossiers[FIRST] = dossier_answer(FIRST)
    whole, together = sandbox.answer, Barrier(2, timeout=30)

    def answer(request):
        together.wait()
        return whole(request)

    monkeypatch.setattr(sandbox, "answer", answer)
    lists = [reading(), reading(kind=Kind.PENDING)]
    assert len(read(lists, at_once=2)) == 2


def test_after_a_failure_lists_go_one_at_a_time(sandbox, read, monkeypatch):
    """Five calls in a row tell an outage: of four that are under way, one more is asked."""
    fail_lists(sandbox, monkeypatch, answers=False)
    lists = [reading(demarche) for demarche in range(1, 21)]
    assert read(lists, at_once=4) == []
    assert len(demarches_asked(sandbox)) == 5
    assert {each.error.reason for each in lists} == {"timeout"}


def test_lists_that_fail_are_so_many_at_most(sandbox, read, monkeypatch):
    monkeypatch.setattr("dsintegration.platform.lists.MOST_FAILURES", 3)
    fail_lists(sandbox, monkeypatch, answers=True)
    lists = [reading(demarche) for demarche in range(1, 10)]
    assert read(lists) == []
    assert demarches_asked(sandbox) == [1, 2, 3]
