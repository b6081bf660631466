"""Dossier numbers as people write them: "12345", "12 345", "n° 12 345"."""

import re

# The platform's numbers are 32-bit integers (GraphQL Int); 0 is none of them.
MAX_NUMBER = 2**31 - 1

# Blanks: also the no-break ones that French typography and spreadsheets put between thousands.
_WRITTEN = re.compile(r"(?:n\s*[°º]\s*)?([0-9](?:\s*[0-9])*)", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9]{1,3}( [0-9]{3})+")
_HEAD = re.compile(r"n\s*[°º]\s*|(?:n\s*[°º]\s*)?[0-9]{1,3}", re.IGNORECASE)
_THOUSANDS = re.compile(r"[0-9]{3}")


class InvalidNumber(ValueError):
    """`str()` is a French sentence that says what to write instead."""


def parse_number(text: str) -> int:
    """The number that a person wrote; raises InvalidNumber."""
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        raise InvalidNumber(
            f"« {shown(text)} » n'est pas un numéro de dossier ; écrivez-le en chiffres, "
            "par exemple 12345."
        )
    groups = written[1].split()
    if len(groups) > 1 and not _GROUPED.fullmatch(" ".join(groups)):
        raise InvalidNumber(
            f"« {shown(text)} » ressemble à plusieurs numéros ; donnez-les séparément."
        )
    digits = "".join(groups).lstrip("0")
    # Python refuses to convert thousands of digits, and the platform ends at ten.
    if not digits or len(digits) > len(str(MAX_NUMBER)) or int(digits) > MAX_NUMBER:
        raise InvalidNumber(
            f"« {shown(text)} » n'est pas un numéro de dossier : il va de 1 à {MAX_NUMBER}."
        )
    return int(digits)


def look_cut(words: list[str]) -> str | None:
    """The words that look like one number which a shell cut at its blanks, or None."""
    for start, head in enumerate(words):
        end = start + 1
        if _HEAD.fullmatch(head):
            if head[-1] in "°º" and end < len(words) and words[end].isdigit():
                end += 1
            while end < len(words) and _THOUSANDS.fullmatch(words[end]):
                end += 1
        if end > start + 1:
            return " ".join(words[start:end])
    return None


def shown(text: str, most: int = 40) -> str:
    """A text that came from outside, made short and harmless for a terminal or a page."""
    printable = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return printable if len(printable) <= most else f"{printable[: most - 1]}…"
