"""Probes come by address and over plain http: before host names are checked, before https.

So does the server that collects metrics, where it has a token.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, get_script_prefix, reverse

from dsintegration import conf
from dsintegration.health import views

PROBES = {
    "dsintegration_health:live": views.live,
    "dsintegration_health:ready": views.ready,
    "dsintegration_metrics:metrics": views.metrics,
}


class HealthMiddleware:
    """Answers to the probes by itself; the first in MIDDLEWARE, where they are to pass."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        prefix = get_script_prefix().rstrip("/")
        for name, view in PROBES.items():
            try:
                address = reverse(name)
            except NoReverseMatch:  # a part that the project does not include
                continue
            if request.path_info == address.removeprefix(prefix):
                if view is views.metrics and not conf.metrics_token():
                    break
                return view(request)
        return self.get_response(request)
