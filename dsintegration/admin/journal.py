"""The journal, to be read by those who answer for it. Looking at it is not itself an entry."""

from collections.abc import Iterable
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join

from dsintegration.admin.mirror import CappedPaginator, MirrorAdmin
from dsintegration.admin.searching import cleaned, numbers_in
from dsintegration.models import Action, Dossier, JournalEntry, JournalEntryQuerySet, Outcome
from dsintegration.perimeters import NOTHING, Sight, sight_of

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


class JournalChangeList(ChangeList):
    """Each entry knows who looks at it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        for entry in self.result_list:
            entry.sight = sight_of(request.user)


@admin.register(JournalEntry)
class JournalEntryAdmin(MirrorAdmin):
    list_display = ("moment", "interface", "author", "action", "dossiers", "outcome_label")
    list_filter = ("interface", "action", PeriodFilter)
    ordering = ("-at",)
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("dossier_number",)  # get_search_results does it
    search_help_text = (
        "Numéro de dossier, y compris dans les listes qui l'ont montré, ou nom d'un auteur"
    )
    fields = (
        "moment",
        "interface",
        "author",
        "actor_ref",
        "action",
        "outcome_label",
        "shown_number",
        "shown_count",
        "shown_numbers",
    )
    actions = None

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or obj.action != Action.CHOOSE:
            return self.fields
        return (*self.fields[:-3], "shown_demarche", "shown_choice")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Within a perimeter: what is known to be about one of its démarches at least."""
        rows = JournalEntry.objects.all()
        sight = sight_of(request.user)
        if sight.demarches is None:
            return rows
        numbers = sight.demarches.values()
        lists = [Q(demarches__contains=f",{number},") for number in numbers]
        return rows.filter(reduce(or_, lists, Q(demarche_number__in=list(numbers))))

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        entry = super().get_object(*args, **kwargs)
        if entry is not None:
            entry.sight = sight_of(args[0].user)
        return entry

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return JournalChangeList

    def link(self, number: int) -> str:
        """To the dossier, which is found by its number if it is still here."""
        address = self.address_of("dossier_changelist")
        return format_html('<a href="{}?q={}">n° {}</a>', address, number, number)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "Journal"} | (extra_context or {}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"title": "Entrée du journal"} | (extra_context or {})
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="moment", ordering="at")
    def moment(self, entry: JournalEntry) -> str:
        return date_format(timezone.localtime(entry.at), "d/m/Y à H:i:s")

    @admin.display(description="auteur")
    def author(self, entry: JournalEntry) -> str:
        return entry.actor or "–"

    @admin.display(description="dossiers")
    def dossiers(self, entry: JournalEntry) -> str:
        if entry.dossier_number is not None:
            return self.shown_number(entry)
        if entry.action == Action.CHOOSE:
            return f"démarche {self.shown_demarche(entry)}"
        if entry.outcome == Outcome.FORGOTTEN:
            return "–"
        return self.shown_count(entry)

    @admin.display(description="numéro de dossier")
    def shown_number(self, entry: JournalEntry) -> str:
        if entry.dossier_number is None:
            return "–"
        if not _sight(entry).sees(entry.demarche_number):
            return MASKED
        return self.link(entry.dossier_number)

    @admin.display(description="nombre de dossiers")
    def shown_count(self, entry: JournalEntry) -> str:
        seen, masked = _seen(entry)
        count = entry.count if not masked and not entry.listed else len(seen)
        if masked and not entry.listed:
            return MASKED
        told = f"{count} dossier{'s' if count > 1 else ''}"
        return f"{told}, et d'autres masqués" if masked else told

    @admin.display(description="démarche")
    def shown_demarche(self, entry: JournalEntry) -> str:
        is_seen = _sight(entry).sees(entry.demarche_number)
        return f"n° {entry.demarche_number}" if is_seen else MASKED

    @admin.display(description="choix")
    def shown_choice(self, entry: JournalEntry) -> str:
        """`champs=0>2,demandeur=yes` in words."""
        said = []
        for part in filter(None, entry.detail.split(",")):
            name, _, value = part.partition("=")
            was, _, now = value.partition(">")
            if name in COUNTED:
                said.append(f"{COUNTED[name]} : {now}, au lieu de {was}")
            elif name in CHOSEN:
                said.append(f"{CHOSEN[name]} : {'oui' if value == 'yes' else 'non'}")
        return " ; ".join(said) or "–"

    @admin.display(description="issue")
    def outcome_label(self, entry: JournalEntry) -> str:
        return entry.outcome_label

    @admin.display(description="numéros de dossier")
    def shown_numbers(self, entry: JournalEntry) -> str:
        seen, masked = _seen(entry)
        parts = [self.link(number) for number in seen] + ([MASKED] if masked else [])
        return format_html_join(", ", "{}", ((part,) for part in parts)) or "–"

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[JournalEntryQuerySet, bool]:
        text = cleaned(search_term)
        if not text:
            return queryset, False
        numbers = numbers_in(text)
        if not numbers:
            return queryset.filter(actor__iexact=text), False
        if len(numbers) > 1 or not _may_ask_of(numbers[0], sight_of(request.user)):
            return queryset.none(), False
        return queryset.about(numbers[0]), False

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        return lookup in OFFERED and "\0" not in str(value)


COUNTED = {
    "champs": "champs conservés",
    "annotations": "annotations privées conservées",
    "searchable": "champs qui servent à chercher",
    "hidden": "champs cachés à l'API",
}
CHOSEN = {"demandeur": "demandeur conservé", "instruction": "instruction conservée"}
MASKED = "n° masqué (hors de votre périmètre)"


def _sight(entry: JournalEntry) -> Sight:
    """Whose eyes: of an entry that came another way, nobody's."""
    sight: Sight = getattr(entry, "sight", NOTHING)
    return sight


def _seen(entry: JournalEntry) -> tuple[list[int], bool]:
    """The numbers of a list that may be shown, and whether there are others."""
    numbers, demarches, sight = entry.listed, entry.listed_demarches, _sight(entry)
    if sight.is_whole:
        return numbers, False
    if not numbers:
        alone = [entry.demarche_number] if entry.demarche_number else []
        known = demarches or alone
        return [], not known or not all(map(sight.sees, known))
    if len(numbers) != len(demarches):  # what an older version wrote
        return [], True
    seen = [n for n, demarche in zip(numbers, demarches, strict=True) if sight.sees(demarche)]
    return seen, len(seen) < len(numbers)


def _may_ask_of(number: int, sight: Sight) -> bool:
    """A list that showed another's dossier must not tell so to whoever tries its number."""
    if sight.is_whole:
        return True
    if sight.limit(Dossier.objects.filter(number=number)).exists():
        return True
    entries = JournalEntry.objects.filter(dossier_number=number)
    return entries.filter(demarche_number__in=list((sight.demarches or {}).values())).exists()
