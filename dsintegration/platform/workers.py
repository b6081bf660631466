"""Threads that share one client, each with its own connection, which it closes in the end."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Barrier
from types import TracebackType
from typing import Self, TypeVar

from dsintegration.platform.client import Client

Result = TypeVar("Result")


class Workers:
    """As many threads as requests may be under way: nothing that is submitted waits for one."""

    def __init__(self, client: Client, count: int) -> None:
        self._client, self._count = client, count
        self._pool = ThreadPoolExecutor(count)

    def __enter__(self) -> Self:
        return self

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        return self._pool.submit(work)

    def done(self, futures: Iterable["Future[Result]"]) -> "list[Future[Result]]":
        """Wait until one of them has ended; those that have, without an exception first."""
        ended, _ = wait(futures, return_when=FIRST_COMPLETED)
        return sorted(ended, key=lambda future: future.exception() is not None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        together = Barrier(self._count)

        def close() -> None:
            together.wait()  # so that each thread closes its own connection
            self._client.close()

        for _ in range(self._count):
            self._pool.submit(close)
        self._pool.shutdown()
