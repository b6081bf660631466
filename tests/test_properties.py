"""Whatever happens to dossiers, and in whatever order the answers come: the mirror ends with the
platform's newest answer, in as many versions as there were visible changes.

The newest is what was sent last: here the platform's answer is made at once, and arrives whenever.
"""

import queue
import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dsintegration.exceptions import DossierNotFound, DSUnavailable, Reason
from dsintegration.models import Demarche, Dossier, Message, Platform
from dsintegration.payloads.selection import Selection
from dsintegration.platform.client import Client
from dsintegration.platform.tokens import Tokens
from dsintegration.representation import dossier_as_json
from dsintegration.sandbox import TOKEN
from dsintegration.services import fetch_dossier, fetch_dossiers
from tests.factories import dossier_answer, file_answer, message_answer
from tests.torture.proxy import Exchange, Proxy
from tests.torture.whole import said, stored

URL = "https://platform.example.org/api/v2/graphql"
# By number, their démarche.
DEMARCHES = {101: 7, 102: 7, 103: 8}
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STATES = ("en_construction", "en_instruction", "accepte")
MOMENTS = ("fetched_at", "checked_at")


class Sender:
    """A client that was asked at `sent_at`, and whose answer is `dossiers`; None: not found."""

    url = URL
    requests_here = 0
    budget = 120.0
    patient = True
    tokens = Tokens([TOKEN])

    def __init__(self, sent_at: datetime, dossiers: dict[int, dict | None], fails: bool) -> None:
        self.sent_at, self.dossiers, self.fails = sent_at, dossiers, fails

    def now(self) -> datetime:
        return self.sent_at

    def answers(self) -> bool:
        return False

    def get_dossier(self, number: int, _: Selection) -> dict:
        if self.fails:
            raise DSUnavailable(Reason.SERVER_ERROR, dossier_number=number)
        if (dossier := self.dossiers[number]) is None:
            raise DossierNotFound(dossier_number=number)
        return dossier

    def get_dossiers(self, numbers: Iterable[int], _: Selection) -> tuple[dict, dict]:
        if self.fails:
            raise DSUnavailable(Reason.NETWORK)
        found = {number: dossier for number, dossier in self.dossiers.items() if dossier}
        return found, {n: DossierNotFound(dossier_number=n) for n in numbers if n not in found}

    def deliver(self) -> dict[int, bool]:
        """The answer arrives; which dossiers the app says it changed."""
        if len(self.dossiers) > 1:
            outcomes = fetch_dossiers(self.dossiers, client=self, size=50, at_once=1)
            return {o.number: o.result.changed for o in outcomes if o.result}
        [number] = self.dossiers
        try:
            return {number: fetch_dossier(number, client=self).changed}
        except (DossierNotFound, DSUnavailable):
            return {}


