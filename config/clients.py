"""Who a request comes from."""

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """The address of the client, as far as proxies of ours vouch for it (`NUM_PROXIES`).

    Each proxy adds the address of whoever called it to X-Forwarded-For; what stands before those
    additions was written by the client, and may be anything.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    remote: str = request.META.get("REMOTE_ADDR", "")
    trusted = forwarded[-settings.NUM_PROXIES :] if settings.NUM_PROXIES else []
    return trusted[0].strip() or remote if trusted else remote
