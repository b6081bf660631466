"""Work that a request starts and does not wait for: in Celery's queue, or in a few threads here.

The answer so leaves at the same moment whatever the work finds. What waits in our threads ends
with the process; where that is too little, the project has a Celery app (tasks.py). What is given
up leaves a line in the logs, with the number of its dossier.
"""

import logging
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec

from django.db import InterfaceError, OperationalError, connections

from dsintegration.background import broker

logger = logging.getLogger(__name__)

P = ParamSpec("P")

THREADS = 4
WAITING = 200
# Seconds before each further try: whoever waits for a mail is told to ask again after 10 minutes.
PAUSES = (30, 90, 240)


class TryAgain(Exception):
    """What was to be done cannot be done now, but perhaps in a moment."""


@dataclass(frozen=True)
class _Piece:
    """`about`: what the logs call it, a number of a dossier."""

    work: Callable[[], object]
    about: object
    pauses: Iterator[float]

    def give_up(self, reason: str) -> None:
        logger.warning("usager: work on dossier %s was given up: %s", self.about, reason)


class Pool:
    """Threads that are started when first needed; beyond `waiting` pieces, work is given up."""

    def __init__(
        self, threads: int = THREADS, waiting: int = WAITING, pauses: Sequence[float] = PAUSES
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="usager")
        self._room = threading.BoundedSemaphore(waiting)
        self._pauses = pauses

    def run_later(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have `work` done; its first argument is what the logs call it."""
        about = args[0] if args and isinstance(args[0], int) else "?"
        piece = _Piece(lambda: work(*args, **kwargs), about, iter(self._pauses))
        if not self._room.acquire(blocking=False):
            piece.give_up("too much is waiting")
            return
        self._submit(piece)

    def _submit(self, piece: _Piece) -> None:
        try:
            self._threads.submit(self._run, piece)
        except RuntimeError:
            piece.give_up("the process ends")
            self._room.release()

    def _run(self, piece: _Piece) -> None:
        is_over = run_safely(piece.work)
        connections.close_all()
        pause = None if is_over else next(piece.pauses, None)
        if pause is None:
            if not is_over:
                piece.give_up("it was tried several times")
            self._room.release()
            return
        timer = threading.Timer(pause, self._submit, [piece])
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """End when all is done, but for what waits to be tried again."""
        self._threads.shutdown(wait=True)


def run_safely(work: Callable[[], object]) -> bool:
    """Run it; whether it is over, well or not.

    A bug leaves its place in the logs, but not its message, which may name people.
    """
    try:
        work()
    except (TryAgain, OperationalError, InterfaceError):  # a database that is gone comes back
        return False
    except Exception as err:  # noqa: BLE001  # nobody else could tell of it
        frames = "".join(traceback.format_tb(err.__traceback__))
        logger.error("usager: %s in background work\n%s", type(err).__name__, frames)  # noqa: TRY400
    return True


# A platform that hangs holds up what needs it, and no mail that does not.
pool = Pool()
calls = Pool()


def _start_anew() -> None:
    """A process that was forked has none of its parent's threads."""
    global pool, calls
    pool, calls = Pool(), Pool()


os.register_at_fork(after_in_child=_start_anew)


def hand_over(task: str, *args: object) -> bool:
    """Put a task into the queue of the project's Celery app, by its name (tasks.py).

    False if the project has none, or if its broker does not take it now.
    """
    if (app := broker.celery_app()) is None:
        return False
    try:
        broker.put(app, task, *args)
    except broker.BrokerIsDown as err:
        logger.error("the broker takes nothing: %s", err)  # noqa: TRY400
        return False
    return True


def run_later(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Have `work` done after the answer; never raises for what becomes of it."""
    pool.run_later(work, *args, **kwargs)


def call_later(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """The same, for what may have to wait for the platform."""
    calls.run_later(work, *args, **kwargs)
