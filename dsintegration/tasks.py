"""The services as tasks of Celery, where several machines share the work (CELERY_BROKER_URL).

Each may run twice, or be cut short and run again: a task is acknowledged when it is done. What
waits in the queue holds numbers and digests, and no personal data.
"""

import logging
from datetime import timedelta
from typing import Any

from celery import Task, shared_task
from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError

from dsintegration import journal, services
from dsintegration.exceptions import DSError, DSUnavailable
from dsintegration.models import Interface
from dsintegration.platform.client import get_client
from dsintegration.purging import Tally as PurgeTally
from dsintegration.purging import purge
from dsintegration.refresh import AlreadyRunning, Tally, due_dossiers, refresh
from dsintegration.usager.background import PAUSES, TryAgain
from dsintegration.usager.requests import answer_request

logger = logging.getLogger(__name__)

# Seconds. A task that waits longer than the broker's visibility timeout is given out twice.
LONGEST_WAIT = 240
FETCH_TRIES = 6
# A database that is gone comes back: after 15 s, 30 s… four minutes.
WITHOUT_DATABASE: dict[str, Any] = {
    "autoretry_for": (OperationalError, InterfaceError),
    "retry_backoff": 15,
    "retry_backoff_max": LONGEST_WAIT,
    "retry_jitter": False,
    "max_retries": FETCH_TRIES - 1,
}


@shared_task(name="dsintegration.refresh_dossiers")
def refresh_dossiers(*, full: bool = False, older_than: float | None = None) -> None:
    """Refresh what is due; `older_than`, in seconds, instead of what the settings say.

    Ends at once if a refresh is under way, here or elsewhere.
    """
    age = None if older_than is None else timedelta(seconds=older_than)
    tally = Tally()
    try:
        for _ in refresh(due_dossiers(age, full=full), tally, full=full):
            pass
    except AlreadyRunning:
        logger.info("refresh_dossiers: another one is under way")
        return
    logger.info("refresh_dossiers: %s", tally)
    if tally.stopped_by:
        logger.error("refresh_dossiers: ended early, %s", tally.stopped_by)


@shared_task(name="dsintegration.purge_dossiers")
def purge_dossiers() -> None:
    """Erase what is kept no longer."""
    tally = PurgeTally()
    purge(tally, by=journal.TASK)
    logger.info("purge_dossiers: %s", tally)


@shared_task(name="dsintegration.fetch_dossier", bind=True, throws=(DSError,), **WITHOUT_DATABASE)
def fetch_dossier(self: Task[Any, Any], number: int) -> None:
    """Fetch one dossier; again later, while the platform is down. Other failures are noted."""
    try:
        by = journal.Actor(Interface.TASK)
        services.fetch_dossier(number, client=get_client(patient=True), by=by)
    except DSUnavailable as err:
        wait = err.retry_after or 2**self.request.retries * 15
        raise self.retry(
            exc=err, countdown=min(wait, LONGEST_WAIT), max_retries=FETCH_TRIES - 1
        ) from err


@shared_task(name="dsintegration.answer_usager", bind=True, throws=(TryAgain,), **WITHOUT_DATABASE)
def answer_usager(self: Task[Any, Any], number: int, asker: str, network: str, origin: str) -> None:
    """Answer a request for a link; again later, while the mail server takes nothing."""
    try:
        answer_request(number, asker, network, origin)
    except TryAgain as err:
        tried = min(self.request.retries, len(PAUSES) - 1)
        raise self.retry(exc=err, countdown=PAUSES[tried], max_retries=len(PAUSES)) from err


def hand_over(task: Task[Any, Any], *args: object) -> bool:
    """Put the task into the queue; whether the broker took it."""
    try:
        task.apply_async(args, retry=False)
    except BrokerError as err:
        logger.error("the broker takes nothing: %s", type(err.__cause__ or err).__name__)  # noqa: TRY400
        return False
    return True
