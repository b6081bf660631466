"""What the browser keeps for us from one page to the next, and nobody else.

What was typed, so that no way back loses it: for as long as a link lives, or until « Quitter ». And
what became of « Actualiser », once.
"""

from enum import StrEnum

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from dsintegration.models import UsagerAccess

TYPED, REFRESHED = "suivi_demande", "suivi_actualise"


class Refreshed(StrEnum):
    DONE = "fait"
    GONE = "absent"
    FAILED = "echec"
    TOO_SOON = "attente"


def _signer() -> signing.Signer:
    # No time in it: what is kept depends on what was typed, and on nothing else.
    return signing.Signer(salt="dsintegration.usager.typed")


def keep_typed(response: HttpResponseBase, number: str, email: str) -> None:
    value = _signer().sign_object([number, email])
    _set(response, TYPED, value, int(UsagerAccess.LIFE.total_seconds()))


def typed(request: HttpRequest) -> dict[str, str]:
    """What stands in the form that was sent, or that was typed before: the form's initial data."""
    if {"number", "email"} <= request.POST.keys():
        return {name: request.POST[name][:400] for name in ("number", "email")}
    try:
        number, email = _signer().unsign_object(request.COOKIES.get(TYPED, ""))
    except (signing.BadSignature, ValueError):
        return {}
    return {"number": number, "email": email}


def keep_refreshed(response: HttpResponseBase, outcome: Refreshed) -> None:
    _set(response, REFRESHED, outcome.value, 60)


def refreshed(request: HttpRequest) -> Refreshed | None:
    value = request.COOKIES.get(REFRESHED)
    return next((outcome for outcome in Refreshed if outcome.value == value), None)


def forget(response: HttpResponseBase, name: str) -> None:
    response.delete_cookie(name, path=_path(), samesite="Lax")


def _set(response: HttpResponseBase, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=_path(),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    # Max-Age says it; a date beside it would make two same answers differ.
    response.cookies[name]["expires"] = ""


def _path() -> str:
    return reverse("dsintegration_usager:request")
