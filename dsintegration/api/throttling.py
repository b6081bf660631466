"""How often a key may ask, counted by the minute in the cache, for all processes that share it.

DRF's own throttles keep the moment of each request in one list that every request reads, changes
and writes back: with two processes at once, requests are forgotten. A counter is one atomic step.
"""

import time
from typing import Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from dsintegration import conf

MINUTE = 60
WRONG_KEYS_PER_MINUTE = 60

now = time.time


class CountingThrottle(BaseThrottle):
    """At most so many requests in each minute; `wait` is what remains of it."""

    scope: str

    def limit(self) -> int:
        return conf.api_rates()[self.scope]

    def whose(self, request: Request) -> object:
        """What shares one count."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: Any) -> bool:
        minute = int(now() // MINUTE)
        counter = f"dsintegration-{self.scope}-{self.whose(request)}-{minute}"
        # `add` does nothing where a count is under way.
        cache.add(counter, 0, timeout=MINUTE)
        try:
            count: int = cache.incr(counter)
        except ValueError:  # the cache dropped it in between
            count = 1
        return count <= self.limit()

    def wait(self) -> float:
        return MINUTE - now() % MINUTE


class ReadThrottle(CountingThrottle):
    """By key. A request without one is refused before it comes here."""

    scope = "read"

    def whose(self, request: Request) -> object:
        return request.auth.pk


class FetchThrottle(ReadThrottle):
    """Each fetch is a call to the platform, which counts them for all of us together."""

    scope = "fetch"


class RefusalThrottle(CountingThrottle):
    """By the address that our proxies vouch for: how many wrong keys get an answer of their own."""

    scope = "refused"

    def limit(self) -> int:
        return WRONG_KEYS_PER_MINUTE

    def whose(self, request: Request) -> object:
        return conf.client_address()(request._request)
