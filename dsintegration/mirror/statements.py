"""The statements that read and write the mirror, for those who hold its lock (locking.py).

Each is one, however many rows. What they changed is announced after the commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from dsintegration.mirror.composed import names_of, select, update, upsert
from dsintegration.mirror.locking import save_platform
from dsintegration.models import Demarche, Dossier, Message, Platform
from dsintegration.moments import Moment
from dsintegration.signals import dossier_changed, message_received

MESSAGE = (
    "email",
    "body",
    "created_at",
    "discarded_at",
    "absent_since",
    "from_usager",
    "file_marks",
)
OF_MESSAGE = ("dossier_id", "ds_id", *MESSAGE)
# All that an upsert brings up to date.
OF_DOSSIER = names_of(Dossier)
DOSSIER = tuple(name for name in OF_DOSSIER if name not in {"id", "number"})
OF_ITS_DEMARCHE = tuple(f"demarche__{name}" for name in names_of(Demarche))

# What follows from the messages.
SUMMARY = ("messages_count", "last_message_at", "last_message_author", "usager_spoke_last")

# Written by hand for its last condition: a name that a later answer gave, or found to be still so
# through another of its dossiers, stays.
UPSERT_DEMARCHES = """
INSERT INTO dsintegration_demarche
(number, ds_id, title, service_nom, service_organisme, fetched_at, decision_hidden) VALUES {rows}
ON CONFLICT (number) DO UPDATE
SET ds_id = excluded.ds_id, title = excluded.title, service_nom = excluded.service_nom,
    service_organisme = excluded.service_organisme, fetched_at = excluded.fetched_at
WHERE (
    dsintegration_demarche.fetched_at <= excluded.fetched_at
    OR dsintegration_demarche.fetched_at > %s
) AND NOT EXISTS (
    SELECT 1 FROM dsintegration_dossier AS dossier
    WHERE dossier.demarche_id = dsintegration_demarche.id
    AND dossier.fetched_at > excluded.fetched_at AND dossier.fetched_at <= %s
)
RETURNING number, id
"""


@dataclass(frozen=True)
class Change:
    dossier: Dossier
    created: bool
    fields: frozenset[str]
    received: list[Message]

    @property
    def detail(self) -> str:
        """For the journal: the names of what changed, the new état, how many messages came."""
        hidden = {"state", "messages", *SUMMARY}
        names = sorted(n for n in self.fields - hidden if "." not in n) if not self.created else []
        parts = [f"state={self.dossier.state}"] if self.created or "state" in self.fields else []
        if self.received:
            parts.append(f"messages={len(self.received)}")
        elif "messages" in self.fields:
            parts.append("messages")
        return ",".join([*parts, *names])


def announce(changes: list[Change]) -> None:
    """Tell the SI, now that it is stored."""
    for change in changes:
        dossier_changed.send_robust(
            Dossier, dossier=change.dossier, created=change.created, fields=change.fields
        )
        for message in change.received:
            message_received.send_robust(Message, message=message)


def read_dossiers(numbers: Sequence[int]) -> dict[int, Dossier]:
    """Those that are here, by number, each with its démarche."""
    dossiers = {}
    for row in select(Dossier, (*OF_DOSSIER, *OF_ITS_DEMARCHE), number=numbers):
        dossier = Dossier.from_db(connection.alias, OF_DOSSIER, row[: len(OF_DOSSIER)])
        rest = row[len(OF_DOSSIER) :]
        dossier.demarche = Demarche.from_db(connection.alias, names_of(Demarche), rest)
        dossiers[dossier.number] = dossier
    return dossiers


def write_demarches(rows: Sequence[Demarche], moment: Moment) -> dict[int, int]:
    """Write those that nothing newer forbids, in one statement; their ids by number."""
    if not rows:
        return {}
    values: list[Any] = []
    for row in rows:
        at = connection.ops.adapt_datetimefield_value(row.fetched_at)
        values += (row.number, row.ds_id, row.title, row.service_nom, row.service_organisme)
        values += (at, row.decision_hidden)
    future = connection.ops.adapt_datetimefield_value(moment.future)
    places = ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_DEMARCHES.format(rows=places), [*values, future, future])
        return dict(cursor.fetchall())


def write_dossiers(dossiers: list[Dossier]) -> None:
    upsert(dossiers, "number", DOSSIER)


def write_messages(messages: list[Message]) -> None:
    for message in messages:
        message.dossier = message.dossier  # which has its key only now, where it is new
    upsert(messages, "ds_id", ("dossier_id", *MESSAGE))


def touch(dossiers: list[Dossier], sent_at: datetime) -> None:
    """Move the moments of those in which nothing else moved."""
    for names, is_checked in ((("fetched_at", "checked_at"), True), (("fetched_at",), False)):
        pks = [d.pk for d in dossiers if (d.checked_at == sent_at) is is_checked]
        if pks:
            update(Dossier, dict.fromkeys(names, sent_at), pk=pks)


def write_platform(platform: Platform, instance: str, moment: Moment, *, changed: bool) -> None:
    """What an answer tells of the platform itself: which one it is, and that it answers."""
    forgotten = forget_failure(platform, moment)
    if changed or forgotten:
        platform.instance = instance
        save_platform(platform)


def forget_failure(row: Dossier | Platform, moment: Moment) -> bool:
    """Clear a failure that this answer came after; whether there was one."""
    if row.last_error_at is None or not moment.follows(row.last_error_at):
        return False
    row.last_error_code = row.last_error_reason = ""
    row.last_error_at = None
    if isinstance(row, Dossier):
        row.tries, row.next_try_at = 0, None
    return True
