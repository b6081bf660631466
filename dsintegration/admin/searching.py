"""What agents type into one box: what a caller gave them of a number, an address or a title."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from django.db.models import Func, Q, TextField

from dsintegration.models import Demarche, DossierQuerySet
from dsintegration.numbers import MAX_NUMBER
from dsintegration.perimeters import Sight

# Below, a part of something is found in half of all dossiers.
SHORTEST_PART = 3
# As many are named to the database; of more, it walks the list and meets them soon.
MAX_FOUND = 1000
MAX_NUMBERS = 500

_LINK = re.compile(r"/dossiers/([0-9]+)")
# Thousands apart, by blanks or points: 24.518.763.
_GROUPED = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:[ .\u00a0\u202f][0-9]{3})+(?![0-9])")
_BESIDE = re.compile(r"\b(?:dossiers?|num[ée]ros?|n[°ºo]s?)(?![a-z])|n[°º]", re.IGNORECASE)
_BETWEEN = re.compile(r"\s(?:et|ou|&|-|–|/)\s|[()#]", re.IGNORECASE)
_NUMBERS = re.compile(r"[0-9]+(?:[\s,;.]+[0-9]+)*[\s,;.]*")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class SearchText(Func):
    """A number and an address as one text. PostgreSQL has an index of it (0046_search)."""

    output_field = TextField()
    template = "(number || ' ' || lower(usager_email))"

    def as_postgresql(self, compiler: Any, connection: Any, **kwargs: Any) -> Any:
        template = "(number::text || ' ' || lower(usager_email))"
        return self.as_sql(compiler, connection, template=template, **kwargs)


def cleaned(text: str) -> str:
    """Without what nobody sees (marks of direction, of byte order) and without odd blanks."""
    seen = "".join(letter for letter in text if unicodedata.category(letter) not in {"Cf", "Cc"})
    return " ".join(unicodedata.normalize("NFKC", seen).split())


def fold(text: str) -> str:
    """Letters and digits alone, without accents or capitals."""
    bare = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe").replace("æ", "ae"))
    letters = (c for c in bare if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())


def numbers_in(text: str) -> list[int]:
    """The dossier numbers that the text is made of; none if it says anything else."""
    text = cleaned(text)
    if linked := _LINK.findall(text):
        digits = linked
    else:
        text = _GROUPED.sub(lambda found: re.sub(r"[^0-9]", "", found[0]), text)
        text = _BETWEEN.sub(" , ", _BESIDE.sub(" ", text)).strip(" .,;:")
        if not _NUMBERS.fullmatch(text):
            return []
        digits = re.findall(r"[0-9]+", text)
    numbers = [int(number) for number in digits if len(number) <= len(str(MAX_NUMBER))]
    return [number for number in numbers if 0 < number <= MAX_NUMBER][:MAX_NUMBERS]


def find_demarches(text: str, sight: Sight) -> list[int]:
    """The ids of the démarches of that number, or whose title has all these words, in any order."""
    visible = sight.limit(Demarche.objects.all(), "pk")
    if leading := re.match(r"(?:n° ?)?([0-9]{1,10})(?: –|$)", cleaned(text)):
        numbered = visible.filter(number=min(int(leading[1]), MAX_NUMBER))
        if pks := list(numbered.values_list("pk", flat=True)):
            return pks
    words = fold(text).split()
    if not words:
        return []
    titles = visible.values_list("pk", "title")
    return [pk for pk, title in titles if _has_all(words, fold(title))]


def _has_all(words: Iterable[str], title: str) -> bool:
    return all(word in title for word in words)


def search(queryset: DossierQuerySet, text: str, sight: Sight) -> DossierQuerySet:
    """The dossiers that the text means. `queryset` is limited to what the account sees."""
    text = cleaned(text)
    if not text:
        return queryset
    if numbers := numbers_in(text):
        return _by_number(queryset, numbers, sight)
    if not any(map(str.isalpha, text)):
        return queryset.none()  # a number that none is, or signs
    if _ADDRESS.fullmatch(text):
        return queryset.of_usager(text)
    demarches = find_demarches(text, sight) if "@" not in text else []
    part = Q()
    if " " not in text and len(text) >= SHORTEST_PART:
        part = _having(queryset, text.lower())
    if demarches and part:
        return queryset.alias(_text=SearchText()).filter(part | Q(demarche__in=demarches))
    if demarches:
        return queryset.filter(demarche__in=demarches)
    return queryset.alias(_text=SearchText()).filter(part) if part else queryset.none()


def _by_number(queryset: DossierQuerySet, numbers: list[int], sight: Sight) -> DossierQuerySet:
    if len(numbers) > 1:
        return queryset.filter(number__in=numbers)
    [number] = numbers
    demarches = find_demarches(str(number), sight)
    of_demarche = Q(demarche__in=demarches) if demarches else Q()
    if number < 10 ** (SHORTEST_PART - 1):
        return queryset.filter(Q(number=number) | of_demarche)
    if queryset.filter(_begins_with(number)).exists() or demarches:
        return queryset.filter(_begins_with(number) | of_demarche)
    inner = [
        pk
        for pk, found in queryset.alias(_text=SearchText())
        .filter(_text__contains=str(number))
        .order_by()
        .values_list("pk", "number")[:MAX_FOUND]
        if str(number) in str(found)
    ]
    return queryset.filter(pk__in=inner)


def _begins_with(number: int) -> Q:
    """By ranges, which the index of numbers knows."""
    ranges = Q(number=number)
    first, last = number * 10, number * 10 + 9
    while first <= MAX_NUMBER:
        ranges |= Q(number__range=(first, min(last, MAX_NUMBER)))
        first, last = first * 10, last * 10 + 9
    return ranges


def _having(queryset: DossierQuerySet, part: str) -> Q:
    """Few are named by their ids; of many, the text itself is asked for (`_text`)."""
    rows = queryset.alias(_text=SearchText()).filter(_text__contains=part).order_by()
    pks = list(rows.values_list("pk", flat=True)[: MAX_FOUND + 1])
    if len(pks) > MAX_FOUND:
        return Q(_text__contains=part)
    return Q(pk__in=pks) if pks else Q()
