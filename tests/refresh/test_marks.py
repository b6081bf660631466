"""How far the lists of a followed démarche were read: no mark lies beyond what nobody has seen."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dsintegration.exceptions import DSUnavailable, Reason
from dsintegration.mirror.storing import store
from dsintegration.models import Demarche, Dossier
from dsintegration.platform.documents import GET_MOVED_WHOLE
from dsintegration.sandbox import Reply
from tests.factories import dossier_answer
from tests.refresh.command import FIRST, LISTS, Run, change, lists_asked
from tests.refresh.test_following import Follow
from tests.refresh.test_truth import ago, iso

pytestmark = pytest.mark.django_db(transaction=True)

NEW = 80_000


@pytest.fixture
def followed(sandbox, settings):
    """Has so many dossiers of démarche 7, imported two hours ago."""
    settings.DS_IN_FLIGHT = 1

    def follow(count):
        numbers = list(range(FIRST, FIRST + count))
        sandbox.dossiers |= {number: dossier_answer(number, messages=[]) for number in numbers}
        Follow("7")
        then = ago(hours=2)
        Dossier.objects.update(checked_at=then, fetched_at=then)
        Demarche.objects.update(covered_from=then, read_until=then)
        sandbox.received.clear()
        return numbers

    return follow


@pytest.fixture
def pages(sandbox, monkeypatch):
    """Has `spoil` change each page of a list before it is sent."""
    whole = sandbox.answer

    def changed_by(spoil):
        def answer(request):
            variables = request.body["variables"]
            if "demarche" in variables:
                variables.pop("after", None)
            reply = whole(request)
            demarche = (reply.body.get("data") or {}).get("demarche") or {}
            if page := demarche.get("list"):
                spoil(page)
            return Reply(401) if len(sandbox.received) > 50 else reply

        monkeypatch.setattr(sandbox, "answer", answer)

    return changed_by


def moved(sandbox, number):
    change(sandbox, number, dateDerniereModification=iso(ago(minutes=30)))


def rest():
    """The démarche that failed is asked again."""
    Demarche.objects.update(next_list_at=None)


@pytest.mark.parametrize("reply", [Reply(503), Reply(429)])
def test_numbers_of_a_page_that_could_not_be_fetched(sandbox, followed, monkeypatch, reply):
    """The page came without its dossiers, then the platform went away."""
    [number, *_] = followed(120)
    sandbox.dossiers[NEW] = dossier_answer(NEW, messages=[])
    for each in (number, NEW):
        moved(sandbox, each)
    whole = sandbox.answer

    def choke(request):
        if request.body["query"] == GET_MOVED_WHOLE.text:
            return Reply(504)
        is_dossier = request.body["query"] not in LISTS and request.body["variables"]
        return reply if is_dossier else whole(request)

    monkeypatch.setattr(sandbox, "answer", choke)
    before = Demarche.objects.get().read_until
    assert Run().status
    assert Demarche.objects.get().read_until == before
    monkeypatch.setattr(sandbox, "answer", whole)
    rest()
    Dossier.objects.update(next_try_at=None, last_error_at=None, tries=0)
    assert Run().status == 0
    assert Dossier.objects.filter(number__in=[number, NEW], state="accepte").count() == 2


@pytest.mark.parametrize("page", ["whole", "of numbers"])
def test_a_page_that_others_kept_from_being_stored(sandbox, followed, monkeypatch, page):
    """Another writer held the lock for longer than anybody waits; then came the next page."""
    numbers = followed(150)
    for number in numbers:
        moved(sandbox, number)
    whole, stored = sandbox.answer, []

    def choke(request):
        variables = request.body["variables"]
        is_whole = request.body["query"] == GET_MOVED_WHOLE.text
        is_first = "demarche" in variables and "after" not in variables
        return Reply(504) if page != "whole" and is_whole and is_first else whole(request)

    def busy(payloads, *rest):
        stored.append(payloads)
        if len(stored) == 1:
            raise DSUnavailable(Reason.BUSY)
        return store(payloads, *rest)

    before = Demarche.objects.get().read_until
    with monkeypatch.context() as held:
        held.setattr(sandbox, "answer", choke)
        held.setattr(
            f"dsintegration.{'refresh.lists' if page == 'whole' else 'services'}.store", busy
        )
        assert Run("--older-than", "9d").status == 5
    assert Demarche.objects.get().read_until == before
    rest()
    Run("--older-than", "9d")
    assert Dossier.objects.filter(state="accepte").count() == 150


def test_a_hole_is_told(sandbox, followed):
    [number, *_] = followed(3)
    moved(sandbox, number)
    sandbox.hidden.add(number)
    run = Run()
    assert run.status == 6
    assert (
        ", par exemple la démarche n° 7 : la réponse de la plateforme est incompréhensible"
        in run.err
    )
    sandbox.hidden.clear()
    assert Run().status == 0
    assert Dossier.objects.get(number=number).state == "accepte"


def test_a_hole_in_an_import_is_told(sandbox):
    sandbox.dossiers = {FIRST: dossier_answer(FIRST), NEW: dossier_answer(NEW, messages=[])}
    sandbox.hidden.add(NEW)
    assert Follow("7").status == 6
    assert Dossier.objects.count() == 1


def test_a_cursor_that_comes_back(sandbox, followed, pages):
    """A platform that always has one page more."""
    followed(3)
    cursors = iter(["a", "b", "a", *["b"] * 60])
    pages(lambda page: page.update(pageInfo={"hasNextPage": True, "endCursor": next(cursors)}))
    run = Run()
    assert run.status == 6
    assert len(lists_asked(sandbox, GET_MOVED_WHOLE)) == 3
    assert Demarche.objects.get().reading_cursor != "a"


def test_one_that_is_given_twice(sandbox, pages):
    sandbox.dossiers = {FIRST: dossier_answer(FIRST)}
    pages(lambda page: page.update(nodes=page["nodes"] * 2))
    assert Follow("7").status == 0
    assert Dossier.objects.get().messages.count() == 2


@pytest.mark.parametrize(
    "columns",
    [
        {"read_until": 365},
        {"read_until": 365, "covered_from": 365},
        {"read_until": 1},
        {"reading_since": 365, "reading_from": 365},
        {"reading_from": 365},
    ],
)
def test_what_a_wrong_clock_set(sandbox, followed, columns):
    """Nothing moves after a day to come: what moved till then is not vouched for."""
    [number, *_] = followed(120)
    for each in (number, NEW):
        sandbox.dossiers[each] = dossier_answer(each, messages=[])
        moved(sandbox, each)
    marks = {name: timezone.now() + timedelta(days=days) for name, days in columns.items()}
    if "reading_from" in columns:
        marks = {"reading_since": ago(hours=2), "reading_cursor": "OTk5OTk5OTk5OTk5Ozk="} | marks
    Demarche.objects.update(**marks)
    for _ in range(2):
        Run()
    assert Dossier.objects.filter(number__in=[number, NEW], state="accepte").count() == 2
    row = Demarche.objects.get()
    assert row.read_until < timezone.now()
    assert row.covered_from < timezone.now()
