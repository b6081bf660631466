"""System checks of what the usager's page needs in production, `manage.py check --deploy`."""

from typing import Any

from django.conf import global_settings, settings
from django.core.checks import CheckMessage, Warning
from django.core.exceptions import ImproperlyConfigured

from dsintegration import conf
from dsintegration.usager.colors import DARK_GROUND, LIGHT_GROUND, READABLE, contrast


def check_usager_page(**_: Any) -> list[CheckMessage]:
    try:
        organisation, public_url = conf.organisation(), conf.public_url()
    except ImproperlyConfigured:
        return []  # dsintegration.E007 and E008 say so
    found: list[CheckMessage] = []
    for name, color, ground in (
        ("DS_ORGANISATION_COLOR", organisation.color, LIGHT_GROUND),
        ("DS_ORGANISATION_COLOR_DARK", organisation.color_dark, DARK_GROUND),
    ):
        if color and contrast(color, ground) < READABLE:
            found.append(
                Warning(
                    f"{name} ne se lit pas assez bien sur le fond de la page ({ground}) : son "
                    f"contraste doit être d'au moins {READABLE}.",
                    hint="Prenez une nuance plus foncée ; pour un écran sombre, plus claire.",
                    id="dsintegration.W021",
                )
            )
    if not getattr(settings, "DS_ORGANISATION_NAME", ""):
        found.append(
            Warning(
                "DS_ORGANISATION_NAME manque : pages et courriels de l'usager ne disent pas de qui "
                "ils viennent.",
                hint="Mettez-y le nom de votre administration.",
                id="dsintegration.W022",
            )
        )
    if settings.DEFAULT_FROM_EMAIL == global_settings.DEFAULT_FROM_EMAIL:
        found.append(
            Warning(
                "DEFAULT_FROM_EMAIL manque : les courriels aux usagers seraient refusés ou perdus.",
                hint="Mettez-y une adresse de votre domaine, par exemple ne-pas-repondre@…",
                id="dsintegration.W023",
            )
        )
    if "*" in settings.ALLOWED_HOSTS and not public_url:
        found.append(
            Warning(
                "ALLOWED_HOSTS accepte tous les noms et DS_PUBLIC_URL manque : n'importe qui "
                "pourrait faire écrire à un usager un lien qui mène ailleurs.",
                hint="Mettez dans DS_PUBLIC_URL l'adresse de votre site.",
                id="dsintegration.W024",
            )
        )
    return found
