"""The layout that the usager's pages extend: ours, or the project's own (DS_BASE_TEMPLATE)."""

from typing import Any

from django import shortcuts
from django.http import HttpRequest, HttpResponse

from dsintegration import conf


def render(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """The page as Django renders it, within the layout that the settings name."""
    laid_out = {"layout": conf.base_template()} | (context or {})
    return shortcuts.render(request, template, laid_out, status=status)
