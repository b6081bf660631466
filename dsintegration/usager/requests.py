"""What becomes of a request for a link: the part that nobody waits for.

A link goes out only if the address is the one that the platform has for the dossier: by an answer
of less than 60 seconds, or of less than 24 hours when the platform cannot be asked. The address
that was typed is known here by its digest alone: what waits in a queue names nobody.
"""

import logging
from typing import TYPE_CHECKING

from dsintegration import background, journal
from dsintegration.exceptions import DossierNotFound
from dsintegration.models import Action, Dossier, Outcome
from dsintegration.secret_keys import is_of_our_keys, key_mark
from dsintegration.usager import limits
from dsintegration.usager.addresses import canonical
from dsintegration.usager.calls import (
    FRESH,
    GOOD_ENOUGH,
    CannotAsk,
    MinuteIsFull,
    call,
    is_asked_within,
    is_down,
)
from dsintegration.usager.digests import digest, is_address_digest, is_digest_of
from dsintegration.usager.links import DossierIsGone
from dsintegration.usager.mails import MailNotSent, send_link

if TYPE_CHECKING:
    from dsintegration.payloads.dossiers import DossierPayload

logger = logging.getLogger(__name__)


class NoLink(Exception):
    """None goes out, for that reason."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.value)


def answer_later(number: int, asker: str, network: str, links_at: str) -> None:
    """Have the request answered after the page: by a worker of Celery, or in this process.

    `asker`: `address_digest` of what was typed; `links_at`: the address that links begin with.
    """
    work = (number, f"{key_mark()}.{asker}", digest("network", network), links_at)
    if not background.hand_over("dsintegration.answer_usager", *work):
        background.run_later(answer_or_pass_on, *work)


def answer_or_pass_on(number: int, asker: str, network: str, links_at: str) -> None:
    """Answer at once what needs no call; the rest waits where it holds nobody up."""
    dossier = Dossier.objects.filter(number=number).first()
    if is_down() or (dossier is not None and is_asked_within(dossier, FRESH)):
        answer_request(number, asker, network, links_at)
    else:
        background.call_later(answer_request, number, asker, network, links_at)


def answer_request(number: int, asker: str, network: str, links_at: str) -> None:
    """Send a link to whoever asks, if the dossier is theirs; it may be called again.

    `network` counts for the limits. Raises TryAgain if the mail server takes nothing now, if the
    minute is full, or if somebody else's call is still under way.
    """
    try:
        outcome = _answer(number, asker, network, links_at)
    except NoLink as err:
        outcome = err.outcome
        if outcome is Outcome.LIMITED:
            logger.warning("usager: no link for dossier %d, too many requests", number)
    except MailNotSent as err:
        journal.write(journal.USAGER.entry(Action.LINK, Outcome.MAIL_FAILED, number))
        if err.is_temporary:
            raise background.TryAgain from None
        return
    journal.write(journal.USAGER.entry(Action.LINK, outcome, number))


def _answer(number: int, asker: str, network: str, links_at: str) -> Outcome:
    if not links_at:
        logger.error("usager: no link for dossier %d, DS_PUBLIC_URL is not set", number)
        raise NoLink(Outcome.NO_ADDRESS)
    mark, _, asker = asker.rpartition(".")
    if mark and not is_of_our_keys(mark):
        logger.error("usager: no link for dossier %d, asked for under another SECRET_KEY", number)
        raise NoLink(Outcome.OTHER_KEY)
    dossier = Dossier.objects.filter(number=number).first()
    if dossier is None:
        dossier = _fetch_unknown(number, asker, network)
    elif not is_asked_within(dossier, FRESH):
        dossier = _fetch_known(dossier)
    if dossier.usager_account_deleted or not is_digest_of(asker, dossier):
        raise NoLink(Outcome.NO_MATCH)
    address = canonical(dossier.usager_email)
    if not limits.take_mail(number, address, network):
        raise NoLink(Outcome.LIMITED)
    try:
        send_link(dossier, links_at)
    except DossierIsGone:
        raise NoLink(Outcome.NO_MATCH) from None
    except MailNotSent:
        limits.give_back_mail(number, address, network)
        raise
    return Outcome.SENT


def _fetch_unknown(number: int, asker: str, network: str) -> Dossier:
    """The dossier, stored only if it is theirs."""
    if is_down():
        raise NoLink(Outcome.UNREACHABLE)
    of_network = limits.unknown_numbers_of_network()
    if not of_network.take(network) or not limits.UNKNOWN_NUMBERS.take():
        raise NoLink(Outcome.LIMITED)

    from dsintegration.services import AnswerNotWanted

    def is_theirs(payload: "DossierPayload") -> bool:
        is_their_address = is_address_digest(asker, number, payload.usager.email)
        return is_their_address and not payload.usager.is_deleted

    try:
        return call(number, wanted=is_theirs)
    except (AnswerNotWanted, DossierNotFound):
        raise NoLink(Outcome.NO_MATCH) from None
    except MinuteIsFull:
        of_network.give_back(network)
        limits.UNKNOWN_NUMBERS.give_back()
        raise background.TryAgain from None
    except CannotAsk:
        raise NoLink(Outcome.UNREACHABLE) from None


def _fetch_known(dossier: Dossier) -> Dossier:
    """The dossier as the platform gives it now, or as it gave it not long ago."""
    try:
        if limits.CALLS_OF_DOSSIER.take(dossier.number):
            return call(dossier.number)
    except DossierNotFound:
        # It answered: the last usager that it named is told that the dossier is gone.
        return dossier
    except MinuteIsFull:
        limits.CALLS_OF_DOSSIER.give_back(dossier.number)
        raise background.TryAgain from None
    except CannotAsk:
        pass
    else:
        # Somebody has called: what that brought decides, not what we knew before.
        dossier.refresh_from_db()
        if is_asked_within(dossier, FRESH):
            return dossier
        if not is_down() and limits.FAILED_CALLS.has_room(dossier.number):
            raise background.TryAgain
    if not is_asked_within(dossier, GOOD_ENOUGH):
        raise NoLink(Outcome.UNREACHABLE)
    return dossier
