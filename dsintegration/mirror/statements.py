"""The statements that read and write the mirror, for those who hold its lock (locking.py).

Each is one, however many rows. What they changed is announced after the commit.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, reduce
from itertools import chain
from operator import or_
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, Q
from django.db.models.sql import Query

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
DOSSIER = tuple(
    field.attname
    for field in Dossier._meta.concrete_fields
    if field.attname not in {"id", "number"}
)
OF_DOSSIER = tuple(field.attname for field in Dossier._meta.concrete_fields)
OF_DEMARCHE = tuple(field.attname for field in Demarche._meta.concrete_fields)
OF_ITS_DEMARCHE = tuple(f"demarche__{name}" for name in OF_DEMARCHE)

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
        dossier.demarche = Demarche.from_db(connection.alias, OF_DEMARCHE, rest)
        dossiers[dossier.number] = dossier
    return dossiers


def read_demarches(numbers: Sequence[int]) -> dict[int, Demarche]:
    rows = select(Demarche, OF_DEMARCHE, number=numbers)
    demarches = [Demarche.from_db(connection.alias, OF_DEMARCHE, row) for row in rows]
    return {demarche.number: demarche for demarche in demarches}


def select(
    model: type[Model], names: tuple[str, ...], **columns: Collection[Any]
) -> Iterable[Sequence[Any]]:
    """What `values_list` gives of these names, for the rows of which one of the columns holds one
    of its values; in no order.
    """
    asked = {column: values for column, values in columns.items() if values}
    if not asked:
        return ()
    counts = tuple((column, len(values)) for column, values in asked.items())
    query, sql, expressions = _composed(model, names, counts)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*chain(*asked.values())])
        rows: Iterable[Sequence[Any]] = cursor.fetchall()
    if rows:
        compiler = query.get_compiler(DEFAULT_DB_ALIAS)
        rows = compiler.apply_converters(rows, compiler.get_converters(expressions))
    return rows


@lru_cache(maxsize=200)
def _composed(
    model: type[Model], names: tuple[str, ...], counts: tuple[tuple[str, int], ...]
) -> tuple[Query, str, list[Any]]:
    """The statement in the ORM's own words: to find them takes it longer than to read the rows."""
    conditions = (Q(**{f"{column}__in": range(count)}) for column, count in counts)
    rows = model._default_manager.filter(reduce(or_, conditions)).order_by()
    query = rows.values_list(*names).query
    compiler = query.get_compiler(DEFAULT_DB_ALIAS)
    sql, _ = compiler.as_sql()
    return query, sql, [expression for expression, *_ in compiler.select]


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


def _upsert(model: Any, rows: Sequence[Any], key: str, columns: Sequence[str]) -> None:
    """One statement, however many rows: new ones inserted, known ones brought up to date."""
    for row in rows:
        row.pk = None  # conflicts are found by `key` alone; the database gives the pk back
    if rows:
        model.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=[key], update_fields=columns
        )


def write_dossiers(dossiers: list[Dossier]) -> None:
    _upsert(Dossier, dossiers, "number", DOSSIER)


def write_messages(messages: list[Message]) -> None:
    _upsert(Message, messages, "ds_id", ("dossier_id", *MESSAGE))


def touch(dossiers: list[Dossier], sent_at: datetime) -> None:
    """Move the moments of those in which nothing else moved. By hand, as each fetch does it."""
    at = connection.ops.adapt_datetimefield_value(sent_at)
    for columns, is_checked in ((("fetched_at", "checked_at"), True), (("fetched_at",), False)):
        pks = [d.pk for d in dossiers if (d.checked_at == sent_at) is is_checked]
        if pks:
            moments = ", ".join(f"{column} = %s" for column in columns)
            places = ", ".join(["%s"] * len(pks))
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE dsintegration_dossier SET {moments} WHERE id IN ({places})",  # noqa: S608
                    [*(at for _ in columns), *pks],
                )


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
