"""Probes come by address and over plain http: before host names are checked, before https."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import get_script_prefix, reverse

from dsintegration.health import views


class HealthMiddleware:
    """Answers to the probes by itself; the first in MIDDLEWARE, where they are to pass."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        prefix = get_script_prefix().rstrip("/")
        for name, view in (("live", views.live), ("ready", views.ready)):
            if request.path_info == reverse(f"dsintegration_health:{name}").removeprefix(prefix):
                return view(request)
        return self.get_response(request)
