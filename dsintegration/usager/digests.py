"""Digests that stand for addresses, links and sessions without telling them.

They are keyed: after a soft change (SECRET_KEY_FALLBACKS), those of the former key still hold.
"""

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from dsintegration.models import Dossier
from dsintegration.secret_keys import secret_keys
from dsintegration.usager.addresses import canonical


def digest(kind: str, value: str) -> str:
    """What stands for `value` in the database and in the cache; useless without the secret key."""
    return _digest(kind, value, settings.SECRET_KEY)


@sensitive_variables()
def digests(kind: str, value: str) -> list[str]:
    """All that may stand for it: by our key first, then by those that went before it."""
    return [_digest(kind, value, secret) for secret in secret_keys()]


def address_digest(number: int, address: str) -> str:
    """What stands for an address, however it is spelt, beside the number of one dossier."""
    return digest("address", _address(number, address))


def is_address_digest(given: str, number: int, address: str) -> bool:
    return given in digests("address", _address(number, address))


def digest_of(dossier: Dossier) -> str:
    """Of the address that the dossier has now, for this dossier alone."""
    return address_digest(dossier.number, dossier.usager_email)


def is_digest_of(given: str, dossier: Dossier) -> bool:
    return is_address_digest(given, dossier.number, dossier.usager_email)


def _address(number: int, address: str) -> str:
    return f"{number}:{canonical(address)}"


@sensitive_variables()
def _digest(kind: str, value: str, secret: str) -> str:
    salt = f"dsintegration.usager.{kind}"
    return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()
