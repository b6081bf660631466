"""Durations as operators write them: 45s, 30m, 1h, 2d."""

import re
from datetime import timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "j": "days"}
# Some centuries more, and what is that old was before the first year of the calendar.
LONGEST = timedelta(days=36_500)


def parse_duration(text: str) -> timedelta:
    """Raises ValueError, with a French sentence."""
    match = re.fullmatch(r"([0-9]{1,6})([smhdj])", text.strip().lower())
    if match is None:
        raise ValueError("écrivez une durée comme 45s, 30m, 1h ou 2d")
    duration = timedelta(**{UNITS[match[2]]: int(match[1])})
    if duration > LONGEST:
        raise ValueError("une durée va jusqu'à 100 ans (36500d)")
    return duration


def in_words(duration: timedelta) -> str:
    """As people read it: 90 jours, 12 h, 45 min."""
    seconds = int(duration.total_seconds())
    for size, word in ((86400, "jour"), (3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            count = seconds // size
            return f"{count} {word}{'s' if word == 'jour' and count > 1 else ''}"
    return f"{seconds} s"
