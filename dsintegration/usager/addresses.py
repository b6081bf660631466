"""Addresses of usagers, and the digests that stand for them without telling them."""

from django.utils.crypto import salted_hmac

from dsintegration.models import Dossier


def normalised(address: str) -> str:
    return address.strip().lower()


def digest(kind: str, value: str) -> str:
    """What stands for `value` in the database and in the cache; useless without the secret key."""
    return salted_hmac(f"dsintegration.usager.{kind}", value, algorithm="sha256").hexdigest()


def address_digest(number: int, address: str) -> str:
    """What stands for an address, whatever its case, beside the number of one dossier."""
    return digest("address", f"{number}:{normalised(address)}")


def digest_of(dossier: Dossier) -> str:
    """Of the address that the dossier has now, for this dossier alone."""
    return address_digest(dossier.number, dossier.usager_email)
