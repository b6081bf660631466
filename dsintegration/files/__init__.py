"""Bytes of files: asked of the platform when somebody opens one, verified, then given.

The platform is always asked first: it alone knows whether the file is still there, and what the
antivirus says. Copies (copies.py) save the way of the bytes, and serve when the platform is down.
"""

import tempfile
import threading
import weakref
from collections.abc import Callable
from typing import IO

from django.views.decorators.debug import sensitive_variables

from dsintegration import journal
from dsintegration.exceptions import DossierNotFound, DSError, DSUnavailable, FileGone, Reason
from dsintegration.files.addresses import check_scan, fresh_file, take
from dsintegration.files.copies import copy_of, read_copy
from dsintegration.models import Action, File, JournalEntry, Outcome
from dsintegration.platform.client import Client, get_client
from dsintegration.platform.cost import Meter, log_fetch
from dsintegration.platform.sockets import WEB_BUDGET, deadline

__all__ = ["Opened", "open_file"]

# In one process. Each holds a thread until its last byte is sent: the others stay for pages.
AT_ONCE = 2
# What a caller without a place is told to wait, in seconds.
PAUSE = 5

_places = threading.BoundedSemaphore(AT_ONCE)


class Opened:
    """A verified file, to be read once; `close` gives its place to the next one, and so does the
    end of an answer that nobody closed.
    """

    def __init__(self, data: IO[bytes], release: Callable[[], None]) -> None:
        self.read, self.seek, self.tell = data.read, data.seek, data.tell
        self.fileno = data.fileno
        self.close = weakref.finalize(self, _close, data, release)


def _close(data: IO[bytes], release: Callable[[], None]) -> None:
    data.close()
    release()


def open_file(file: File, *, by: journal.Actor, client: Client | None = None) -> Opened:
    """The bytes of the file, whole and verified; whoever calls closes it.

    The journal tells of it, whatever comes of it, by the file's id. Raises the DSErrors: FileGone,
    DSUnavailable (pending, storage, too many at once…), DSInvalidResponse (infected, other bytes…);
    and ImproperlyConfigured. Call it outside any transaction.
    """
    client = client or get_client(web=True)
    meter, number = Meter(client), file.dossier.number
    outcome, reason = Outcome.SHOWN.value, ""
    try:
        opened = _open(file, client)
    except DSError as err:
        err.dossier_number = number
        outcome, reason = err.code, err.reason.value
        journal.write(_entry(file, by, journal.word(err)))
        raise
    finally:
        log_fetch("open_file", outcome, meter.read(), reason=reason, number=number, file=file.pk)
    try:
        journal.write(_entry(file, by, outcome))
    except BaseException:
        opened.close()
        raise
    return opened


def _entry(file: File, by: journal.Actor, outcome: str) -> JournalEntry:
    return by.entry(Action.FILE, outcome, file.dossier.number, detail=f"file={file.pk}")


def _open(file: File, client: Client) -> Opened:
    if not _places.acquire(blocking=False):
        raise DSUnavailable(Reason.FILES_BUSY, retry_after=PAUSE)
    data: IO[bytes] | None = None
    try:
        data = tempfile.TemporaryFile()  # noqa: SIM115  # whoever has it closes it
        _fill(data, file, client)
        data.seek(0)
    except BaseException:
        if data is not None:
            data.close()
        _places.release()
        raise
    return Opened(data, _places.release)


@sensitive_variables()
def _fill(data: IO[bytes], file: File, client: Client) -> None:
    copy = copy_of(file)
    try:
        with deadline(WEB_BUDGET):
            fresh = fresh_file(file, client)
    except FileGone:
        raise
    except DSError as err:
        if copy:
            check_scan(file.scan)  # the platform's last word
            if read_copy(copy, data):
                return
        if isinstance(err, DossierNotFound):
            raise FileGone from None
        raise
    check_scan(fresh.virus_scan_result)
    if copy is None or not read_copy(copy, data):
        data.seek(0)
        data.truncate()
        take(file, fresh.url, data)
