"""Django's protection against forged forms, for pages that send no referrer.

Under `Referrer-Policy: no-referrer` browsers send `Origin: null` with every form, be it of this
very site (Fetch standard, "append a request `Origin` header"), which Django takes for another site.
The token in cookie and form is checked all the same, and so is Sec-Fetch-Site, which that policy
leaves alone.
"""

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.decorators import decorator_from_middleware

from dsintegration.usager.layout import render


class _CsrfWithoutReferrer(CsrfViewMiddleware):
    def _origin_verified(self, request: HttpRequest) -> bool:
        if request.META["HTTP_ORIGIN"] == "null":
            return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
        return super()._origin_verified(request)  # type: ignore[no-any-return,misc]

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        """Mostly a page that stayed open for long, or a browser that keeps no cookies."""
        return render(request, "dsintegration/usager/form_refused.html", status=403)


csrf_protect_without_referrer = decorator_from_middleware(_CsrfWithoutReferrer)
