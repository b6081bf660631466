"""E-mail addresses as people write and paste them, and when two of them are one.

The platform accepts more than mail standards do (`andré@…`, `a..b@…`): so do we. A link always goes
to the platform's own spelling, so that taking two spellings for one address can mislead no mail.
"""

import re
import unicodedata
from functools import lru_cache

import idna

from dsintegration.harmless import cut
from dsintegration.models import Dossier

MOST = 320  # letters: what the platform's column holds, and ours

# « Anne B. <anne@example.org> », as mail programs copy it.
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>?")
# What a sentence, a list or a quotation leaves around an address.
_AROUND = " \t\r\n<>()[]\"'«»“”‘’,;"
_FORBIDDEN_IN_DOMAIN = re.compile(r"[^\w.-]|_|\.\.")


class InvalidAddress(ValueError):
    """`str()` is a French sentence that says what is wrong."""


def parse_address(text: str) -> str:
    """The address that a person wrote or pasted, as `canonical` has it; raises InvalidAddress."""
    written = unicodedata.normalize("NFC", _without_invisible(text)).strip()
    if named := _NAMED.fullmatch(written):
        if "@" in named["name"] and canonical(named["name"]) != canonical(named["address"]):
            raise InvalidAddress("Il y a ici plusieurs adresses : écrivez-en une seule.")
        written = named["address"]
    written = re.sub(r"(?i)^\s*mailto:([^?]*).*", r"\1", written, flags=re.DOTALL)
    written = written.strip(_AROUND).rstrip(".")
    _check(written)
    return canonical(written)


def _check(written: str) -> None:
    if written.count("@") > 1 or re.search(r"[,;\n]", written):
        raise InvalidAddress("Il y a ici plusieurs adresses : écrivez-en une seule.")
    if re.search(r"\s", written):
        raise InvalidAddress(
            f"Il y a un blanc dans « {cut(written, 40)} » : une adresse n'en contient pas."
        )
    local, at, domain = written.partition("@")
    if not at:
        raise InvalidAddress(
            "Il manque le signe @ : une adresse s'écrit comme nom@example.org, en entier."
        )
    if not local:
        raise InvalidAddress("Il manque ce qui vient avant le signe @, comme dans nom@example.org.")
    if "." not in domain.strip("."):
        raise InvalidAddress(
            "Cette adresse n'est pas complète : après le signe @, il faut un nom comme example.org."
        )
    forbidden = re.search(r"[<>()\[\]:\\\"]", local) or _FORBIDDEN_IN_DOMAIN.search(domain)
    if forbidden or domain.startswith("."):
        sign = forbidden[0] if forbidden else "."
        raise InvalidAddress(
            f"« {cut(sign, 40)} » n'est pas à sa place dans cette adresse : vérifiez-la."
        )
    if len(written) > MOST:
        raise InvalidAddress(f"Cette adresse est trop longue : {MOST} caractères au plus.")


@lru_cache(maxsize=1024)
def canonical(address: str) -> str:
    """The one spelling of an address, for comparison; whatever is stored has one.

    Letters composed, in lower case and visible; the domain as DNS has it.
    """
    text = unicodedata.normalize("NFC", _without_invisible(address)).strip().rstrip(".").lower()
    local, at, domain = text.rpartition("@")
    return f"{local}{at}{_ascii_domain(domain)}"


def is_same(one: str, other: str) -> bool:
    return canonical(one) == canonical(other)


def is_of(dossier: Dossier, address: str) -> bool:
    """Whether the dossier belongs to whoever reads the mail of that address."""
    return not dossier.usager_account_deleted and is_same(dossier.usager_email, address)


def spellings(address: str) -> set[str]:
    """How an address may be stored, in lower case: for the database, which cannot compare them."""
    local, at, domain = canonical(address).rpartition("@")
    domains = {domain, _unicode_domain(domain)}
    return {
        unicodedata.normalize(form, f"{local}{at}{domain}")
        for domain in domains
        for form in ("NFC", "NFD")
    } | {address.strip().lower()}


def _without_invisible(text: str) -> str:
    """Without what takes no room: zero-width blanks, marks of direction, soft hyphens."""
    return "".join(letter for letter in text if unicodedata.category(letter) != "Cf")


def _ascii_domain(domain: str) -> str:
    if domain.isascii() and "xn--" not in domain:
        return domain
    try:
        return idna.encode(_unicode_domain(domain), uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain  # no name of DNS: it is compared as it stands


def _unicode_domain(domain: str) -> str:
    try:
        return idna.decode(domain, uts46=True)
    except (idna.IDNAError, UnicodeError):
        return domain
