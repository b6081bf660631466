"""A platform that lives, played by the sandbox: dossiers come, change, go into the bin and out of
it, expire, are destroyed; its lists fail, and our clock goes wrong.

How the real one behaves: dossiers in the bin are in `pendingDeletedDossiers`; two weeks later they
are destroyed, and `deletedDossiers` dates those that their usager binned from the day of the bin.
Expired ones are in no list for two weeks. A transfer, a new title or an expiry move no date.
"""

import io
import random
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.core.management import CommandError, call_command
from django.db.models import Model

from dsintegration import journal
from dsintegration.exceptions import DSError
from dsintegration.mirror.choices import choose, prune
from dsintegration.mirror.following import begin_again
from dsintegration.mirror.values import searchable_of, values_of
from dsintegration.models import (
    ChampDescriptor,
    ChampValue,
    Demarche,
    Dossier,
    File,
    Message,
    Platform,
    PurgedDossier,
)
from dsintegration.payloads.selection import Selection
from dsintegration.platform.client import _kept_client
from dsintegration.sandbox import Reply, Sandbox
from dsintegration.sandbox.forms import Line, answers, champ_id
from dsintegration.sandbox.server import LISTS
from dsintegration.services import fetch_dossier
from tests.factories import dossier_answer, message_answer

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DEMARCHES = (7, 8)
FIRST = 70_000
TWO_WEEKS = timedelta(days=14)
EXPIRED_KEPT, ABSENT_KEPT = timedelta(days=30), timedelta(days=90)  # as the settings of the test
FORM = tuple(Line(300 + key, "Text", f"Question {key}") for key in range(3))
REVISION = {
    "champDescriptors": [line.descriptor for line in FORM],
    "annotationDescriptors": [],
}
MIRROR = (Platform, Demarche, ChampDescriptor, Dossier, Message, File, ChampValue, PurgedDossier)
FAILURES = [Reply(502), Reply(504), Reply(500), Reply(body="{")]


@dataclass
class Life:
    """One dossier of the platform. `hidden`: why it is not to be seen, "" if it is."""

    number: int
    answer: dict
    hidden: str = ""
    hidden_at: datetime = START
    is_destroyed: bool = False


