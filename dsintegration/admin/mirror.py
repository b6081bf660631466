"""What every admin page of ours shares: nobody sees beyond his perimeter, nor edits the mirror."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import yesno
from django.urls import URLPattern, reverse
from django.utils.functional import cached_property

from dsintegration.admin.kept import keep_typed
from dsintegration.admin.titles import TitledAdmin
from dsintegration.perimeters import sight_of


def in_words(name: str, description: str) -> Callable[[Any], str]:
    """A column of « oui » and « non »: Django's icons say True and False to a screen reader."""

    @admin.display(description=description, ordering=name)
    def cell(row: Any) -> str:
        return str(yesno(getattr(row, name)))

    return cell


class PerimeterAdmin(TitledAdmin):
    """Rows outside the account's perimeter do not exist, whatever the address or the action.

    A subclass says how a row leads to its démarche, or limits its rows by itself.
    """

    path_to_demarche = "demarche"

    class Media:
        css = {"all": ("dsintegration/admin.css",)}  # noqa: RUF012  # as in Django

    @property
    def urls(self) -> list[URLPattern]:
        """Outside of any transaction around the request: some of them ask the platform.

        What was typed into any of them outlives the session.
        """
        patterns = self.get_urls()
        for pattern in patterns:
            pattern.callback = keep_typed(self.admin_site, pattern.callback)
            transaction.non_atomic_requests(pattern.callback)
        return patterns

    def address_of(self, page: str, *args: Any) -> str:
        """The address of a page of ours in the admin site that this is registered with."""
        return reverse(f"admin:dsintegration_{page}", args=args, current_app=self.admin_site.name)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return sight_of(request.user).limit(super().get_queryset(request), self.path_to_demarche)

    def get_search_fields(self, request: HttpRequest) -> Any:
        """None for Django's autocomplete, which would list rows that no journal tells of."""
        match = request.resolver_match
        if match and match.url_name == "autocomplete":
            return ()
        return super().get_search_fields(request)


class MirrorAdmin(PerimeterAdmin):
    """Rows come from the platform alone: none is added, changed or deleted by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def response_action(
        self, request: HttpRequest, queryset: models.QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """As Django's, which stumbles over a choice that cannot be a row."""
        try:
            for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.clean(chosen, None)
        except ValidationError:
            messages.error(request, "Cette sélection ne désigne aucune ligne : recommencez-la.")
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **kwargs)


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than `CAP` rows: a count reads all that it counts."""

    CAP = 10_000

    @cached_property
    def _counted(self) -> int:
        rows = cast("models.QuerySet[Any]", self.object_list)
        return rows.order_by()[: self.CAP + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self._counted, self.CAP)

    @property
    def is_capped(self) -> bool:
        return self._counted > self.CAP
