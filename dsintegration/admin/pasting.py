"""Numbers out of what people paste: a column of a spreadsheet, a table, a mail, an address."""

import re
import unicodedata
from dataclasses import dataclass, field

from dsintegration.numbers import InvalidNumber, ascii_digits, parse_number

# As many as the spreadsheet shows; after three digits, noughts may be thousands.
_DECIMALS = re.compile(r"(?<=[0-9]{4})[.,]0+(?=[^0-9]*$)")
_BULLET = re.compile(r"^\s*[-–•*]\s+")
# Between two numbers of one line, as people list them in a mail.
_BETWEEN = re.compile(
    r"(?<=[0-9])\s+(?:et|ou|&|/)\s+(?=(?:(?:le )?dossiers?|num[ée]ros?|n[°ºo]|[0-9]))",
    re.IGNORECASE,
)
_QUOTES = "\"'«»“”‘’`"
_EMPTY = f" \t,;{_QUOTES}"


@dataclass
class Pasted:
    """`numbers`: each once, in their order; `unread`: line by line, what looked like a number and
    is none; `passed_over`: lines without any number, such as headers.
    """

    numbers: list[int] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    passed_over: int = 0


def read_pasted(text: str) -> Pasted:
    """Every line by itself. In a table, the numbers are in the first column that holds one; the
    others (amounts, postcodes, names) say nothing.
    """
    lines = [(place, line) for place, line in enumerate(_visible(text).splitlines(), start=1)]
    lines = [(place, line) for place, line in lines if line.strip(_EMPTY)]
    is_table = len(lines) > 1
    numbers: dict[int, None] = {}
    pasted = Pasted()
    for place, line in lines:
        if is_table and not re.search(r"[0-9]", line):
            pasted.passed_over += 1
            continue
        found, fault = _read_line(line, is_table=is_table)
        numbers |= dict.fromkeys(found)
        if fault:
            pasted.unread.append(f"Ligne {place} : {fault}")
    pasted.numbers = list(numbers)
    return pasted


def _read_line(line: str, *, is_table: bool) -> tuple[list[int], str]:
    """Its numbers, and what is wrong with it."""
    if "\t" in line:
        return _read_columns([cell for cell in line.split("\t") if cell.strip(_EMPTY)])
    line = _BETWEEN.sub(";", _BULLET.sub("", line))
    # A decimal comma is followed by noughts alone.
    cells = [c for c in re.split(r"[,;](?!0+(?:[^0-9]|$))", line) if c.strip(_EMPTY)]
    if is_table and any(not re.search(r"[0-9]", cell) for cell in cells):
        return _read_columns(cells)
    readings = [_read(cell) for cell in cells]
    found = [reading for reading in readings if isinstance(reading, int)]
    faults = [reading for reading in readings if isinstance(reading, str)]
    return found, faults[0] if faults else ""


def _read_columns(cells: list[str]) -> tuple[list[int], str]:
    readings = [_read(cell) for cell in cells]
    found = next((reading for reading in readings if isinstance(reading, int)), None)
    if found is not None:
        return [found], ""
    faults = [
        str(reading)
        for cell, reading in zip(cells, readings, strict=True)
        if re.search(r"[0-9]", cell)
    ]
    return [], faults[0] if faults else ""


def _read(cell: str) -> int | str:
    """The number, or the sentence that says why it is none."""
    try:
        return parse_number(_DECIMALS.sub("", cell))
    except InvalidNumber as err:
        return str(err)


def _visible(text: str) -> str:
    return ascii_digits("".join(c for c in text if unicodedata.category(c) != "Cf"))