@dataclass
class World:
    """The platform. Its dates have a resolution of one second; `tick` lets one pass."""

    dossiers: dict[int, dict] = field(default_factory=dict)
    titles: dict[int, str] = field(default_factory=lambda: {7: "Aide", 8: "Bourse"})
    binned: set[int] = field(default_factory=set)
    seconds: int = 0
    sent: list[Sender] = field(default_factory=list)
    messages: int = 0

    def __post_init__(self) -> None:
        self.dossiers = {number: dossier_answer(number, messages=[]) for number in DEMARCHES}
        for number in DEMARCHES:
            self.move(number)

    def move(self, number: int, **fields: object) -> None:
        """A change that the platform dates (api-facts: dateDerniereModification)."""
        date = (START + timedelta(seconds=self.seconds)).isoformat()
        self.dossiers[number] = self.dossiers[number] | fields | {"dateDerniereModification": date}

    def tick(self) -> None:
        self.seconds += 1

    def state(self, number: int, state: str) -> None:
        self.move(number, state=state)

    def write(self, number: int, body: str) -> None:
        self.messages += 1
        message = message_answer(f"m{self.messages}", body=body, email=f"{body}@example.org")
        self.move(number, messages=[*self.dossiers[number]["messages"], message])

    def discard(self, number: int, which: int) -> None:
        messages = list(self.dossiers[number]["messages"])
        if messages:
            discarded = {"body": "", "discardedAt": START.isoformat()}
            messages[which % len(messages)] |= discarded
            self.move(number, messages=[dict(message) for message in messages])

    def attach(self, number: int, which: int, name: str) -> None:
        """One more file, of which the antivirus has not said anything."""
        messages = [dict(message) for message in self.dossiers[number]["messages"]]
        if messages:
            message = messages[which % len(messages)]
            held = file_answer(f"{name}.pdf", virusScanResult="pending")
            message["attachments"] = [*message["attachments"], held]
            self.move(number, messages=messages)

    def scan(self, number: int, verdict: str) -> None:
        """A verdict on all of its files, which nothing dates; bad ones go."""
        self.dossiers[number] = self.dossiers[number] | {
            "messages": [
                message
                | {
                    "attachments": [
                        held | {"virusScanResult": verdict}
                        for held in message["attachments"]
                        if verdict == "safe"
                    ]
                }
                for message in self.dossiers[number]["messages"]
            ]
        }

    def lose(self, number: int, which: int) -> None:
        """A message that comes no more, and nothing dates it."""
        messages = list(self.dossiers[number]["messages"])
        if messages:
            del messages[which % len(messages)]
            self.dossiers[number] = self.dossiers[number] | {"messages": messages}

    def rename(self, demarche: int, title: str) -> None:
        self.titles[demarche] = title

    def hand_over(self, number: int, email: str) -> None:
        owner = {"id": email, "email": f"{email}@example.org"}
        self.dossiers[number] = self.dossiers[number] | {"usager": owner}

    def bin(self, number: int) -> None:
        self.binned.add(number)
        self.move(number)

    def restore(self, number: int) -> None:
        self.binned.discard(number)
        self.move(number)

    def ask(self, numbers: list[int], fails: bool = False) -> Sender:
        sent_at = START + timedelta(days=1, milliseconds=len(self.sent))
        answers = {number: self.answer(number) for number in numbers}
        self.sent.append(Sender(sent_at, answers, fails))
        return self.sent[-1]

    def answer(self, number: int) -> dict | None:
        if number in self.binned:
            return None
        demarche = DEMARCHES[number]
        descriptor = {"id": f"P{demarche}", "number": demarche, "title": self.titles[demarche]}
        messages = [dict(message) for message in self.dossiers[number]["messages"]]
        return self.dossiers[number] | {"demarche": descriptor, "messages": messages}


numbers = st.sampled_from(list(DEMARCHES))
words = st.sampled_from(["ada", "bob", "cleo"])
ranks = st.integers(0, 20)


