"""How far the lists of a démarche were read, for the next refresh.

Each moment is the platform's. None of it is shown: it makes no version.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from dsintegration.mirror.backoff import MOST_TRIES, pause_after
from dsintegration.models import Demarche, Dossier


def set_followed(demarche: Demarche, *, followed: bool) -> None:
    """Nothing is erased; whoever is followed already goes on where he is."""
    if demarche.followed != followed:
        demarche.followed = followed
        begin_again(demarche)


def begin_again(demarche: Demarche) -> None:
    """Save whether it is followed. What moves while nobody follows is missed: the next reading
    begins from nothing.
    """
    demarche.read_until = demarche.covered_from = None
    demarche.reading_since = demarche.reading_from = None
    demarche.reading_cursor = ""
    demarche.list_tries, demarche.next_list_at = 0, None
    demarche.save(
        update_fields=[
            "followed",
            "read_until",
            "covered_from",
            *READING,
            "list_tries",
            "next_list_at",
        ]
    )


READING = ("reading_since", "reading_from", "reading_cursor")


def note_page(demarche: Demarche, since: datetime, begun_at: datetime, cursor: str) -> None:
    """All of the list up to `cursor` is stored: one that is cut short goes on from there."""
    demarche.reading_since, demarche.reading_from = since, begun_at
    demarche.reading_cursor = cursor
    demarche.save(update_fields=READING)


def note_end(demarche: Demarche, begun_at: datetime, *, from_nothing: bool) -> None:
    """All that moved before `begun_at` is stored."""
    demarche.read_until = begun_at
    if from_nothing:
        demarche.covered_from = begun_at
    demarche.reading_since = demarche.reading_from = None
    demarche.reading_cursor = ""
    demarche.save(update_fields=[*READING, "read_until", "covered_from"])


def note_deleted_read(demarche: Demarche, at: datetime) -> None:
    demarche.deleted_read_at = at
    demarche.save(update_fields=["deleted_read_at"])


def note_lists(demarche: Demarche, at: datetime, *, failed: bool) -> None:
    """A démarche whose lists fail steps back; one that answers is asked as ever."""
    tries = min(demarche.list_tries + 1, MOST_TRIES) if failed else 0
    if tries == demarche.list_tries == 0:
        return
    demarche.list_tries = tries
    demarche.next_list_at = at + pause_after(tries) if failed else None
    demarche.save(update_fields=["list_tries", "next_list_at"])


def may_be_listed(at: datetime) -> Q:
    """Those whose lists may be asked; a moment beyond any pause is a wrong clock's."""
    return (
        Q(next_list_at=None)
        | Q(next_list_at__lte=at)
        | Q(next_list_at__gt=at + 2 * pause_after(MOST_TRIES))
    )


@dataclass(frozen=True)
class Home:
    """The number of a dossier's démarche; the fingerprint of the token that reads it, or ""."""

    demarche: int
    token: str


def homes_of(numbers: Iterable[int]) -> dict[int, Home]:
    """Of the dossiers that are here."""
    rows = Dossier.objects.filter(number__in=list(numbers)).order_by()
    found = rows.values_list("number", "demarche__number", "demarche__token")
    return {number: Home(demarche, token) for number, demarche, token in found}


def note_readers(demarches: Iterable[Demarche], readers: Mapping[int, str]) -> None:
    """Remember which token reads them."""
    for demarche in demarches:
        reader = readers.get(demarche.number, "")
        if reader and demarche.token != reader:
            demarche.token = reader
            demarche.save(update_fields=["token"])
