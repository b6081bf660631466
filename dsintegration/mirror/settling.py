"""« Rien à répondre »: what an agent says of a conversation, and no platform."""

from datetime import datetime

from dsintegration import journal
from dsintegration.mirror.locking import A_PAGE, writing
from dsintegration.models import Action, Dossier, Outcome


def settle(pk: int, seen_until: datetime, by: journal.Actor) -> bool:
    """Take the dossier out of the queue; False if its usager has written since `seen_until`.

    Under the lock, as every writer: a fetch writes all columns of a dossier. Raises DSUnavailable
    where others hold it for longer than a page has.
    """
    with writing(None, A_PAGE):
        dossier = Dossier.objects.to_answer().filter(pk=pk, last_human_at__lte=seen_until).first()
        if dossier is None:
            return False
        Dossier.objects.filter(pk=pk).update(
            settled_until=dossier.last_human_at, waiting_since=None
        )
        journal.write(by.entry(Action.SETTLE, Outcome.DONE, dossier.number))
    return True
