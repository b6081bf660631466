"""Links that open one dossier, within 30 minutes, for the address they were sent to.

The signature alone tells an altered or expired link, and of which dossier it was, without a look at
the database; there, only a digest of the link is kept.
"""

import re
import secrets
from enum import Enum

from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from dsintegration import journal
from dsintegration.models import Action, Dossier, Outcome, UsagerAccess
from dsintegration.usager.digests import digest, digest_of, digests, is_digest_of

# What no token contains: blanks where a mail program cut the line, a `>` that was around it.
_FOREIGN = re.compile(r"[^A-Za-z0-9_.-]")


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="dsintegration.usager.link", sep=".")


class Refusal(Enum):
    ALTERED = "altered"
    EXPIRED = "expired"
    USED = "used"


class LinkRefused(Exception):
    """`number`: of the dossier that it was for; whoever has the link may know it."""

    def __init__(self, refusal: Refusal, number: int | None = None) -> None:
        self.refusal = refusal
        self.number = number
        super().__init__(refusal.value)


class DossierIsGone(Exception):
    """Between the look at a dossier and its link, a purge has erased it."""


def make_link(dossier: Dossier) -> tuple[UsagerAccess, str]:
    """A new access to the dossier, for its present address, and the token of its link.

    Raises DossierIsGone if it was erased meanwhile.
    """
    token = _signer().sign(f"{dossier.number}-{secrets.token_urlsafe(24)}")
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


def mended(token: str) -> str:
    """The token without what its way through a mail program has put into it."""
    return _FOREIGN.sub("", token).strip(".")


def read_link(token: str) -> UsagerAccess:
    """The access behind a link that can still be used; raises LinkRefused. Uses nothing up."""
    number = _number_of(token)
    access = find_access(token)
    if access is None or not is_for_its_usager(access) or not _is_in_time(token):
        raise LinkRefused(Refusal.EXPIRED, number)
    if access.openings >= UsagerAccess.MOST_OPENINGS:
        raise LinkRefused(Refusal.USED, number)
    return access


def find_access(token: str) -> UsagerAccess | None:
    """What a link of ours was made with, be it expired; for about a day."""
    accesses = UsagerAccess.objects.select_related("dossier")
    return accesses.filter(link_digest__in=digests("link", token)).first()


def use_link(token: str) -> UsagerAccess:
    """The same as `read_link`, and one of the link's openings is used up."""
    access = read_link(token)
    with transaction.atomic():
        left = UsagerAccess.objects.filter(pk=access.pk, openings__lt=UsagerAccess.MOST_OPENINGS)
        if not left.update(openings=F("openings") + 1):
            raise LinkRefused(Refusal.USED, access.dossier.number)
        journal.write(journal.USAGER.entry(Action.LINK, Outcome.OPENED, access.dossier.number))
    return access


def is_for_its_usager(access: UsagerAccess) -> bool:
    """Whether the dossier still belongs to the address that the link was sent to."""
    dossier = access.dossier
    return not dossier.usager_account_deleted and is_digest_of(access.address_digest, dossier)


def _number_of(token: str) -> int | None:
    """The dossier that a link of ours is for; None for a link from before links told it."""
    try:
        number, dash, _ = _signer().unsign(token).partition("-")
    except signing.BadSignature:
        raise LinkRefused(Refusal.ALTERED) from None
    return int(number) if dash and number.isdecimal() else None


def _is_in_time(token: str) -> bool:
    try:
        _signer().unsign(token, max_age=UsagerAccess.LIFE)
    except signing.SignatureExpired:
        return False
    return True
