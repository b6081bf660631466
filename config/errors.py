"""The answers to errors outside the views: pages in French, JSON below the root of the REST API."""

import sys
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from dsintegration.api.errors import SENTENCES
from dsintegration.database import PAUSE, trouble

API = "/api/"


def bad_request(request: HttpRequest, exception: Any) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _answer(request, 413, "invalid", "La demande est démesurée.")
    return _answer(request, 400, "invalid", "La demande ne peut pas être lue.")


def permission_denied(request: HttpRequest, exception: Any) -> HttpResponse:  # noqa: ARG001
    return _answer(request, 403, "permission_denied", "Vous n'avez pas le droit de faire cela.")


def page_not_found(request: HttpRequest, exception: Any) -> HttpResponse:  # noqa: ARG001
    return _answer(request, 404, "not_found", "Cette adresse n'existe pas.")


def server_error(request: HttpRequest) -> HttpResponse:
    if found := trouble(sys.exception()):
        response = _answer(request, 503, f"database_{found}", SENTENCES[f"database_{found}"] or "")
        response["Retry-After"] = str(PAUSE)
        return response
    return _answer(
        request, 500, "server_error", "Erreur interne ; elle est notée dans le journal du serveur."
    )


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if request.path_info.startswith(API):
        body = {"detail": detail, "code": code}
        return JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False})
    # Without the request: none of its context (session, account) may fail here in its turn.
    # Whoever works in the admin goes back there, and not to the page of usagers.
    home = reverse("admin:index")
    context = {"home": home if request.path.startswith(home) else "/"}
    return render(None, f"{status}.html", context, status=status)
