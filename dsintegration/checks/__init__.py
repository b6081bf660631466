"""System checks of our settings, `manage.py check`.

An Error is a value that can never work. A missing token is a Warning: an Error would stop
`migrate`, and so the first installation.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, storages
from django.utils import timezone

from dsintegration import conf

NOTICE = timedelta(days=30)
HINT = "La liste des réglages est dans .env.example."


def check_settings(**_: Any) -> list[CheckMessage]:
    if conf.sandbox():
        return []
    errors: dict[str, CheckMessage] = {}
    readers = [*enumerate((*conf.READERS, *conf.PAGE_READERS), start=2)]
    readers += enumerate(conf.WATCH_READERS, start=40)
    for rank, reader in readers:
        try:
            reader()
        except ImproperlyConfigured as err:
            # One setting may stop two readers: it is said once.
            errors.setdefault(str(err), Error(str(err), hint=HINT, id=f"dsintegration.E{rank:03}"))
    return [*errors.values(), *_check_token(), *([] if errors else _check_dates())]


def check_project(**_: Any) -> list[CheckMessage]:
    """What the project around us must be, beside what Django checks of the admin by itself."""
    if settings.USE_TZ:
        return []
    return [
        Error(
            "USE_TZ=False : les dates de la plateforme ont un fuseau, et ne peuvent pas être "
            "enregistrées sans lui.",
            hint="Mettez USE_TZ = True dans les réglages du projet.",
            id="dsintegration.E020",
        )
    ]


def check_files(**_: Any) -> list[CheckMessage]:
    """Copies of people's papers, where a web server gives what lies there to whoever asks."""
    try:
        if conf.files() != "kept":
            return []
        storage = storages[conf.FILES_STORAGE]
    except ImproperlyConfigured:  # check_settings says it, or the storage's own maker
        return []
    if not isinstance(storage, FileSystemStorage):
        return []
    folder = Path(storage.location)
    served = [Path(root).resolve() for root in (settings.MEDIA_ROOT, settings.STATIC_ROOT) if root]
    if not any(folder.is_relative_to(root) for root in served):
        return []
    return [
        Error(
            "Les copies de fichiers seraient dans un dossier que le serveur web donne à qui le "
            "demande (MEDIA_ROOT ou STATIC_ROOT).",
            hint='Donnez à STORAGES["dsintegration"] un dossier qui ne soit servi à personne.',
            id="dsintegration.E050",
        )
    ]


def _check_token() -> list[CheckMessage]:
    if not (getattr(settings, "DS_API_TOKEN", "") or getattr(settings, "DS_API_TOKENS", ())):
        return [
            Warning(
                "DS_API_TOKEN manque : aucun dossier ne peut être récupéré.",
                hint="Créez un jeton en lecture dans le profil d'un administrateur.",
                id="dsintegration.W001",
            )
        ]
    try:
        is_usual = conf.api_token_is_usual()
    except ImproperlyConfigured as err:
        return [Error(str(err), hint=HINT, id="dsintegration.E001")]
    if not is_usual:
        return [
            Warning(
                "DS_API_TOKEN n'a pas la longueur habituelle d'un jeton (84 caractères).",
                hint="Vérifiez qu'il a été copié en entier, avec les signes = de la fin.",
                id="dsintegration.W002",
            )
        ]
    return []


def _check_dates() -> list[CheckMessage]:
    return [*_check_expiry(), *_check_purge(), *_check_senders()]


def _check_senders() -> list[CheckMessage]:
    if not conf.lacks_system_emails():
        return []
    return [
        Warning(
            "DS_SYSTEM_EMAILS manque : les messages automatiques de cette instance de la "
            "plateforme passent pour ceux d'une personne, et leurs balises se voient.",
            hint="Mettez-y l'adresse qui les envoie : celle d'un message « Accusé de réception » "
            "sur la page d'un dossier.",
            id="dsintegration.W005",
        )
    ]


def _check_purge() -> list[CheckMessage]:
    """A mirror that never forgets is a decision that somebody has to take."""
    unset = [name for name, delay in conf.purge_delays().items() if delay is None]
    if not unset:
        return []
    return [
        Warning(
            f"Des dossiers sont gardés sans limite de durée, faute de {', '.join(unset)}.",
            hint="Décidez de ces durées avec votre délégué à la protection des données : "
            "docs/rgpd.md en conseille, « manage.py purge_dossiers » les applique.",
            id="dsintegration.W004",
        )
    ]


def _check_expiry() -> list[CheckMessage]:
    day = conf.api_token_expires()
    if day is None or day - timezone.localdate() > NOTICE:
        return []
    when = "a expiré le" if day < timezone.localdate() else "expire le"
    return [
        Warning(
            f"Le jeton de la plateforme {when} {day:%d/%m/%Y}.",
            hint="Créez-en un autre, puis remplacez DS_API_TOKEN et DS_API_TOKEN_EXPIRES.",
            id="dsintegration.W003",
        )
    ]
