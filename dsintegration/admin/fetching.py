"""The pages that fetch: the form, what came of it, and « Actualiser »."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from dsintegration.admin import fetch, telling
from dsintegration.admin.changelists import filters_of, preserved
from dsintegration.admin.mirror import CappedPaginator, MirrorAdmin
from dsintegration.models import FetchLot
from dsintegration.templatetags.dossiers import thousands


class FetchingAdmin(MirrorAdmin):
    """The part of the list of dossiers that asks the platform."""

    def has_fetch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dsintegration.fetch_dossier")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("fetch/", view(self.fetch_view), name="dsintegration_dossier_fetch"),
            path("fetch/<uuid:lot>/", view(self.lot_view), name="dsintegration_dossier_lot"),
            path(
                "<path:object_id>/refresh/",
                view(self.refresh_view),
                name="dsintegration_dossier_refresh",
            ),
            *super().get_urls(),
        ]

    def fetch_view(self, request: HttpRequest) -> HttpResponse:
        """The form that fetches by number, and what came of it."""
        if not self.has_fetch_permission(request):
            raise PermissionDenied
        form = fetch.FetchForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            batch = self._fetch(request, form.cleaned_data["numbers"])
            if batch.is_one_success and self.has_view_permission(request):
                [one] = batch.results
                self._tell_one(request, batch)
                return self._to_dossier(request, one.dossier.pk)
            lot = fetch.keep(batch, request.user)
            again = "\n".join(map(str, batch.to_try_again)) if lot.ended_at else ""
            context = self._about(request, lot, batch.stopped_by) | {"pasted": form.pasted}
            return self._form_page(request, fetch.FetchForm(initial={"numbers": again}), context)
        return self._form_page(request, form, {})

    def lot_view(self, request: HttpRequest, lot: Any) -> HttpResponse:
        """How far a lot has come. A POST takes up one that nobody works on any more."""
        if not self.has_fetch_permission(request):
            raise PermissionDenied
        found = FetchLot.objects.filter(pk=lot, account=str(request.user.pk)).first()
        if found is None:
            raise Http404
        if request.method == "POST":
            if found.left and not found.is_under_way:
                fetch.go_on(found)
            return HttpResponseRedirect(request.path)
        left = "\n".join(map(str, found.left)) if not found.is_under_way else ""
        form = fetch.FetchForm(initial={"numbers": left})
        return self._form_page(request, form, self._about(request, found))

    def refresh_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_fetch_permission(request):
            raise PermissionDenied
        dossier = self._find(request, object_id)
        if dossier is None:
            return self._not_here(request, object_id)
        if request.method == "POST":  # a GET comes from the login page, after a session ended
            self._tell_one(request, self._fetch(request, [dossier.number]))
        return self._to_dossier(request, dossier.pk)

    def refresh_numbers(self, request: HttpRequest, numbers: list[int]) -> HttpResponse | None:
        """Refresh a selection; what is too much for a page goes on after it."""
        batch = self._fetch(request, numbers[: fetch.MAX_NUMBERS])
        if (over := len(numbers) - fetch.MAX_NUMBERS) > 0:
            more = "plus de " if len(numbers) > CappedPaginator.CAP else ""
            messages.warning(
                request,
                f"Il en reste {more}{thousands(over)} : relancez l'action, elle reprendra par eux.",
            )
        told = telling.report(request, batch.words)
        if not batch.left and len(told.successes) + len(told.failures) <= telling.MAX_TOLD:
            self._tell_one(request, batch)
            return None
        lot = fetch.keep(batch, request.user)
        if batch.stopped_by:
            messages.error(request, _capital(batch.stopped_by))
        return HttpResponseRedirect(
            self.address_of("dossier_lot", lot.pk) + preserved(request.GET.urlencode())
        )

    def _fetch(self, request: HttpRequest, numbers: list[int]) -> fetch.Batch:
        batch = fetch.fetch_within_a_page(numbers, request.user)
        telling.log(request, batch)
        return batch

    def _tell_one(self, request: HttpRequest, batch: fetch.Batch) -> None:
        """On the next page, what came of a few."""
        told = telling.report(request, batch.words)
        if batch.stopped_by and not told.failures:
            messages.error(request, _capital(batch.stopped_by))
        for one in told.failures:
            messages.error(request, f"Dossier n° {one.number} : {one.sentence}")
        for one in told.successes:
            link = self.address_of("dossier_change", one.pk) if one.pk else ""
            text = '<a href="{}">Dossier n° {}</a> : {}.' if link else "{}Dossier n° {} : {}."
            messages.success(request, format_html(text, link, one.number, one.sentence))

    def _about(self, request: HttpRequest, lot: FetchLot, stopped_by: str = "") -> dict[str, Any]:
        words = {int(number): word for number, word in lot.outcomes.items()}
        return {
            "lot": lot,
            "report": telling.report(request, words),
            "stopped_by": _capital(stopped_by),
        }

    def _form_page(
        self, request: HttpRequest, form: fetch.FetchForm, context: dict[str, Any]
    ) -> HttpResponse:
        heading = "Récupérer des dossiers"
        return TemplateResponse(
            request,
            "admin/dsintegration/dossier/fetch.html",
            {
                **self.admin_site.each_context(request),
                "heading": heading,
                "title": f"Erreur : {heading}" if form.errors else heading,
                "opts": self.opts,
                "form": form,
                "has_view_permission": self.has_view_permission(request),
                "filters": filters_of(request),
                **context,
            },
        )

    def _find(self, request: HttpRequest, object_id: str) -> Any:
        """The dossier if it exists for the account; None otherwise."""
        dossier = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, dossier):
            raise PermissionDenied
        return dossier

    def _not_here(self, request: HttpRequest, object_id: str) -> HttpResponse:
        response: HttpResponse = self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
            request, self.opts, object_id
        )
        return response

    def _to_dossier(self, request: HttpRequest, pk: int) -> HttpResponseRedirect:
        link = self.address_of("dossier_change", pk)
        return HttpResponseRedirect(link + preserved(filters_of(request)))


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
