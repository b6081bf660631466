"""Redis, whose outage stops nothing: meanwhile each process counts and remembers for itself.

Limits, figures and the pace of requests live in the cache. Without it they hold in each process
instead of over all of them (docs/decisions/2026-11-25-cache-outage.md).
"""

import logging
import time
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from redis.exceptions import RedisError

from dsintegration.hosting import MEMORY_OPTIONS

logger = logging.getLogger(__name__)

# How long a Redis that failed is left alone: one request then pays for the next try, not each.
PAUSE = 30.0

now = time.monotonic


def _sturdy(name: str) -> Any:
    """The method of Redis's cache, or that of the memory while Redis fails."""
    of_redis, of_memory = getattr(DjangoRedisCache, name), getattr(LocMemCache, name)

    def method(self: "RedisCache", *args: Any, **kwargs: Any) -> Any:
        if now() >= RedisCache.is_down_until:
            try:
                return of_redis(self, *args, **kwargs)
            except RedisError as err:
                RedisCache.is_down_until = now() + PAUSE
                # Its words may hold the address, and in it the password.
                logger.warning(
                    "Redis fails (%s): each process counts for itself, next try in %d s",
                    type(err).__name__,
                    PAUSE,
                )
        return of_memory(self.memory, *args, **kwargs)

    return method


class RedisCache(DjangoRedisCache):
    # Of the whole process: each thread has a backend of its own.
    is_down_until = 0.0

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.memory = LocMemCache("while Redis is down", params | {"OPTIONS": MEMORY_OPTIONS})

    @property
    def is_down(self) -> bool:
        """Whether it failed lately: what is read and written meanwhile is this process's own."""
        return now() < RedisCache.is_down_until

    add = _sturdy("add")
    get = _sturdy("get")
    set = _sturdy("set")
    touch = _sturdy("touch")
    delete = _sturdy("delete")
    has_key = _sturdy("has_key")
    incr = _sturdy("incr")
    get_many = _sturdy("get_many")
    set_many = _sturdy("set_many")
    delete_many = _sturdy("delete_many")
    clear = _sturdy("clear")
