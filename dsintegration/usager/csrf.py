"""Django's protection against forged forms, for pages that send no referrer.

Under `Referrer-Policy: no-referrer` browsers send `Origin: null` with every form, be it of this
very site (Fetch standard, "append a request `Origin` header"), which Django takes for another site.
The token in cookie and form is checked all the same, and so is Sec-Fetch-Site, which that policy
leaves alone. Some browsers, and some networks' filters, send neither Origin nor Referer: over https
they get through as well, where no neighbour under our domain could have written the cookie.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.decorators import decorator_from_middleware

from dsintegration.usager.forms import LinkRequestForm
from dsintegration.usager.layout import render
from dsintegration.usager.memory import typed


class _CsrfWithoutReferrer(CsrfViewMiddleware):
    def _origin_verified(self, request: HttpRequest) -> bool:
        if request.META["HTTP_ORIGIN"] == "null":
            return _is_from_here(request)
        return super()._origin_verified(request)  # type: ignore[no-any-return,misc]

    def _check_referer(self, request: HttpRequest) -> None:
        is_silent = not request.META.get("HTTP_REFERER")
        if is_silent and _only_we_write_the_cookie() and _is_from_here(request):
            return
        super()._check_referer(request)  # type: ignore[misc]

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        """Mostly a page that stayed open for long, or a browser that keeps no cookies."""
        form = LinkRequestForm(initial=typed(request))
        context = {"form": form}
        return render(request, "dsintegration/usager/form_refused.html", context, status=403)


def _is_from_here(request: HttpRequest) -> bool:
    return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"


def _only_we_write_the_cookie() -> bool:
    return settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_NAME.startswith("__Host-")


csrf_protect_without_referrer = decorator_from_middleware(_CsrfWithoutReferrer)
