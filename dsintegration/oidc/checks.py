"""System checks of the way in by OpenID, `manage.py check`."""

from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from dsintegration import conf

BACKEND = "dsintegration.oidc.backend.OidcBackend"


def check_openid(**_: Any) -> list[CheckMessage]:
    try:
        if conf.openid() is None:
            return []
    except ImproperlyConfigured as err:
        return [
            Error(
                str(err),
                hint="La liste des réglages est dans .env.example.",
                id="dsintegration.E030",
            )
        ]
    if find_spec("mozilla_django_oidc") is None:
        return [
            Error(
                "OIDC_ISSUER est rempli, et mozilla-django-oidc n'est pas installé.",
                hint="Installez dsintegration[oidc], ou requirements/oidc.txt.",
                id="dsintegration.E031",
            )
        ]
    if BACKEND not in settings.AUTHENTICATION_BACKENDS:
        return [
            Error(
                f"OIDC_ISSUER est rempli, et AUTHENTICATION_BACKENDS n'a pas « {BACKEND} » : ceux "
                "qui entrent par là ne resteraient pas connectés.",
                hint="docs/integration.md dit où l'ajouter.",
                id="dsintegration.E032",
            )
        ]
    try:
        reverse("dsintegration_oidc:callback")
    except NoReverseMatch:
        return [
            Error(
                "OIDC_ISSUER est rempli, et les adresses de « dsintegration.oidc.urls » manquent.",
                hint='Ajoutez path("oidc/", include("dsintegration.oidc.urls")) : '
                "docs/integration.md.",
                id="dsintegration.E033",
            )
        ]
    return []
