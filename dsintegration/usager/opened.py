"""The pages for browsers that a link has opened: a dossier, the list of all, the way out."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.generic import View

from dsintegration import conf, journal
from dsintegration.exceptions import DossierNotFound
from dsintegration.models import Action, Dossier, Outcome, UsagerSession
from dsintegration.numbers import MAX_NUMBER
from dsintegration.usager import limits, memory, sessions
from dsintegration.usager.calls import CannotAsk, call, call_for_all
from dsintegration.usager.forms import LinkRequestForm
from dsintegration.usager.layout import render
from dsintegration.usager.memory import Refreshed
from dsintegration.usager.pages import UsagerPage
from dsintegration.usager.presentation import present, summarise


class Opened(UsagerPage, View):
    """Pages for a browser that a link has opened."""

    sessions: list[UsagerSession]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.sessions = sessions.find_sessions(request)
        if not self.sessions:
            return _closed(request)
        sessions.go_on(self.sessions)
        return super().dispatch(request, *args, **kwargs)


class OfOneDossier(UsagerPage, View):
    """Pages of a dossier that this browser may see now; any other number has one answer."""

    dossier: Dossier
    sessions: list[UsagerSession]

    def dispatch(self, request: HttpRequest, *args: Any, number: int, **kwargs: Any) -> Any:
        self.sessions = sessions.find_sessions(request) if number <= MAX_NUMBER else []
        dossier = sessions.dossier_of(self.sessions, number) if self.sessions else None
        if dossier is None:
            return _closed(request, number)
        self.dossier = dossier
        sessions.go_on(self.sessions)
        return super().dispatch(request, *args, number=number, **kwargs)


def _closed(request: HttpRequest, number: int | None = None) -> HttpResponse:
    initial = memory.typed(request)
    if number is not None and number <= MAX_NUMBER:
        initial |= {"number": str(number)}
    context = {"form": LinkRequestForm(initial=initial)}
    return render(request, "dsintegration/usager/closed.html", context, status=403)


class DossierView(OfOneDossier):
    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        journal.write(journal.USAGER.entry(Action.VIEW, Outcome.SHOWN, number))
        outcome = memory.refreshed(request)
        context = {
            "page": present(self.dossier),
            "can_refresh": limits.REFRESHES.has_room(number),
            "refreshed": outcome,
            "has_others": bool(sessions.others_of(self.sessions)),
        }
        response = render(request, "dsintegration/usager/dossier.html", context)
        if outcome:
            memory.forget(response, memory.REFRESHED)
        return response


class DossiersView(Opened):
    """All dossiers of the addresses that this browser has proved."""

    def get(self, request: HttpRequest) -> HttpResponse:
        opened = {
            session.access.dossier.number: session.access.dossier for session in self.sessions
        }
        found = [*opened.values(), *sessions.others_of(self.sessions)]
        demarches = [dossier.demarche.number for dossier in found]
        journal.write_list(journal.USAGER, [dossier.number for dossier in found], demarches)
        lines = sorted(
            map(summarise, found),
            key=lambda line: (line.changed_at is not None, line.changed_at, line.number),
            reverse=True,
        )
        context = {
            "lines": lines,
            "platform": conf.platform_name(),
            "has_more": bool(sessions.stale_of(self.sessions)),
        }
        return render(request, "dsintegration/usager/dossiers.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask for those that are too old to be shown; somebody waits, for 10 seconds at most."""
        if stale := [dossier.number for dossier in sessions.stale_of(self.sessions)]:
            call_for_all(self.sessions[0].access.dossier.number, stale)
        return redirect("dsintegration_usager:dossiers")


class RefreshView(OfOneDossier):
    """« Actualiser »: the page that waits for the platform, 10 seconds at most."""

    def post(self, request: HttpRequest, number: int) -> HttpResponse:
        page = reverse("dsintegration_usager:dossier", args=[number])
        response = redirect(f"{page}#verification")
        memory.keep_refreshed(response, self._refresh(number))
        return response

    def _refresh(self, number: int) -> Refreshed:
        if not limits.REFRESHES.take(number):
            return Refreshed.TOO_SOON
        try:
            call(number)
        except DossierNotFound:
            return Refreshed.GONE
        except CannotAsk:
            return Refreshed.FAILED
        return Refreshed.DONE


class LeaveView(UsagerPage, View):
    def post(self, request: HttpRequest, number: int | None = None) -> HttpResponse:
        response = redirect("dsintegration_usager:left")
        sessions.close_sessions(request, response)
        memory.forget(response, memory.TYPED)
        return response
