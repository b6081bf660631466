"""A fetch for the holder of a key: whose dossiers it may be, and what it may be told.

A key limited to démarches learns of the others neither by an answer nor by how long it took: what
is not here and not its own is cut short, and refused, at one and the same moment. Why:
docs/decisions/2026-11-28-even-refusals.md.
"""

import time

from django.views.decorators.debug import sensitive_variables

from dsintegration import journal
from dsintegration.api import sharing
from dsintegration.api.errors import DossierIsNotHere
from dsintegration.api.permissions import visible_dossiers
from dsintegration.api.sharing import Outcome
from dsintegration.exceptions import DossierNotFound, DSError, Reason
from dsintegration.models import ApiKey, Dossier
from dsintegration.payloads import DossierPayload
from dsintegration.platform.client import get_client
from dsintegration.platform.sockets import WEB_BUDGET, deadline
from dsintegration.services import AnswerNotWanted, fetch_dossier

# What any other dossier would have met as well.
OF_ALL = {
    Reason.TOKEN_REFUSED,
    Reason.TOKEN_EXPIRED,
    Reason.THROTTLED,
    Reason.MAINTENANCE,
    Reason.CERTIFICATE,
    Reason.REDIRECT,
    Reason.QUERY_REFUSED,
}
# Seconds after which a limited key is told that there is no such dossier, whatever is the reason;
# and of them those that are left to find out whether it was this dossier that failed.
REFUSED_AFTER, SECONDS_TO_TELL = 5.0, 1.0

pause = time.sleep


def fetch_for(key: ApiKey, number: int) -> bool:
    """Fetch the dossier, if the key may see it; whether it is new here.

    Raises DSError, or DossierIsNotHere: for a key limited to démarches, a dossier outside them is
    neither stored nor told apart from one that nobody knows, be it malformed or slow.
    """
    if key.all_demarches or _is_here(key, number):
        return _fetch(key, number, sharing.PATIENCE, WEB_BUDGET)
    ends_at = time.monotonic() + REFUSED_AFTER
    try:
        budget = REFUSED_AFTER - SECONDS_TO_TELL
        return _fetch(key, number, budget, budget)
    except DossierIsNotHere:
        pause(max(0.0, ends_at - time.monotonic()))
        raise


def _fetch(key: ApiKey, number: int, patience: float, budget: float) -> bool:
    """`patience`: seconds for the calls of others and ours, `budget`: for ours alone."""
    by, ends_at = journal.key(key), time.monotonic() + max(patience, budget)
    is_ours = False

    def call() -> Outcome:
        nonlocal is_ours
        is_ours = True
        refused: list[int] = []

        @sensitive_variables()
        def wanted(payload: DossierPayload) -> bool:
            if key.may_see(payload.demarche.number):
                return True
            refused.append(payload.demarche.number)
            return False

        try:
            with deadline(min(budget, ends_at - time.monotonic())):
                result = fetch_dossier(number, client=get_client(web=True), wanted=wanted, by=by)
        except AnswerNotWanted:
            return Outcome(unwanted=refused[0])
        except DSError as err:
            return Outcome.of(err)
        return Outcome(result=result.outcome.value)

    def serves(other: Outcome) -> bool:
        return other.unwanted is None or not key.may_see(other.unwanted)

    try:
        outcome = sharing.shared(number, call, serves=serves, patience=patience)
    except DSError as late:  # the calls of others took all our time
        journal.write(by.failed(late))
        if _would_tell(late, key, number):
            raise DossierIsNotHere from None
        raise
    if not is_ours:  # whoever made the call has an entry of its own
        is_here = _is_here(key, number)
        word = outcome.word(number) if is_here or not outcome.result else "not_found"
        journal.write(by.fetched(number, word))
    if outcome.unwanted is not None:
        raise DossierIsNotHere
    if err := outcome.error(number):
        if _would_tell(err, key, number):
            raise DossierIsNotHere
        raise err
    return outcome.result == "created"


def _would_tell(err: DSError, key: ApiKey, number: int) -> bool:
    """Whether the failure would tell the key something of a dossier that may not be its own."""
    if key.all_demarches:
        return False
    if isinstance(err, DossierNotFound) or err.reason is Reason.NO_RIGHT:
        return True
    if err.reason in OF_ALL or _is_here(key, number):
        return False
    # A platform that is down is down for everybody: a key may be told, and tries again.
    return get_client(web=True).answers(within=SECONDS_TO_TELL)


def _is_here(key: ApiKey, number: int) -> bool:
    return visible_dossiers(Dossier.objects.all(), key).filter(number=number).exists()
