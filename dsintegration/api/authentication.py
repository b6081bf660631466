"""Who asks: the holder of a key, and nobody else. A session of the admin opens nothing here."""

import re
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from dsintegration.api.throttling import RefusalThrottle
from dsintegration.models import ApiKey

SCHEME = "Api-Key"


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Api-Key <key>`; `request.auth` is then the ApiKey.

    Wrong keys are counted by address. The look-up comes first, so that a wrong key of one system
    never shuts out the good one of another behind the same address.
    """

    @sensitive_variables()
    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        # What no key looks like needs no look into the database.
        key = ApiKey.objects.of_key(text) if re.fullmatch(r"[\x21-\x7e]{20,100}", text) else None
        if key is None or not key.is_valid:
            throttle = RefusalThrottle()
            if not throttle.allow_request(request, None):
                raise Throttled(throttle.wait())
            raise AuthenticationFailed(_reason(key))
        key.note_use()
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


def _reason(key: ApiKey | None) -> str:
    """Why it is refused. Who holds a key that once was good may know what became of it."""
    if key is None:
        return "Cette clé est inconnue : recopiez-la en entier."
    if key.revoked:
        return "Cette clé est révoquée : demandez-en une autre."
    day = timezone.localtime(key.expiry_date)
    return f"Cette clé a expiré le {day:%d/%m/%Y} : demandez-en une autre."


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = KeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"`{SCHEME} ` puis la clé, telle que l'administration l'a montrée.",
        }
