"""Who a request comes from."""

import ipaddress

from django.http import HttpRequest

from dsintegration import conf


def client_address(request: HttpRequest) -> str:
    """The address of the client, as far as proxies of ours vouch for it (DS_NUM_PROXIES).

    Each proxy adds the address of whoever called it to X-Forwarded-For; what stands before those
    additions was written by the client, and may be anything. What is no address, or one with a
    port that no proxy should add, gives way to the address of the last proxy.
    """
    remote: str = request.META.get("REMOTE_ADDR", "")
    if not (proxies := conf.num_proxies()):
        return remote
    added = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[-proxies:]
    text = added[0].strip()
    host, colon, port = text.rpartition(":")
    for candidate in (text, host.strip("[]") if colon and port.isdigit() else ""):
        try:
            return str(ipaddress.ip_address(candidate))
        except ValueError:
            continue
    return remote
