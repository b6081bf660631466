"""Keeping the mirror fresh, at a cost that follows what changed.

First the lists (lists.py): of démarches that are followed, and of those of which many dossiers are
due. What they leave is fetched by number (queue.py), the stalest first.
"""

from collections.abc import Callable, Iterator
from itertools import chain

from django.db.models import QuerySet
from django.utils import timezone

from dsintegration import conf, journal
from dsintegration.files.copies import drop_copies, keep_files
from dsintegration.mirror.absences import store_failures
from dsintegration.mirror.choices import incomplete
from dsintegration.mirror.locking import recognise
from dsintegration.mirror.turn import AlreadyRunning, taken
from dsintegration.models import Action, Demarche, Dossier, Outcome, Platform
from dsintegration.platform.client import Client, get_client
from dsintegration.platform.outage import Outage
from dsintegration.refresh.lists import read_lists
from dsintegration.refresh.queue import awaiting_scan, due_dossiers, in_order
from dsintegration.refresh.run import Run
from dsintegration.refresh.tally import Tally

__all__ = ["AlreadyRunning", "Tally", "due_dossiers", "refresh"]

# Due dossiers of a démarche beyond which its lists are worth their requests.
WORTH_A_LIST = 100


def refresh(
    due: QuerySet[Dossier],
    tally: Tally,
    *,
    full: bool = False,
    limit: int | None = None,
    followed: QuerySet[Demarche] | None = None,
    is_partial: bool = False,
    must_stop: Callable[[], bool] = lambda: False,
    client: Client | None = None,
    by: journal.Actor = journal.TASK,
) -> Iterator[int]:
    """Refresh the dossiers `due`; gives, as it goes, how many more are done, and counts in `tally`.

    `full`: fetch each, also what does not move a dossier's date (a title, a change of hands).
    `followed`: the démarches whose news are read, by default all that are followed; `is_partial`:
    this is not the whole mirror. With a `limit`, no list is read.
    Ends early, to be taken up again by the next one, when `must_stop`, when the token is refused,
    and when the platform is down. Raises AlreadyRunning.
    """
    client = client or get_client(patient=True)
    instance = conf.instance_at(client.url)
    recognise(instance)
    if client.tokens.are_several:
        known = Demarche.objects.exclude(token="").values_list("number", "token")
        client.tokens.readers |= dict(known)
    began_at = timezone.now()
    with taken(full=full, must_stop=must_stop) as turn:
        outage = Outage(client)
        run = Run(client, instance, by, tally, outage, turn, full, must_stop, began_at)
        to_ask = set() if limit or is_partial else awaiting_scan()
        rows = Demarche.objects.all() if followed is None else followed
        if limit is None:
            yield from read_lists(run, due, rows, WORTH_A_LIST, to_ask)
            if outage.stopped_by:  # nobody else notes it
                now = run.moment(client.now())
                store_failures([outage.stopped_by], instance, now, by)
        if not (outage.is_over or run.must_stop()):
            moment = "fetched_at" if full else "checked_at"
            numbers = in_order(due, moment, limit, run.started)
            others = (number for number in numbers if number not in to_ask)
            # More was chosen of these: after what may be wrong.
            wanting = () if full or limit is not None else incomplete(rows)
            for _ in run.fetch(chain(sorted(to_ask), others, wanting)):
                yield 1
        if outage.stopped_by:
            tally.stopped_by = outage.stopped_by
            if not tally.failures:
                tally.add(outage.stopped_by)
        is_cut_short = run.must_stop()
    if not (tally.stopped_by or tally.is_in_vain or is_cut_short or limit or is_partial):
        at = timezone.now()
        ended = {"refreshed_at": at} | ({"fully_refreshed_at": at} if full else {})
        Platform.objects.filter(pk=Platform.SINGLETON).update(**ended)
        drop_copies()
        keep_files(client=client, must_stop=must_stop)
    outcome: str = Outcome.STOPPED if is_cut_short else Outcome.DONE
    if tally.stopped_by:
        outcome = journal.word(tally.stopped_by)
    journal.write(by.entry(Action.REFRESH, outcome, count=tally.fetched))
