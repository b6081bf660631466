"""Dossiers: the list, one of them with its conversation, fetching, and the export."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from import_export.admin import ExportMixin

from dsintegration import journal
from dsintegration.admin import fetch
from dsintegration.admin.export import FORMATS, DossierResource, FormatForm
from dsintegration.admin.filters import DepositFilter, SituationFilter, search
from dsintegration.admin.mirror import CappedPaginator, MirrorAdmin
from dsintegration.models import Action, Dossier, DossierQuerySet, Outcome
from dsintegration.templatetags.dossiers import ago, day, state_badge

MAX_EXPORTED = 50_000
# Beyond, the journal has their count only.
MAX_NAMED = 1000
# The filters of the list; Django would take any column, and stumble over odd values.
OFFERED = {"state__exact", "demarche__id__exact", "situation", "depot"}


@admin.register(Dossier)
class DossierAdmin(ExportMixin, MirrorAdmin):
    import_export_change_list_template = "admin/dsintegration/dossier/change_list.html"
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
    list_filter = ("state", SituationFilter, DepositFilter, "demarche")
    list_select_related = ("demarche",)
    ordering = ("-date_derniere_modification",)
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("number",)  # search() does it; Django wants one to show the box
    search_help_text = (
        "Numéro de dossier, adresse exacte de l'usager, ou mots du titre de la démarche"
    )
    actions = ("refresh_selected",)

    # Export, by django-import-export
    resource_classes = (DossierResource,)
    formats = FORMATS
    export_form_class = FormatForm
    export_template_name = "admin/dsintegration/dossier/export.html"

    # The list

    @admin.display(description="démarche")
    def title(self, dossier: Dossier) -> str:
        return dossier.demarche.title

    @admin.display(description="état")
    def etat(self, dossier: Dossier) -> str:
        marks = {
            "à répondre": dossier.is_to_answer,
            "absent de la plateforme": dossier.absent_since,
            "en erreur": dossier.last_error_at,
        }
        shown = format_html_join(
            "", '<br><span class="ds-mark">{}</span>', ((mark,) for mark, on in marks.items() if on)
        )
        return state_badge(dossier) + shown

    @admin.display(description="usager")
    def usager(self, dossier: Dossier) -> str:
        return dossier.usager_email

    @admin.display(description="déposé le", ordering="date_depot")
    def depot(self, dossier: Dossier) -> str:
        return day(dossier.date_depot)

    @admin.display(description="modifié le", ordering="date_derniere_modification")
    def modification(self, dossier: Dossier) -> str:
        return day(dossier.date_derniere_modification)

    @admin.display(description="dernier message", ordering="last_message_at")
    def last_message(self, dossier: Dossier) -> str:
        if dossier.last_message_at is None:
            return "aucun"
        return format_html(
            "{}<br>{}", day(dossier.last_message_at), dossier.get_last_message_author_display()
        )

    @admin.display(description="récupéré", ordering="fetched_at")
    def fetched(self, dossier: Dossier) -> str:
        return ago(dossier.fetched_at)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[DossierQuerySet, bool]:
        return search(queryset, search_term), False

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        return lookup in OFFERED and "\0" not in str(value)

    # Rights

    def has_fetch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dsintegration.fetch_dossier")

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dsintegration.export_dossier") and self.has_view_permission(
            request
        )

    # Pages

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("fetch/", view(self.fetch_view), name="dsintegration_dossier_fetch"),
            path(
                "<path:object_id>/refresh/",
                view(self.refresh_view),
                name="dsintegration_dossier_refresh",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "title": "Dossiers",
            "has_fetch_permission": self.has_fetch_permission(request),
        }
        response = super().changelist_view(request, context | (extra_context or {}))
        if changes := getattr(response, "context_data", {}).get("cl"):
            numbers = [dossier.number for dossier in changes.result_list]
            journal.write_list(journal.user(request.user), numbers)
        return response

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One dossier, to be read."""
        dossier = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, dossier):
            raise PermissionDenied
        if dossier is None:
            return self._not_here(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(dossier),
            "opts": self.opts,
            "dossier": dossier,
            "conversation": list(dossier.messages.all()),
            "has_fetch_permission": self.has_fetch_permission(request),
        }
        by = journal.user(request.user)
        journal.write(by.entry(Action.VIEW, Outcome.SHOWN, dossier.number))
        return TemplateResponse(request, "admin/dsintegration/dossier/detail.html", context)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("demarche")

    def fetch_view(self, request: HttpRequest) -> HttpResponse:
        """The form that fetches by number, and what came of it."""
        if not self.has_fetch_permission(request):
            raise PermissionDenied
        form = fetch.FetchForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            batch = self._fetch(request, form.cleaned_data["numbers"])
            if batch.is_one_success and self.has_view_permission(request):
                return self._to_dossier(batch.results[0].dossier.pk)
            if batch.left:
                messages.warning(
                    request,
                    f"Reste à récupérer : {len(batch.left)}. Les numéros sont ci-dessous, relancez "
                    "la récupération.",
                )
            again = "\n".join(map(str, batch.to_try_again))
            form = fetch.FetchForm(initial={"numbers": again})
        context = {
            **self.admin_site.each_context(request),
            "title": "Récupérer un dossier",
            "opts": self.opts,
            "form": form,
            "has_view_permission": self.has_view_permission(request),
        }
        return TemplateResponse(request, "admin/dsintegration/dossier/fetch.html", context)

    def refresh_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dossier = self.get_object(request, unquote(object_id))
        if not self.has_fetch_permission(request) or not self.has_view_permission(request, dossier):
            raise PermissionDenied
        if dossier is None:
            return self._not_here(request, object_id)
        if request.method == "POST":  # a GET comes from the login page, after a session ended
            self._fetch(request, [dossier.number])
        return self._to_dossier(dossier.pk)

    @admin.action(description="Actualiser les dossiers sélectionnés", permissions=["fetch"])
    def refresh_selected(self, request: HttpRequest, queryset: models.QuerySet[Dossier]) -> None:
        """The stalest first, so that the same action again goes on where this one ended; one that
        failed stands where it may be asked again.
        """
        turn = Coalesce("next_try_at", "checked_at")
        stalest = queryset.order_by(turn, "pk").values_list("number", flat=True)
        numbers = list(stalest[: CappedPaginator.CAP + 1])
        batch = self._fetch(request, numbers[: fetch.MAX_NUMBERS])
        if left := len(numbers) - len(batch.results) - len(batch.failures):
            more = "plus de " if len(numbers) > CappedPaginator.CAP else ""
            messages.warning(
                request,
                f"Il en reste {more}{left} : relancez l'action, elle reprendra par eux.",
            )

    def _fetch(self, request: HttpRequest, numbers: list[int]) -> fetch.Batch:
        batch = fetch.fetch_within_a_page(numbers, journal.user(request.user))
        fetch.log(request, batch)
        fetch.tell(request, batch)
        return batch

    def _not_here(self, request: HttpRequest, object_id: str) -> HttpResponse:
        response: HttpResponse = self._get_obj_does_not_exist_redirect(
            request, self.opts, object_id
        )
        return response

    def _to_dossier(self, pk: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:dsintegration_dossier_change", args=[pk]))

    def export_action(self, request: HttpRequest) -> HttpResponse:
        try:
            response: HttpResponse = super().export_action(request)
        except IncorrectLookupParameters:
            messages.error(request, "Ce filtre n'existe pas : exportez depuis la liste.")
            return HttpResponseRedirect(reverse("admin:dsintegration_dossier_changelist"))
        return response

    def _do_file_export(
        self, file_format: Any, request: HttpRequest, queryset: Any, export_form: Any = None
    ) -> HttpResponse:
        """The file, unless it would be larger than anybody reads."""
        some = queryset.order_by().values_list("number", flat=True)
        numbers = list(some[: MAX_EXPORTED + 1])
        if len(numbers) > MAX_EXPORTED:
            messages.error(
                request,
                f"Cela fait plus de {MAX_EXPORTED} dossiers : filtrez la liste, puis exportez.",
            )
            return HttpResponseRedirect(request.get_full_path())
        response: HttpResponse = super()._do_file_export(
            file_format, request, queryset, export_form=export_form
        )
        by = journal.user(request.user)
        journal.write(by.listing(Action.EXPORT, numbers, named=len(numbers) <= MAX_NAMED))
        # What was searched may name somebody.
        shown = [f"{name}={value}" for name, value in request.GET.items() if name in OFFERED]
        shown += ["recherche"] if request.GET.keys() - OFFERED else []
        filters = ", ".join(shown) or "aucun"
        LogEntry.objects.create(
            user=cast(User, request.user),
            content_type=ContentType.objects.get_for_model(Dossier),
            object_repr=f"Export, dossiers : {len(numbers)}",
            action_flag=CHANGE,
            change_message=f"Export {file_format.get_extension()}, filtres : {filters}"[:1000],
        )
        return response
