"""The way to the platform: connection, TLS, what answers, and by which clock."""

import os
import re
import time
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

from dsintegration.conf import origin_of
from dsintegration.diagnosis.finding import Check, Exchange, Finding
from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.platform.client import Client
from dsintegration.platform.failures import http_moment
from dsintegration.platform.trace import Step
from dsintegration.platform.transport import CA_VARIABLES

MOST_SKEW = 60  # seconds

# OpenSSL's X509_V_ERR_... of certificates, as of 1.1.1 and 3.x.
EXPIRED, NOT_YET_VALID, SELF_SIGNED = 10, 9, 18
UNKNOWN_AUTHORITIES = {2, 19, 20, 21}
OTHER_NAMES = {62, 64}


def check_connection(client: Client, first: Exchange) -> Finding:
    """The name, then TCP, through a proxy if the environment names one."""
    parts = urlsplit(client.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = client.transport.proxy
    if proxy:
        through, name, hop = (
            f", à travers le proxy {proxy}",
            f"du proxy {proxy}",
            f"le proxy {proxy}",
        )
        variables = "HTTPS_PROXY"
    else:
        through, name, hop = "", str(parts.hostname), f"{parts.hostname}, port {port},"
        variables = "DS_API_URL (ou HTTPS_PROXY, s'il faut un proxy)"
    match first.error and first.trace.step:
        case Step.LOOK_UP:
            fault = (
                f"le nom {name} est introuvable ; vérifiez {variables} et le DNS de cette machine."
            )
        case Step.CONNECTION:
            fault = (
                f"{hop} ne se laisse pas joindre ; vérifiez le réseau, le pare-feu et {variables}."
            )
        case Step.TUNNEL:
            fault = (
                f"le proxy {proxy} n'ouvre pas de passage vers {parts.hostname} ; vérifiez le "
                "compte dans HTTPS_PROXY, et que votre réseau autorise cette adresse."
            )
        case _:
            seen = f"{parts.hostname}, port {port}, répond{through}."
            return Finding(Check.CONNECTION, True, seen)
    return Finding(Check.CONNECTION, False, fault, DSUnavailable)


def check_tls(client: Client, first: Exchange) -> Finding:
    trace, host = first.trace, urlsplit(client.url).hostname
    if client.url.startswith("http:"):
        return Finding(Check.TLS, None, "sans objet : cette machine se parle à elle-même, en http.")
    if trace.step is Step.HANDSHAKE:
        if trace.verify_code is not None:
            fault = _certificate_fault(trace.verify_code, host or "")
            return Finding(Check.TLS, False, fault, DSInvalidResponse)
        fault = (
            f"{host} a rompu la négociation, ou ne parle pas TLS ; vérifiez l'adresse et le port "
            "dans DS_API_URL, et qu'aucun pare-feu ne coupe."
        )
        return Finding(Check.TLS, False, fault, DSUnavailable)
    version = trace.tls_version.replace("TLSv", "TLS ")
    seen = [f"{version}, certificat vérifié"]
    if trace.certificate_ends is not None:
        end = datetime.fromtimestamp(trace.certificate_ends, UTC)
        days = int((trace.certificate_ends - time.time()) // 86400)
        plural = "s" if days > 1 else ""
        seen.append(f"valable encore {days} jour{plural} (jusqu'au {end:%d/%m/%Y})")
    if variable := _authorities_from():
        seen.append(f"autorités lues dans {variable}")
    return Finding(Check.TLS, True, ", ".join(seen) + ".")


def _authorities_from() -> str:
    return next((name for name in CA_VARIABLES if os.environ.get(name)), "")


def _certificate_fault(code: int, host: str) -> str:
    variable = _authorities_from() or "REQUESTS_CA_BUNDLE"
    if code == EXPIRED:
        seen = f"le certificat de {host} a expiré"
        advice = "vérifiez l'horloge de cette machine, sinon prévenez la plateforme"
    elif code == NOT_YET_VALID:
        seen = f"le certificat de {host} n'est pas encore valable"
        advice = "vérifiez l'horloge de cette machine"
    elif code in OTHER_NAMES:
        seen = f"le certificat présenté n'est pas au nom de {host}"
        advice = "vérifiez DS_API_URL, et qu'aucun proxy ne s'interpose"
    elif code == SELF_SIGNED:
        seen = f"le certificat de {host} est signé par lui-même"
        advice = f"s'il est bien à vous, nommez-le dans {variable}"
    elif code in UNKNOWN_AUTHORITIES:
        seen = f"le certificat de {host} vient d'une autorité inconnue ici"
        advice = (
            "si votre réseau ouvre les connexions, demandez-lui son autorité et nommez le fichier "
            f"dans {variable}"
        )
    else:
        seen = f"le certificat de {host} est refusé (OpenSSL, code {code})"
        advice = "vérifiez DS_API_URL et les autorités de cette machine"
    return f"{seen} : le jeton n'a pas été envoyé ; {advice}."


def check_answer(client: Client, first: Exchange, number: int | None) -> Finding:
    """Whether what answers is the API, whatever it says of the token or of the dossier."""
    err = first.error
    status = first.response.status_code if first.response is not None else None
    said = f"HTTP {status} en {first.seconds:.2f} s".replace(".", ",")
    about_token = isinstance(err, DSAccessDenied | DossierNotFound)
    about_dossier = (
        status == 200 and err and (err.concerns_dossier or err.reason is Reason.QUERY_REFUSED)
    )
    if err is None or about_token or (about_dossier and number is not None):
        return Finding(Check.ANSWER, True, f"{said}, en JSON, sans redirection.")
    sentence = err.sentence
    if err.reason is Reason.REDIRECT:
        sentence = (
            f"l'adresse renvoie vers {_destination(client.url, first.location)}, et le jeton n'y a "
            "pas été envoyé ; si c'est bien la plateforme, mettez cette adresse dans DS_API_URL."
        )
    elif err.reason is Reason.SERVER_ERROR and number is None:
        sentence = "la plateforme a rencontré une erreur interne ; réessayez plus tard."
    if isinstance(err, DSUnavailable) and err.retry_after:
        sentence += f" Elle demande d'attendre {err.retry_after:.0f} s."
    told = f"{said} : " if status else ""
    return Finding(Check.ANSWER, False, told + sentence, type(err))


def _destination(url: str, location: str) -> str:
    """Scheme, host and port of a redirect; its path may hold anything."""
    try:
        origin = origin_of(urljoin(url, location))
    except ValueError:
        origin = ""
    if origin == origin_of(url):
        return "une autre page du même serveur"
    return origin if re.fullmatch(r"https?://[\w.:\[\]-]{1,100}", origin, re.ASCII) else "ailleurs"


def check_clock(first: Exchange, second: Exchange | None) -> Finding:
    """The `Date` of the quickest answer against our clock, half-way between question and answer."""
    dated = [
        (exchange.seconds, moment - (exchange.started + exchange.seconds / 2))
        for exchange in (first, second)
        if exchange and exchange.response is not None
        if (moment := http_moment(exchange.response.headers.get("Date"))) is not None
    ]
    if not dated:
        return Finding(Check.CLOCK, None, "pas comparée : la réponse ne dit pas son heure.")
    skew = min(dated)[1] + 0.5  # a Date has no fractions: it is half a second late on average
    if abs(skew) <= MOST_SKEW:
        seen = f"celle de cette machine et celle de la plateforme diffèrent de {abs(skew):.0f} s."
        return Finding(Check.CLOCK, True, seen)
    fault = (
        f"cette machine {'retarde' if skew > 0 else 'avance'} de {abs(skew):.0f} s sur la "
        "plateforme : on ne saurait plus quelle réponse est la plus récente, et le "
        "rafraîchissement manquerait des changements ; mettez-la à l'heure (NTP)."
    )
    return Finding(Check.CLOCK, False, fault)
