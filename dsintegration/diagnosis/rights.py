"""What the platform lets us do: the token, the schema, one dossier, the rate."""

import ipaddress
import re
from collections.abc import Collection, Iterable

from dsintegration import conf
from dsintegration.diagnosis.finding import Check, Exchange, Finding
from dsintegration.diagnosis.schemas import UnreadableSchemaError, compare
from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.platform.failures import retry_after

# Many times the platform's own, which is of some 300 kB.
MOST_BYTES = 8 * 1024 * 1024
LOCKED = "un jeton neuf se lie au premier réseau qui l'utilise, et vit un an au plus"


def is_worth_an_introspection(first: Exchange) -> bool:
    """Not where the platform has said that it knows the token, and refuses it."""
    is_expired = first.error is not None and first.error.reason is Reason.TOKEN_EXPIRED
    return not is_expired and not _address_seen(first)


def _is_token_refused(first: Exchange) -> bool:
    refusals = {Reason.TOKEN_REFUSED, Reason.TOKEN_EXPIRED}
    return first.error is not None and first.error.reason in refusals


def check_token(first: Exchange, second: Exchange | None) -> Finding:
    """Unknown, expired or used from the wrong network, as far as the platform tells.

    It answers 403 to the unknown token and to the wrong network alike. But it names the network
    that it refuses, and answers an introspection with a token that it does not know (since
    September 2026) where it refuses everything to one from the wrong network.
    """
    err = first.error
    if err is None or isinstance(err, DossierNotFound) or err.reason is Reason.NO_RIGHT:
        return Finding(Check.TOKEN, True, "la plateforme l'accepte, depuis ce réseau.")
    if err.reason is Reason.TOKEN_EXPIRED:
        fault = f"{err.sentence[:-1]} ({LOCKED})."
    elif err.reason is not Reason.TOKEN_REFUSED:
        return Finding(Check.TOKEN, None, "la plateforme n'a pas répondu à ce sujet.")
    elif address := _address_seen(first):
        fault = (
            f"la plateforme le connaît, et refuse ce réseau : elle nous voit venir de {address} ; "
            "ajoutez cette adresse aux réseaux du jeton dans le profil de l'administrateur, ou "
            f"créez un jeton dont cette machine fera le premier usage ({LOCKED})."
        )
    elif second and second.error is None:
        fault = (
            "la plateforme ne le connaît pas : mal recopié, révoqué, ou créé sur une autre "
            f"instance ; recopiez-le dans DS_API_TOKEN, ou créez-en un autre ({LOCKED})."
        )
    else:
        fault = (
            "la plateforme le refuse sans dire pourquoi ; du plus au moins probable : mal recopié "
            "ou révoqué, créé sur une autre instance, lié à un autre réseau. Vérifiez "
            f"DS_API_TOKEN, puis les réseaux du jeton dans le profil ({LOCKED})."
        )
    return Finding(Check.TOKEN, False, fault, DSAccessDenied)


def _address_seen(exchange: Exchange) -> str:
    """The address that a refusal names as ours ("Add 203.0.113.45/32 to …"), or ""."""
    if not exchange.error or exchange.error.reason is not Reason.TOKEN_REFUSED:
        return ""
    for error in (exchange.body or {})["errors"]:
        message = error.get("message")
        for word in re.findall(r"([0-9a-fA-F.:]{2,45})/[0-9]{1,3}\b", str(message)[:500]):
            try:
                return str(ipaddress.ip_address(word))
            except ValueError:
                continue
    return ""


