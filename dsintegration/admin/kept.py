"""What was typed into a page whose session has ended outlives the login.

It waits in the session of the browser, for the page that it was sent to; whoever comes back there
sees it, and sends it again or lets it go. Passwords are never kept.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_protect

KEPT = "dsintegration.kept"
# Of 500 numbers, or of 1,000 démarches: 13 kB. Whoever never comes in leaves no more than that.
LARGEST = 16 * 1024
NOT_TYPED = {"action", "index", "select_across", "_selected_action", "draw", "until"}

View = Callable[..., Any]


def keep_typed(site: AdminSite, view: View) -> View:
    """The view of a page with a form; `site` says who may come in."""

    @wraps(view)
    @csrf_protect
    def keeping(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not site.has_permission(request):
            if request.method == "POST":
                _keep(request)
        elif request.method == "GET" and KEPT in request.session:
            path, fields = request.session[KEPT]
            if path == request.get_full_path():
                del request.session[KEPT]
                return _page(site, request, fields)
        return view(request, *args, **kwargs)

    return keeping


def _keep(request: HttpRequest) -> None:
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name != "csrfmiddlewaretoken" and "password" not in name
    ]
    if fields and sum(len(name) + len(value) for name, value in fields) <= LARGEST:
        request.session[KEPT] = [request.get_full_path(), fields]


def _page(site: AdminSite, request: HttpRequest, fields: list[Any]) -> HttpResponse:
    names = [name for name, _ in fields]
    typed = [
        value
        for name, value in fields
        if value.strip() not in {"", "on"}
        and names.count(name) == 1
        and name not in NOT_TYPED
        and not name.startswith("_")
    ]
    context = {
        **site.each_context(request),
        "title": "Votre session avait pris fin",
        "fields": fields,
        "typed": typed,
    }
    response = TemplateResponse(request, "admin/dsintegration/kept.html", context)
    add_never_cache_headers(response)
    return response
