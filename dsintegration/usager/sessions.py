"""The session that a link opens: one browser, one dossier, until 30 minutes after the last page.

It has a cookie of its own, so that an agent who is logged in loses nothing by it, and « Quitter »
ends it here, not only in the browser.
"""

import secrets

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from dsintegration.models import UsagerAccess
from dsintegration.usager.addresses import digest
from dsintegration.usager.links import is_for_its_usager


def open_session(access: UsagerAccess, response: HttpResponseBase) -> None:
    """Give the browser a new secret; it goes when the browser is closed."""
    secret = secrets.token_urlsafe(24)
    access.session_digest, access.last_seen_at = digest("session", secret), timezone.now()
    access.save(update_fields=["session_digest", "last_seen_at"])
    response.set_cookie(
        _cookie(access.dossier.number),
        secret,
        path=reverse("dsintegration_usager:request"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def find_session(request: HttpRequest, number: int) -> UsagerAccess | None:
    """What lets this browser see the dossier `number` now."""
    secret = request.COOKIES.get(_cookie(number), "")
    if not secret:
        return None
    access = (
        UsagerAccess.objects.select_related("dossier__demarche")
        .filter(
            session_digest=digest("session", secret),
            dossier__number=number,
            last_seen_at__gte=timezone.now() - UsagerAccess.LIFE,
        )
        .first()
    )
    return access if access and is_for_its_usager(access) else None


def go_on(access: UsagerAccess) -> None:
    """The 30 minutes begin again."""
    UsagerAccess.objects.filter(pk=access.pk).update(last_seen_at=timezone.now())


def close_session(access: UsagerAccess | None, number: int, response: HttpResponseBase) -> None:
    """The link stays known, as used, until it would have expired."""
    if access is not None:
        access.session_digest, access.last_seen_at = "", None
        access.save(update_fields=["session_digest", "last_seen_at"])
    response.delete_cookie(
        _cookie(number), path=reverse("dsintegration_usager:request"), samesite="Lax"
    )


def _cookie(number: int) -> str:
    return f"suivi_{number}"
