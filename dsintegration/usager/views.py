"""The pages: they read what is asked, choose the template and the status, and leave the rest."""

from contextlib import suppress
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.generic import View

from dsintegration import conf, journal
from dsintegration.exceptions import DSError
from dsintegration.models import Action, Outcome, UsagerAccess
from dsintegration.numbers import MAX_NUMBER
from dsintegration.platform.client import get_client
from dsintegration.services import fetch_dossier
from dsintegration.usager import limits, sessions
from dsintegration.usager.colors import stylesheet
from dsintegration.usager.forms import LinkRequestForm
from dsintegration.usager.layout import render
from dsintegration.usager.links import LinkRefused, Refusal, read_link, use_link
from dsintegration.usager.pages import UsagerPage
from dsintegration.usager.presentation import present
from dsintegration.usager.requests import answer_later


class LinkRequestView(UsagerPage, View):
    """Whatever is typed, the same work and the same answer; what it leads to happens later."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "dsintegration/usager/request.html", {"form": LinkRequestForm()})

    def post(self, request: HttpRequest) -> HttpResponse:
        form = LinkRequestForm(request.POST)
        if not form.is_valid():
            return render(request, "dsintegration/usager/request.html", {"form": form})
        network = limits.network_of(conf.client_address()(request))
        if limits.ATTEMPTS.take(network):
            answer_later(
                form.cleaned_data["number"],
                form.cleaned_data["email"],
                network,
                _origin(request) + reverse("dsintegration_usager:request"),
            )
        return redirect("dsintegration_usager:sent")


def _origin(request: HttpRequest) -> str:
    return conf.public_url() or f"{request.scheme}://{request.get_host()}"


class SentView(UsagerPage, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "dsintegration/usager/sent.html")


class LeftView(UsagerPage, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "dsintegration/usager/left.html")


class LinkView(UsagerPage, View):
    """Where the link of the mail leads: a page with one button. Looking at it uses nothing up."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            access = read_link(token)
        except LinkRefused as err:
            return _refused(request, err)
        context = {"token": token, "number": access.dossier.number}
        return render(request, "dsintegration/usager/link.html", context)


class OpenView(UsagerPage, View):
    """The button: opens the session. The token is in the body of the form, where no log sees it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("dsintegration_usager:request")

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            access = use_link(request.POST.get("token", ""))
        except LinkRefused as err:
            return _refused(request, err)
        response = redirect("dsintegration_usager:dossier", access.dossier.number)
        sessions.open_session(access, response)
        return response


def _refused(request: HttpRequest, err: LinkRefused) -> HttpResponse:
    number = err.dossier.number if err.dossier else None
    # Somebody who pressed the button twice, or came back to the mail.
    is_open = number is not None and sessions.find_session(request, number) is not None
    context = {
        "refusal": err.refusal.value,
        "open_number": number if is_open else None,
        "form": LinkRequestForm(),
    }
    status = 404 if err.refusal is Refusal.ALTERED else 410
    return render(request, "dsintegration/usager/link_refused.html", context, status=status)


class OfOneDossier(UsagerPage, View):
    """Pages of a dossier that this browser may see now; any other number has one answer."""

    access: UsagerAccess

    def dispatch(self, request: HttpRequest, *args: Any, number: int, **kwargs: Any) -> Any:
        access = sessions.find_session(request, number) if number <= MAX_NUMBER else None
        if access is None:
            form = LinkRequestForm(initial={"number": number} if number <= MAX_NUMBER else {})
            context = {"form": form}
            return render(request, "dsintegration/usager/closed.html", context, status=403)
        self.access = access
        sessions.go_on(access)
        return super().dispatch(request, *args, number=number, **kwargs)


class DossierView(OfOneDossier):
    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        journal.write(journal.USAGER.entry(Action.VIEW, Outcome.SHOWN, number))
        context = {
            "page": present(self.access.dossier),
            "can_refresh": limits.REFRESHES.has_room(number),
        }
        return render(request, "dsintegration/usager/dossier.html", context)


class RefreshView(OfOneDossier):
    """« Actualiser »: the one page that waits for the platform, 10 seconds at most."""

    def post(self, request: HttpRequest, number: int) -> HttpResponse:
        if limits.REFRESHES.take(number):
            with suppress(DSError, ImproperlyConfigured):  # the page says how old its data is
                fetch_dossier(number, client=get_client(web=True), by=journal.USAGER)
        return redirect(f"{reverse('dsintegration_usager:dossier', args=[number])}#verification")


class LeaveView(UsagerPage, View):
    def post(self, request: HttpRequest, number: int) -> HttpResponse:
        response = redirect("dsintegration_usager:left")
        access = sessions.find_session(request, number) if number <= MAX_NUMBER else None
        sessions.close_session(access, number, response)
        return response


class ColorsView(View):
    """The organisation's colours: a strict CSP lets no page carry its own style."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        response = HttpResponse(stylesheet(conf.organisation()), content_type="text/css")
        response["Cache-Control"] = "max-age=3600"
        return response
