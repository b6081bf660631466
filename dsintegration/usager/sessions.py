"""The sessions that links open: each one browser, until 30 minutes after its last page.

A session proves an address: it opens the dossier that its link was for, and the others of the same
address. It has a cookie of its own, so that an agent who is logged in loses nothing by it, and
« Quitter » ends it here, not only in the browser.
"""

import re
import secrets

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from dsintegration.models import Dossier, UsagerAccess, UsagerSession
from dsintegration.usager.addresses import is_of, spellings
from dsintegration.usager.calls import GOOD_ENOUGH, is_asked_within
from dsintegration.usager.digests import digest, digests
from dsintegration.usager.links import is_for_its_usager

_COOKIE = re.compile(r"suivi_[0-9]{1,10}")
# Of one browser; whoever invents more cookies has them looked up in vain.
MOST = 20


def open_session(access: UsagerAccess, response: HttpResponseBase) -> UsagerSession:
    """Give the browser a new secret; it goes when the browser is closed."""
    secret, now = secrets.token_urlsafe(24), timezone.now()
    session = UsagerSession.objects.create(
        access=access, digest=digest("session", secret), opened_at=now, last_seen_at=now
    )
    response.set_cookie(
        f"suivi_{access.dossier.number}",
        secret,
        path=reverse("dsintegration_usager:request"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return session


def find_sessions(request: HttpRequest) -> list[UsagerSession]:
    """Those that this browser has now, and that still are for their usager."""
    secrets_here = [value for name, value in request.COOKIES.items() if _COOKIE.fullmatch(name)]
    if not any(secrets_here):
        return []
    found = [each for secret in secrets_here[:MOST] for each in digests("session", secret)]
    sessions = UsagerSession.objects.alive().select_related("access__dossier__demarche")
    return [
        session
        for session in sessions.filter(digest__in=found).order_by("-last_seen_at")
        if is_for_its_usager(session.access)
    ]


def dossier_of(sessions: list[UsagerSession], number: int) -> Dossier | None:
    """The dossier `number`, if one of the sessions may see it now."""
    for session in sessions:
        if session.access.dossier.number == number:
            return session.access.dossier
    return next((dossier for dossier in others_of(sessions) if dossier.number == number), None)


def others_of(sessions: list[UsagerSession]) -> list[Dossier]:
    """The dossiers of the proved addresses, beside those that the links were for.

    Only those that the platform was asked for within a day: the others may have changed hands.
    """
    return [d for d in _others(sessions) if is_asked_within(d, GOOD_ENOUGH)]


def stale_of(sessions: list[UsagerSession]) -> list[Dossier]:
    """Those that are to be asked for before anybody sees them."""
    return [d for d in _others(sessions) if not is_asked_within(d, GOOD_ENOUGH)]


def _others(sessions: list[UsagerSession]) -> list[Dossier]:
    addresses = {session.access.dossier.usager_email for session in sessions}
    opened = {session.access.dossier.number for session in sessions}
    spelt = {spelling for address in addresses for spelling in spellings(address)}
    candidates = Dossier.objects.of_usager(*spelt).select_related("demarche")
    return [
        dossier
        for dossier in candidates.exclude(number__in=opened).order_by("-number")
        if any(is_of(dossier, address) for address in addresses)
    ]


def go_on(sessions: list[UsagerSession]) -> None:
    """The 30 minutes begin again."""
    pks = [session.pk for session in sessions]
    UsagerSession.objects.filter(pk__in=pks).update(last_seen_at=timezone.now())


def close_sessions(request: HttpRequest, response: HttpResponseBase) -> None:
    """End all that this browser has open, also for whoever kept a cookie."""
    pks = [session.pk for session in find_sessions(request)]
    UsagerSession.objects.filter(pk__in=pks).delete()
    path = reverse("dsintegration_usager:request")
    for name in request.COOKIES:
        if _COOKIE.fullmatch(name):
            response.delete_cookie(name, path=path, samesite="Lax")
