"""Dossier numbers as people write and paste them: "12345", "n° 12 345", the platform's address.

What may be read in two ways is refused, with a sentence that says what to write instead.
"""

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from dsintegration import conf
from dsintegration.harmless import cut

# The platform's numbers are 32-bit integers (GraphQL Int); 0 is none of them.
MAX_NUMBER = 2**31 - 1

# Nobody types more for one number; addresses of the platform stay below.
LONGEST = 2000

# « Dossier n° », « numéro », « No »… and what may stand between them and the digits.
_LABEL = re.compile(
    r"(?:(?:mon |le |du )?dossiers?\b)?\s*"
    r"(?:num[ée]ro\b|num\b\.?|n\s*[°ºo]s?\.?(?![a-z])|n\.|№|#)?\s*"
    r"(?:(?:de |du |d')?dossier\b)?\s*[:=]?\s*",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[0-9]+")
# Blanks, also the no-break ones of French typography, dots or apostrophes, between thousands.
_GROUPS = re.compile(r"[0-9]+(?:\s+[0-9]+)*|[0-9]{1,3}(?:[.'’][0-9]{3})+")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:\s+[0-9]{3})+|[0-9]{1,3}(?:[.'’][0-9]{3})+")
# Of a spreadsheet, in which numbers have decimals.
_DECIMALS = re.compile(r"(?<=[0-9])[.,]00?$")
# U+3000 is the last blank of Unicode.
_AROUND = "\"'`«»“”„‘’<>()[]" + "".join(filter(str.isspace, map(chr, range(0x3001))))
_AFTER = _AROUND + ";.,:!"
_ADDRESS = re.compile(r"(?:https?://)?[a-z0-9.-]+(?::[0-9]+)?/", re.IGNORECASE)
_PLACE = re.compile(r"(?:/[a-z-]+(?:/[0-9]+)?)*?/dossiers/([0-9]+)(?:/.*)?", re.IGNORECASE)


class InvalidNumber(ValueError):
    """`str()` is a French sentence that says what to write instead."""


def parse_number(text: str, what: str = "dossier") -> int:
    """The number that a person wrote; raises InvalidNumber. `what`: of which thing it is one."""
    written = text.strip()
    if not (written.isascii() and written.isdigit()):  # a million lines of a file mostly are
        written = _bare(text) if len(text) <= LONGEST else ""
    if _ADDRESS.match(written):
        written = _number_in(written, text)
    written = _DECIMALS.sub("", written[_label_end(written) :])
    if not _GROUPS.fullmatch(written):
        raise InvalidNumber(
            f"« {cut(text.strip(), 40)} » n'est pas un numéro de {what} ; écrivez-le en chiffres, "
            "par exemple 12345."
        )
    if not (_DIGITS.fullmatch(written) or _THOUSANDS.fullmatch(written)):
        raise InvalidNumber(
            f"« {cut(text.strip(), 40)} » ressemble à plusieurs numéros ; donnez-les séparément."
        )
    digits = "".join(_DIGITS.findall(written)).lstrip("0")
    # Python refuses to convert thousands of digits, and the platform ends at ten.
    if not digits or len(digits) > len(str(MAX_NUMBER)) or int(digits) > MAX_NUMBER:
        raise InvalidNumber(
            f"« {cut(text.strip(), 40)} » n'est pas un numéro de {what} : il va de 1 à "
            f"{MAX_NUMBER}."
        )
    return int(digits)


def _bare(text: str) -> str:
    """Without invisible letters, and without the quotes and signs that came with a copy."""
    seen = ascii_digits("".join(c for c in text if unicodedata.category(c) != "Cf"))
    return unicodedata.normalize("NFC", seen).lstrip(_AROUND).rstrip(_AFTER)


def ascii_digits(text: str) -> str:
    """The digits of other scripts as ours: ١٢ and １２ are 12."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _label_end(text: str) -> int:
    label = _LABEL.match(text)
    return label.end() if label else 0


def _number_in(address: str, text: str) -> str:
    """The digits of a page of the platform; raises InvalidNumber for any other address."""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        host, place = parts.hostname or "", _PLACE.fullmatch(parts.path)
    except ValueError:
        host, place = "", None
    if not place or host not in _hosts():
        raise InvalidNumber(
            f"« {cut(text.strip(), 40)} » n'est pas l'adresse d'un dossier sur la plateforme ; "
            "écrivez son numéro, par exemple 12345."
        )
    return place[1]


def _hosts() -> set[str]:
    """Under which names the platform shows dossiers."""
    origins = set(conf.ORIGINS_OF_THE_PLATFORM)
    with suppress(ImproperlyConfigured):  # said by the system checks, and by each fetch
        origins.add(conf.site_url())
    return {urlsplit(origin).hostname or "" for origin in origins}


def look_cut(words: list[str]) -> str | None:
    """The words that are one number which a shell cut at its blanks, or None.

    They are, if together they can be one: four words of three digits are four numbers.
    """
    start = 0
    while start < len(words):
        end = _end_of_number(words, start)
        together = " ".join(words[start:end])
        if end > start + 1 and _is_a_number(together):
            return together
        start = end
    return None


def _end_of_number(words: list[str], start: int) -> int:
    """Behind the words that would be one number, from `start` on: a label, digits, thousands."""
    end = start
    while end < len(words) and (label := " ".join(words[start : end + 1])):
        if _label_end(f"{label} ") < len(label):
            break
        end += 1
    is_labelled = end > start
    head = words[end] if end < len(words) else ""
    digits = head if is_labelled else head[_label_end(head) :]
    if not _DIGITS.fullmatch(digits):
        return max(end, start + 1)
    end += 1
    if len(digits) <= 3:
        while end < len(words) and re.fullmatch(r"[0-9]{3}", words[end]):
            end += 1
    return end


def _is_a_number(text: str) -> bool:
    try:
        parse_number(text)
    except InvalidNumber:
        return False
    return True


@dataclass
class Reading:
    """What lines of a file or a field came to; places count from 1.

    `header`: the first line, where it names the columns of a spreadsheet.
    """

    numbers: list[int] = field(default_factory=list)
    header: str = ""
    faults: list[tuple[int, InvalidNumber]] = field(default_factory=list)


def parse_lines(text: str) -> Reading:
    """A number on each line, or in the first cell of it where a spreadsheet was pasted.

    Empty lines are passed over, and so is a header; `numbers` keep their order, each as often as
    it was given.
    """
    reading = Reading()
    for place, line in enumerate(text.splitlines(), start=1):
        cell = line.split("\t")[0].strip() or line.strip()
        if not _bare(line):
            continue
        try:
            reading.numbers.append(parse_number(cell))
        except InvalidNumber as err:
            is_first = not (reading.numbers or reading.faults or reading.header)
            if is_first and "\t" in line and not re.search(r"[0-9]", cell):
                reading.header = cut(_bare(cell), 40)
            else:
                reading.faults.append((place, err))
    return reading
