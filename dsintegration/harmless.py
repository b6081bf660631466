"""Texts that others wrote, as they are shown: nothing around them is turned, hidden or obeyed.

What must not be obeyed stands there as U+FFFD, in its place. What is stored stays as it came.
"""

import re

FOR_IT = "\N{REPLACEMENT CHARACTER}"

# They turn around what stands beside them: Unicode's Bidi_Control (UAX 9).
DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_DIRECTION = re.compile(f"[{DIRECTIONS}]")
# Not printable for Python, and harmless: blanks of French typography, joiners of emojis.
_KEPT = {"\u00a0", "\u2009", "\u202f", "\u200c", "\u200d"}


def on_a_page(text: str) -> str:
    """Without direction marks; it must be escaped all the same."""
    return _DIRECTION.sub(FOR_IT, text)


def in_a_terminal(text: str) -> str:
    """One line, without anything that a terminal would obey or that nobody would see."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in _KEPT else FOR_IT for letter in text)


def as_filename(text: str, most: int = 150) -> str:
    """A name that leads to no other folder and hides nothing of itself, its extension included."""
    name = in_a_terminal(re.sub(r'[\\/:*?"<>|]', "_", text)).strip(" .")
    name = name.replace(FOR_IT, "_")
    stem, dot, extension = name.rpartition(".")
    if len(name) > most and dot and len(extension) < 20:
        name = f"{stem[: most - len(extension) - 1]}.{extension}"
    return name[:most] or "fichier"


def cut(text: str, most: int) -> str:
    """As in a terminal, and short."""
    line = in_a_terminal(text[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"
