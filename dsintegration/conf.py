"""The only reader of `settings.DS_*`: defaults, and what each value may be.

Everything is read at call time. A value that can never work raises `ImproperlyConfigured` with one
French sentence that names the setting and never repeats a token.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string

from dsintegration.durations import parse_duration

DEFAULT_API_URL = "https://demarche.numerique.gouv.fr/api/v2/graphql"

# The platform has changed names; a database filled under one goes on under the others.
ORIGINS_OF_THE_PLATFORM = {
    "https://demarche.numerique.gouv.fr",
    "https://demarches.numerique.gouv.fr",
    "https://www.demarches-simplifiees.fr",
    "https://demarches-simplifiees.fr",
}

# Who writes the platform's automatic messages, now and formerly.
SYSTEM_EMAILS = (
    "contact@demarche.numerique.gouv.fr",
    "contact@demarches.numerique.gouv.fr",
    "contact@demarches-simplifiees.fr",
    "contact@tps.apientreprise.fr",
)

# The names under which the sandbox is known: its port changes with each process.
SANDBOX_INSTANCE = "sandbox"
SANDBOX_SITE_URL = "https://sandbox.example.org"

# What an accessibility statement may say (arrêté du 20 septembre 2019).
CONFORMITIES = {
    "non": "non conforme",
    "partiellement": "partiellement conforme",
    "totalement": "totalement conforme",
}

# ProConnect sends no `email_verified`: its addresses come from the administrations themselves.
PROCONNECT = ("proconnect.gouv.fr", "agentconnect.gouv.fr")

# urlsafe-base64 of "<uuid>;<24 characters>": 84 letters, the padding may be left out.
USUAL_TOKEN = re.compile(r"[A-Za-z0-9_-]{80,}={0,2}")


def is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """Scheme, host and port, as in https://demarche.numerique.gouv.fr."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default_port = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in (None, default_port) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


