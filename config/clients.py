"""Who a request comes from, and who it says to be."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """The address of the client, as far as proxies of ours vouch for it (`NUM_PROXIES`).

    Each proxy adds the address of whoever called it to X-Forwarded-For; what stands before those
    additions was written by the client, and may be anything. What is no address, or one with a
    port that no proxy should add, gives way to the address of the last proxy.
    """
    remote: str = request.META.get("REMOTE_ADDR", "")
    if not settings.NUM_PROXIES:
        return remote
    added = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[-settings.NUM_PROXIES :]
    text = added[0].strip()
    host, colon, port = text.rpartition(":")
    for candidate in (text, host.strip("[]") if colon and port.isdigit() else ""):
        try:
            return str(ipaddress.ip_address(candidate))
        except ValueError:
            continue
    return remote


def login_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str | None:
    """What was typed as a login name, as far as the columns of django-axes hold it."""
    name: str | None = (credentials or request.POST).get("username")
    return name and name[:255]
