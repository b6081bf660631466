"""kill -9 at random moments of the command, the web and the task queue's worker.

Each time the platform has moved on beforehand; afterwards every dossier is what it was or what the
platform says, and the next run makes it the latter.
"""

import io
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management import call_command

from dsintegration.sandbox import TOKEN, Sandbox
from tests.torture.app import Answer
from tests.torture.ledger import Ledger
from tests.torture.processes import Processes
from tests.torture.proxy import Proxy
from tests.torture.whole import OURS, NotWhole, check_stored, said, stored

COMMAND = range(28_700_001, 28_700_013)
CELERY = range(28_730_001, 28_730_013)
# A fetch by REST that was killed is waited for, a quarter of a minute, by those of the same number.
WEB = range(28_710_001, 28_710_161)
STATES = ("en_construction", "en_instruction", "accepte", "refuse")
MESSAGES = 40


# Of every text and address below.
PRIVATE = {TOKEN, "voici l'avis rendu", "@example.org", "@agglo.example.org"}


def dossier_at(number: int, turn: int, demarche: int = 7) -> dict[str, Any]:
    """The dossier after `turn` changes: each of its texts tells which."""
    date = f"2026-11-{1 + turn // 1440 % 28:02}T{turn // 60 % 24:02}:{turn % 60:02}:00+01:00"
    return {
        "id": f"Dossier-{number}",
        "number": number,
        "state": STATES[turn % 4],
        "dateDerniereModification": date,
        "dateDepot": "2026-03-02T09:15:41+01:00",
        "datePassageEnConstruction": "2026-03-02T09:15:41+01:00",
        "datePassageEnInstruction": None,
        "dateTraitement": date if turn % 4 > 1 else None,
        "dateExpiration": None,
        "dateSuppressionParUsager": None,
        "dateDerniereCorrectionEnAttente": None,
        "usager": {"id": "VXNlci01", "email": f"usager.{turn}@example.org"},
        "demarche": {
            "id": f"Procedure-{demarche}",
            "number": demarche,
            "title": "Demande d'aide",
        },
        "messages": [
            {
                "id": f"Commentaire-{number}-{rank}",
                "email": f"agente.{turn}@agglo.example.org",
                "body": f"Bonjour, voici l'avis rendu au tour {turn} sur votre demande.",
                "createdAt": "2026-03-02T09:15:41+01:00",
                "discardedAt": date if (rank + turn) % 9 == 0 else None,
                "attachments": [],
            }
            for rank in range(MESSAGES)
        ],
    }


class Kills:
    """Those of one kind of process, on dossiers of their own."""

    demarche = 7

    def __init__(
        self, ledger: Ledger, app: Processes, proxy: Proxy, sandbox: Sandbox, seed: str
    ) -> None:
        self.ledger, self.app, self.proxy, self.sandbox = ledger, app, proxy, sandbox
        self.chance = random.Random(seed)
        self.turn = 0

    def move(self, numbers: Iterable[int]) -> Callable[[], None]:
        """Change the dossiers on the platform; gives the check that they are whole here."""
        self.turn += 1
        now = {number: dossier_at(number, self.turn, self.demarche) for number in numbers}
        self.before = stored(now)
        self.sandbox.dossiers |= now
        self.wanted = {number: said(dossier) for number, dossier in now.items()}
        allowed = {n: [self.before.get(n), dossier] for n, dossier in self.wanted.items()}
        return lambda: check_stored(allowed)

    def check_recovery(self) -> None:
        check_stored({number: [dossier] for number, dossier in self.wanted.items()})

    def wait_for_a_moment(self, usual: float) -> None:
        """Any moment of `usual` seconds, or one soon after the platform is asked."""
        if self.chance.random() < 0.4:
            time.sleep(self.chance.uniform(0, usual))
            return
        asked, ends_at = self.proxy.requests, time.monotonic() + 3 * usual
        while self.proxy.requests == asked and time.monotonic() < ends_at:
            time.sleep(0.001)
        time.sleep(self.chance.uniform(0, 0.08))


class CommandKills(Kills):
    demarche = 8

    def kill(self, times: int, *words: str) -> None:
        """`words`: those of the command; it is run again, here, after each kill."""
        started = time.monotonic()
        self.move(COMMAND)
        self.app.start(*words).wait()
        usual = time.monotonic() - started
        killed = 0
        while killed < times:
            with self.ledger.attempt(f"kill -9 of {words[0]}") as seen:
                check = self.move(COMMAND)
                process = self.app.start(*words)
                self.wait_for_a_moment(usual)
                was_running = process.poll() is None
                process.kill()
                process.wait()
                killed += was_running
                seen.append("killed" if was_running else "had ended")
                check()
                run_again(*words)
                self.check_recovery()


