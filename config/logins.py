"""Who may try to come in, and how often: what axes does not do by itself.

axes locks a name that is guessed from an address. Here: many names guessed from one network, and
names that no database column holds. An IPv6 attacker has a /64 of his own, and counts as one.
"""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from dsintegration.hosting.proxies import client_address
from dsintegration.signals import purge_ended

LONGEST_NAME = 150
# An office behind one address mistypes now and then; a list of stolen names is longer.
FAILURES, PERIOD = 50, 15 * 60
KEPT = timedelta(days=30)


def network(request: HttpRequest) -> str:
    """The address of the client; of IPv6, its /64."""
    address = client_address(request)
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((known, 64), strict=False).network_address)
    return address


def login_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str | None:
    """What was typed as a login name, as far as the columns of django-axes hold it."""
    name: str | None = (credentials or request.POST).get("username")
    return name and name[:255]


def local_passwords(_: HttpRequest) -> dict[str, bool]:
    """For templates: whether a password opens anything here."""
    return {"local_passwords": bool(settings.LOCAL_PASSWORDS)}


def _key(request: HttpRequest) -> str:
    return f"config.logins.failures.{network(request)}"


class LoginForm(AdminAuthenticationForm):
    @property
    def is_offered(self) -> bool:
        """Whether anybody has a password here; else the page shows the other way in alone."""
        return bool(settings.LOCAL_PASSWORDS)

    def clean(self) -> dict[str, Any]:
        if len(self.cleaned_data.get("username") or "") > LONGEST_NAME:
            raise self.get_invalid_login_error()
        if self.request and cache.get(_key(self.request), 0) >= FAILURES:
            raise ValidationError(
                "Trop d'essais infructueux depuis votre réseau : réessayez dans un quart d'heure.",
                code="too_many",
            )
        cleaned: dict[str, Any] = super().clean()
        return cleaned


@receiver(user_login_failed)
def count_failure(request: HttpRequest | None = None, **_: Any) -> None:
    if request is None:
        return
    if not cache.add(_key(request), 1, PERIOD):
        try:
            cache.incr(_key(request))
        except ValueError:  # it ended just now
            cache.set(_key(request), 1, PERIOD)


@receiver(purge_ended)
def forget_attempts(**_: Any) -> None:
    """They hold names and addresses of people, and nobody asks for old ones."""
    before = timezone.now() - KEPT
    for table in (AccessAttempt, AccessLog, AccessFailureLog):
        table.objects.filter(attempt_time__lt=before).delete()
