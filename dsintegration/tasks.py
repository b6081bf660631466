"""The services as tasks of Celery, where several machines share the work.

They bear their own options, so that the project's Celery app needs none of ours: acknowledged when
done, and given to another worker when theirs is lost. Each may so run twice, or be cut short and
run again. What waits in the queue holds numbers and digests, and no personal data.

Nothing of the app is imported before a task runs: settings may take SCHEDULE from here.
"""

import logging
from datetime import timedelta
from typing import Any

from celery import Task, shared_task
from celery.schedules import crontab
from celery.signals import task_prerun
from django.db import InterfaceError, OperationalError

from dsintegration.background import PAUSES, TryAgain
from dsintegration.exceptions import DSError, DSUnavailable

logger = logging.getLogger(__name__)

# What beat needs: `beat_schedule = SCHEDULE`. A task that nobody took in time is not worth its
# place: the next one is on its way.
SCHEDULE: dict[str, dict[str, Any]] = {
    "dsintegration refresh": {
        "task": "dsintegration.refresh_dossiers",
        "schedule": timedelta(minutes=15),
        "options": {"expires": 14 * 60},
    },
    # Each dossier once a night; what one run leaves, the next one takes up.
    "dsintegration full refresh": {
        "task": "dsintegration.refresh_dossiers",
        "schedule": crontab(hour="1-5", minute=5),
        "kwargs": {"full": True, "older_than": 12 * 3600},
        "options": {"expires": 50 * 60},
    },
    "dsintegration purge": {
        "task": "dsintegration.purge_dossiers",
        "schedule": crontab(hour=6, minute=5),
        "options": {"expires": 12 * 3600},
    },
}

# Seconds. A task that waits longer than the broker's visibility timeout is given out twice.
LONGEST_WAIT = 240
FETCH_TRIES = 6
OPTIONS: dict[str, Any] = {"acks_late": True, "reject_on_worker_lost": True, "ignore_result": True}
# A database that is gone comes back: after 15 s, 30 s… four minutes.
WITHOUT_DATABASE: dict[str, Any] = {
    "autoretry_for": (OperationalError, InterfaceError),
    "retry_backoff": 15,
    "retry_backoff_max": LONGEST_WAIT,
    "retry_jitter": False,
    "max_retries": FETCH_TRIES - 1,
}


def _say(operation: str, outcome: str, counts: dict[str, int]) -> None:
    words = " ".join([operation, outcome, *(f"{name}={count}" for name, count in counts.items())])
    logger.info(words, extra={"operation": operation, "outcome": outcome, "counts": counts})


@task_prerun.connect(dispatch_uid="dsintegration.secrets")
def compare_secrets(task: Task[Any, Any] | None = None, **_: Any) -> None:
    """A worker that nobody restarted after a change says so, and does what it can."""
    headers = getattr(getattr(task, "request", None), "headers", None) or {}
    from dsintegration.secret_keys import HEADER, compare

    if mark := headers.get(HEADER):
        compare(mark)


@shared_task(name="dsintegration.refresh_dossiers", **OPTIONS)
def refresh_dossiers(*, full: bool = False, older_than: float | None = None) -> None:
    """Refresh what is due; `older_than`, in seconds, instead of what the settings say.

    Ends at once if a refresh is under way, here or elsewhere.
    """
    from dsintegration.refresh import AlreadyRunning, Tally, due_dossiers, refresh

    age = None if older_than is None else timedelta(seconds=older_than)
    tally = Tally()
    try:
        for _ in refresh(due_dossiers(age, full=full), tally, full=full):
            pass
    except AlreadyRunning:
        _say("refresh_dossiers", "already_running", {})
        return
    _say("refresh_dossiers", "stopped" if tally.stopped_by else "done", tally.counts)
    if tally.stopped_by:
        logger.error("refresh_dossiers: ended early, %s", tally.stopped_by)


@shared_task(name="dsintegration.purge_dossiers", **OPTIONS)
def purge_dossiers() -> None:
    """Erase what is kept no longer."""
    from dsintegration import journal
    from dsintegration.purging import Tally, purge

    tally = Tally()
    purge(tally, by=journal.TASK)
    _say("purge_dossiers", "done", tally.counts)


@shared_task(
    name="dsintegration.fetch_dossier", bind=True, throws=(DSError,), **OPTIONS, **WITHOUT_DATABASE
)
def fetch_dossier(self: Task[Any, Any], number: int) -> None:
    """Fetch one dossier; again later, while the platform is down. Other failures are noted."""
    from dsintegration import journal, services
    from dsintegration.models import Interface
    from dsintegration.platform.client import get_client

    try:
        by = journal.Actor(Interface.TASK)
        services.fetch_dossier(number, client=get_client(patient=True), by=by)
    except DSUnavailable as err:
        wait = err.retry_after or 2**self.request.retries * 15
        raise self.retry(
            exc=err, countdown=min(wait, LONGEST_WAIT), max_retries=FETCH_TRIES - 1
        ) from err


@shared_task(name="dsintegration.fetch_lot", **OPTIONS, **WITHOUT_DATABASE)
def fetch_lot(pk: str) -> None:
    """Fetch what did not fit into an agent's page."""
    from dsintegration.admin.fetch import fetch_lot

    fetch_lot(pk)


@shared_task(name="dsintegration.erase_unchosen", **OPTIONS, **WITHOUT_DATABASE)
def erase_unchosen(pk: str, was: dict[str, Any], reindex: bool) -> None:
    """Erase what is no longer chosen of a démarche; `was`: its former choice."""
    from dsintegration.mirror.choices import erase_unchosen

    erase_unchosen(pk, was, reindex)


@shared_task(
    name="dsintegration.answer_usager", bind=True, throws=(TryAgain,), **OPTIONS, **WITHOUT_DATABASE
)
def answer_usager(
    self: Task[Any, Any], number: int, asker: str, network: str, links_at: str
) -> None:
    """Answer a request for a link; again later, while the mail server takes nothing."""
    from dsintegration.usager.requests import answer_request

    try:
        answer_request(number, asker, network, links_at)
    except TryAgain as err:
        tried = min(self.request.retries, len(PAUSES) - 1)
        raise self.retry(exc=err, countdown=PAUSES[tried], max_retries=len(PAUSES)) from err
