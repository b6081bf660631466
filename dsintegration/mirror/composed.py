"""Statements in the ORM's own words, each composed once: that takes longer than to run it.

For what every fetch does. They take other values each time, as many of them, and always tell rows
by values of their columns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache, reduce
from itertools import chain
from operator import or_
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, JSONField, Model, Q, QuerySet, Value
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery, Query, UpdateQuery

Row = TypeVar("Row", bound=Model)
# Columns, and how many values of each.
Counts = tuple[tuple[str, int], ...]
# Values that the database takes as they are, save in a column of JSON.
PLAIN = frozenset({str, int, bool, type(None)})


@cache
def names_of(model: type[Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)


def rows_of(model: type[Row], **columns: Collection[Any]) -> list[Row]:
    """The rows of which one of the columns holds one of its values, in no order."""
    names = names_of(model)
    return [model.from_db(DEFAULT_DB_ALIAS, names, row) for row in select(model, names, **columns)]


def select(
    model: type[Model], names: tuple[str, ...], **columns: Collection[Any]
) -> Iterable[Sequence[Any]]:
    """What `values_list` gives of the same rows."""
    asked = {column: values for column, values in columns.items() if values}
    if not asked:
        return ()
    query, sql, expressions = _select(model, names, _counts(asked))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*chain(*asked.values())])
        rows: Iterable[Sequence[Any]] = cursor.fetchall()
    if rows:
        compiler = query.get_compiler(DEFAULT_DB_ALIAS)
        rows = compiler.apply_converters(rows, compiler.get_converters(expressions))
    return rows


def update(model: type[Model], values: Mapping[str, Any], **columns: Collection[Any]) -> None:
    """Set the values in the same rows."""
    fields = [model._meta.get_field(name) for name in values]
    new = (
        field.get_db_prep_save(value, connection)  # type: ignore[union-attr]
        for field, value in zip(fields, values.values(), strict=True)
    )
    with connection.cursor() as cursor:
        sql = _update(model, tuple(values), _counts(columns))
        cursor.execute(sql, [*new, *chain(*columns.values())])


def upsert(rows: Sequence[Model], key: str, names: tuple[str, ...]) -> None:
    """Insert the rows; of those that are here, which `key` tells, set the columns of `names`.

    Each has its primary key then. One statement, or more where the database takes fewer parameters.
    """
    if not rows:
        return
    model, fields = type(rows[0]), _inserted(type(rows[0]))
    database = connections[DEFAULT_DB_ALIAS]  # `connection` looks it up again for each value
    most = database.ops.bulk_batch_size(fields, rows)
    pks: dict[Any, Any] = {}
    with database.cursor() as cursor:
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            sql, by_column = _upsert(model, key, names, len(some))
            values = [[_prepared(field, row, database) for field in fields] for row in some]
            cursor.execute(
                sql, [*map(list, zip(*values, strict=True))] if by_column else [*chain(*values)]
            )
            pks |= cursor.fetchall()
    for row in rows:
        row.pk = pks[getattr(row, key)]
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def _prepared(field: "Field[Any, Any]", row: Model, database: BaseDatabaseWrapper) -> Any:
    value = getattr(row, field.attname)
    if type(value) in PLAIN and not isinstance(field, JSONField):
        return value
    return field.get_db_prep_save(value, database)


def _counts(columns: Mapping[str, Collection[Any]]) -> Counts:
    return tuple((column, len(values)) for column, values in columns.items())


def _rows(model: type[Model], counts: Counts) -> QuerySet[Any]:
    conditions = (Q(**{f"{column}__in": range(count)}) for column, count in counts)
    return model._default_manager.filter(reduce(or_, conditions)).order_by()


@lru_cache(maxsize=200)
def _select(
    model: type[Model], names: tuple[str, ...], counts: Counts
) -> tuple[Query, str, list[Any]]:
    query = _rows(model, counts).values_list(*names).query
    compiler = query.get_compiler(DEFAULT_DB_ALIAS)
    sql, _ = compiler.as_sql()
    return query, sql, [expression for expression, *_ in compiler.select]


@lru_cache(maxsize=200)
def _update(model: type[Model], names: tuple[str, ...], counts: Counts) -> str:
    query: UpdateQuery = _rows(model, counts).query.chain(UpdateQuery)  # type: ignore[assignment]
    query.add_update_values(dict.fromkeys(names, Value(0)))
    sql, _ = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
    return str(sql)


@cache
def _inserted(model: type[Model]) -> "list[Field[Any, Any]]":
    return [field for field in model._meta.concrete_fields if not field.primary_key]


@lru_cache(maxsize=200)
def _upsert(model: type[Model], key: str, names: tuple[str, ...], count: int) -> tuple[str, bool]:
    """The statement, and whether it takes an array of each column, as PostgreSQL's of many rows."""
    fields, meta = _inserted(model), model._meta
    columns = {"update_fields": map(meta.get_field, names), "unique_fields": [meta.get_field(key)]}
    query = InsertQuery(model, on_conflict=OnConflict.UPDATE, **columns)
    query.insert_values(fields, [model(**{field.attname: None for field in fields})] * count)
    compiler = query.get_compiler(DEFAULT_DB_ALIAS)
    compiler.returning_fields = [meta.get_field(key), meta.pk]
    [(sql, parameters)] = compiler.as_sql()
    return str(sql), len(parameters) == len(fields) < count * len(fields)
