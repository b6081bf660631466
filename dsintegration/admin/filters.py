"""The filters of the list of dossiers. Each uses an index, and offers nothing outside."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR
from django.http import HttpRequest
from django.utils import timezone

from dsintegration.admin.searching import find_demarches
from dsintegration.harmless import on_a_page
from dsintegration.models import Demarche, Dossier, DossierQuerySet, FetchLot
from dsintegration.perimeters import sight_of

# Démarches beyond that are found by what is typed.
MAX_OFFERED = 15
# And that many may be picked in the field.
MOST_READ = 150


class Filter(admin.SimpleListFilter):
    template = "admin/dsintegration/filter.html"

    def chosen(self) -> str:
        """The choice in words, or "" if there is none."""
        value = str(self.value() or "")
        return next((str(label) for key, label in self.lookup_choices if str(key) == value), "")


class StateFilter(Filter):
    title = "état"
    parameter_name = "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(state.value, str(state.label)) for state in Dossier.State]

    def queryset(self, request: HttpRequest, queryset: DossierQuerySet) -> DossierQuerySet:  # type: ignore[override]
        return queryset.filter(state=self.value()) if self.value() else queryset

    def chosen(self) -> str:
        return super().chosen() or on_a_page(str(self.value() or ""))


class SituationFilter(Filter):
    title = "situation"
    parameter_name = "situation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return (
            ("a_repondre", "À répondre"),
            ("absent", "Absent de la plateforme"),
            ("en_erreur", "Dernière récupération en erreur"),
        )

    def queryset(self, request: HttpRequest, queryset: DossierQuerySet) -> DossierQuerySet:  # type: ignore[override]
        match self.value():
            case "a_repondre":
                return queryset.to_answer()
            case "absent":
                return queryset.absent()
            case "en_erreur":
                return queryset.failing()
        return queryset


def this_midnight() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


class ChangeFilter(Filter):
    title = "modifié depuis"
    parameter_name = "modifie"
    DAYS = {"jour": 0, "hier": 1, "semaine": 7}  # noqa: RUF012

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return (("jour", "Aujourd'hui"), ("hier", "Hier"), ("semaine", "7 jours"))

    def queryset(self, request: HttpRequest, queryset: DossierQuerySet) -> DossierQuerySet:  # type: ignore[override]
        days = self.DAYS.get(self.value() or "")
        if days is None:
            return queryset
        since = this_midnight() - timedelta(days=days)
        return queryset.filter(date_derniere_modification__gte=since)


class DepositFilter(Filter):
    """By period: a hierarchy of dates would read the whole table to offer its years."""

    title = "date de dépôt"
    parameter_name = "depot"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        year = timezone.localdate().year
        return (
            ("jour", "Aujourd'hui"),
            ("semaine", "7 derniers jours"),
            ("mois", "30 derniers jours"),
            ("annee", f"En {year}"),
            ("annee_passee", f"En {year - 1}"),
            ("avant", f"Avant {year - 1}"),
        )

    def queryset(self, request: HttpRequest, queryset: DossierQuerySet) -> DossierQuerySet:  # type: ignore[override]
        today = this_midnight()
        this_year = today.replace(month=1, day=1)
        last_year = this_year.replace(year=this_year.year - 1)
        match self.value():
            case "jour":
                return queryset.filter(date_depot__gte=today)
            case "semaine":
                return queryset.filter(date_depot__gte=today - timedelta(days=7))
            case "mois":
                return queryset.filter(date_depot__gte=today - timedelta(days=30))
            case "annee":
                return queryset.filter(date_depot__gte=this_year)
            case "annee_passee":
                return queryset.filter(date_depot__gte=last_year, date_depot__lt=this_year)
            case "avant":
                return queryset.filter(date_depot__lt=last_year)
        return queryset


class NamedFilter(admin.ListFilter):
    """One that reads its parameters by itself."""

    parameters: tuple[str, ...]

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.request = request
        for name in self.parameters:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def expected_parameters(self) -> list[str | None]:
        return list(self.parameters)


def demarches_of(request: HttpRequest) -> list[Demarche]:
    """The first ones that the account sees, read once for each request."""
    known = request.__dict__
    if "_ds_demarches" not in known:
        rows = Demarche.objects.defer("selection").order_by("title", "number")
        rows = sight_of(request.user).limit(rows, "pk")
        known["_ds_demarches"] = list(rows[:MOST_READ])
    found: list[Demarche] = known["_ds_demarches"]
    return found


class DemarcheFilter(NamedFilter):
    """One of the démarches by a link, or those whose number or title is typed."""

    title = "démarche"
    template = "admin/dsintegration/filter_demarche.html"
    parameters = ("demarche__id__exact", "demarche")

    def has_output(self) -> bool:
        return True

    @property
    def pk(self) -> int | None:
        value = str(self.used_parameters.get("demarche__id__exact") or "")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None

    @property
    def typed(self) -> str:
        return str(self.used_parameters.get("demarche") or "").strip()

    def queryset(self, request: HttpRequest, queryset: DossierQuerySet) -> DossierQuerySet:  # type: ignore[override]
        if self.used_parameters.get("demarche__id__exact"):
            queryset = queryset.filter(demarche=self.pk) if self.pk else queryset.none()
        if self.typed:
            found = find_demarches(self.typed, sight_of(request.user))
            queryset = queryset.filter(demarche__in=found)
        return queryset

    def chosen(self) -> str:
        if self.pk:
            known = [row for row in demarches_of(self.request) if row.pk == self.pk]
            mine = Demarche.objects.filter(pk=self.pk)
            rows = known or sight_of(self.request.user).limit(mine, "pk")
            return next((on_a_page(demarche.title) for demarche in rows), "")
        return f"démarche « {self.typed} »" if self.typed else ""

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """All of them where they are few; the template offers those to a field otherwise."""
        self.demarches = demarches_of(self.request)
        self.hidden = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name not in self.parameters
            for value in values
        ]
        # Columns differ from one démarche to the next, and so what the number of one means.
        clear = changelist.get_query_string(remove=[*self.parameters, ORDER_VAR])
        yield {
            "selected": not (self.pk or self.typed),
            "query_string": clear,
            "display": "Toutes",
        }
        offered = self.demarches if len(self.demarches) <= MAX_OFFERED else []
        for demarche in offered or [row for row in self.demarches if row.pk == self.pk]:
            query = changelist.get_query_string(
                {"demarche__id__exact": demarche.pk}, remove=["demarche", ORDER_VAR]
            )
            display = f"{on_a_page(demarche.title)} (n° {demarche.number})"
            yield {
                "selected": demarche.pk == self.pk,
                "query_string": query,
                "display": display,
            }


class LotFilter(NamedFilter):
    """What one fetch of the agent's own brought. Reached by its link alone."""

    title = "récupération"
    template = "admin/dsintegration/filter.html"
    parameters = ("lot",)

    def has_output(self) -> bool:
        return "lot" in self.used_parameters

    def queryset(self, request: HttpRequest, queryset: DossierQuerySet) -> DossierQuerySet:  # type: ignore[override]
        try:
            pk = UUID(str(self.used_parameters["lot"]))
        except ValueError:
            return queryset.none()
        lot = FetchLot.objects.filter(pk=pk, account=str(request.user.pk)).first()
        if lot is None:
            return queryset.none()
        return queryset.filter(number__in=lot.fetched)

    def chosen(self) -> str:
        return "dossiers récupérés ensemble"

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        yield {
            "selected": True,
            "query_string": changelist.get_query_string(),
            "display": "Dossiers récupérés ensemble",
        }
        yield {
            "selected": False,
            "query_string": changelist.get_query_string(remove=["lot"]),
            "display": "Tous",
        }


FILTERS = (
    SituationFilter,
    StateFilter,
    ChangeFilter,
    DepositFilter,
    DemarcheFilter,
    LotFilter,
)
# Django would take any column, and stumble over odd values.
OFFERED = {
    "situation",
    "state__exact",
    "modifie",
    "depot",
    "demarche__id__exact",
    "demarche",
    "lot",
}
