"""What agents type into one box: what a caller gave them of a number, an address or a title."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any

from django.db.models import Func, Q, QuerySet, TextField

from dsintegration.mirror.values import beginning_with, fold
from dsintegration.models import ChampDescriptor, ChampValue, Demarche, DossierQuerySet
from dsintegration.numbers import MAX_NUMBER, ascii_digits
from dsintegration.perimeters import Sight

# Below, a part of something is found in half of all dossiers.
SHORTEST_PART = 3
# As many are named to the database; of more, it walks the list and meets them soon.
MAX_FOUND = 1000
MAX_NUMBERS = 500
# Of an answer, in any order; the others say no more.
MAX_WORDS = 6
# Of the index of answers, in which one answer has a row for some of its words.
ROWS_A_DOSSIER = 4

_LINK = re.compile(r"/dossiers/([0-9]+)")
# Thousands apart, by blanks, points or apostrophes: 24.518.763.
_GROUPED = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:[ .'’][0-9]{3})+(?![0-9])")
_BESIDE = re.compile(r"\b(?:dossiers?|num[ée]ros?|n[°ºo]s?)(?![a-z])|n[°º]", re.IGNORECASE)
_BETWEEN = re.compile(r"\s(?:et|ou|&|-|–|/)\s|[()#]", re.IGNORECASE)
_NUMBERS = re.compile(r"[0-9]+(?:[\s,;.]+[0-9]+)*[\s,;.]*")
# Of an establishment or, shorter, of a company; as people group their digits.
_SIRET = re.compile(
    r"(?:SIRE[TN] *:? *)?([0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{3}(?:[ .]?[0-9]{5})?)", re.IGNORECASE
)
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
    return " ".join(ascii_digits(unicodedata.normalize("NFKC", seen)).split())


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


def find_demarches(text: str, sight: Sight, known: Collection[Demarche] | None = None) -> list[int]:
    """The ids of the démarches of that number, or whose title has all these words, in any order.

    `known`: all those that the account sees, where they have been read.
    """
    visible = sight.limit(Demarche.objects.all(), "pk")
    if leading := re.match(r"(?:n° ?)?([0-9]{1,10})(?: –|$)", cleaned(text)):
        number = min(int(leading[1]), MAX_NUMBER)
        if known is None:
            pks = list(visible.filter(number=number).values_list("pk", flat=True))
        else:
            pks = [row.pk for row in known if row.number == number]
        if pks:
            return pks
    words = fold(text).split()
    if not words:
        return []
    titles = (
        visible.values_list("pk", "title") if known is None else [(r.pk, r.title) for r in known]
    )
    return [pk for pk, title in titles if _has_all(words, fold(title))]


def _has_all(words: Iterable[str], title: str) -> bool:
    return all(word in title for word in words)


def search(
    queryset: DossierQuerySet, text: str, sight: Sight, known: Collection[Demarche] | None = None
) -> DossierQuerySet:
    """The dossiers that the text means. `queryset` is limited to what the account sees.

    `known`: all the démarches that it sees, where they have been read.
    """
    text = cleaned(text)
    if not text:
        return queryset
    numbers = numbers_in(text)
    answers = _answered(text, sight, by_words=not numbers and "@" not in text)
    if numbers:
        return _by_number(queryset, numbers, sight, answers, known)
    if not any(map(str.isalnum, text)):
        return queryset.none()  # signs
    part = answers
    if any(map(str.isalpha, text)):
        if _ADDRESS.fullmatch(text):
            # By its own index alone, where no answer has it.
            theirs = queryset.of_usager(text)
            return theirs | queryset.filter(answers) if answers else theirs
        if " " not in text and len(text) >= SHORTEST_PART:
            part |= _having(queryset, text.lower())
        if demarches := find_demarches(text, sight, known) if "@" not in text else []:
            part |= Q(demarche__in=demarches)
    return queryset.alias(_text=SearchText()).filter(part) if part else queryset.none()


def _answered(text: str, sight: Sight, *, by_words: bool) -> Q:
    """The dossiers of which a searchable answer, or its end from one of its words on, begins so.

    `by_words`: if there is none, those whose answers have all the words, in any order.
    """
    folded = fold(text)
    if siret := _SIRET.fullmatch(text):
        folded = re.sub("[^0-9]", "", siret[1])
    elif folded.isdigit():
        return Q()  # of a dossier or of a démarche
    if len(folded) < SHORTEST_PART:
        return Q()
    champs = sight.limit(ChampDescriptor.objects.filter(is_searchable=True)).order_by()
    ids = champs.values_list("ds_id", flat=True)
    spelled_out = cache(lambda: list(ids))

    def beginning(part: str) -> Q:
        rows = ChampValue.objects.filter(beginning_with(part))
        return having(rows.filter(champ__in=ids), lambda: rows.filter(champ__in=spelled_out()))

    found = beginning(folded)
    words = _telling_words(folded) if by_words and not found else []
    if not words or not (found := beginning(words[0])):
        return found
    for word in words[1:]:
        rows = ChampValue.objects.filter(beginning_with(word), champ__in=spelled_out())
        found &= Q(pk__in=_dossiers(rows))
    return found


def _telling_words(folded: str) -> list[str]:
    """The longest first, which are the rarest; none where the whole text has said it all."""
    words = {word for word in folded.split() if len(word) >= SHORTEST_PART or word.isdigit()}
    if len(folded.split()) < 2 or all(map(str.isdigit, words)):
        return []
    return sorted(words, key=lambda word: (-len(word), word))[:MAX_WORDS]


def having(
    rows: QuerySet[ChampValue], spelled_out: Callable[[], QuerySet[ChampValue]] | None = None
) -> Q:
    """The dossiers of these rows: few are named by their keys, of many the database joins them.

    `spelled_out`: the same rows with each champ named, whose number PostgreSQL then foresees: it
    takes a hundred times as long otherwise.
    """
    found = list(_dossiers(rows)[: MAX_FOUND * ROWS_A_DOSSIER + 1])
    named = set(found)
    if len(found) > MAX_FOUND * ROWS_A_DOSSIER or len(named) > MAX_FOUND:
        return Q(pk__in=_dossiers(spelled_out() if spelled_out else rows))
    return Q(pk__in=named) if named else Q()


def _dossiers(rows: QuerySet[ChampValue]) -> QuerySet[ChampValue, Any]:
    return rows.order_by().values_list("dossier", flat=True)


def _by_number(
    queryset: DossierQuerySet,
    numbers: list[int],
    sight: Sight,
    answers: Q,
    known: Collection[Demarche] | None,
) -> DossierQuerySet:
    if answers:
        return queryset.filter(Q(number__in=numbers) | answers)
    if len(numbers) > 1:
        return queryset.filter(number__in=numbers)
    [number] = numbers
    demarches = find_demarches(str(number), sight, known)
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
