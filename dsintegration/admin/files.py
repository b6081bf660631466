"""The files of a dossier, for whoever sees the dossier."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from dsintegration import conf, journal
from dsintegration.admin.fetching import FetchingAdmin
from dsintegration.exceptions import DSError, FileGone
from dsintegration.models import File
from dsintegration.words import IN_AN_AGENTS_WORDS, UNCONFIGURED


class FilesAdmin(FetchingAdmin):
    """The part of a dossier's page that gives its files."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        name = "dsintegration_dossier_file"
        return [path("<path:object_id>/files/<int:file>/", view, name=name), *super().get_urls()]

    def file_view(self, request: HttpRequest, object_id: str, file: int) -> HttpResponseBase:
        """The file, or the dossier's page with a sentence that says why not."""
        dossier = self._find(request, object_id)
        if dossier is None:
            return self._not_here(request, object_id)
        if conf.files() == "off":
            raise Http404
        rows = File.objects.select_related("dossier", "message")
        row = rows.filter(dossier=dossier, pk=min(file, 2**63 - 1)).first()
        try:
            return self._give(request, row)
        except DSError as err:
            words: Any = IN_AN_AGENTS_WORDS.get(err.reason, err.sentence)
            messages.error(request, f"Fichier non ouvert : {words}")
        except ImproperlyConfigured:
            messages.error(request, UNCONFIGURED)
        return self._to_dossier(request, dossier.pk)

    def _give(self, request: HttpRequest, row: File | None) -> HttpResponseBase:
        if row is None:
            raise FileGone
        # No project waits at its start for what these import (gql, pydantic).
        from dsintegration.files import open_file
        from dsintegration.files.serving import file_response

        return file_response(row, open_file(row, by=journal.user(request.user)))
