"""Links that open one dossier once, within 30 minutes, for the address they were sent to.

The signature alone tells an altered or expired link, without a look at the database; there, only a
digest of the link is kept.
"""

import secrets
from enum import Enum

from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone

from dsintegration.models import Dossier, UsagerAccess
from dsintegration.usager.addresses import digest, digest_of


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="dsintegration.usager.link", sep=".")


class Refusal(Enum):
    ALTERED = "altered"
    EXPIRED = "expired"
    USED = "used"


class LinkRefused(Exception):
    """`dossier`: the one that a used link opened; whoever has the link may know its number."""

    def __init__(self, refusal: Refusal, dossier: Dossier | None = None) -> None:
        self.refusal = refusal
        self.dossier = dossier
        super().__init__(refusal.value)


class DossierIsGone(Exception):
    """Between the look at a dossier and its link, a purge has erased it."""


def make_link(dossier: Dossier) -> tuple[UsagerAccess, str]:
    """A new access to the dossier, for its present address, and the token of its link.

    Raises DossierIsGone if it was erased meanwhile.
    """
    token = _signer().sign(secrets.token_urlsafe(24))
    UsagerAccess.objects.expired().delete()
    try:
        with transaction.atomic():
            access = UsagerAccess.objects.create(
                dossier=dossier,
                address_digest=digest_of(dossier),
                link_digest=digest("link", token),
                sent_at=timezone.now(),
            )
    except IntegrityError as err:
        raise DossierIsGone from err
    return access, token


def read_link(token: str) -> UsagerAccess:
    """The access behind a link that can still be used; raises LinkRefused. Uses nothing up."""
    try:
        _signer().unsign(token, max_age=UsagerAccess.LIFE)
    except signing.SignatureExpired:
        raise LinkRefused(Refusal.EXPIRED) from None
    except signing.BadSignature:
        raise LinkRefused(Refusal.ALTERED) from None
    access = (
        UsagerAccess.objects.select_related("dossier")
        .filter(link_digest=digest("link", token))
        .first()
    )
    if access is None or not is_for_its_usager(access):
        raise LinkRefused(Refusal.EXPIRED)
    if access.used_at is not None:
        raise LinkRefused(Refusal.USED, access.dossier)
    return access


def use_link(token: str) -> UsagerAccess:
    """The same, and the link is used up: of several that try, one succeeds."""
    access = read_link(token)
    now = timezone.now()
    with transaction.atomic():
        unused = UsagerAccess.objects.filter(pk=access.pk, used_at__isnull=True)
        if not unused.update(used_at=now):
            raise LinkRefused(Refusal.USED, access.dossier)
    access.used_at = now
    return access


def is_for_its_usager(access: UsagerAccess) -> bool:
    """Whether the dossier still belongs to the address that the link was sent to."""
    dossier = access.dossier
    return not dossier.usager_account_deleted and access.address_digest == digest_of(dossier)
