"""Pages by position, so that they stay right while rows change and when many share a version.

A position is (version, number): unique, and seekable in the index of that order. OFFSET would
count its way to page 5000, and DRF's CursorPagination, which adds offsets among equal values,
gives rows twice there. Versions only grow, in commit order: whatever changes while a reader pages
moves to the end of `after_version`, where it still comes, or to the front of "newest first".
"""

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError as FormError
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from dsintegration.api.errors import EpochChanged
from dsintegration.api.parameters import MAX_VERSION, NumberField
from dsintegration.mirror import epoch
from dsintegration.numbers import MAX_NUMBER

PAGE_SIZE, MAX_PAGE_SIZE = 100, 200
# A version of 63 bits and a number of 31.
CURSOR = "[0-7][0-9a-f]{15}[0-7][0-9a-f]{7}"
EXAMPLE = "5f0c1b7ad3e94682"
Row = dict[str, Any]


class KeysetPagination(BasePagination):
    """Newest change first; with `after_version`, oldest first. Rows are dicts of `columns`."""

    parameters = ("after_version", "epoch", "page_size", "cursor")

    @sensitive_variables()
    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        given = request.query_params
        after = _whole(given, "after_version", 0, MAX_VERSION)
        size = _whole(given, "page_size", 1, MAX_PAGE_SIZE) or PAGE_SIZE
        position = _decoded(given["cursor"]) if "cursor" in given else None
        # Before the rows are read: with one that begins meanwhile, the next request is refused.
        self.epoch = epoch.current()
        if given.get("epoch", self.epoch) != self.epoch:
            raise EpochChanged
        if after is None:
            order = ("-version", "-number")
            beyond: Any = TupleLessThan
        else:
            order = ("version", "number")
            beyond = TupleGreaterThan
            # One condition, not two: the index is then entered at the position itself, however
            # many rows share its version.
            position = max(position or (0, 0), (after, MAX_NUMBER))
        queryset = queryset.order_by(*order)
        if position:
            queryset = queryset.filter(beyond(Tuple("version", "number"), position))
        # The page is chosen among dossiers alone, before anything is joined to them: PostgreSQL
        # takes a position for few rows when many share its version, and would sort them all.
        page = queryset.values("pk")[: size + 1]
        whole = queryset.model.objects.filter(pk__in=page).order_by(*order)
        rows = list(whole.values(*view.columns))
        self.next = None
        if len(rows) > size:
            del rows[size:]
            cursor = _encoded(rows[-1]["version"], rows[-1]["number"])
            self.next = replace_query_param(request.build_absolute_uri(), "cursor", cursor)
            if after is not None:
                self.next = replace_query_param(self.next, "epoch", self.epoch)
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"epoch": self.epoch, "next": self.next, "results": data})

    def get_paginated_response_schema(self, schema: Row) -> Row:
        return {
            "type": "object",
            "required": ["epoch", "next", "results"],
            "properties": {
                "epoch": {
                    "type": "string",
                    "example": EXAMPLE,
                    "description": (
                        "Change quand une sauvegarde a été restaurée : les copies d'avant sont à "
                        "vider."
                    ),
                },
                "next": {
                    "type": "string",
                    "format": "uri",
                    "nullable": True,
                    "example": "https://si.example.org/api/v1/dossiers/?cursor=0000000000001fbb00003039",
                    "description": "Adresse de la page suivante ; null sur la dernière.",
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[Row]:
        return [
            {
                "name": "after_version",
                "in": "query",
                "description": (
                    "Seulement les versions plus grandes que celle-ci, de la plus petite à la "
                    "plus grande."
                ),
                "schema": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "maximum": MAX_VERSION,
                },
            },
            {
                "name": "epoch",
                "in": "query",
                "description": (
                    "L'époque sous laquelle la copie a été faite : 409 si ce n'est plus celle-ci."
                ),
                "schema": {"type": "string", "minLength": 1},
            },
            {
                "name": "page_size",
                "in": "query",
                "description": f"Lignes par page, {MAX_PAGE_SIZE} au plus.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_PAGE_SIZE,
                    "default": PAGE_SIZE,
                },
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "Vient avec l'adresse `next` : ne le fabriquez pas.",
                "schema": {"type": "string", "pattern": f"^{CURSOR}$"},
            },
        ]


def _whole(given: Mapping[str, str], name: str, minimum: int, maximum: int) -> int | None:
    if name not in given:
        return None
    try:
        return NumberField(minimum=minimum, maximum=maximum).clean(given[name])
    except FormError as err:
        raise ValidationError({name: err.messages}) from None


def _encoded(version: int, number: int) -> str:
    return f"{version:016x}{number:08x}"


def _decoded(cursor: str) -> tuple[int, int]:
    """The position after which the page begins; raises ValidationError."""
    if not re.fullmatch(CURSOR, cursor):
        raise ValidationError({"cursor": "reprenez l'adresse « next » telle qu'elle est."})
    return int(cursor[:16], 16), int(cursor[16:], 16)
