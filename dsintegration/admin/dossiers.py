"""Dossiers: the list with its queue, and one of them with its conversation."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join

from dsintegration import conf, journal
from dsintegration.admin.answers import PREFIX, AnswersFilter, columns_of
from dsintegration.admin.changelists import (
    DossierChangeList,
    Slice,
    filters_of,
    neighbours,
    preserved,
)
from dsintegration.admin.contents import shown_of
from dsintegration.admin.conversations import conversation_of
from dsintegration.admin.exporting import ExportAdmin
from dsintegration.admin.files import FilesAdmin
from dsintegration.admin.filters import FILTERS, MOST_READ, OFFERED, demarches_of
from dsintegration.admin.histories import history_of
from dsintegration.admin.mirror import CappedPaginator
from dsintegration.admin.searching import search
from dsintegration.exceptions import DSUnavailable
from dsintegration.harmless import on_a_page
from dsintegration.mirror.settling import settle
from dsintegration.models import Action, Dossier, DossierQuerySet, Outcome
from dsintegration.perimeters import ASK, sight_of
from dsintegration.templatetags.dossiers import day, days_since, moment, shortened, state_badge


@admin.register(Dossier)
class DossierAdmin(ExportAdmin, FilesAdmin):
    change_list_template = "admin/dsintegration/dossier/change_list.html"
    list_display = (
        "number",
        "etat",
        "title",
        "usager",
        "last_message",
        "depot",
        "modification",
        "fetched",
    )
    list_display_in_queue = (
        "number",
        "etat",
        "waiting",
        "words",
        "usager",
        "title",
        "modification",
    )
    list_filter = FILTERS
    list_select_related = ("demarche",)
    ordering = ("-date_derniere_modification",)
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("number",)  # search() does it; Django wants one to show the box
    search_help_text = (
        "Numéro de dossier ou de démarche, adresse de l'usager, mots du titre de la démarche, "
        "SIRET ou début d'une réponse ; une partie suffit"
    )
    actions = ("refresh_selected",)

    # The list

    @admin.display(description="démarche")
    def title(self, dossier: Dossier) -> str:
        return on_a_page(dossier.demarche.title)

    @admin.display(description="état")
    def etat(self, dossier: Dossier) -> str:
        marks = {
            "à répondre": dossier.is_to_answer,
            "correction attendue": dossier.date_derniere_correction_en_attente and dossier.is_open,
            "absent de la plateforme": dossier.absent_since,
            "en erreur": dossier.last_error_at,
        }
        shown = format_html_join(
            "", '<br><span class="ds-mark">{}</span>', ((mark,) for mark, on in marks.items() if on)
        )
        return state_badge(dossier) + shown

    @admin.display(description="usager")
    def usager(self, dossier: Dossier) -> str:
        return shortened(dossier.usager_email)

    @admin.display(description="déposé le", ordering="date_depot")
    def depot(self, dossier: Dossier) -> str:
        return day(dossier.date_depot)

    @admin.display(description="modifié le", ordering="date_derniere_modification")
    def modification(self, dossier: Dossier) -> str:
        return day(dossier.date_derniere_modification)

    @admin.display(description="dernier message", ordering="last_human_at")
    def last_message(self, dossier: Dossier) -> str:
        if dossier.last_human_at is None:
            return "aucun"
        return format_html(
            "{}<br>{}", day(dossier.last_human_at), dossier.get_last_human_author_display()
        )

    @admin.display(description="récupéré le", ordering="fetched_at")
    def fetched(self, dossier: Dossier) -> str:
        return moment(dossier.fetched_at)

    @admin.display(description="attend depuis", ordering="waiting_since")
    def waiting(self, dossier: Dossier) -> str:
        if dossier.waiting_since is None:
            return ""
        return format_html(
            "{}<br><strong>{}</strong>",
            day(dossier.waiting_since),
            days_since(dossier.waiting_since),
        )

    @admin.display(description="début du dernier message")
    def words(self, dossier: Any) -> str:
        return on_a_page(getattr(dossier, "first_words", ""))

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = self.list_display_in_queue if _is_queue(request) else self.list_display
        if not (columns := columns_of(request)):
            return shown
        # Of one démarche, whose title the head of the list has.
        return (*shown[:2], *columns, *(name for name in shown[2:] if name != "title"))

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (*self.list_filter, AnswersFilter)

    def get_ordering(self, request: HttpRequest) -> Any:
        return ("waiting_since", "pk") if _is_queue(request) else self.ordering

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DossierChangeList]:
        return Slice if getattr(request, "wants_neighbours", False) else DossierChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[DossierQuerySet, bool]:
        known = demarches_of(request)
        all_of_them = known if len(known) < MOST_READ else None
        return search(queryset, search_term, sight_of(request.user), all_of_them), False

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        return (lookup in OFFERED or lookup.startswith(PREFIX)) and "\0" not in str(value)

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dsintegration.settle_dossier")

    # Pages

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.settle_view)
        return [
            path("<path:object_id>/settle/", view, name="dsintegration_dossier_settle"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "title": "Dossiers",
            "has_fetch_permission": self.has_fetch_permission(request),
            "has_export_permission": self.has_export_permission(request),
            "ask": ASK if sight_of(request.user).is_empty else "",
            "preserved": preserved(request.GET.urlencode()),
        }
        response = super().changelist_view(request, context | (extra_context or {}))
        said = getattr(response, "context_data", None) or {}
        if changes := said.get("cl"):
            said["title"] = changes.heading
            numbers = [row.number for row in changes.result_list]
            demarches = [row.demarche.number for row in changes.result_list]
            journal.write_list(journal.user(request.user), numbers, demarches)
        return response

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One dossier, to be read."""
        dossier = self._find(request, object_id)
        if dossier is None:
            return self._not_here(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(dossier),
            "opts": self.opts,
            "dossier": dossier,
            "conversation": conversation_of(dossier),
            "opens_files": conf.files() != "off",
            "shown": shown_of(dossier, sight_of(request.user)),
            "has_choose_permission": request.user.has_perm("dsintegration.change_demarche"),
            "list": neighbours(self, request, dossier),
            "has_fetch_permission": self.has_fetch_permission(request),
            "has_settle_permission": self.has_settle_permission(request),
        }
        by = journal.user(request.user)
        journal.write(by.entry(Action.VIEW, Outcome.SHOWN, dossier.number))
        return TemplateResponse(request, "admin/dsintegration/dossier/detail.html", context)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("demarche")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What became of the dossier, and what was asked for it."""
        dossier = self._find(request, object_id)
        if dossier is None:
            return self._not_here(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Historique du {str(dossier).lower()}",
            "opts": self.opts,
            "dossier": dossier,
            "events": history_of(dossier, with_accesses=_reads_journal(request)),
            "filters": filters_of(request),
            "preserved": preserved(filters_of(request)),
        }
        by = journal.user(request.user)
        journal.write(by.entry(Action.VIEW, Outcome.SHOWN, dossier.number))
        return TemplateResponse(request, "admin/dsintegration/dossier/history.html", context)

    def settle_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """« Rien à répondre », of the messages that the page showed."""
        if not self.has_settle_permission(request):
            raise PermissionDenied
        dossier = self._find(request, object_id)
        if dossier is None:
            return self._not_here(request, object_id)
        if request.method == "POST":  # a GET comes from the login page, after a session ended
            try:
                until = parse_datetime(request.POST.get("until", ""))
            except ValueError:
                until = None
            seen_until = until if until and timezone.is_aware(until) else None
            try:
                is_settled = seen_until and settle(
                    dossier.pk, seen_until, journal.user(request.user)
                )
            except DSUnavailable as busy:
                messages.error(request, f"{dossier} : {busy.sentence}")
                return self._to_dossier(request, dossier.pk)
            if is_settled:
                messages.success(
                    request,
                    f"{dossier} : rien à répondre. Il reviendra dans la liste « À répondre » si "
                    "l'usager écrit de nouveau.",
                )
            else:
                messages.warning(
                    request, f"{dossier} : la conversation a changé, relisez-la d'abord."
                )
        return self._to_dossier(request, dossier.pk)

    @admin.action(description="Actualiser les dossiers sélectionnés", permissions=["fetch"])
    def refresh_selected(
        self, request: HttpRequest, queryset: models.QuerySet[Dossier]
    ) -> HttpResponse | None:
        """The stalest first, so that the same action again goes on where this one ended; one that
        failed stands where it may be asked again.
        """
        turn = Coalesce("next_try_at", "checked_at")
        stalest = queryset.order_by(turn, "pk").values_list("number", flat=True)
        return self.refresh_numbers(request, list(stalest[: CappedPaginator.CAP + 1]))


def _is_queue(request: HttpRequest) -> bool:
    return request.GET.get("situation") == "a_repondre"


def _reads_journal(request: HttpRequest) -> bool:
    return request.user.has_perm("dsintegration.view_journalentry")
