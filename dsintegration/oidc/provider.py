"""What the provider says of itself, asked for at use and never at start.

OpenID Connect Discovery 1.0, section 4. It is kept for an hour in each process.
"""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from django.core.exceptions import ImproperlyConfigured

from dsintegration import conf
from dsintegration.oidc.refusals import LoginRefused, Reason

# Seconds to connect, and for each read: somebody waits at his screen, for four answers at most.
TIMEOUT = (3, 5)
KEPT = 3600
# How long a provider that is down is left alone: not each visitor of the button waits for it.
PAUSE = 5
# Those that prove who signed; a shared secret proves no more than that somebody knows it.
SIGNATURES = {f"{kind}{size}" for kind in ("RS", "ES", "PS") for size in (256, 384, 512)}
# The names of a person are standard in `profile`, and ProConnect's own in the other two.
SCOPES = ("openid", "email", "profile", "given_name", "usual_name")
STANDARD_SCOPES = ("openid", "email", "profile")

now = time.monotonic


@dataclass(frozen=True)
class Provider:
    issuer: str
    authorization: str
    token: str
    userinfo: str
    keys: str
    end_session: str
    scopes: str
    signatures: tuple[str, ...]
    basic_auth: bool

    def leaving(self, id_token: str, back: str, state: str) -> str:
        """Where its own session ends (RP-Initiated Logout 1.0); "" if it ends none."""
        if not self.end_session:
            return ""
        told = {"id_token_hint": id_token, "post_logout_redirect_uri": back, "state": state}
        sign = "&" if "?" in self.end_session else "?"
        return f"{self.end_session}{sign}{urlencode(told)}"


# Of each issuer, until when: what it said, or why it said nothing.
_kept: dict[str, tuple[float, Provider | LoginRefused]] = {}


def client() -> conf.OpenID:
    if (known := conf.openid()) is None:
        raise ImproperlyConfigured("OIDC_ISSUER manque : aucun agent n'entre par OpenID.")
    return known


def discover() -> Provider:
    issuer = client().issuer
    until, known = _kept.get(issuer, (0.0, None))
    if known is None or now() >= until:
        try:
            known = _read(issuer, _ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
            _kept[issuer] = (now() + KEPT, known)
        except LoginRefused as refusal:
            _kept[issuer] = (now() + PAUSE, refusal)
            raise
    if isinstance(known, LoginRefused):
        raise LoginRefused(known.reason)
    return known


def forget() -> None:
    """Ask again at the next use: its keys or addresses may have moved."""
    _kept.clear()


def _ask(address: str) -> dict[str, Any]:
    try:
        response = requests.get(address, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as err:
        raise LoginRefused(Reason.UNREACHABLE) from err
    if response.status_code != requests.codes.ok:
        raise LoginRefused(Reason.UNREACHABLE)
    try:
        told = response.json()
    except ValueError as err:
        raise LoginRefused(Reason.INVALID) from err
    if not isinstance(told, dict):
        raise LoginRefused(Reason.INVALID)
    return told


def _read(issuer: str, told: dict[str, Any]) -> Provider:
    if told.get("issuer") != issuer:
        raise LoginRefused(Reason.INVALID)
    supported = told.get("scopes_supported") or STANDARD_SCOPES
    ways = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    signatures = told.get("id_token_signing_alg_values_supported") or ["RS256"]
    return Provider(
        issuer=issuer,
        authorization=_address(told, "authorization_endpoint"),
        token=_address(told, "token_endpoint"),
        userinfo=_address(told, "userinfo_endpoint"),
        keys=_address(told, "jwks_uri"),
        end_session=_address(told, "end_session_endpoint", needed=False),
        scopes=" ".join(scope for scope in SCOPES if scope in supported),
        signatures=tuple(sorted(SIGNATURES.intersection(signatures))),
        basic_auth="client_secret_post" not in ways,
    )


def _address(told: dict[str, Any], name: str, *, needed: bool = True) -> str:
    """One that may be given a secret: by https, or of this very machine."""
    value = told.get(name) or ""
    if not value and not needed:
        return ""
    try:
        return conf.validate_url(str(value), name)
    except ImproperlyConfigured as err:
        raise LoginRefused(Reason.INVALID) from err
