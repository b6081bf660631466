"""What the trials need of the app, in this process or in others."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Run:
    """What a command came to."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Answer:
    """What the REST API answered; status 0 for a connection that ended without an answer."""

    status: int
    body: str


class App(Protocol):
    def post(self, number: int) -> Answer: ...
    def fetch_both(
        self, by_command: int, by_rest: int, *, is_endless: bool
    ) -> tuple[Run | None, Answer]: ...
    def logs(self) -> str:
        """All that was logged since the last look."""

    def in_a_hurry(self) -> AbstractContextManager[object]:
        """Inside, nobody waits for a silent platform for long."""
