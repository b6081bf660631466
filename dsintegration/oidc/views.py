"""The way to the provider, the way back, and the way out, which ends both sessions."""

import logging
import secrets
from collections.abc import Callable
from typing import Any

from django.contrib import admin, auth, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import View
from mozilla_django_oidc.views import OIDCAuthenticationRequestView

from dsintegration import conf
from dsintegration.oidc.backend import CALLBACK, OidcBackend, setting
from dsintegration.oidc.matching import account_of
from dsintegration.oidc.provider import client, discover, forget
from dsintegration.oidc.refusals import LoginRefused, Reason, sentence

logger = logging.getLogger(__name__)

BACKEND = f"{OidcBackend.__module__}.{OidcBackend.__qualname__}"
# Of the session: what the provider wants to hear again when somebody leaves.
ID_TOKEN = "dsintegration_id_token"  # noqa: S105


def _provider_name() -> str:
    known = conf.openid()
    return known.name if known else ""


def _refuse(request: HttpRequest, refusal: LoginRefused) -> HttpResponse:
    if refusal.reason is Reason.INVALID:
        forget()
    reason = refusal.reason.value
    logger.warning(
        "OpenID login refused: %s",
        reason,
        extra={"operation": "oidc_login", "outcome": "refused", "reason": reason},
    )
    messages.error(request, sentence(refusal.reason, _provider_name()))
    return HttpResponseRedirect(reverse("admin:login"))


# The provider is waited for: no transaction of the project stays open meanwhile.
@method_decorator([transaction.non_atomic_requests, never_cache], name="dispatch")
class LoginView(OIDCAuthenticationRequestView):
    """Sends the browser to the provider, with a state, a nonce and a challenge (PKCE)."""

    get_settings = staticmethod(setting)

    def __init__(self, **kwargs: Any) -> None:
        # The library's own asks for settings that the provider is still to tell.
        View.__init__(self, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        try:
            self.OIDC_OP_AUTH_ENDPOINT = discover().authorization
            self.OIDC_RP_CLIENT_ID = client().client_id
            response: HttpResponse = super().get(request)
        except LoginRefused as refusal:
            return _refuse(request, refusal)
        return response


@transaction.non_atomic_requests
@never_cache
@require_GET
@sensitive_variables()
def callback(request: HttpRequest) -> HttpResponse:
    """Where the provider sends the browser back."""
    try:
        waiting = request.session.get("oidc_states", {})
        # Good for one use, whatever comes of it.
        state = waiting.pop(request.GET.get("state", ""), None)
        request.session["oidc_states"] = waiting
        if request.GET.get("error"):
            raise LoginRefused(Reason.DECLINED)
        code = request.GET.get("code", "")
        if state is None or not code:
            raise LoginRefused(Reason.WRONG_STATE)
        back = request.build_absolute_uri(reverse(CALLBACK))
        told = OidcBackend().identify(code, back, state["nonce"], state["code_verifier"])
        account: Any = account_of(told, client())
    except LoginRefused as refusal:
        return _refuse(request, refusal)
    where = request.session.pop("oidc_login_next", None) or reverse("admin:index")
    auth.login(request, account, backend=BACKEND)
    request.session[ID_TOKEN] = told["id_token"]
    logger.info(
        "OpenID login of account %s",
        account.pk,
        extra={"operation": "oidc_login", "outcome": "done"},
    )
    return HttpResponseRedirect(where)


@transaction.non_atomic_requests
@never_cache
@require_POST
@sensitive_variables()
def logout(request: HttpRequest) -> HttpResponse:
    """The admin's « Déconnexion »: ends our session, then the provider's.

    By a page that goes on to the provider, and no redirect: `form-action 'self'` forbids a form to
    lead elsewhere, and who stands behind ProConnect nobody can list.
    """
    end_here: Callable[[HttpRequest], HttpResponse] = admin.site.logout
    if not (id_token := request.session.get(ID_TOKEN)):
        return end_here(request)
    back = request.build_absolute_uri(reverse("dsintegration_oidc:ended"))
    try:
        address = discover().leaving(id_token, back, secrets.token_urlsafe(32))
    except LoginRefused:
        address = ""
    auth.logout(request)
    context = {**admin.site.each_context(request), "provider": _provider_name(), "address": address}
    return render(request, "admin/dsintegration/oidc/leaving.html", context)


@require_GET
def ended(request: HttpRequest) -> HttpResponse:
    """Where the provider sends the browser when its own session has ended."""
    messages.info(request, "Vous êtes déconnecté.")
    return HttpResponseRedirect(reverse("admin:login"))
