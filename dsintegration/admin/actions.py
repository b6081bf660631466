"""« Actions récentes » of an admin site: what an account no longer sees is not named there."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from dsintegration.perimeters import sight_of

# Django shows ten.
LATEST = 50


def limit(site: AdminSite) -> None:
    """Django's own hook for it is a method, of a site that may be another's class."""
    site.get_log_entries = _limited(site, site.get_log_entries)  # type: ignore[method-assign]


def _limited(site: AdminSite, entries_of: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    def get_log_entries(request: HttpRequest) -> Any:
        entries = entries_of(request)
        if sight_of(request.user).is_whole:
            return entries
        # Every page of the site has them among its context, and the index alone shows them.
        return SimpleLazyObject(lambda: _visible(site, request, entries))

    return get_log_entries


def _visible(site: AdminSite, request: HttpRequest, entries: QuerySet[LogEntry]) -> Any:
    """Each page of ours says which rows exist for the account; an entry of another is left out."""
    pages = {model: page for model, page in site._registry.items() if _is_ours(model)}
    latest = entries.filter(user=request.user.pk)[:LATEST]
    asked: dict[Any, list[LogEntry]] = defaultdict(list)
    for entry in latest:
        model = entry.content_type and entry.content_type.model_class()
        if model in pages and entry.object_id:
            asked[model].append(entry)
    hidden = []
    for model, named in asked.items():
        keys = {entry.pk: _key(model, entry) for entry in named}
        rows = pages[model].get_queryset(request).order_by()
        seen = set(rows.filter(pk__in=keys.values()).values_list("pk", flat=True))
        hidden += [pk for pk, key in keys.items() if key not in seen]
    return entries.filter(pk__in=[entry.pk for entry in latest if entry.pk not in hidden])


def _key(model: Any, entry: LogEntry) -> Any:
    try:
        return model._meta.pk.to_python(entry.object_id)
    except ValidationError:
        return None


def _is_ours(model: Any) -> bool:
    return bool(model._meta.app_label == "dsintegration")