@lru_cache(maxsize=16)
def validate_url(url: str, name: str) -> str:
    """The address if it may be given a token: https, or http to this very machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or re.search(r"[\s\x00-\x1f]", url):
        raise ImproperlyConfigured(f"{name} n'est pas une adresse : exemple, {DEFAULT_API_URL}.")
    if parts.username is not None or parts.password is not None:
        raise ImproperlyConfigured(f"{name} ne doit contenir ni compte ni mot de passe.")
    if parts.scheme != "https" and not is_loopback(host):
        raise ImproperlyConfigured(
            f"{name} doit commencer par https:// : le jeton ne voyage jamais en clair."
        )
    return url


def api_url() -> str:
    """Where the API answers; in the sandbox, which is started if it is not running yet."""
    if sandbox():
        from dsintegration.sandbox import running_sandbox

        return running_sandbox().url
    return validate_url(getattr(settings, "DS_API_URL", "") or DEFAULT_API_URL, "DS_API_URL")


def api_token() -> str:
    """The first one."""
    return api_tokens()[0]


def api_tokens() -> tuple[str, ...]:
    if sandbox():
        from dsintegration.sandbox import TOKEN

        return (TOKEN,)
    one, several = getattr(settings, "DS_API_TOKEN", ""), getattr(settings, "DS_API_TOKENS", ())
    if isinstance(several, str):
        raise ImproperlyConfigured("DS_API_TOKENS doit être une liste de jetons.")
    if one and several:
        raise ImproperlyConfigured(
            "DS_API_TOKEN et DS_API_TOKENS sont remplis tous deux : gardez l'un."
        )
    tokens = tuple(dict.fromkeys(several)) if several else (one,) if one else ()
    if not tokens:
        raise ImproperlyConfigured(
            "DS_API_TOKEN manque : mettez-y un jeton en lecture, créé dans le profil d'un "
            "administrateur de la plateforme."
        )
    name = "DS_API_TOKENS" if several else "DS_API_TOKEN"
    if any(re.search(r"[^\x21-\x7e]|[,;]", token) or not token for token in tokens):
        raise ImproperlyConfigured(
            f"{name} contient un blanc ou un caractère interdit : recopiez le jeton d'un "
            "seul tenant."
        )
    return tokens


def api_token_is_usual() -> bool:
    return all(USUAL_TOKEN.fullmatch(token) for token in api_tokens())


def api_token_expires() -> date | None:
    """The last day of the token, as the operator noted it; of several, the first to come."""
    day = getattr(settings, "DS_API_TOKEN_EXPIRES", None)
    days = day if isinstance(day, list | tuple) else [day] if day else []
    if not all(isinstance(day, date) for day in days):
        raise ImproperlyConfigured("DS_API_TOKEN_EXPIRES doit être une date.")
    tokens = getattr(settings, "DS_API_TOKENS", ())
    if days and tokens and len(days) != len(tokens):
        raise ImproperlyConfigured(
            "DS_API_TOKEN_EXPIRES doit donner autant de dates que DS_API_TOKENS de jetons."
        )
    return min(days, default=None)


def timeouts() -> tuple[float, float]:
    """The seconds that a connection, and each read, may take in background work."""
    return (_seconds("DS_API_CONNECT_TIMEOUT", 5), _seconds("DS_API_READ_TIMEOUT", 35))


def _seconds(name: str, default: float) -> float:
    value = getattr(settings, name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
        raise ImproperlyConfigured(f"{name} doit être un nombre de secondes, de 0 à 3600.")
    return value


def batch_size() -> int:
    """How many dossiers one request asks for."""
    return _count("DS_BATCH_SIZE", 50, 200)


def in_flight() -> int:
    """How many requests of a batch are under way at once."""
    return _count("DS_IN_FLIGHT", 4, 16)


def rate_limit() -> int:
    """How many requests all of us may send in any 60 seconds; the platform refuses beyond 400."""
    return _count("DS_RATE_LIMIT", 300, 400)


def refresh_ages() -> tuple[timedelta, timedelta]:
    """From what age a dossier is refreshed: one that is open, one that is finished or absent."""
    return (_age("DS_REFRESH_AFTER", "1h"), _age("DS_REFRESH_FINISHED_AFTER", "1d"))


def fresh_within() -> tuple[timedelta, timedelta]:
    """Since when at most a refresh must have ended, and a full one, for the mirror to be fresh."""
    return (_age("DS_FRESH_WITHIN", "2h"), _age("DS_FULL_WITHIN", "36h"))


def metrics_token() -> str:
    """What the server that collects our metrics shows; without one there are none."""
    token = getattr(settings, "DS_METRICS_TOKEN", "")
    if token and not (isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]{16,}", token)):
        raise ImproperlyConfigured(
            "DS_METRICS_TOKEN doit compter 16 caractères au moins, sans blanc ni accent."
        )
    return token


def journal_kept() -> timedelta:
    """The age from which the purge forgets an entry of the journal."""
    return _age("DS_JOURNAL_KEPT", "365d")


def purge_delays() -> dict[str, timedelta | None]:
    """How long a dossier is kept after what makes it useless, by setting; None: for ever.

    Unset by default: how long personal data is kept is the administration's own decision.
    """
    names = (
        "DS_PURGE_ABSENT_AFTER",
        "DS_PURGE_EXPIRED_AFTER",
        "DS_PURGE_DELETED_BY_USAGER_AFTER",
    )
    return {name: _age(name, "") if getattr(settings, name, "") else None for name in names}


def _age(name: str, default: str) -> timedelta:
    try:
        return parse_duration(getattr(settings, name, "") or default)
    except ValueError as err:
        raise ImproperlyConfigured(f"{name} : {err}.") from err


def first_timers() -> int:
    """Of how many dossiers that are not here yet one network may ask in an hour."""
    return _count("DS_USAGER_FIRST_TIMERS", 30, 10_000)


def _count(name: str, default: int, most: int, *, least: int = 1) -> int:
    value = getattr(settings, name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ImproperlyConfigured(f"{name} doit être un nombre entier de {least} à {most}.")
    return value


def instance_at(url: str) -> str:
    """Which instance of the platform answers at `url`; its old and new names are one."""
    if sandbox() and url == api_url():
        return SANDBOX_INSTANCE
    origin = origin_of(url)
    return origin_of(DEFAULT_API_URL) if origin in ORIGINS_OF_THE_PLATFORM else origin


def site_url() -> str:
    """The platform's pages for people, without a slash at the end."""
    if url := getattr(settings, "DS_SITE_URL", ""):
        return validate_url(url, "DS_SITE_URL").rstrip("/")
    return SANDBOX_SITE_URL if sandbox() else origin_of(api_url())


