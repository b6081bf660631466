"""SIGTERM, for commands that work in batches: they end after the one in hand."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import CommandError

TERMINATED = 143


@contextmanager
def told_to_stop() -> Iterator[Callable[[], bool]]:
    """Gives a function: whether SIGTERM came."""
    told: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        told.append(number)

    try:
        former = signal.signal(signal.SIGTERM, note)
    except ValueError:  # not the main thread: nobody sends it signals
        yield lambda: False
        return
    try:
        yield lambda: bool(told)
    finally:
        signal.signal(signal.SIGTERM, former)


def was_stopped() -> CommandError:
    return CommandError(
        "Arrêté sur demande : la suite au prochain lancement.", returncode=TERMINATED
    )
