"""A fetch for the holder of a key: whose dossiers it may be, and what it may be told."""

from django.views.decorators.debug import sensitive_variables

from dsintegration import journal
from dsintegration.api.errors import DossierIsNotHere
from dsintegration.api.permissions import visible_dossiers
from dsintegration.api.sharing import Outcome, shared
from dsintegration.exceptions import DossierNotFound, DSError, Reason
from dsintegration.models import ApiKey, Dossier
from dsintegration.payloads import DossierPayload
from dsintegration.platform.client import get_client
from dsintegration.services import AnswerNotWanted, fetch_dossier


def fetch_for(key: ApiKey, number: int) -> bool:
    """Fetch the dossier, if the key may see it; whether it is new here.

    Raises DSError, or DossierIsNotHere: for a key limited to démarches, a dossier outside them is
    neither stored nor told apart from one that nobody knows.
    """
    by = journal.key(key)
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
            result = fetch_dossier(number, client=get_client(web=True), wanted=wanted, by=by)
        except AnswerNotWanted:
            return Outcome(unwanted=refused[0])
        except DSError as err:
            return Outcome.of(err)
        return Outcome(result=result.outcome.value)

    def serves(other: Outcome) -> bool:
        return other.unwanted is None or not key.may_see(other.unwanted)

    try:
        outcome = shared(number, call, serves=serves)
    except DSError as late:  # the calls of others took all our time
        journal.write(by.failed(late))
        raise
    if not is_ours:  # whoever made the call has an entry of its own
        is_here = visible_dossiers(Dossier.objects.all(), key).filter(number=number).exists()
        word = outcome.word(number) if is_here or not outcome.result else "not_found"
        journal.write(by.fetched(number, word))
    if outcome.unwanted is not None:
        raise DossierIsNotHere
    if err := outcome.error(number):
        if not key.all_demarches and (
            isinstance(err, DossierNotFound) or err.reason is Reason.NO_RIGHT
        ):
            raise DossierIsNotHere
        raise err
    return outcome.result == "created"
