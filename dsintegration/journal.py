"""Who acts, and what is written down of it: the functions that services and views call.

An access whose entry cannot be written fails. Why what is written when, and what is not:
docs/decisions/2026-11-25-journal.md.
"""

import getpass
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from dsintegration.exceptions import DossierNotFound, DSError
from dsintegration.harmless import cut
from dsintegration.models import Action, ApiKey, Interface, JournalEntry, Outcome

# By hand: an entry belongs to each access, and the ORM takes five times as long to write it.
INSERT = (
    "INSERT INTO dsintegration_journalentry"
    " (at, interface, actor, actor_ref, action, outcome, dossier_number, numbers, count, demarches,"
    " detail, demarche_number) VALUES "
)
ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, {demarche})"
# Of a dossier that is here; whoever writes of another one tells its démarche.
DEMARCHE = (
    "(SELECT demarche.number FROM dsintegration_dossier AS dossier JOIN dsintegration_demarche"
    " AS demarche ON demarche.id = dossier.demarche_id WHERE dossier.number = %s)"
)
AT_ONCE = 1000
# What the columns of the actor hold; names come from systems and hosts that have other limits.
LONGEST_NAME, LONGEST_REF = 150, 64


@dataclass(frozen=True)
class Actor:
    """Who acts, through which interface. `ref`: the key of the user's or the API key's row.

    `unattended`: shows nothing to anybody; only what it changes is written down.
    """

    interface: Interface
    name: str = ""
    ref: str = ""
    unattended: bool = False

    def entry(
        self,
        action: Action,
        outcome: str,
        number: int | None = None,
        *,
        count: int = 1,
        demarche: int | None = None,
        detail: str = "",
    ) -> JournalEntry:
        """`demarche`: its number, where the dossier itself is not here to tell it."""
        return JournalEntry(
            interface=self.interface.value,
            actor=cut(self.name, LONGEST_NAME),
            actor_ref=_reference(self.ref),
            action=action.value,
            outcome=str(outcome),
            dossier_number=number,
            count=count,
            demarche_number=demarche,
            detail=detail[:255],
        )

    def listing(
        self,
        action: Action,
        numbers: Sequence[int],
        demarches: Sequence[int] = (),
        *,
        named: bool = True,
    ) -> JournalEntry:
        """Several dossiers that were shown together; `demarches`: the number of each one's;
        `named`: with their numbers.
        """
        entry = self.entry(action, Outcome.SHOWN, count=len(numbers))
        entry.numbers = _joined(numbers) if named else ""
        entry.demarches = _joined(demarches if named else sorted(set(demarches)))
        return entry

    def fetched(
        self, number: int | None, outcome: str, *, demarche: int | None = None, detail: str = ""
    ) -> JournalEntry:
        action = Action.REFRESH if self.unattended else Action.FETCH
        return self.entry(action, outcome, number, demarche=demarche, detail=detail)

    def failed(self, err: DSError) -> JournalEntry:
        return self.fetched(err.dossier_number, word(err))


CODE = Actor(Interface.CODE)
USAGER = Actor(Interface.USAGER)
TASK = Actor(Interface.TASK, unattended=True)


def user(account: AbstractBaseUser | AnonymousUser) -> Actor:
    """An agent in the admin."""
    return Actor(Interface.ADMIN, _name(account.get_username()), str(account.pk))


def key(row: ApiKey) -> Actor:
    return Actor(Interface.API, _name(row.name), str(row.pk))


def command(*, unattended: bool = False) -> Actor:
    """The account of the system that runs a command."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # a container's account may have no name
        account = str(os.getuid())
    return Actor(Interface.COMMAND, _name(account), unattended=unattended)


def _name(text: str) -> str:
    """Some installations take addresses for names of accounts: what follows the @ is left out."""
    return re.sub(r"@\S*", "", text)


def _reference(ref: str) -> str:
    """One that is too long keeps what tells it from others: its digest."""
    is_short = len(ref) <= LONGEST_REF and ref.isprintable()
    return ref if is_short else hashlib.sha256(ref.encode(errors="replace")).hexdigest()


def _joined(numbers: Sequence[int]) -> str:
    return f",{','.join(map(str, numbers))}," if numbers else ""


def word(err: DSError) -> str:
    """A failure as an outcome."""
    if isinstance(err, DossierNotFound):
        return Outcome.NOT_FOUND.value
    return f"{err.code} {err.reason}"


def write(*entries: JournalEntry) -> None:
    """One statement, in the transaction of whoever calls, if there is one.

    Several beyond AT_ONCE: databases take a limited number of values at once.
    """
    for start in range(0, len(entries), AT_ONCE):
        _write(entries[start : start + AT_ONCE])


def _write(entries: Sequence[JournalEntry]) -> None:
    values: list[Any] = []
    rows = []
    for entry in entries:
        known, number = entry.demarche_number, entry.dossier_number
        rows.append(ROW.format(demarche="%s" if known or number is None else DEMARCHE))
        values += (
            connection.ops.adapt_datetimefield_value(entry.at),
            entry.interface,
            entry.actor,
            entry.actor_ref,
            entry.action,
            entry.outcome,
            entry.dossier_number,
            entry.numbers,
            entry.count,
            entry.demarches,
            entry.detail,
            known or number,
        )
    with connection.cursor() as cursor:
        cursor.execute(INSERT + ", ".join(rows), values)


def write_list(by: Actor, numbers: Sequence[int], demarches: Sequence[int]) -> None:
    """A page of a list; one that shows no dossier is no access."""
    if numbers:
        write(by.listing(Action.LIST, numbers, demarches))
