"""The pages: they read what is asked, choose the template and the status, and leave the rest."""

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.generic import View

from dsintegration import conf, journal
from dsintegration.exceptions import DossierNotFound
from dsintegration.models import Action, Dossier, Outcome, Platform, UsagerSession
from dsintegration.numbers import MAX_NUMBER
from dsintegration.usager import background, limits, memory, sessions
from dsintegration.usager.calls import CannotAsk, call, call_for_all
from dsintegration.usager.colors import stylesheet
from dsintegration.usager.digests import address_digest
from dsintegration.usager.forms import LinkRequestForm
from dsintegration.usager.layout import render
from dsintegration.usager.links import (
    LinkRefused,
    Refusal,
    find_access,
    mended,
    read_link,
    use_link,
)
from dsintegration.usager.memory import Refreshed
from dsintegration.usager.pages import UsagerPage
from dsintegration.usager.presentation import present, summarise
from dsintegration.usager.public_address import links_at
from dsintegration.usager.requests import answer_later

logger = logging.getLogger(__name__)


class LinkRequestView(UsagerPage, View):
    """Whatever is typed, the same work and the same answer; what it leads to happens later."""

    def get(self, request: HttpRequest) -> HttpResponse:
        context = {"form": LinkRequestForm(initial=memory.typed(request))}
        return render(request, "dsintegration/usager/request.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = LinkRequestForm(request.POST)
        if not form.is_valid():
            return render(request, "dsintegration/usager/request.html", {"form": form})
        number = form.cleaned_data["number"]
        ask_for_link(request, number, address_digest(number, form.cleaned_data["email"]))
        response = redirect("dsintegration_usager:sent")
        memory.keep_typed(response, form["number"].value().strip(), form["email"].value().strip())
        return response


class RenewView(UsagerPage, View):
    """Another link instead of one that has expired: nobody has to type anything again."""

    def post(self, request: HttpRequest) -> HttpResponse:
        access = find_access(mended(request.POST.get("token", "")))
        if access is None:  # after a day, or by hand
            return redirect("dsintegration_usager:request")
        ask_for_link(request, access.dossier.number, access.address_digest)
        return redirect("dsintegration_usager:sent")


def ask_for_link(request: HttpRequest, number: int, asker: str) -> None:
    network = limits.network_of(conf.client_address()(request))
    if limits.ATTEMPTS.take(network):
        answer_later(number, asker, network, links_at(request))
    else:
        logger.warning("usager: no link for dossier %d, this network asks too often", number)


class SentView(UsagerPage, View):
    """The same for everybody, but for what he has typed himself."""

    def get(self, request: HttpRequest) -> HttpResponse:
        platform = Platform.objects.filter(pk=Platform.SINGLETON).first()
        context = {
            "typed": memory.typed(request),
            "platform": conf.platform_name(),
            "failed_at": platform and platform.last_error_at,
            "can_send": bool(links_at(request)),
        }
        return render(request, "dsintegration/usager/sent.html", context)


class LeftView(UsagerPage, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "dsintegration/usager/left.html")


class AccessibilityView(UsagerPage, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "dsintegration/usager/accessibility.html")


class LinkView(UsagerPage, View):
    """Where the link of the mail leads: a page with one button. Looking at it uses nothing up."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        token = mended(token)
        try:
            access = read_link(token)
        except LinkRefused as err:
            return _refused(request, err, token)
        context = {"token": token, "number": access.dossier.number}
        return render(request, "dsintegration/usager/link.html", context)


class OpenView(UsagerPage, View):
    """The button: opens the session. The token is in the body of the form, where no log sees it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("dsintegration_usager:request")

    def post(self, request: HttpRequest) -> HttpResponse:
        token = mended(request.POST.get("token", ""))
        try:
            access = use_link(token)
        except LinkRefused as err:
            return _refused(request, err, token)
        number = access.dossier.number
        response = redirect("dsintegration_usager:dossier", number)
        session = sessions.open_session(access, response)
        if stale := [dossier.number for dossier in sessions.stale_of([session])]:
            background.call_later(call_for_all, number, stale)
        return response


def _refused(request: HttpRequest, err: LinkRefused, token: str) -> HttpResponse:
    # Somebody who pressed the button twice, or came back to the mail.
    here = sessions.find_sessions(request) if err.number else []
    is_open = any(session.access.dossier.number == err.number for session in here)
    typed = memory.typed(request)
    initial = typed if err.number is None else typed | {"number": err.number}
    context = {
        "refusal": err.refusal.value,
        "open_number": err.number if is_open else None,
        "number": err.number,
        "token": token if find_access(token) else "",
        "form": LinkRequestForm(initial=initial),
    }
    status = 404 if err.refusal is Refusal.ALTERED else 410
    return render(request, "dsintegration/usager/link_refused.html", context, status=status)


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
        journal.write_list(journal.USAGER, [dossier.number for dossier in found])
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


class ColorsView(View):
    """The organisation's colours: a strict CSP lets no page carry its own style."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        response = HttpResponse(stylesheet(conf.organisation()), content_type="text/css")
        response["Cache-Control"] = "max-age=3600"
        return response
