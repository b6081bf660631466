"""Answers in the list of dossiers: found, filtered by, shown as columns.

Columns and filters are those of one démarche: the list has them when it is limited to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from dsintegration.admin.filters import NamedFilter, demarches_of
from dsintegration.admin.searching import find_demarches, having
from dsintegration.harmless import on_a_page
from dsintegration.mirror.values import beginning_with, fold
from dsintegration.models import ChampDescriptor, ChampValue, DossierQuerySet
from dsintegration.perimeters import sight_of
from dsintegration.templatetags.champs import line_of

PREFIX = "champ."
# Letters of a column; the whole is on the dossier's page.
WIDTH = 80
NUMBERS, DAYS = {"IntegerNumber", "DecimalNumber"}, {"Date", "Datetime"}


def rows_of(request: HttpRequest) -> list[ChampDescriptor]:
    """The champs of the one démarche that the list is limited to that are columns or searchable;
    none where it shows several.
    """
    known = request.__dict__.setdefault("_ds_champs", {})
    key = request.GET.get("demarche__id__exact", ""), request.GET.get("demarche", "").strip()
    if key not in known:
        pk = _only_demarche(request, *key)
        used = Q(in_list=True) | Q(is_searchable=True)
        rows = ChampDescriptor.objects.filter(used, demarche=pk).order_by("is_annotation", "rank")
        known[key] = list(sight_of(request.user).limit(rows)) if pk else []
    found: list[ChampDescriptor] = known[key]
    return found


def _only_demarche(request: HttpRequest, pk: str, typed: str) -> int | None:
    if typed:
        found = find_demarches(typed, sight_of(request.user))
        return found[0] if len(found) == 1 and pk in {"", str(found[0])} else None
    if pk:
        is_a_key = pk.isascii() and pk.isdigit() and len(pk) < 19
        return int(pk) if is_a_key else None
    visible = demarches_of(request)
    return visible[0].pk if len(visible) == 1 else None


# Columns


def columns_of(request: HttpRequest) -> list[Any]:
    return [_column(row) for row in rows_of(request) if row.in_list and row.is_kept]


def _column(row: ChampDescriptor) -> Any:
    name = "annotations" if row.is_annotation else "champs"

    @admin.display(description=on_a_page(row.label))
    def cell(dossier: Any) -> str:
        champs = getattr(dossier, name) or ()
        found = next((champ for champ in champs if champ["id"] == row.ds_id), None)
        return Truncator(line_of(found)).chars(WIDTH) if found else ""

    cell.content = name  # type: ignore[attr-defined]  # what the list must load for it
    return cell


# Filters


@dataclass(frozen=True)
class Asked:
    """What is asked of a champ, as it was typed: a beginning, or two ends."""

    row: ChampDescriptor
    name: str
    text: str = ""
    least: str = ""
    most: str = ""

    @property
    def kind(self) -> str:
        kinds = ((NUMBERS, "number"), (DAYS, "date"))
        return next((kind for types, kind in kinds if self.row.type in types), "text")

    @property
    def label(self) -> str:
        return on_a_page(self.row.label)

    @property
    def is_on(self) -> bool:
        return bool(self.text or self.least or self.most)

    @property
    def words(self) -> str:
        if self.kind == "text":
            return f"{self.label} : « {self.text} »"
        if self.least and self.most:
            return f"{self.label} : de {self.least} à {self.most}"
        end = f"à partir de {self.least}" if self.least else f"jusqu'à {self.most}"
        return f"{self.label} : {end}"

    @property
    def rows(self) -> QuerySet[ChampValue]:
        """Raises ValueError for what is no number, or no day."""
        rows = ChampValue.objects.filter(champ=self.row.ds_id)
        if self.kind == "text":
            return rows.filter(beginning_with(fold(self.text)))
        read = _number if self.kind == "number" else _day
        if self.least:
            rows = rows.filter(**{f"{self.kind}__gte": read(self.least)})
        if self.most:
            rows = rows.filter(**{f"{self.kind}__lte": read(self.most)})
        return rows


class AnswersFilter(NamedFilter):
    """One form for all the searchable champs of the démarche."""

    title = "réponse"
    template = "admin/dsintegration/filter_answers.html"
    parameters = ()

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any
    ) -> None:
        # Those of another démarche, too, which a link may carry along: nothing asks for them.
        given = {name: params.pop(name)[-1] for name in [*params] if name.startswith(PREFIX)}
        super().__init__(request, params, model, model_admin)
        self.asked = [
            _asked(row, given) for row in rows_of(request) if row.is_searchable and row.type
        ]
        self.used_parameters = {name: value for name, value in given.items() if value.strip()}

    def has_output(self) -> bool:
        return bool(self.asked)

    def expected_parameters(self) -> list[str | None]:
        return [*self.used_parameters]

    def queryset(self, request: HttpRequest, queryset: DossierQuerySet) -> DossierQuerySet:  # type: ignore[override]
        for asked in self.asked:
            if not asked.is_on:
                continue
            try:
                found = having(asked.rows)
            except ValueError:
                return queryset.none()
            queryset = queryset.filter(found) if found else queryset.none()
        return queryset

    def chosen(self) -> str:
        return ", ".join(asked.words for asked in self.asked if asked.is_on)

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        self.hidden = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if not name.startswith(PREFIX)
            for value in values
        ]
        self.query = changelist.query
        self.clear = changelist.get_query_string(remove=[*self.used_parameters])
        return iter(())


def _asked(row: ChampDescriptor, given: dict[str, str]) -> Asked:
    name = f"{PREFIX}{row.ds_id.rstrip('=')}"
    text, least, most = (given.get(name + end, "").strip() for end in ("", ".min", ".max"))
    asked = Asked(row, name)
    if asked.kind == "text":
        return Asked(row, name, text=text)
    return Asked(row, name, least=least, most=most)


def _number(text: str) -> Decimal:
    """« 4 300,50 »."""
    bare = "".join(text.replace(",", ".").replace("€", "").split())
    try:
        number = Decimal(bare)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** 27:
        raise ValueError("not a number")
    return number


def _day(text: str) -> date:
    """As a browser sends it, or as people write it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007  # a day has no zone
