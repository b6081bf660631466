"""Work that a request starts and does not wait for, in a few threads of this process.

The answer so leaves at the same moment whatever the work finds. Where tasks have a queue of their
own, `run_later` is the one place to hand them over: what it is given are functions of modules, with
numbers and texts.
"""

import logging
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec

from django.db import connections

logger = logging.getLogger(__name__)

P = ParamSpec("P")

THREADS = 4
WAITING = 200


class Pool:
    """Threads that are started when first needed; beyond `waiting` pieces, work is given up."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="usager")
        self._room = threading.BoundedSemaphore(waiting)

    def run_later(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        if not self._room.acquire(blocking=False):
            logger.warning("usager: too much work is waiting, one piece was given up")
            return
        self._threads.submit(self._run, lambda: work(*args, **kwargs))

    def _run(self, work: Callable[[], object]) -> None:
        try:
            run_safely(work)
        finally:
            connections.close_all()
            self._room.release()

    def close(self) -> None:
        """End when all is done."""
        self._threads.shutdown(wait=True)


def run_safely(work: Callable[[], object]) -> None:
    """Run it; a bug leaves its place in the logs, but not its message, which may name people."""
    try:
        work()
    except Exception as err:  # noqa: BLE001  # nobody else could tell of it
        frames = "".join(traceback.format_tb(err.__traceback__))
        logger.error("usager: %s in background work\n%s", type(err).__name__, frames)  # noqa: TRY400


pool = Pool()


def run_later(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Have `work` done after the answer; never raises for what becomes of it."""
    pool.run_later(work, *args, **kwargs)
