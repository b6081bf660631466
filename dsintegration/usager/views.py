"""The pages on the way in, and those that anybody may see (opened.py has the others).

They read what is asked, choose the template and the status, and leave the rest.
"""

import logging

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.generic import View

from dsintegration import background, conf
from dsintegration.models import Platform
from dsintegration.usager import limits, memory, sessions
from dsintegration.usager.calls import call_for_all
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
from dsintegration.usager.pages import UsagerPage
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


class ColorsView(View):
    """The organisation's colours: a strict CSP lets no page carry its own style."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        response = HttpResponse(stylesheet(conf.organisation()), content_type="text/css")
        response["Cache-Control"] = "max-age=3600"
        return response