def platform_name() -> str:
    """What people call the platform that their dossier is on."""
    site = site_url()
    if site == SANDBOX_SITE_URL or site in ORIGINS_OF_THE_PLATFORM:
        return "Démarche numérique"
    return urlsplit(site).hostname or site


def system_emails() -> frozenset[str]:
    """The addresses of automatic messages, in lower case."""
    emails = getattr(settings, "DS_SYSTEM_EMAILS", None) or SYSTEM_EMAILS
    if isinstance(emails, str) or not all(
        isinstance(email, str) and "@" in email for email in emails
    ):
        raise ImproperlyConfigured("DS_SYSTEM_EMAILS doit être une liste d'adresses électroniques.")
    return frozenset(email.strip().lower() for email in emails)


def lacks_system_emails() -> bool:
    """Whether it is another instance of the platform, of which we do not know who writes them."""
    if sandbox() or getattr(settings, "DS_SYSTEM_EMAILS", None):
        return False
    return instance_at(api_url()) != origin_of(DEFAULT_API_URL)


def sandbox() -> bool:
    return bool(getattr(settings, "DS_SANDBOX", False))


def refuse_mixed_sandbox() -> None:
    """When the project starts; a test runner changes DEBUG later (dsintegration.testing)."""
    if not sandbox():
        return
    if getattr(settings, "DS_API_TOKEN", "") or getattr(settings, "DS_API_TOKENS", ()):
        raise ImproperlyConfigured(
            "DS_SANDBOX=1 (le bac à sable) et DS_API_TOKEN (la vraie plateforme) ne vont pas "
            "ensemble : retirez l'un des deux."
        )
    if not settings.DEBUG:
        raise ImproperlyConfigured(
            "DS_SANDBOX=1 n'est permis qu'avec DEBUG=1 : en production, des dossiers inventés "
            "passeraient pour vrais."
        )


@dataclass(frozen=True)
class Organisation:
    """Whose pages the usager sees. An empty text is something that is not shown."""

    name: str
    logo_text: str
    color: str
    color_dark: str
    accessibility: str
    accessibility_url: str
    legal_url: str
    privacy_url: str
    contact_url: str


def organisation() -> Organisation:
    name = _line("DS_ORGANISATION_NAME") or "Votre administration"
    level = _line("DS_ORGANISATION_ACCESSIBILITY") or "non"
    if level not in CONFORMITIES:
        raise ImproperlyConfigured(
            f"DS_ORGANISATION_ACCESSIBILITY doit valoir {', '.join(CONFORMITIES)}."
        )
    return Organisation(
        name=name,
        logo_text=_line("DS_ORGANISATION_LOGO_TEXT") or name,
        color=_color("DS_ORGANISATION_COLOR"),
        color_dark=_color("DS_ORGANISATION_COLOR_DARK"),
        accessibility=CONFORMITIES[level],
        accessibility_url=_link("DS_ORGANISATION_ACCESSIBILITY_URL"),
        legal_url=_link("DS_ORGANISATION_LEGAL_URL"),
        privacy_url=_link("DS_ORGANISATION_PRIVACY_URL"),
        contact_url=_link("DS_ORGANISATION_CONTACT_URL"),
    )


def _line(name: str) -> str:
    value = getattr(settings, name, "")
    # Part of it goes into the headers of mails.
    if not isinstance(value, str) or not value.isprintable():
        raise ImproperlyConfigured(f"{name} doit être un texte d'une seule ligne.")
    return value.strip()


def _color(name: str) -> str:
    color = _line(name)
    if color and not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
        raise ImproperlyConfigured(f"{name} doit être une couleur comme #0b5394.")
    return color


def _link(name: str) -> str:
    link = _line(name)
    if link and not re.match(r"https?://[^/]|/(?!/)|mailto:.", link):
        raise ImproperlyConfigured(
            f"{name} doit être une adresse comme https://www.example.org/page ou /page."
        )
    return link


def base_template() -> str:
    """What the usager's pages extend."""
    return _line("DS_BASE_TEMPLATE") or "dsintegration/layout.html"


def public_url() -> str:
    """Our own address as usagers know it, without a slash at the end; "" if none is set."""
    url = _line("DS_PUBLIC_URL")
    if url and not re.fullmatch(
        r"https://[^/?#@]+/?|http://(localhost|127\.0\.0\.1)(:\d+)?/?", url
    ):
        raise ImproperlyConfigured(
            "DS_PUBLIC_URL doit être une adresse comme https://dossiers.example.org, sans chemin."
        )
    return url.rstrip("/")


