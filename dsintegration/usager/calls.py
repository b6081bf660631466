"""Asking the platform because a usager asks us: within its limit, and not while it is down."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from dsintegration import journal
from dsintegration.exceptions import DossierNotFound, DSError
from dsintegration.models import Dossier
from dsintegration.platform.rate_limit import has_room
from dsintegration.usager import limits

if TYPE_CHECKING:
    from dsintegration.payloads.dossiers import DossierPayload

logger = logging.getLogger(__name__)

# An answer of the platform: how long it vouches for the address of a dossier, and how long it does
# when the platform cannot be asked. A change of hands does not touch the dates of a dossier.
FRESH = timedelta(seconds=60)
GOOD_ENOUGH = timedelta(hours=24)
MOST_OTHERS = 50  # one request


class CannotAsk(Exception):
    """The platform is down, or our settings are wrong."""


class MinuteIsFull(CannotAsk):
    """It is not down: we have asked it enough for now (DS_RATE_LIMIT)."""


def call(number: int, *, wanted: "Callable[[DossierPayload], bool]" = lambda _: True) -> Dossier:
    """The dossier as the platform gives it now; somebody waits, for 10 seconds at most.

    Raises DossierNotFound, CannotAsk, or AnswerNotWanted.
    """
    # No project waits at its start for what these import (gql, pydantic).
    from dsintegration.platform.client import get_client
    from dsintegration.services import fetch_dossier

    if is_down():
        raise CannotAsk
    if not has_room():
        logger.warning("usager: dossier %d is not asked for, the minute is full", number)
        raise MinuteIsFull
    try:
        client = get_client(web=True)
        return fetch_dossier(number, client=client, wanted=wanted, by=journal.USAGER).dossier
    except DossierNotFound:
        raise
    except DSError as err:  # noted by the services
        (limits.FAILED_CALLS if err.concerns_dossier else limits.OUTAGES).take(
            number if err.concerns_dossier else ""
        )
        raise CannotAsk from None
    except ImproperlyConfigured as err:
        logger.error("usager: the platform cannot be asked: %s", err)  # noqa: TRY400
        limits.OUTAGES.take()
        raise CannotAsk from None


def call_for_all(number: int, others: Sequence[int]) -> None:
    """Ask for several dossiers of one usager in one request; `number` is the one he looks at.

    What cannot be had now is left as it is.
    """
    from dsintegration.platform.client import get_client
    from dsintegration.services import fetch_dossiers

    if is_down() or not has_room() or not limits.LISTS.take(number):
        return
    try:
        client = get_client(web=True)
        for outcome in fetch_dossiers(others[:MOST_OTHERS], client=client, by=journal.USAGER):
            if outcome.error and not outcome.error.concerns_dossier:
                limits.OUTAGES.take()
    except ImproperlyConfigured as err:
        logger.error("usager: the platform cannot be asked: %s", err)  # noqa: TRY400


def is_down() -> bool:
    """Whether it failed less than a minute ago: whoever comes next does not wait for it again."""
    return not limits.OUTAGES.has_room()


def is_asked_within(dossier: Dossier, age: timedelta) -> bool:
    """Whether an answer about it is no older; that it is absent is an answer, too."""
    return timezone.now() - _asked_at(dossier) <= age


def _asked_at(dossier: Dossier) -> datetime:
    return dossier.fetched_at if dossier.absent_since is None else dossier.checked_at
