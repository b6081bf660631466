"""Titles of pages in French: Django puts them together out of words (« Ajout de utilisateur »)."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst


class TitledAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Pages bear the model's names; `title_of_new`: the page that adds one, if there is one."""

    title_of_new = ""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        titled = {"title": capfirst(self.opts.verbose_name_plural)} | (extra_context or {})
        return super().changelist_view(request, titled)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        title = capfirst(self.opts.verbose_name) if object_id else self.title_of_new
        titled = {"title": title} | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, titled)