def step(name: str, *arguments: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(st.just(name), *arguments)


CHANGES = [
    step("tick"),
    step("state", numbers, st.sampled_from(STATES)),
    step("write", numbers, words),
    step("discard", numbers, ranks),
    step("attach", numbers, ranks, words),
    step("scan", numbers, st.sampled_from(["safe", "infected"])),
    step("lose", numbers, ranks),
    step("rename", st.sampled_from([7, 8]), words),
    step("hand_over", numbers, words),
    step("bin", numbers),
    step("restore", numbers),
]
ASK = step("ask", st.lists(numbers, min_size=1, unique=True))
FAIL = step("ask", st.lists(numbers, min_size=1, unique=True), st.just(True))
ARRIVE = step("arrive", ranks)
# Long from the start: short lives show nothing.
STEPS = st.lists(st.one_of(*CHANGES, ASK, ASK, ASK, FAIL, ARRIVE, ARRIVE), min_size=25, max_size=50)


def empty() -> None:
    """The database as it was migrated."""
    for model in (Message, Dossier, Demarche):
        model.objects.all().delete()
    Platform.objects.all().delete()
    Platform.objects.create()


class Mirror:
    """Our side: what was delivered, and what is stored."""

    def __init__(self) -> None:
        empty()
        self.delivered: list[Sender] = []
        # Absences that we were told of before we knew the dossier leave nothing.
        self.forgotten: list[tuple[int, Sender]] = []

    def snapshot(self, *ignored: str) -> dict[int, dict]:
        rows = Dossier.objects.select_related("demarche").prefetch_related("messages")
        return {
            row.number: {k: v for k, v in dossier_as_json(row).items() if k not in ignored}
            for row in rows
        }

    def deliver(self, sender: Sender) -> None:
        before, last_version = self.snapshot(*MOMENTS), Platform.objects.get().version
        self.forgotten += [(n, sender) for n in sender.dossiers if n not in before]
        told = sender.deliver()
        self.delivered.append(sender)
        for number, dossier in self.snapshot(*MOMENTS).items():
            was = before.get(number, {})
            moved = _visible(dossier) != _visible(was)
            # Its version grows beyond all that were seen if, and only if, something shows.
            assert (dossier["version"] > last_version) is moved, number
            assert dossier["version"] == was.get("version") or moved
            assert dossier["changed_at"] == was.get("changed_at") or moved
            if number in told:
                assert told[number] is moved

    def check(self, known: Iterable[int] = ()) -> None:
        """Each dossier is as the newest answer that arrived says."""
        answers = [sender for sender in self.delivered if not sender.fails]
        answers.sort(key=lambda sender: sender.sent_at)
        expected, titles = {}, {}
        for sender in answers:
            for number, answer in sender.dossiers.items():
                if answer is not None:
                    expected[number] = said(answer)
                    titles[DEMARCHES[number]] = answer["demarche"]["title"]
                elif number in expected and (number, sender) not in self.forgotten:
                    expected[number] = expected[number] | {"absent": True}
        for number, dossier in expected.items():
            dossier["demarche"]["title"] = titles[DEMARCHES[number]]
        assert stored(DEMARCHES) == expected


def _visible(dossier: dict) -> dict:
    return {k: v for k, v in dossier.items() if k not in ("version", "changed_at")}


@pytest.mark.django_db
@example(
    steps=[
        ("ask", [101]),
        ("arrive", 0),
        ("rename", 7, "ada"),
        ("ask", [102]),
        ("rename", 7, "Aide"),
        ("ask", [101]),
        ("arrive", 1),
        ("arrive", 0),
    ],
    are_known=False,
    order=random.Random(0),
)
@given(steps=STEPS, are_known=st.booleans(), order=st.randoms(use_true_random=False))
def test_any_order(steps, are_known, order: random.Random):
    world, mirror, pending = World(), Mirror(), []
    if are_known:
        mirror.deliver(world.ask(list(DEMARCHES)))
    for name, *arguments in steps:
        if name == "ask":
            pending.append(world.ask(*arguments))
        elif name == "arrive":
            if pending:
                mirror.deliver(pending.pop(arguments[0] % len(pending)))
        else:
            getattr(world, name)(*arguments)
    order.shuffle(pending)
    for sender in pending:
        mirror.deliver(sender)
    mirror.check()

    whole = mirror.snapshot()
    again = [s for s in mirror.delivered if not s.fails and None not in s.dossiers.values()]
    order.shuffle(again)
    for sender in again:
        assert not any(sender.deliver().values())
    assert mirror.snapshot() == whole


@pytest.mark.django_db(transaction=True)
@given(
    steps=st.lists(st.one_of(*CHANGES, ASK, ASK, ASK), min_size=20, max_size=30),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=settings().max_examples // 2)
def test_at_once(steps, order: random.Random):
    """Four threads deliver the answers, each in an order of its own."""
    world, mirror = World(), Mirror()
    mirror.deliver(world.ask(list(DEMARCHES)))
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    late = world.sent[1:]
    order.shuffle(late)
    raised = []

    def run(senders: list[Sender]) -> None:
        try:
            for sender in senders:
                sender.deliver()
        except Exception as err:  # noqa: BLE001  # shown to the test
            raised.append(err)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(late[rank::4],)) for rank in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not raised
    mirror.delivered = list(world.sent)
    mirror.check()
    versions = list(Dossier.objects.values_list("version", flat=True))
    assert max(versions) == Platform.objects.get().version


@pytest.fixture
def proxy(sandbox, tmp_path, monkeypatch):
    proxy = Proxy(sandbox.url, tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(proxy.authorities))
    yield proxy
    proxy.close()


@pytest.mark.django_db(transaction=True)
@given(order=st.permutations(range(5)), at_once=st.booleans())
@settings(
    max_examples=settings().max_examples // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_answers_held_back_on_their_way(sandbox, proxy, order, at_once):
    """Over real connections: five fetches, between which the dossier changes; the answers come one
    after the other in another order, or all together.
    """
    empty()
    held: queue.Queue[threading.Event] = queue.Queue()

    def hold(exchange: Exchange) -> None:
        body, released = exchange.ask(), threading.Event()
        held.put(released)
        released.wait()
        exchange.send(body)

    def fetch() -> None:
        client = Client(proxy.url, TOKEN)
        fetch_dossier(12345, client=client)
        client.close()
        connection.close()

    world = World()
    threads, releases = [], []
    with proxy.playing(hold):
        for rank in range(5):
            world.state(101, STATES[rank % 3])
            world.hand_over(101, f"usager.{rank}")
            if rank % 2:
                world.tick()
            answer = world.answer(101) | {"number": 12345}
            sandbox.dossiers[12345] = answer
            threads.append(threading.Thread(target=fetch))
            threads[-1].start()
            releases.append(held.get())
        for rank in order:
            releases[rank].set()
            if not at_once:
                threads[rank].join()
        for thread in threads:
            thread.join()
    assert stored([12345]) == {12345: said(answer)}
