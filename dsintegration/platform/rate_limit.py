"""How many requests a minute the platform gets from all of us.

It allows 400 POST a minute for each token. All processes that share the cache share this count;
bursts are allowed. Every request is counted; only background work waits for room, and what a
stranger may set off is left undone without it (`has_room`).
"""

import time

from django.core.cache import cache

from dsintegration import conf

WINDOW = 60
KEY = "dsintegration.requests."

now = time.time
pause = time.sleep


def count_request(token: str = "") -> None:
    """Count a request that is sent now, whatever the minute has seen; `token`: its fingerprint,
    where there are several.
    """
    key = _key(int(now()), token)
    cache.add(key, 0, 2 * WINDOW)
    _change(key, 1)


def wait_for_turn(token: str = "") -> None:
    """Count a request as soon as the last minute has room for it; waits until then."""
    while True:
        count_request(token)
        second = int(now())
        if _taken(second, token) <= conf.rate_limit():
            return
        _change(_key(second, token), -1)
        pause(1 - now() % 1)  # no second leaves the window before the present one ends


def has_room() -> bool:
    """Whether the last minute has room for a request."""
    return _taken(int(now()), "") < conf.rate_limit()


def _taken(second: int, token: str) -> int:
    window = [_key(second - ago, token) for ago in range(WINDOW + 1)]
    taken: dict[str, int] = cache.get_many(window)
    return sum(taken.values())


def _change(key: str, by: int) -> None:
    try:
        cache.incr(key, by)
    except ValueError:  # its second is long past, or this cache keeps nothing
        return


def _key(second: int, token: str = "") -> str:
    return f"{KEY}{token}{second}"
