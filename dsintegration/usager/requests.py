"""What becomes of a request for a link: the part that nobody waits for.

A link goes out only if the address is the one that the platform has for the dossier: by an answer
of less than 5 minutes, or of less than 24 hours when the platform cannot be asked. The address that
was typed is known here by its digest alone: what waits in a queue names nobody.
"""

import logging
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from dsintegration import background, journal
from dsintegration.exceptions import DossierNotFound, DSError
from dsintegration.models import Action, Dossier, Outcome
from dsintegration.payloads import DossierPayload
from dsintegration.platform.client import get_client
from dsintegration.services import AnswerNotWanted, fetch_dossier
from dsintegration.usager import limits
from dsintegration.usager.addresses import address_digest, digest, digest_of, normalised
from dsintegration.usager.links import DossierIsGone
from dsintegration.usager.mails import MailNotSent, send_link

logger = logging.getLogger(__name__)

# Of a full answer: a change of hands does not touch the dates of a dossier.
FRESH = timedelta(minutes=5)
GOOD_ENOUGH = timedelta(hours=24)


def answer_later(number: int, email: str, network: str, pages: str) -> None:
    """Have the request answered after the page: by a worker of Celery, or in this process."""
    work = (number, address_digest(number, email), digest("network", network), pages)
    if not background.hand_over("dsintegration.answer_usager", *work):
        background.run_later(answer_request, *work)


def answer_request(number: int, asker: str, network: str, pages: str) -> None:
    """Send a link to whoever asks, if the dossier is theirs; it may be called again.

    `asker`: `address_digest` of what was typed; `network` counts for the budget of unknown numbers;
    `pages` is the address of our first one. Raises TryAgain if the mail server takes nothing now.
    """
    try:
        outcome = _answer(number, asker, network, pages)
    except MailNotSent as err:
        journal.write(journal.USAGER.entry(Action.LINK, Outcome.MAIL_FAILED, number))
        if err.is_temporary:
            raise background.TryAgain from None
    else:
        journal.write(journal.USAGER.entry(Action.LINK, outcome, number))


def _answer(number: int, asker: str, network: str, pages: str) -> Outcome:
    dossier = Dossier.objects.filter(number=number).first()
    if dossier is None:
        dossier = _fetch_unknown(number, asker, network)
    elif timezone.now() - dossier.fetched_at > FRESH:
        dossier = _fetch_known(dossier)
    if dossier is None or dossier.usager_account_deleted or digest_of(dossier) != asker:
        return Outcome.NO_MATCH
    address = normalised(dossier.usager_email)
    if not limits.MAILS_OF_DOSSIER.take(number):
        return Outcome.LIMITED
    if not limits.MAILS_OF_ADDRESS.take(address):
        limits.MAILS_OF_DOSSIER.give_back(number)
        return Outcome.LIMITED
    try:
        send_link(dossier, pages)
    except DossierIsGone:
        return Outcome.NO_MATCH
    except MailNotSent:
        limits.MAILS_OF_DOSSIER.give_back(number)
        limits.MAILS_OF_ADDRESS.give_back(address)
        raise
    return Outcome.SENT


def _fetch_unknown(number: int, asker: str, network: str) -> Dossier | None:
    """The dossier, stored only if it is theirs."""
    if not limits.UNKNOWN_NUMBERS_OF_NETWORK.take(network) or not limits.UNKNOWN_NUMBERS.take():
        return None

    def is_theirs(payload: DossierPayload) -> bool:
        is_their_address = address_digest(number, payload.usager.email) == asker
        return is_their_address and not payload.usager.is_deleted

    try:
        return fetch_dossier(
            number, client=get_client(web=True), wanted=is_theirs, by=journal.USAGER
        ).dossier
    except (AnswerNotWanted, DSError, ImproperlyConfigured):
        return None


def _fetch_known(dossier: Dossier) -> Dossier | None:
    """The dossier as the platform gives it now, or as it gave it not long ago."""
    try:
        if limits.CALLS_OF_DOSSIER.take(dossier.number):
            return fetch_dossier(
                dossier.number, client=get_client(web=True), by=journal.USAGER
            ).dossier
    except DossierNotFound:
        # It answered: the last usager that it named is told that the dossier is gone.
        return dossier
    except DSError:
        pass  # noted by the services
    except ImproperlyConfigured as err:
        logger.error("usager: the platform cannot be asked: %s", err)  # noqa: TRY400
    return dossier if timezone.now() - dossier.fetched_at <= GOOD_ENOUGH else None
