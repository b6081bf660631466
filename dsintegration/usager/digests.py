"""Digests that stand for addresses, links and sessions without telling them."""

from django.utils.crypto import salted_hmac

from dsintegration.models import Dossier
from dsintegration.usager.addresses import canonical


def digest(kind: str, value: str) -> str:
    """What stands for `value` in the database and in the cache; useless without the secret key."""
    return salted_hmac(f"dsintegration.usager.{kind}", value, algorithm="sha256").hexdigest()


def address_digest(number: int, address: str) -> str:
    """What stands for an address, however it is spelt, beside the number of one dossier."""
    return digest("address", f"{number}:{canonical(address)}")


def digest_of(dossier: Dossier) -> str:
    """Of the address that the dossier has now, for this dossier alone."""
    return address_digest(dossier.number, dossier.usager_email)
