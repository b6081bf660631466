"""The database gone and back, locked, or out of room."""

import os
import re
import shlex
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from subprocess import PIPE

from django.db import connection

from dsintegration.sandbox import Sandbox
from tests.torture.kills import dossier_at
from tests.torture.ledger import Ledger
from tests.torture.processes import PROJECT, Processes
from tests.torture.proxy import Act, Exchange, Proxy, forward
from tests.torture.whole import NotWhole, check_silent, check_stored, private_words, said, stored

BY_COMMAND, BY_REST = 28_720_001, 28_720_101
WORDS = re.compile("la base de données (ne répond pas|n'a plus de place)")
# What a page waits for the platform and for the lock, in seconds, and some more.
A_PAGE = 15
HOLDER = """
import django, time
django.setup()
from dsintegration.mirror.locking import writing
with writing(None):
    print("held", flush=True)
    time.sleep(1e6)
"""
SIZES = (0, 8_192, 40_000, 120_000)


class Databases:
    def __init__(
        self, ledger: Ledger, app: Processes, proxy: Proxy, sandbox: Sandbox, folder: Path
    ) -> None:
        self.ledger, self.app, self.proxy, self.sandbox = ledger, app, proxy, sandbox
        self.folder = folder
        self.turn = 0

    def try_all(self) -> None:
        if connection.vendor == "postgresql":
            self.try_holder()
            self.try_losing(
                "PostgreSQL stopped and started", stop_postgresql, start_postgresql, during=True
            )
            return
        home = self.folder / "db"
        database = home / "db.sqlite3"
        self.try_losing(
            "SQLite's file gone and back", partial(hide, database), partial(show, database)
        )
        self.try_lock(25)
        for size in SIZES:
            self.try_limit(size)
        if not os.path.ismount(home):
            print("The disk is not filled: it takes root to make a small one.")
        else:
            filler = home / "filler"
            self.try_losing(
                "disk full", partial(fill, filler, database), filler.unlink, during=True
            )

    def _move(self) -> None:
        """Both dossiers change; a known one and one that is new."""
        self.turn += 1
        self.by_rest = BY_REST + self.turn
        now = {n: dossier_at(n, self.turn) for n in (BY_COMMAND, self.by_rest)}
        self.before = stored(now)
        self.sandbox.dossiers |= now
        self.private = private_words(now.values())
        self.after = {number: said(dossier) for number, dossier in now.items()}

    def _check(self, *, fetched: bool = False) -> None:
        connection.close()
        check_stored(
            {
                number: [dossier] if fetched else [self.before.get(number), dossier]
                for number, dossier in self.after.items()
            }
        )
        check_silent(self.app.logs(), self.private)

    def _recover(self) -> None:
        run = self.app.command("fetch_dossier", str(BY_COMMAND), str(self.by_rest))
        if run.status:
            raise NotWhole(f"the next run: {run.status} {run.err[-300:]}")
        self._check(fetched=True)
        self._move()
        answer = self.app.post(self.by_rest)
        if answer.status != 201:
            raise NotWhole(f"the next request: {answer.status} {answer.body[:300]}")

    def try_losing(
        self,
        name: str,
        lose: Callable[[], object],
        find: Callable[[], object],
        *,
        during: bool = False,
    ) -> None:
        """Without it from the start, or from the moment when the platform is asked."""
        for when in ("before", "during") if during else ("before",):
            with self.ledger.attempt(f"{name} ({when})") as seen:
                self._move()
                for fetch in (self._command_fails, self._post_fails):
                    connection.close()
                    if when == "before":
                        lose()
                    act = forward if when == "before" else losing(lose)
                    try:
                        with self.proxy.playing(act):
                            seen.append(fetch())
                    finally:
                        find()
                    self._check()
                self._recover()

    def _command_fails(self) -> str:
        run = self.app.command("fetch_dossier", str(BY_COMMAND))
        if run.status != 1 or not WORDS.search(run.err) or "Traceback" in run.out + run.err:
            raise NotWhole(f"exit status {run.status}: {run.err[-600:]}")
        return "exit 1"

    def _post_fails(self) -> str:
        answer = self.app.post(self.by_rest)
        if answer.status != 503 or '"code":"database_' not in answer.body:
            raise NotWhole(f"HTTP status {answer.status}: {answer.body[:300]}")
        return "HTTP 503 database_…"

    def try_holder(self) -> None:
        """A process of ours that has the writers' lock hangs; then it dies. Not on SQLite, whose
        one lock keeps all that a request writes beside the dossier waiting as well.
        """
        with self.ledger.attempt("a writer that hangs, and dies") as seen:
            self._move()
            with subprocess.Popen(
                [sys.executable, "-c", HOLDER], env=self.app.env, cwd=PROJECT, stdout=PIPE
            ) as holder:
                assert holder.stdout
                holder.stdout.readline()
                started = time.monotonic()
                answer = self.app.post(self.by_rest)
                took = time.monotonic() - started
                holder.kill()
            if answer.status != 503 or '"code":"upstream_unavailable"' not in answer.body:
                raise NotWhole(f"HTTP status {answer.status}: {answer.body[:300]}")
            if took > A_PAGE:
                raise NotWhole(f"a page waited for {took:.0f} s")
            seen.append("HTTP 503")
            self._check()
            self._recover()

    def try_lock(self, seconds: float) -> None:
        """Another program writes, for so long; a command waits for a minute."""
        with self.ledger.attempt(f"SQLite locked for {seconds} s") as seen:
            self._move()
            other = sqlite3.connect(self.folder / "db/db.sqlite3", check_same_thread=False)
            other.execute("BEGIN IMMEDIATE")
            timer = threading.Timer(seconds, other.rollback)
            timer.start()
            run = self.app.command("fetch_dossier", str(BY_COMMAND))
            timer.join()
            other.close()
            if run.status:
                raise NotWhole(f"exit status {run.status}: {run.err[-300:]}")
            seen.append("exit 0")
            self._check()
            self._recover()

    def try_limit(self, size: int) -> None:
        """No file may grow beyond `size` bytes: what a full disk is to those who are not root."""
        with self.ledger.attempt("files that cannot grow") as seen:
            self._move()
            run = self.app.limited_command(size, "fetch_dossier", str(BY_COMMAND))
            if run.status not in (0, 1) or "Traceback" in run.out + run.err:
                raise NotWhole(f"exit status {run.status}: {run.err[-600:]}")
            seen.append(f"exit {run.status}")
            self._check()
            self._recover()


def losing(lose: Callable[[], object]) -> Act:
    """The answer as it is; the database is lost before the first one comes."""
    first = threading.Lock()

    def act(exchange: Exchange) -> None:
        if first.acquire(blocking=False):
            lose()
        forward(exchange)

    return act


def hide(database: Path) -> None:
    """The files of an SQLite database move away, and nothing can be made in their place."""
    away = database.with_name("away")
    away.mkdir(exist_ok=True)
    for path in database.parent.glob(f"{database.name}*"):
        path.rename(away / path.name)
    database.mkdir()


def show(database: Path) -> None:
    database.rmdir()
    for path in database.with_name("away").iterdir():
        path.rename(database.with_name(path.name))


def fill(filler: Path, database: Path) -> None:
    """Take all the room that is left on this disk, and what SQLite's log keeps for itself."""
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass


def stop_postgresql() -> None:
    _pg_ctl("--mode=immediate", "stop")


def start_postgresql() -> None:
    _pg_ctl("--wait", "start")


def _pg_ctl(*words: str) -> None:
    subprocess.run(
        [*shlex.split(os.environ["PG_CTL"]), *words], check=True, stdout=subprocess.DEVNULL
    )
