"""The schema, its page for people, and the answer to addresses that do not exist."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.shortcuts import render
from django.urls import resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from dsintegration.api.errors import SENTENCES
from dsintegration.api.openapi import document, read_codes
from dsintegration.api.reading import read_operations, read_schemas
from dsintegration.api.views import ApiView


@extend_schema(exclude=True)
class SchemaView(ApiView):
    """Open to all: it tells how to ask, and nothing of what is stored."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def get(self, request: Request) -> Response:
        return Response(document())


@require_safe
@gzip_page
def docs(request: HttpRequest) -> HttpResponse:
    """The schema as a page, without a script or a style of its own: the CSP allows none."""
    schema: dict[str, Any] = document()
    context = {
        "info": schema["info"],
        "operations": read_operations(schema),
        "schemas": read_schemas(schema),
        "codes": read_codes(),
    }
    return render(request, "dsintegration/api/docs.html", context)


@csrf_exempt
def unknown_address(request: HttpRequest) -> HttpResponse:
    """404, or the way to the same address with the slash that it lacks, method and body kept."""
    path = request.path_info + "/"
    if not request.path_info.endswith("/") and resolve(path).func is not unknown_address:
        query = request.META.get("QUERY_STRING")
        target = f"{request.path}/" + (f"?{query}" if query else "")
        return HttpResponsePermanentRedirect(target, preserve_request=True)
    body = {"detail": SENTENCES["not_found"], "code": "not_found"}
    return JsonResponse(body, status=404, json_dumps_params={"ensure_ascii": False})
