"""Conversations through any history: messages that move, addresses that change."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dsintegration.models import Dossier, Message, Platform
from dsintegration.representation import dossier_as_json
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossiers
from tests.factories import dossier_answer, message_answer

NUMBERS = [101, 102]
ADDRESSES = ["a@example.org", "b@example.org", "c@example.org"]
IDS = [f"m{rank}" for rank in range(3)]

STEP = st.one_of(
    st.tuples(st.just("move"), st.sampled_from(IDS), st.sampled_from([None, *NUMBERS])),
    st.tuples(st.just("own"), st.sampled_from(NUMBERS), st.sampled_from(ADDRESSES)),
    st.tuples(st.just("fetch"), st.permutations(NUMBERS), st.integers(1, 2)),
)


class World:
    """Which dossier each message is in, and whose each dossier is."""

    def __init__(self, sandbox) -> None:
        self.sandbox = sandbox
        self.places: dict[str, int | None] = dict.fromkeys(IDS)
        self.owners = dict.fromkeys(NUMBERS, ADDRESSES[0])

    def move(self, id: str, number: int | None) -> None:
        self.places[id] = number

    def own(self, number: int, address: str) -> None:
        self.owners[number] = address

    def fetch(self, numbers: list[int], count: int) -> None:
        for number in NUMBERS:
            messages = [
                message_answer(id, email=ADDRESSES[int(id[1:]) % 3], createdAt=at)
                for id, place in self.places.items()
                if place == number and (at := f"2026-03-0{int(id[1:]) + 1}T00:00:00+00:00")
            ]
            usager = {"id": "VXNlci01", "email": self.owners[number]}
            answer = dossier_answer(number, messages=messages, usager=usager)
            self.sandbox.replies[number] = Reply(body={"data": {"dossier": answer}})
        list(fetch_dossiers(numbers[:count]))


def seen() -> dict[int, dict]:
    dossiers = Dossier.objects.select_related("demarche")
    return {
        dossier.number: {
            name: value
            for name, value in dossier_as_json(dossier).items()
            if name not in {"version", "changed_at", "fetched_at", "checked_at"}
        }
        for dossier in dossiers
    }


@pytest.mark.django_db
@example(
    steps=[
        ("move", "m0", 101),
        ("fetch", [101, 102], 2),
        ("own", 101, ADDRESSES[1]),
        ("move", "m0", 102),
        ("fetch", [102, 101], 1),
    ]
)
@example(
    steps=[
        ("move", "m0", 101),
        ("fetch", [101, 102], 1),
        ("own", 101, ADDRESSES[1]),
        ("fetch", [101, 102], 1),
    ]
)
@given(steps=st.lists(STEP, max_size=12))
# The platform's stand-in is told anew what to answer before each fetch.
@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_summaries_and_versions_follow(sandbox, steps):
    Dossier.objects.all().delete()
    world = World(sandbox)
    theirs: dict[tuple[int, str], str] = {}
    for name, *arguments in [*steps, ("fetch", NUMBERS, 2), ("fetch", NUMBERS, 2)]:
        before, versions = seen(), dict(Dossier.objects.values_list("number", "version"))
        getattr(world, name)(*arguments)
        after = seen()
        for dossier in Dossier.objects.all():
            number = dossier.number
            if before.get(number) != after[number]:
                assert dossier.version > versions.get(number, 0)
            assert dossier.messages_count == len(after[number]["messages"])
            readable = [m for m in after[number]["messages"] if not m["absent_since"]]
            author = readable[-1]["author"] if readable else ""
            assert dossier.last_message_author == author
            assert dossier.usager_spoke_last == (author == "usager")
            for message in after[number]["messages"]:
                key = (number, message["ds_id"])
                if theirs.get(key) == "usager":
                    assert message["author"] == "usager"
            theirs = {key: a for key, a in theirs.items() if key[0] != number} | {
                (number, message["ds_id"]): message["author"]
                for message in after[number]["messages"]
            }
        assert after.keys() <= {*NUMBERS}
        assert max(versions.values(), default=0) <= Platform.objects.get().version
    for id, place in world.places.items():
        stored = Message.objects.filter(ds_id=id, absent_since=None).first()
        assert (stored and stored.dossier.number) == place
