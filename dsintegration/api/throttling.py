"""How often a key may ask, counted by the minute in the cache, for all processes that share it.

DRF's own throttles keep the moment of each request in one list that every request reads, changes
and writes back: with two processes at once, requests are forgotten. A counter is one atomic step.
"""

from typing import Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from dsintegration import conf

DEFAULT_RATES = {"read": "3000/min", "fetch": "60/min", "refused": "60/min"}


class CountingThrottle(SimpleRateThrottle):
    """At most so many requests in each window of time; `wait` is what remains of it."""

    scope: str
    num_requests: int
    duration: int

    def get_rate(self) -> str:
        return str(api_settings.DEFAULT_THROTTLE_RATES.get(self.scope) or DEFAULT_RATES[self.scope])

    def allow_request(self, request: Request, view: Any) -> bool:
        window = int(self.timer() // self.duration)
        counter = f"{self.get_cache_key(request, view)}-{window}"
        # `add` does nothing where a count is under way.
        cache.add(counter, 0, timeout=self.duration)
        try:
            count: int = cache.incr(counter)
        except ValueError:  # the cache dropped it in between
            count = 1
        return count <= self.num_requests

    def wait(self) -> float:
        remaining: float = self.duration - self.timer() % self.duration
        return remaining


class ReadThrottle(CountingThrottle):
    """By key. A request without one is refused before it comes here."""

    scope = "read"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"dsintegration-{self.scope}-{request.auth.pk}"


class FetchThrottle(ReadThrottle):
    """Each fetch is a call to the platform, which counts them for all of us together."""

    scope = "fetch"


class RefusalThrottle(CountingThrottle):
    """By the address that our proxies vouch for: how many wrong keys get an answer of their own."""

    scope = "refused"

    def get_cache_key(self, request: Request, view: Any) -> str:
        address = conf.client_address()(request._request)
        return f"dsintegration-{self.scope}-{address}"
