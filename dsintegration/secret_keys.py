"""Which secrets this process has, told by marks that tell nothing of them.

A process keeps those that it began with: after a change, one that nobody restarted works with the
former ones. So what goes from one process to another bears the mark of whoever sent it.
"""

import logging
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from dsintegration import conf

logger = logging.getLogger(__name__)

# The header of a task.
HEADER = "dsintegration_settings"


def secret_keys() -> list[str]:
    """Ours first; then those that what is already out was made with."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


@sensitive_variables()
def _mark(about: str, value: str, secret: str) -> str:
    salt = f"dsintegration.mark.{about}"
    return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()[:12]


def key_mark() -> str:
    return _mark("key", "", settings.SECRET_KEY)


def is_of_our_keys(mark: str) -> bool:
    return any(mark == _mark("key", "", secret) for secret in secret_keys())


@sensitive_variables()
def settings_mark() -> str:
    """Of the key, and of the platform's tokens."""
    try:
        tokens = ",".join(sorted(conf.api_tokens()))
    except ImproperlyConfigured:  # each fetch says so
        tokens = ""
    return f"{key_mark()}.{_mark('tokens', tokens, settings.SECRET_KEY)}"


def compare(mark: str) -> None:
    """Say it, once, if whoever sent this mark has other secrets than this process."""
    key, _, tokens = mark.partition(".")
    own_key, _, own_tokens = settings_mark().partition(".")
    if key != own_key:
        _tell("SECRET_KEY")
    elif tokens != own_tokens:
        _tell("DS_API_TOKEN")


@lru_cache(maxsize=2)
def _tell(name: str) -> None:
    logger.error("%s of this process is not that of whoever asks: restart all of them", name)
