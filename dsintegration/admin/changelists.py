"""The list of dossiers: what it says of itself, the queue's words, and a dossier's neighbours."""

from copy import copy
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, QueryDict
from django.utils.functional import cached_property

from dsintegration.admin.searching import numbers_in
from dsintegration.bodies import first_words
from dsintegration.models import Dossier, Message
from dsintegration.models.mirror import CONTENT

# Parameter of Django's own: the list that somebody came from.
FILTERS_VAR = "_changelist_filters"


class DossierChangeList(ChangeList):
    @property
    def is_queue(self) -> bool:
        return bool(self.params.get("situation") == "a_repondre")

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> Any:
        """Without what is large, but for what a column shows."""
        shown = {getattr(column, "content", "") for column in self.list_display}
        left = [name for name in CONTENT if name not in shown]
        rows = super().get_queryset(request, exclude_parameters)
        return rows.defer(*left, "demarche__selection")

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.is_queue:
            _add_first_words(list(self.result_list))

    def _get_default_ordering(self) -> Any:
        """What the head of the list says of its order, where nobody chose another."""
        return ["waiting_since"] if self.is_queue else super()._get_default_ordering()  # type: ignore[misc]

    @cached_property
    def chosen(self) -> list[str]:
        """The active filters and the search, in words."""
        said = [cast(Any, spec).chosen() for spec in self.filter_specs]
        if self.query:
            said.append(f"recherche « {self.query} »")
        return [words for words in said if words]

    @property
    def heading(self) -> str:
        return " – ".join(["Dossiers", ", ".join(self.chosen)]) if self.chosen else "Dossiers"

    @property
    def to_fetch(self) -> list[int]:
        """What could be fetched, of a search by numbers that found none."""
        return numbers_in(self.query) if not self.result_count else []


def _add_first_words(dossiers: list[Any]) -> None:
    """What awaits an answer, in one statement for the page."""
    messages = Message.objects.filter(
        dossier__in=[dossier.pk for dossier in dossiers],
        created_at__in=[dossier.last_human_at for dossier in dossiers],
        discarded_at=None,
        absent_since=None,
    )
    texts = {(message.dossier_id, message.created_at): message for message in messages}
    for dossier in dossiers:
        message = texts.get((dossier.pk, dossier.last_human_at))
        dossier.first_words = first_words(message) if message else ""


@dataclass(frozen=True)
class Neighbours:
    """The list that somebody came from, and what stands before and after a dossier in it."""

    filters: str
    heading: str = "Dossiers"
    previous: int | None = None
    next: int | None = None

    @property
    def query_string(self) -> str:
        return f"?{self.filters}" if self.filters else ""

    @property
    def preserved(self) -> str:
        return preserved(self.filters)


class Slice(DossierChangeList):
    """One page of the list with the ends of its neighbours, by their keys alone."""

    def get_results(self, request: HttpRequest) -> None:
        page = min(max(self.page_num, 1), 1000)
        start = (page - 1) * self.list_per_page
        ordered = self.queryset.select_related(None).values_list("pk", flat=True)
        self.pks = list(ordered[max(0, start - 1) : start + self.list_per_page + 1])
        self.result_list, self.result_count = [], 0


def preserved(filters: str) -> str:
    """The list that somebody came from, to hand on to another page."""
    return f"?{urlencode({FILTERS_VAR: filters})}" if filters else ""


def filters_of(request: HttpRequest) -> str:
    """Whatever the address says, as a query string of the list."""
    return QueryDict(request.GET.get(FILTERS_VAR, "")).urlencode()


def neighbours(model_admin: Any, request: HttpRequest, dossier: Dossier) -> Neighbours:
    filters = filters_of(request)
    if FILTERS_VAR not in request.GET:
        return Neighbours("")
    there = copy(request)
    there.GET = QueryDict(filters)
    there.wants_neighbours = True  # type: ignore[attr-defined]  # DossierAdmin.get_changelist
    try:
        changes = cast(Slice, model_admin.get_changelist_instance(there))
    except (IncorrectLookupParameters, DisallowedModelAdminLookup):
        return Neighbours("")  # which the list itself would refuse
    if dossier.pk not in changes.pks:
        return Neighbours(filters, changes.heading)
    rank = changes.pks.index(dossier.pk)
    before = changes.pks[rank - 1] if rank else None
    after = changes.pks[rank + 1] if rank + 1 < len(changes.pks) else None
    return Neighbours(filters, changes.heading, before, after)