def num_proxies() -> int:
    """How many proxies of ours stand in front; 0 believes no X-Forwarded-For."""
    return _count("DS_NUM_PROXIES", 0, 10, least=0)


def api_rates() -> dict[str, int]:
    """How often a minute one key of the REST API may read, and fetch."""
    return {
        "read": _count("DS_API_READS_PER_MINUTE", 3000, 10**9),
        "fetch": _count("DS_API_FETCHES_PER_MINUTE", 60, 10**9),
    }


FILE_MODES = ("off", "on_demand", "kept")
# The alias of Django's STORAGES that copies of files are kept in.
FILES_STORAGE = "dsintegration"


def files() -> str:
    """Whether bytes of files are given (on_demand), kept here as well (kept), or neither (off)."""
    mode = _line("DS_FILES") or "on_demand"
    if mode not in FILE_MODES:
        raise ImproperlyConfigured(f"DS_FILES doit valoir {', '.join(FILE_MODES)}.")
    if mode == "kept" and FILES_STORAGE not in settings.STORAGES:
        raise ImproperlyConfigured(
            f"DS_FILES=kept demande un espace de stockage « {FILES_STORAGE} » dans STORAGES, qui "
            "ne soit servi à personne."
        )
    return mode


def files_private_hosts() -> frozenset[str]:
    """The storage's hosts that may have private addresses, in lower case."""
    hosts = getattr(settings, "DS_FILES_PRIVATE_HOSTS", ())
    if isinstance(hosts, str) or any(re.search(r"[\s/@]", host) for host in hosts):
        raise ImproperlyConfigured(
            "DS_FILES_PRIVATE_HOSTS doit être une liste de noms de machines, sans https:// ni port."
        )
    return frozenset(host.strip("[]").lower() for host in hosts)


def client_address() -> Callable[[HttpRequest], str]:
    """What tells where a request comes from; hosting/proxies.py does, unless told otherwise."""
    path = _line("DS_CLIENT_ADDRESS") or "dsintegration.hosting.proxies.client_address"
    try:
        function: Callable[[HttpRequest], str] = import_string(path)
    except ImportError as err:
        raise ImproperlyConfigured(
            "DS_CLIENT_ADDRESS doit être le chemin d'une fonction, comme si.proxies.address."
        ) from err
    return function


@dataclass(frozen=True)
class OpenID:
    """The provider that agents come in by, and who we are to it."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def name(self) -> str:
        """What a button may call it; "" where we do not know."""
        return "ProConnect" if self.vouches_for_addresses else ""

    @property
    def vouches_for_addresses(self) -> bool:
        """Whether its addresses are those of administrations, though it does not say `verified`."""
        host = urlsplit(self.issuer).hostname or ""
        return any(host == known or host.endswith(f".{known}") for known in PROCONNECT)


def openid() -> OpenID | None:
    """None: agents have passwords here, and nothing else."""
    issuer = _line("DS_OIDC_ISSUER")
    if not issuer:
        return None
    validate_url(issuer, "OIDC_ISSUER")
    client_id, secret = _line("DS_OIDC_CLIENT_ID"), _line("DS_OIDC_CLIENT_SECRET")
    for value, name in ((client_id, "OIDC_CLIENT_ID"), (secret, "OIDC_CLIENT_SECRET")):
        if not value:
            raise ImproperlyConfigured(
                f"{name} manque : le fournisseur d'OIDC_ISSUER le donne quand il enregistre "
                "cette application."
            )
    return OpenID(issuer, client_id, secret)


# In the order of their system checks, dsintegration.E002 and on: add at the end.
READERS: tuple[Callable[[], Any], ...] = (
    api_url,
    api_token_expires,
    timeouts,
    site_url,
    system_emails,
    batch_size,
    in_flight,
    rate_limit,
    refresh_ages,
)
# What no fetch needs.
PAGE_READERS: tuple[Callable[[], Any], ...] = (
    organisation,
    public_url,
    client_address,
    journal_kept,
    purge_delays,
    first_timers,
    num_proxies,
    api_rates,
    base_template,
    files,
    files_private_hosts,
)
# What only those who watch over us need; from dsintegration.E040 on.
WATCH_READERS: tuple[Callable[[], Any], ...] = (fresh_within, metrics_token)