def check_schema(
    first: Exchange, second: Exchange | None, known_states: Collection[str]
) -> Finding:
    if second is None or (second.error and _is_token_refused(first)):
        return Finding(Check.SCHEMA, None, "pas comparé : le jeton est refusé.")
    if second.error:
        refused = second.error.reason is Reason.QUERY_REFUSED
        fault = (
            "pas comparé : la plateforme refuse qu'on lui demande son schéma ; son API a sans "
            "doute changé, mettez dsintegration à jour."
            if refused
            else f"pas comparé : {second.error.sentence}"
        )
        return Finding(Check.SCHEMA, False, fault, type(second.error))
    if second.response is None or len(second.response.content) > MOST_BYTES:
        fault = "pas comparé : la réponse de la plateforme est démesurée ; elle a été refusée."
        return Finding(Check.SCHEMA, False, fault, DSInvalidResponse)
    try:
        differences = compare(second.data, known_states)
    except UnreadableSchemaError:
        fault = (
            "pas comparé : la réponse n'est pas un schéma ; vérifiez DS_API_URL, et si cela dure, "
            "signalez-le à la plateforme."
        )
        return Finding(Check.SCHEMA, False, fault, DSInvalidResponse)
    if differences.gone or differences.misfits:
        what = (
            f"n'existe plus : {_listed(differences.gone)}"
            if differences.gone
            else f"ne convient plus : {_listed(f'« {text} »' for text in differences.misfits)}"
        )
        fault = f"{what} ; mettez dsintegration à jour."
        return Finding(Check.SCHEMA, False, fault, DSInvalidResponse)
    remarks = ["tout ce que dsintegration demande existe"]
    if differences.deprecated:
        old = (f"{place} (« {reason} »)" for place, reason in differences.deprecated.items())
        remarks.append(f"attention, déprécié : {_listed(old)}, mettez dsintegration à jour")
    if differences.unknown_states:
        states = _listed(f"« {state} »" for state in differences.unknown_states)
        remarks.append(f"états que dsintegration ne connaît pas, et montre tels quels : {states}")
    return Finding(Check.SCHEMA, True, " ; ".join(remarks) + ".")


def _listed(items: Iterable[str], most: int = 8) -> str:
    words = list(items)
    more = f" et {len(words) - most} de plus" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def check_dossier(first: Exchange, number: int | None) -> Finding:
    if number is None:
        return Finding(Check.DOSSIER, None, "pas demandé : donnez un numéro, « check_ds 12345 ».")
    err = first.error
    if _is_token_refused(first):
        return Finding(Check.DOSSIER, None, "pas vérifié : le jeton est refusé.")
    if err:
        return Finding(Check.DOSSIER, False, f"n° {number} : {err.sentence}", type(err))
    match first.data.get("dossier"):
        case {"number": same, "demarche": {"number": demarche}} if (
            same == number and type(demarche) is int
        ):
            seen = f"le jeton donne accès au n° {number}, de la démarche n° {demarche}."
            return Finding(Check.DOSSIER, True, seen)
    sentence = f"n° {number} : {DSInvalidResponse(Reason.UNEXPECTED).sentence}"
    return Finding(Check.DOSSIER, False, sentence, DSInvalidResponse)


def check_rate(last: Exchange) -> Finding:
    """What the `RateLimit-…` headers of an answer say; the platform gives them with refusals."""
    most = conf.rate_limit()
    plural = "s" if most > 1 else ""
    ours = f"dsintegration s'en tient à {most} demande{plural} par minute (DS_RATE_LIMIT)"
    headers = last.response.headers if last.response is not None else {}
    limit, remaining = (
        value if re.fullmatch("[0-9]{1,9}", value := headers.get(f"RateLimit-{name}", "")) else ""
        for name in ("Limit", "Remaining")
    )
    if not remaining:
        return Finding(Check.RATE, None, f"la réponse n'en dit rien ; {ours}.")
    seconds = retry_after(last.response) if last.response is not None else None
    reset = f", remis à zéro dans {seconds:.0f} s" if seconds is not None else ""
    seen = f"reste {remaining}{f' sur {limit}' if limit else ''} demandes{reset}"
    if int(remaining) == 0:
        fault = f"{seen} ; attendez, ou baissez DS_RATE_LIMIT : {ours}."
        return Finding(Check.RATE, False, fault, DSUnavailable)
    return Finding(Check.RATE, True, f"{seen} ; {ours}.")
