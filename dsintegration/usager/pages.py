"""What all pages of the usager have in common: nothing of them is kept, passed on or indexed."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import View

from dsintegration.usager.csrf import csrf_protect_without_referrer

ViewFunction = Callable[..., HttpResponseBase]


def kept_by_nobody(view: ViewFunction) -> ViewFunction:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        # No Expires beside it: a date would make two same answers differ.
        response["Cache-Control"] = "no-store, private"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return wrapped


class UsagerPage(View):
    @classmethod
    def as_view(cls, **initkwargs: Any) -> ViewFunction:
        view = sensitive_post_parameters()(super().as_view(**initkwargs))
        # Exempt from the project's own check only: ours, inside, takes its place. No transaction
        # around it: the platform may be asked, and what a refusal writes is to stay.
        page = csrf_exempt(kept_by_nobody(csrf_protect_without_referrer(view)))
        return transaction.non_atomic_requests(page)
