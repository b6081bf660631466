"""What mozilla-django-oidc asks the provider, with what the provider says of itself.

It also gives the sessions of those who came in so their account and its rights.
"""

from typing import Any

import jwt
import requests
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import import_from_settings

from dsintegration.oidc.provider import TIMEOUT, client, discover
from dsintegration.oidc.refusals import LoginRefused, Reason

# Seconds that its clock and ours may be apart.
LEEWAY = 60
CALLBACK = "dsintegration_oidc:callback"


def setting(name: str, *default: Any) -> Any:
    """A setting as mozilla-django-oidc calls it; a project's own of these names are not ours."""
    ours = {
        "OIDC_AUTHENTICATION_CALLBACK_URL": CALLBACK,
        "OIDC_AUTH_REQUEST_EXTRA_PARAMS": {},
        "OIDC_PKCE_CODE_CHALLENGE_METHOD": "S256",
        "OIDC_TIMEOUT": TIMEOUT,
        "OIDC_USE_NONCE": True,
        "OIDC_USE_PKCE": True,
        "OIDC_VERIFY_SSL": True,
    }
    if name in ours:
        return ours[name]
    if name == "OIDC_RP_SCOPES":
        return discover().scopes
    if name == "OIDC_TOKEN_USE_BASIC_AUTH":
        return discover().basic_auth
    return import_from_settings(name, *default)


class OidcBackend(OIDCAuthenticationBackend):
    """Django makes one at each request, so nothing is asked of the provider before `identify`."""

    get_settings = staticmethod(setting)
    # Not the library's own, which lets disabled accounts go on.
    get_user = ModelBackend.get_user

    def __init__(self) -> None:
        self.UserModel = get_user_model()

    def authenticate(self, request: HttpRequest | None, **_: Any) -> None:
        """Nobody comes in by a form; the view calls `identify`, which says why it refuses."""

    def identify(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> dict[str, Any]:
        """What the provider says of whoever brings `code`; `id_token` is among it, as it came."""
        provider, we = discover(), client()
        self.OIDC_OP_TOKEN_ENDPOINT = provider.token
        self.OIDC_OP_USER_ENDPOINT = provider.userinfo
        self.OIDC_OP_JWKS_ENDPOINT = provider.keys
        try:
            tokens = self.get_token(
                {
                    "client_id": we.client_id,
                    "client_secret": we.client_secret,
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": redirect_uri,
                    "code_verifier": verifier,
                }
            )
            who = self.verify_token(tokens["id_token"], nonce=nonce)
            told = self.get_userinfo(tokens["access_token"], tokens["id_token"], who)
            # OpenID Connect Core, section 5.3.2: else somebody else's claims could be had.
            if told["sub"] != who["sub"]:
                raise LoginRefused(Reason.INVALID)
        except requests.HTTPError as err:
            # Its words hold the whole answer.
            status = err.response.status_code if err.response is not None else 500
            reason = Reason.UNREACHABLE if status >= 500 else Reason.INVALID
            raise LoginRefused(reason) from None
        except (jwt.PyJWTError, SuspiciousOperation, KeyError, TypeError, ValueError) as err:
            raise LoginRefused(Reason.INVALID) from err
        except requests.RequestException as err:
            raise LoginRefused(Reason.UNREACHABLE) from err
        return {**who, **told, "id_token": tokens["id_token"]}

    def retrieve_matching_jwk(self, token: str) -> jwt.PyJWK:
        """The library's own wants a `kid`, which a provider of one key may leave out."""
        response = requests.get(self.OIDC_OP_JWKS_ENDPOINT, timeout=TIMEOUT)
        response.raise_for_status()
        header = jwt.get_unverified_header(token)
        fitting = [
            key
            for key in response.json()["keys"]
            if key.get("use", "sig") == "sig"
            and key.get("alg", header["alg"]) == header["alg"]
            and header.get("kid", key.get("kid")) == key.get("kid")
        ]
        if len(fitting) != 1:
            raise LoginRefused(Reason.INVALID)
        return jwt.PyJWK(fitting[0], header["alg"])

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        """The claims of a signed token; ProConnect's `userinfo` is one, without a nonce."""
        provider = discover()
        claims: dict[str, Any] = jwt.decode(
            token,
            self.retrieve_matching_jwk(token),
            algorithms=provider.signatures,
            audience=client().client_id,
            issuer=provider.issuer,
            leeway=LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp"]},
        )
        if "nonce" in kwargs and claims.get("nonce") != kwargs["nonce"]:
            raise LoginRefused(Reason.INVALID)
        return claims
