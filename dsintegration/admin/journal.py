"""The journal, to be read by those who answer for it. Looking at it is not itself an entry."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format

from dsintegration.admin.mirror import CappedPaginator, MirrorAdmin
from dsintegration.models import JournalEntry, JournalEntryQuerySet, Outcome
from dsintegration.numbers import InvalidNumber, parse_number

OFFERED = {"interface__exact", "action__exact", "periode"}


class PeriodFilter(admin.SimpleListFilter):
    title = "période"
    parameter_name = "periode"
    DAYS = {"jour": 1, "semaine": 7, "mois": 30, "semestre": 182}  # noqa: RUF012

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return (
            ("jour", "24 dernières heures"),
            ("semaine", "7 derniers jours"),
            ("mois", "30 derniers jours"),
            ("semestre", "6 derniers mois"),
        )

    def queryset(  # type: ignore[override]
        self, request: HttpRequest, queryset: JournalEntryQuerySet
    ) -> JournalEntryQuerySet:
        days = self.DAYS.get(self.value() or "")
        return queryset.filter(at__gte=timezone.now() - timedelta(days=days)) if days else queryset


@admin.register(JournalEntry)
class JournalEntryAdmin(MirrorAdmin):
    list_display = ("moment", "interface", "author", "action", "dossiers", "outcome_label")
    list_filter = ("interface", "action", PeriodFilter)
    ordering = ("-at",)
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("dossier_number",)  # get_search_results does it
    search_help_text = "Numéro de dossier, y compris dans les listes qui l'ont montré"
    fields = (
        "moment",
        "interface",
        "author",
        "actor_ref",
        "action",
        "outcome_label",
        "dossier_number",
        "count",
        "shown_numbers",
    )
    actions = None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "Journal"} | (extra_context or {}))

    @admin.display(description="moment", ordering="at")
    def moment(self, entry: JournalEntry) -> str:
        return date_format(timezone.localtime(entry.at), "j F Y H:i:s")

    @admin.display(description="auteur")
    def author(self, entry: JournalEntry) -> str:
        return entry.actor or "–"

    @admin.display(description="dossiers")
    def dossiers(self, entry: JournalEntry) -> str:
        if entry.dossier_number is not None:
            return f"n° {entry.dossier_number}"
        if entry.outcome == Outcome.FORGOTTEN:
            return "–"
        return f"{entry.count} dossier{'s' if entry.count > 1 else ''}"

    @admin.display(description="issue")
    def outcome_label(self, entry: JournalEntry) -> str:
        return entry.outcome_label

    @admin.display(description="numéros de dossier")
    def shown_numbers(self, entry: JournalEntry) -> str:
        return ", ".join(map(str, entry.listed)) or "–"

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[JournalEntryQuerySet, bool]:
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.about(parse_number(search_term)), False
        except InvalidNumber:
            return queryset.none(), False

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        return lookup in OFFERED and "\0" not in str(value)