@dataclass
class World:
    sandbox: Sandbox
    now: datetime = START
    our_error: timedelta = timedelta(0)
    lives: dict[int, Life] = field(default_factory=dict)
    titles: dict[int, str] = field(default_factory=lambda: dict.fromkeys(DEMARCHES, "Aide"))
    messages: int = 0
    known: set[int] = field(default_factory=set)  # that our mirror had, and did not erase
    backup: dict[type[Model], list[Model]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def our_now(self) -> datetime:
        return self.now + self.our_error

    def show(self) -> None:
        """Have the sandbox answer as things stand."""
        lives = self.lives.values()
        self.sandbox.dossiers = {
            life.number: life.answer for life in lives if not (life.hidden or life.is_destroyed)
        }
        for life in lives:
            demarche = life.answer["demarche"]["number"]
            title = self.titles[demarche]
            descriptor = {"id": f"P{demarche}", "number": demarche, "title": title}
            life.answer["demarche"] = descriptor
        self.sandbox.homes = {life.number: life.answer["demarche"]["number"] for life in lives}
        binned = [life for life in lives if life.hidden in ("usager", "administration")]
        self.sandbox.pending = {
            life.number: life.hidden_at.isoformat() for life in binned if not life.is_destroyed
        }
        self.sandbox.deleted = {
            life.number: (
                life.hidden_at if life.hidden == "usager" else life.hidden_at + TWO_WEEKS
            ).isoformat()
            for life in lives
            if life.is_destroyed
        }

    def move(self, life: Life, **fields: object) -> None:
        life.answer = life.answer | fields | {"dateDerniereModification": self.now.isoformat()}

    # What happens there

    def pass_time(self, chance: random.Random) -> None:
        self.now += timedelta(minutes=chance.choice([1, 20, 70, 400, 1500, 3000, 9000]))
        for life in self.lives.values():
            if life.hidden and self.now >= life.hidden_at + TWO_WEEKS:
                life.is_destroyed = True
            expires = life.answer["dateExpiration"]
            if expires and not life.hidden and datetime.fromisoformat(expires) <= self.now:
                life.hidden, life.hidden_at = "expired", datetime.fromisoformat(expires)

    def deposit(self, chance: random.Random) -> None:
        number, demarche = FIRST + len(self.lives), chance.choice(DEMARCHES)
        descriptor = {"id": f"P{demarche}", "number": demarche, "title": ""}
        answer = dossier_answer(number, messages=[], demarche=descriptor)
        self.lives[number] = Life(number, answer)
        self.move(self.lives[number])

    def some(self, chance: random.Random, *, hidden: bool = False) -> Life | None:
        lives = [
            life
            for life in self.lives.values()
            if bool(life.hidden) is hidden and not life.is_destroyed
        ]
        return chance.choice(lives) if lives else None

    def change(self, chance: random.Random) -> None:
        if life := self.some(chance):
            self.messages += 1
            message = message_answer(f"m{self.messages}", createdAt=self.now.isoformat())
            state = chance.choice(["en_construction", "en_instruction", "accepte"])
            self.move(life, state=state, messages=[*life.answer["messages"], message])

    def bin(self, chance: random.Random) -> None:
        if life := self.some(chance):
            life.hidden, life.hidden_at = chance.choice(["usager", "administration"]), self.now
            self.move(life)

    def restore(self, chance: random.Random) -> None:
        life = self.some(chance, hidden=True)
        if life and life.hidden != "expired":
            life.hidden = ""
            self.move(life)

    def expire(self, chance: random.Random) -> None:
        if life := self.some(chance):
            expires = self.now + timedelta(days=chance.choice([0, 1, 5]))
            life.answer = life.answer | {"dateExpiration": expires.isoformat()}
            self.pass_time(random.Random(0))

    def postpone(self, chance: random.Random) -> None:
        lives = [
            life
            for life in self.lives.values()
            if life.answer["dateExpiration"] and not life.is_destroyed
        ]
        if lives:
            life = chance.choice(lives)
            later = (self.now + timedelta(days=400)).isoformat()
            life.answer = life.answer | {"dateExpiration": later}
            if life.hidden == "expired":
                life.hidden = ""

    def change_demarche(self, chance: random.Random) -> None:
        if life := self.some(chance):
            other = chance.choice(DEMARCHES)
            self.move(life, demarche={"id": f"P{other}", "number": other, "title": ""})

    def transfer(self, chance: random.Random) -> None:
        if life := self.some(chance):
            owner = {"id": "u", "email": f"usager.{chance.randrange(99)}@example.org"}
            life.answer = life.answer | {"usager": owner}

    def rename(self, chance: random.Random) -> None:
        self.titles[chance.choice(DEMARCHES)] = chance.choice(["Aide", "Bourse", "Prime"])

    def put_back(self, chance: random.Random) -> None:
        if life := self.some(chance):
            date = datetime.fromisoformat(life.answer["dateDerniereModification"])
            earlier = (date - timedelta(days=chance.choice([1, 10]))).isoformat()
            fields = {"dateDerniereModification": earlier, "state": "refuse"}
            life.answer = life.answer | fields

    def fail(self, chance: random.Random) -> None:
        place = chance.choice(DEMARCHES), chance.choice(LISTS)
        self.sandbox.list_replies[place] = chance.choice(FAILURES)

    def mend(self, chance: random.Random) -> None:
        self.sandbox.list_replies.clear()
        self.sandbox.replies.clear()
        self.sandbox.unreadable.clear()
        self.sandbox.slow.clear()

    def answer_form(self, chance: random.Random) -> None:
        if life := self.some(chance):
            values = {line.key: chance.choice([None, f"oui {self.messages}"]) for line in FORM}
            self.move(life, champs=answers(FORM, values))

    def spoil_form(self, chance: random.Random) -> None:
        if life := self.some(chance):
            chance.choice([self.sandbox.unreadable, self.sandbox.slow]).add(life.number)

    def fail_dossier(self, chance: random.Random) -> None:
        if life := self.some(chance):
            self.sandbox.replies[life.number] = chance.choice(FAILURES)

    def set_our_clock(self, chance: random.Random) -> None:
        self.our_error = timedelta(minutes=chance.choice([0, 0, 9, -9, 300, -300, 1440, -1440]))

    # What we do

    def run(self, *words: str) -> None:
        """A command, in a process of its own: it knows nothing of former answers."""
        _kept_client.cache_clear()
        self.show()
        with suppress(CommandError):
            call_command(*words, stdout=io.StringIO(), stderr=io.StringIO())
        self.look()

    def refresh(self, chance: random.Random) -> None:
        self.run("refresh_dossiers")

    def full(self, chance: random.Random) -> None:
        self.run("refresh_dossiers", "--full")

    def fetch(self, chance: random.Random) -> None:
        self.show()
        if self.lives:
            with suppress(DSError):
                fetch_dossier(chance.choice(list(self.lives)))
        self.look()

    def follow(self, chance: random.Random) -> None:
        self.run("follow_demarche", str(chance.choice(DEMARCHES)))

    def unfollow(self, chance: random.Random) -> None:
        if demarche := Demarche.objects.filter(followed=True).first():
            demarche.followed = False
            begin_again(demarche)

    def choose(self, chance: random.Random) -> None:
        ids = [champ_id(line.key) for line in FORM if chance.random() < 0.5]
        number = chance.choice(DEMARCHES)
        self.run("setup_demarche", str(number), "--champs", ",".join(ids) or "none")
        if demarche := Demarche.objects.filter(number=number).first():
            demarche.champs.update(is_searchable=chance.random() < 0.8)
            choose(demarche, by=journal.CODE)
            list(prune(demarche, reindex=True))

    def purge(self, chance: random.Random) -> None:
        self.run("purge_dossiers")

    def back_up(self, chance: random.Random) -> None:
        self.backup = {model: list(model._default_manager.all()) for model in MIRROR}

    def restore_backup(self, chance: random.Random) -> None:
        """The database is what it was then, marks of lists and of clocks included."""
        if not self.backup:
            return
        for model in reversed(MIRROR):
            model._default_manager.all().delete()
        for model, rows in self.backup.items():
            model._default_manager.bulk_create(deepcopy(rows))
        self.known = set(Dossier.objects.values_list("number", flat=True))
        self.run("after_restore")

    def look(self) -> None:
        """Nothing that lives was erased."""
        here = set(Dossier.objects.values_list("number", flat=True))
        for number in self.known - here:
            life = self.lives[number]
            expires = life.answer["dateExpiration"]
            is_over = expires and datetime.fromisoformat(expires) + EXPIRED_KEPT <= self.now
            assert life.is_destroyed or is_over, f"{number} was erased, and lives: {self.log}"
        self.known = here

    # The end

    def rest(self, chance: random.Random) -> None:
        """A day of refreshes, in which nothing happens there."""
        self.mend(chance)
        self.run("refresh_dossiers", "--full")
        for hour in range(1, 27):
            self.now += timedelta(hours=1)
            if hour % 5 == 0:
                self.run("refresh_dossiers")
        self.run("refresh_dossiers", "--full")
        self.run("refresh_dossiers")
        self.run("purge_dossiers")

    def check(self) -> None:
        """The mirror is the platform's."""
        rows = {row.number: row for row in Dossier.objects.select_related("demarche")}
        demarches = dict(Demarche.objects.values_list("number", "followed"))
        followed = {number for number, is_followed in demarches.items() if is_followed}
        unheard = set()
        for number, life in self.lives.items():
            row, said = rows.get(number), life.answer
            if life.is_destroyed and row and said["demarche"]["number"] not in demarches:
                # It went to a démarche of which we know nothing, and no list of ours names it.
                assert row.absent_since, f"{number} was destroyed: {self.log}"
                unheard.add(number)
            elif life.is_destroyed:
                assert row is None, f"{number} is kept, and was destroyed: {self.log}"
            elif life.hidden:
                assert row is None or row.absent_since, f"{number} is hidden: {self.log}"
            elif row is None:
                assert said["demarche"]["number"] not in followed, f"{number} lacks: {self.log}"
            else:
                ours = (row.state, row.usager_email, row.demarche.number, row.demarche.title)
                theirs = (said["state"], said["usager"]["email"], *_demarche(said))
                assert ours == theirs, f"{number} differs: {self.log}"
                assert row.absent_since is None, f"{number} is there: {self.log}"
                assert row.messages.filter(absent_since=None).count() == len(said["messages"])
                self.check_content(row, said)
        if unheard:
            self.now += ABSENT_KEPT
            self.run("refresh_dossiers", "--full")
            self.run("purge_dossiers")
            assert not Dossier.objects.filter(number__in=unheard).exists(), self.log

    def check_content(self, row: Dossier, said: dict) -> None:
        """What is chosen of the form is here, and nothing else, nor in the index."""
        chosen = Selection.of(row.demarche.selection).champs
        theirs = {champ["champDescriptorId"]: champ for champ in said.get("champs", ())}
        expected = {i: theirs[i]["stringValue"] or None for i in chosen if i in theirs}
        ours = {champ["id"]: champ["value"] for champ in row.champs or ()}
        assert ours == expected, f"the form of {row.number} differs: {self.log}"
        assert row.content_key == row.demarche.selection_key, f"{row.number}: {self.log}"
        indexed = set(row.values.values_list("champ", "text", "number", "date", "is_whole"))
        assert indexed == values_of(row, searchable_of(row.demarche)), self.log


def _demarche(said: dict) -> tuple[int, str]:
    return said["demarche"]["number"], said["demarche"]["title"]


EVENTS = [
    *(["pass_time"] * 5),
    *(["deposit", "change", "bin"] * 2),
    "restore",
    "expire",
    "postpone",
    "change_demarche",
    "transfer",
    "rename",
    "put_back",
    "fail",
    "mend",
    "fail_dossier",
    "set_our_clock",
    *(["refresh"] * 4),
    "full",
    *(["fetch"] * 3),
    "follow",
    "unfollow",
    *(["answer_form", "choose"] * 2),
    "spoil_form",
    "purge",
]


BACKUPS = [*EVENTS, *(["back_up", "restore_backup"] * 3)]


def play(world: World, seed: int, events: Sequence[str] = EVENTS) -> None:
    """One sequence of events; raises AssertionError where the mirror ends wrong."""
    chance = random.Random(seed)
    world.sandbox.revisions = dict.fromkeys(DEMARCHES, REVISION)
    for _ in range(4):
        world.deposit(chance)
    world.follow(chance) if chance.random() < 0.5 else world.fetch(chance)
    for _ in range(chance.randrange(10, 26)):
        event = chance.choice(events)
        world.log.append(event)
        getattr(world, event)(chance)
    world.rest(chance)
    world.check()
