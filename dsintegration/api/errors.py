"""Every refusal and failure as `{"detail", "code"}`: French for people, a code for programs.

Whoever reads it is outside: it names no setting and no machine of ours (words.py).
`SENTENCES` lists each code that can come. Where a sentence is None, the exception brings its own.
"""

import math
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404
from django.utils.log import log_response
from rest_framework import exceptions, status
from rest_framework.response import Response

from dsintegration.database import PAUSE, Trouble, trouble
from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSError,
    DSInvalidResponse,
    DSUnavailable,
    FileGone,
)
from dsintegration.words import IN_AN_AGENTS_WORDS

SENTENCES: dict[str, str | None] = {
    "invalid": None,
    "not_authenticated": "Donnez une clé, dans l'en-tête « Authorization: Api-Key … ».",
    "authentication_failed": None,
    "permission_denied": "Cette clé n'a pas le droit de récupérer un dossier.",
    "content_denied": "Cette clé ne peut ni lire le contenu des dossiers, ni y chercher.",
    "not_found": "Cette adresse n'existe pas.",
    "dossier_not_found": "Aucun dossier de ce numéro n'est accessible avec cette clé.",
    "file_not_found": "Aucun fichier de ce numéro n'est accessible avec cette clé.",
    "method_not_allowed": "Cette adresse n'accepte pas cette méthode ; voyez l'en-tête Allow.",
    "epoch_changed": (
        "Une sauvegarde a été restaurée ici : videz votre copie, et recommencez à after_version=0."
    ),
    "not_acceptable": "Les réponses sont en JSON : acceptez application/json.",
    "unsupported_media_type": "Cette demande n'attend pas de corps.",
    "throttled": "Trop de demandes : attendez les secondes que donne l'en-tête Retry-After.",
    "server_error": "Erreur interne ; elle est notée dans le journal du serveur.",
    "database_down": (
        "La base de données de ce service ne répond pas ; réessayez après les secondes que donne "
        "l'en-tête Retry-After."
    ),
    "database_full": (
        "La base de données de ce service n'a plus de place, et rien n'a été enregistré ; "
        "réessayez plus tard."
    ),
    "upstream_access_denied": None,
    "upstream_invalid_response": None,
    "upstream_unavailable": None,
}
STATUS_OF: dict[type[DSError], int] = {
    DossierNotFound: status.HTTP_404_NOT_FOUND,
    FileGone: status.HTTP_404_NOT_FOUND,
    DSAccessDenied: status.HTTP_502_BAD_GATEWAY,
    DSInvalidResponse: status.HTTP_502_BAD_GATEWAY,
    DSUnavailable: status.HTTP_503_SERVICE_UNAVAILABLE,
}
# When the platform does not say how long to wait.
USUAL_WAIT = 30


class DossierIsNotHere(exceptions.NotFound):
    """For this key: not stored, or not among its démarches. It cannot tell which."""

    default_code = "dossier_not_found"


class EpochChanged(exceptions.APIException):
    """The copy that asks was made before a backup was restored."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "epoch_changed"


class FileIsNotHere(exceptions.NotFound):
    """For this key: no such file of the dossier, or one that it has no right to."""

    default_code = "file_not_found"


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to any exception of a view; a bug is logged as Django does, and shows nothing.

    No transaction is around a view (ApiView.as_view) that would have to be taken back.
    """
    match exc:
        case DSError():
            return _upstream_failure(exc)
        case Http404():
            return _answer(status.HTTP_404_NOT_FOUND, "not_found")
        case SuspiciousOperation():  # more parameters, or a larger body, than Django reads
            return _answer(status.HTTP_400_BAD_REQUEST, "invalid", "La demande est démesurée.")
        case exceptions.ParseError():
            return _answer(exc.status_code, "invalid", "Le corps n'a pas la forme annoncée.")
        case exceptions.ValidationError():
            return _answer(exc.status_code, "invalid", _sentence(exc.detail))
        case exceptions.APIException():
            return _refusal(exc)
    if found := trouble(exc):
        return _outage(found, context)
    return _bug(exc, context)


def _answer(
    status: int, code: str, detail: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    body = {"detail": SENTENCES.get(code) or detail, "code": code}
    return Response(body, status=status, headers=headers)


def _refusal(exc: exceptions.APIException) -> Response:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if isinstance(exc, exceptions.Throttled):
        headers["Retry-After"] = _seconds(getattr(exc, "wait", None))
    return _answer(exc.status_code, str(exc.get_codes()), str(exc.detail), headers)


def _upstream_failure(exc: DSError) -> Response:
    headers = {}
    if isinstance(exc, DSUnavailable):
        headers["Retry-After"] = _seconds(exc.retry_after or USUAL_WAIT)
    sentence = IN_AN_AGENTS_WORDS.get(exc.reason, exc.sentence)
    body = {"detail": f"Dossier n° {exc.dossier_number} : {sentence}", "code": exc.code}
    return Response(body, status=STATUS_OF[type(exc)], headers=headers)


def _outage(found: Trouble, context: Mapping[str, Any]) -> Response:
    request = context["request"]._request
    headers = {"Retry-After": str(PAUSE)}
    response = _answer(status.HTTP_503_SERVICE_UNAVAILABLE, f"database_{found}", headers=headers)
    words = (f"Database {found}: %s", request.path)
    log_response(*words, response=response, request=request)
    return response


def _bug(exc: Exception, context: Mapping[str, Any]) -> Response:
    request = context["request"]._request
    got_request_exception.send(sender=type(context["view"]), request=request)
    response = _answer(status.HTTP_500_INTERNAL_SERVER_ERROR, "server_error")
    words = ("%s: %s", "Internal Server Error", request.path)
    log_response(*words, response=response, request=request, exception=exc)
    return response


def _sentence(detail: Any) -> str:
    """`{"state": ["…", "…"]}` in one line."""
    if not isinstance(detail, dict):
        detail = {"": detail}
    parts = []
    for name, sentences in detail.items():
        words = " ".join(map(str, sentences if isinstance(sentences, list) else [sentences]))
        parts.append(f"{name} : {words}" if name else words)
    return " ; ".join(parts)


def _seconds(wait: float | None) -> str:
    return str(max(1, math.ceil(wait or 1)))
