"""How many requests a minute the platform gets from all of us.

It allows 400 POST a minute for each token. All processes that share the cache share this count;
bursts are allowed. Every request is counted; only background work waits for room.
"""

import time

from django.core.cache import cache

from dsintegration import conf

WINDOW = 60
KEY = "dsintegration.requests."

now = time.time
pause = time.sleep


def count_request() -> None:
    """Count a request that is sent now, whatever the minute has seen."""
    key = _key(int(now()))
    cache.add(key, 0, 2 * WINDOW)
    _change(key, 1)


def wait_for_turn() -> None:
    """Count a request as soon as the last minute has room for it; waits until then."""
    while True:
        count_request()
        second = int(now())
        taken: dict[str, int] = cache.get_many([_key(second - ago) for ago in range(WINDOW + 1)])
        if sum(taken.values()) <= conf.rate_limit():
            return
        _change(_key(second), -1)
        pause(1 - now() % 1)  # no second leaves the window before the present one ends


def _change(key: str, by: int) -> None:
    try:
        cache.incr(key, by)
    except ValueError:  # its second is long past, or this cache keeps nothing
        return


def _key(second: int) -> str:
    return f"{KEY}{second}"
