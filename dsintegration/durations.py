"""Durations as operators write them: 45s, 30m, 1h, 2d."""

import re
from datetime import timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "j": "days"}


def parse_duration(text: str) -> timedelta:
    """Raises ValueError, with a French sentence."""
    match = re.fullmatch(r"([0-9]{1,6})([smhdj])", text.strip().lower())
    if match is None:
        raise ValueError("écrivez une durée comme 45s, 30m, 1h ou 2d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