class WebKills(Kills):
    def kill(self, times: int, *, whole: bool) -> None:
        """Kill the workers, or gunicorn as a `whole`, while they fetch and are read."""
        name = "kill -9 of gunicorn" if whole else "kill -9 of the web's workers"
        numbers = iter(self.chance.sample(WEB, len(WEB)) * 2)
        with ThreadPoolExecutor(4) as pool:
            for _ in range(times):
                with self.ledger.attempt(name) as seen:
                    pair = [next(numbers), next(numbers)]
                    check = self.move(pair)
                    posts = [pool.submit(self.app.post, number) for number in pair]
                    reads = [pool.submit(self.read, number) for number in pair]
                    self.wait_for_a_moment(0.15)
                    self.app.kill_web() if whole else self.app.kill_workers()
                    for post in posts:
                        seen.append(self.describe(post.result()))
                    for read in reads:
                        read.result()
                    check()
                    if whole:
                        self.app.start_web()
                    run_again("fetch_dossier", *map(str, pair))
                    self.check_recovery()
                    self.read_all(pair)

    def describe(self, answer: Answer) -> str:
        if answer.status not in (0, 200, 201):
            raise NotWhole(f"HTTP status {answer.status}: {answer.body[:300]}")
        return f"HTTP {answer.status}" if answer.status else "connection lost"

    def read(self, number: int) -> None:
        """What other systems read meanwhile is whole too."""
        answer = self.app.ask("GET", f"/api/v1/dossiers/{number}/")
        if answer.status in (0, 404):
            return
        if answer.status != 200:
            raise NotWhole(f"HTTP status {answer.status}: {answer.body[:300]}")
        told = {k: v for k, v in json.loads(answer.body).items() if k not in OURS}
        messages = [message | {"author": ""} for message in told["messages"]]
        told["messages"] = sorted(messages, key=lambda message: message["ds_id"])
        if told | {"absent": False} not in (self.before.get(number), self.wanted[number]):
            raise NotWhole(f"GET shows dossier {number} as it never was")

    def read_all(self, numbers: list[int]) -> None:
        for number in numbers:
            answer = self.app.ask("GET", f"/api/v1/dossiers/{number}/")
            if answer.status != 200:
                raise NotWhole(f"not read again: HTTP status {answer.status}")

    def fetch_all(self) -> None:
        """The numbers of killed requests, once their time has passed."""
        with self.ledger.attempt("fetches that were shared with killed ones"):
            self.turn += 1
            with ThreadPoolExecutor(4) as pool:
                for answer in pool.map(self.app.post, WEB[::4]):
                    if answer.status not in (200, 201):
                        raise NotWhole(f"HTTP status {answer.status}: {answer.body[:300]}")


class CeleryKills(Kills):
    demarche = 8

    def kill(self, children: int, wholes: int, broker: str) -> None:
        """Kill children of a worker, then whole workers, at work on fetches."""
        from redis import Redis

        from dsintegration.background import hand_over

        with Redis.from_url(broker) as redis:
            redis.flushall()
            self.worker = self.start_worker()
            try:
                for rank in range(children + wholes):
                    is_whole = rank >= children
                    name = "kill -9 of a Celery worker" if is_whole else "kill -9 of its children"
                    with self.ledger.attempt(name) as seen:
                        check = self.move(CELERY)
                        for number in CELERY:
                            hand_over("dsintegration.fetch_dossier", number)
                        self.wait_for_a_moment(0.5)
                        if is_whole:
                            kill_group(self.worker)
                            self.worker = self.start_worker()
                        else:
                            kill_children(self.worker)
                        check()
                        seen.append(self.recover(redis))
            finally:
                kill_group(self.worker)

    def recover(self, redis: Any) -> str:
        """The lost tasks are given out again; those of a lost worker after some ten seconds.

        Redis's transport takes a task in one step, and notes it in the next: one that is killed
        between the two leaves none (celery/kombu#305). The next refresh makes up for it.
        """
        ends_at, idle = time.monotonic() + 60, 0
        while stored(CELERY) != self.wanted:
            if time.monotonic() > ends_at:
                raise NotWhole("a task is never done")
            if self.worker.poll() is not None:
                # As systemd would: one whose children are killed as they start ends itself.
                self.worker = self.start_worker()
            idle = 0 if redis.exists("celery", "unacked") else idle + 1
            if idle == 100:  # nothing is left to be done, for five seconds
                run_again("fetch_dossier", *map(str, CELERY))
                self.check_recovery()
                return "lost by Redis's transport"
            time.sleep(0.05)
        return "done again"

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.app.start_module(
            "celery", "-A", "tests.worker", "worker", "--concurrency", "2", "--loglevel", "info"
        )


def run_again(*words: str) -> None:
    """In this process: with the same code, on the same database."""
    for _ in range(100):
        said = io.StringIO()
        call_command(*words, stdout=said, stderr=io.StringIO())
        # PostgreSQL takes some milliseconds to see that the killed one has gone.
        if "Un autre rafraîchissement" not in said.getvalue():
            return
        time.sleep(0.05)
    raise NotWhole("the killed refresh left its lock")


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_children(process: subprocess.Popen[bytes]) -> None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    for pid in children.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
