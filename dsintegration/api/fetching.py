"""A fetch for the holder of a key: whose dossiers it may be, and what it may be told."""

from django.views.decorators.debug import sensitive_variables

from dsintegration import journal
from dsintegration.api.errors import DossierIsNotHere
from dsintegration.api.permissions import visible_dossiers
from dsintegration.api.sharing import Outcome, shared
from dsintegration.exceptions import DossierNotFound, DSError, Reason
from dsintegration.models import ApiKey, Dossier
from dsintegration.payloads.dossiers import DossierPayload
from dsintegration.perimeters import sight_of_key
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
# Of a page's time, the seconds that are left to find out whether it was this dossier.
SECONDS_TO_TELL = 2.0


def fetch_for(key: ApiKey, number: int) -> bool:
    """Fetch the dossier, if the key may see it; whether it is new here.

    Raises DSError, or DossierIsNotHere: for a key limited to démarches, a dossier outside them is
    neither stored nor told apart from one that nobody knows, be it malformed or slow.
    """
    by = journal.key(key)
    is_ours = False

    def call() -> Outcome:
        nonlocal is_ours
        is_ours = True
        refused: list[int] = []

        @sensitive_variables()
        def wanted(payload: DossierPayload) -> bool:
            if sight_of_key(key).sees(payload.demarche.number):
                return True
            refused.append(payload.demarche.number)
            return False

        try:
            with deadline(
                WEB_BUDGET if sight_of_key(key).is_whole else WEB_BUDGET - SECONDS_TO_TELL
            ):
                result = fetch_dossier(number, client=get_client(web=True), wanted=wanted, by=by)
        except AnswerNotWanted:
            return Outcome(unwanted=refused[0])
        except DSError as err:
            return Outcome.of(err)
        return Outcome(result=result.outcome.value)

    def serves(other: Outcome) -> bool:
        return other.unwanted is None or not sight_of_key(key).sees(other.unwanted)

    try:
        outcome = shared(number, call, serves=serves)
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
    if sight_of_key(key).is_whole:
        return False
    if isinstance(err, DossierNotFound) or err.reason is Reason.NO_RIGHT:
        return True
    if err.reason in OF_ALL or _is_here(key, number):
        return False
    # A platform that is down is down for everybody: a key may be told, and tries again.
    return get_client(web=True).answers(within=SECONDS_TO_TELL)


def _is_here(key: ApiKey, number: int) -> bool:
    return visible_dossiers(Dossier.objects.all(), key).filter(number=number).exists()
