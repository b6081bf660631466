"""The filters and the search box of the list of dossiers. Each uses an index."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from dsintegration.models import Demarche, DossierQuerySet
from dsintegration.numbers import InvalidNumber, parse_number

# A search that names more démarches than that names none.
MAX_DEMARCHES = 500


class SituationFilter(admin.SimpleListFilter):
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


class DepositFilter(admin.SimpleListFilter):
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
        today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        this_year = today.replace(month=1, day=1)
        last_year = this_year.replace(year=this_year.year - 1)
        match self.value():
            case "jour":
                return queryset.filter(date_depot__gte=today)
            case "semaine":
                return queryset.filter(date_depot__gte=_days_before(today, 7))
            case "mois":
                return queryset.filter(date_depot__gte=_days_before(today, 30))
            case "annee":
                return queryset.filter(date_depot__gte=this_year)
            case "annee_passee":
                return queryset.filter(date_depot__gte=last_year, date_depot__lt=this_year)
            case "avant":
                return queryset.filter(date_depot__lt=last_year)
        return queryset


def _days_before(midnight: datetime, days: int) -> datetime:
    return midnight - timedelta(days=days)


def search(queryset: DossierQuerySet, text: str) -> DossierQuerySet:
    """Digits are a number, an "@" an exact address, other words are in a démarche's title."""
    text = text.strip()
    if not text:
        return queryset
    if "@" in text:
        return queryset.of_usager(text)
    try:
        return queryset.filter(number=parse_number(text))
    except InvalidNumber:
        named = Demarche.objects.filter(title__icontains=text).values_list("pk", flat=True)
        return queryset.filter(demarche__in=list(named[:MAX_DEMARCHES]))
