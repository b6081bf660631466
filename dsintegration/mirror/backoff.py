"""How long what fails by itself is left alone: twice as long each time, a day at most."""

from datetime import timedelta

FIRST, LONGEST = timedelta(minutes=15), timedelta(days=1)
# Beyond, the pause is the longest anyway.
MOST_TRIES = 8


def pause_after(tries: int) -> timedelta:
    """After so many failures in a row, the first one included."""
    doubled: int = 2 ** (min(tries, MOST_TRIES) - 1)
    return min(FIRST * doubled, LONGEST)
