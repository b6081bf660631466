"""Addresses of usagers: when two are one, and a digest that stands for one without telling it."""

from django.utils.crypto import salted_hmac

from dsintegration.models import Dossier


def same(one: str, other: str) -> bool:
    return normalised(one) == normalised(other)


def normalised(address: str) -> str:
    return address.strip().lower()


def digest(kind: str, value: str) -> str:
    """What stands for `value` in the database and in the cache; useless without the secret key."""
    return salted_hmac(f"dsintegration.usager.{kind}", value, algorithm="sha256").hexdigest()


def digest_of(dossier: Dossier) -> str:
    """Of the address that the dossier has now, for this dossier alone."""
    return digest("address", f"{dossier.number}:{normalised(dossier.usager_email)}")
