"""The page that exports the list as it is filtered, and what is written down of it."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from dsintegration import journal
from dsintegration.admin.changelists import DossierChangeList
from dsintegration.admin.export import COLUMNS, FORMATS, Cell, Format, FormatForm, Sheet, cells
from dsintegration.admin.filters import OFFERED
from dsintegration.admin.mirror import MirrorAdmin
from dsintegration.admin.sheets import MAX_CHAMPS, Answers
from dsintegration.models import Action, Dossier
from dsintegration.templatetags.dossiers import thousands

MAX_EXPORTED = 50_000
# Beyond, the journal has their count only.
MAX_NAMED = 1000
# Rows of one chunk; answers may be long.
AT_ONCE, AT_ONCE_WITH_ANSWERS = 2000, 200


class ExportAdmin(MirrorAdmin):
    """The part of the list of dossiers that makes files of it."""

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dsintegration.export_dossier") and self.has_view_permission(
            request
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="dsintegration_dossier_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            changes = cast(DossierChangeList, self.get_changelist_instance(request))
        except (IncorrectLookupParameters, DisallowedModelAdminLookup):
            messages.error(request, "Ce filtre n'existe pas : exportez depuis la liste.")
            return HttpResponseRedirect(self.address_of("dossier_changelist"))
        form = FormatForm(request.POST or None, initial={"format": 0})
        count = changes.queryset.order_by()[: MAX_EXPORTED + 1].count()
        if request.method == "POST" and form.is_valid():
            if count <= MAX_EXPORTED:
                return self._file(request, FORMATS[form.cleaned_data["format"]], changes.queryset)
            messages.error(
                request,
                f"Cela fait plus de {thousands(MAX_EXPORTED)} dossiers : filtrez la liste, puis "
                "exportez.",
            )
            return HttpResponseRedirect(request.get_full_path())
        context = {
            **self.admin_site.each_context(request),
            "title": ("Erreur : " if form.errors else "") + "Exporter la liste des dossiers",
            "heading": "Exporter la liste des dossiers",
            "opts": self.opts,
            "form": form,
            "cl": changes,
            "count": min(count, MAX_EXPORTED),
            "answers": Answers(changes.queryset),
            "max_champs": MAX_CHAMPS,
            "is_too_many": count > MAX_EXPORTED,
        }
        return TemplateResponse(request, "admin/dsintegration/dossier/export.html", context)

    def _file(
        self, request: HttpRequest, format: Format, queryset: QuerySet[Dossier]
    ) -> HttpResponse:
        """The file; whatever fails, nothing leaves before the journal has it."""
        numbers: list[int] = []
        demarches: list[int] = []
        with tempfile.TemporaryFile() as file:
            format.write(_sheets(queryset, numbers, demarches), file)
            file.seek(0)
            content = file.read()
        by = journal.user(request.user)
        named = len(numbers) <= MAX_NAMED
        journal.write(by.listing(Action.EXPORT, numbers, demarches, named=named))
        _log(request, format, len(numbers))
        name = f"{timezone.localtime():dossiers-%Y-%m-%d-%Hh%M}.{format.extension}"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        return HttpResponse(content, content_type=format.content_type, headers=headers)


def _sheets(queryset: QuerySet[Dossier], numbers: list[int], demarches: list[int]) -> list[Sheet]:
    """What was shown is noted on the way."""
    answers = Answers(queryset)
    columns = [*COLUMNS, *answers.columns]
    dossiers = queryset.defer(None).defer(*answers.deferred, "demarche__selection")
    at_once = AT_ONCE_WITH_ANSWERS if answers.columns else AT_ONCE

    def rows() -> Iterator[Sequence[Cell]]:
        for dossier in dossiers.iterator(chunk_size=at_once):
            numbers.append(dossier.number)
            demarches.append(dossier.demarche.number)
            yield cells(dossier, columns)

    sheets = [Sheet("Dossiers", columns, rows())]
    if answers.have_rows:
        again = answers.rows(dossiers.iterator(chunk_size=at_once))
        sheets.append(Sheet("Blocs répétables", answers.columns_of_rows, again))
    return sheets


def _log(request: HttpRequest, format: Format, count: int) -> None:
    # What was searched may name somebody.
    shown = [f"{name}={value}" for name, value in request.GET.items() if name in OFFERED]
    shown += ["recherche"] if request.GET.keys() - OFFERED else []
    filters: Any = ", ".join(shown) or "aucun"
    LogEntry.objects.create(
        user_id=cast(int, request.user.pk),
        content_type=ContentType.objects.get_for_model(Dossier),
        object_repr=f"Export, dossiers : {count}",
        action_flag=CHANGE,
        change_message=f"Export {format.extension}, filtres : {filters}"[:1000],
    )
