"""The index of searchable answers (ChampValue), derived from the content of dossiers.

Texts are folded: without accents, capitals or signs. Beside the whole answer there is a row from
each of its words on, so that whoever types a part finds it by the beginning of a row, in any
database.
"""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Q

from dsintegration.models import ChampValue, Demarche, Dossier

MOST_WORDS = 12
LONGEST = 255

Value = tuple[str, str, Decimal | None, date | None, bool]


def fold(text: str) -> str:
    """Letters and digits alone, without accents or capitals."""
    bare = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe").replace("æ", "ae"))
    letters = (c for c in bare if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())


def beginning_with(text: str) -> Q:
    """The rows of which the (folded) text begins so: a range, which the index knows; LIKE is none
    on SQLite.
    """
    return Q(text__gte=text, text__lt=f"{text}\U0010ffff") if text else Q(pk__in=())


def searchable_of(demarche: Demarche) -> set[str]:
    """The ids of the champs by which its dossiers are found."""
    return set(demarche.selection.get("searchable", ()))


def values_of(dossier: Dossier, searchable: Collection[str]) -> set[Value]:
    """The rows that a dossier is to have."""
    if not searchable:
        return set()
    found = set[Value]()
    for champ in _champs(dossier):
        if champ["id"] in searchable:
            found.update(_values(champ))
    return found


def write_values(rows: Sequence[tuple[Dossier, set[Value], set[Value]]]) -> None:
    """Of dossiers that are stored: what was in the index, what is to be."""
    moved = [row for row in rows if row[1] != row[2]]
    if old := [dossier.pk for dossier, before, _ in moved if before]:
        ChampValue.objects.filter(dossier__in=old).delete()
    ChampValue.objects.bulk_create(_rows((dossier, after) for dossier, _, after in moved))


def rewrite_values(dossiers: Sequence[Dossier], demarche: Demarche) -> None:
    """Whatever was there."""
    searchable = searchable_of(demarche)
    ChampValue.objects.filter(dossier__in=[dossier.pk for dossier in dossiers]).delete()
    ChampValue.objects.bulk_create(_rows((d, values_of(d, searchable)) for d in dossiers))


def _rows(values: Any) -> list[ChampValue]:
    return [
        ChampValue(
            dossier_id=dossier.pk, champ=champ, text=text, number=number, date=day, is_whole=whole
        )
        for dossier, found in values
        for champ, text, number, day, whole in sorted(found, key=str)
    ]


def _champs(dossier: Dossier) -> Iterator[dict[str, Any]]:
    """All answers, those in rows of repetitions included."""
    for champ in (*(dossier.champs or ()), *(dossier.annotations or ())):
        yield champ
        for row in champ.get("rows", ()):
            yield from row


def _values(champ: dict[str, Any]) -> Iterator[Value]:
    value, kind = champ.get("value"), champ["type"]
    if value is None or kind == "CarteChamp":
        return
    number, day = _number(champ), _day(value, kind)
    texts = value if kind == "MultipleDropDownListChamp" else [champ["text"] or str(value)]
    for text in texts:
        words = fold(text).split()
        for rank in range(min(len(words), MOST_WORDS)):
            part = " ".join(words[rank:])[:LONGEST]
            yield champ["id"], part, *((None, None, False) if rank else (number, day, True))
        if (
            len(words) > 1
            and all(word.isdigit() for word in words)
            and number is None
            and day is None
        ):
            # « 02 37 00 00 00 » and « 0237000000 » are one number.
            yield champ["id"], "".join(words)[:LONGEST], None, None, True
    if kind in {"SiretChamp", "RNAChamp", "RNFChamp"}:
        # What its text has behind the name is looked for as a whole, too.
        yield champ["id"], fold(str(value)), None, None, True


def _number(champ: dict[str, Any]) -> Decimal | None:
    if champ["type"] not in {"IntegerNumberChamp", "DecimalNumberChamp", "DossierLinkChamp"}:
        return None
    try:
        number = Decimal(str(champ["value"]))
    except InvalidOperation:
        return None
    return number if abs(number) < Decimal(10) ** 27 else None


def _day(value: Any, kind: str) -> date | None:
    if kind == "DateChamp":
        return date.fromisoformat(value)
    if kind == "DatetimeChamp":
        return datetime.fromisoformat(value).date()
    return None
