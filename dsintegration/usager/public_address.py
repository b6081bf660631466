"""Where our pages are, as mails say it: never by what whoever asks has put into his request."""

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.urls import reverse

from dsintegration import conf


def links_at(request: HttpRequest) -> str:
    """The address that links of mails begin with; "" where nothing that we trust tells it.

    Made here and not where the mail is: workers know no script prefix.
    """
    origin = conf.public_url() or _own_origin(request)
    return origin and f"{origin}{reverse('dsintegration_usager:open')}"


def _own_origin(request: HttpRequest) -> str:
    """Of this very machine, or of a developer's: a name that is ours, and the server's own port."""
    name, _ = split_domain_port(request.get_host())
    is_ours = conf.is_loopback(name.strip("[]")) or (
        settings.DEBUG and name in settings.ALLOWED_HOSTS
    )
    if not is_ours:
        return ""
    return conf.origin_of(f"{request.scheme}://{name}:{request.META['SERVER_PORT']}")
