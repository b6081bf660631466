"""Copies of files in Django's storage `dsintegration` (DS_FILES=kept), which nobody else serves.

The bytes are there once, whatever the number of files that have them, under a name that says
nothing. Each is verified when it is made and when it is read. A copy that no file has any more goes
with the next refresh or purge, and all of them once nothing is to be kept.
"""

import hashlib
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import IO, TypeVar

from django.core.files import File as Stored
from django.core.files.storage import Storage, storages
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from dsintegration import conf
from dsintegration.exceptions import DSError, DSUnavailable, Reason
from dsintegration.files.addresses import check_scan, fresh_file, take
from dsintegration.models import File, FileCopy, Scan
from dsintegration.models.files import md5_of
from dsintegration.platform.client import Client, get_client
from dsintegration.platform.downloads import CHUNK, MAX_BYTES

logger = logging.getLogger(__name__)

# Seconds that one run may take: what it leaves, the next one takes up.
BUDGET = 300.0
PAGE = 200
# A file that could not be copied is tried again after that.
AGAIN_AFTER = timedelta(days=1)
SOON_AFTER = timedelta(minutes=10)  # where it may be a matter of moments
# What any other file would have met as well.
OF_ALL = {Reason.NETWORK, Reason.TIMEOUT, Reason.THROTTLED, Reason.MAINTENANCE, Reason.GATEWAY}


class StorageFailed(Exception):
    """The storage did not do what was asked; its own error is the cause."""


def copy_of(file: File) -> FileCopy | None:
    if conf.files() != "kept":
        return None
    return FileCopy.objects.filter(checksum=file.checksum, byte_size=file.byte_size).first()


def read_copy(copy: FileCopy, into: IO[bytes]) -> bool:
    """Whether the copy is there, and whole; one that is not is forgotten, and made anew by the next
    refresh.
    """
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with _storage() as storage, storage.open(copy.name, "rb") as stored:
            while chunk := stored.read(CHUNK):
                digest.update(chunk)
                into.write(chunk)
    except StorageFailed as err:
        logger.warning("copy %d cannot be read: %s", copy.pk, err)
        if isinstance(err.__cause__, FileNotFoundError):
            copy.delete()
        return False
    if digest.hexdigest() == md5_of(copy.checksum):
        return True
    logger.error("copy %d is not what was kept", copy.pk)
    with suppress(StorageFailed):
        _forget(copy)
    return False


def keep_files(
    *,
    client: Client | None = None,
    must_stop: Callable[[], bool] = lambda: False,
    budget: float = BUDGET,
) -> int:
    """Copy what is not copied yet, newest first; how many copies were made."""
    if conf.files() != "kept":
        return 0
    client = client or get_client(patient=True)
    ends_at, made = time.monotonic() + budget, 0
    for file in _newest_first(_uncopied().select_related("dossier", "message")):
        if must_stop() or time.monotonic() > ends_at:
            break
        if copy_of(file):  # made for another one of this run
            continue
        try:
            made += _keep(file, client)
        except DSError as err:
            if getattr(err, "stops_batch", False) or err.reason in OF_ALL:
                logger.warning("keep_files: ended early, %s", err)
                break
            pause = SOON_AFTER if isinstance(err, DSUnavailable) else AGAIN_AFTER
            File.objects.filter(pk=file.pk).update(next_copy_at=timezone.now() + pause)
        except StorageFailed as err:
            logger.error("keep_files: ended early, %s", err)  # noqa: TRY400
            break
    return made


Row = TypeVar("Row", File, FileCopy)


def _newest_first(rows: "QuerySet[Row]") -> Iterator[Row]:
    """Page by page: nothing is held open while each of them is worked on."""
    last = None
    while page := list((rows.filter(pk__lt=last) if last else rows).order_by("-pk")[:PAGE]):
        last = page[-1].pk
        yield from page


def _uncopied() -> QuerySet[File]:
    copies = FileCopy.objects.filter(checksum=OuterRef("checksum"), byte_size=OuterRef("byte_size"))
    may_be_tried = Q(next_copy_at=None) | Q(next_copy_at__lte=timezone.now())
    return File.objects.filter(
        ~Exists(copies),
        may_be_tried,
        scan=Scan.SAFE,
        byte_size__lte=MAX_BYTES,
        dossier__absent_since=None,
    ).exclude(checksum="")


def _keep(file: File, client: Client) -> bool:
    fresh = fresh_file(file, client)
    check_scan(fresh.virus_scan_result)
    with tempfile.TemporaryFile() as data:
        take(file, fresh.url, data)
        data.seek(0)
        with _storage() as storage:
            name = storage.save(f"{file.md5[:2]}/{file.md5}-{file.byte_size}", Stored(data))
    copy = FileCopy(
        checksum=file.checksum, byte_size=file.byte_size, name=name, kept_at=timezone.now()
    )
    try:
        with transaction.atomic():
            copy.save()
    except BaseException as err:  # bytes without a row would stay for ever
        with _storage() as storage:
            storage.delete(name)
        if isinstance(err, IntegrityError):  # another process was as quick
            return False
        raise
    return True


def drop_copies() -> int:
    """Erase what no file here has any more; everything, where nothing is to be kept."""
    if not FileCopy.objects.exists():
        return 0
    files = File.objects.filter(checksum=OuterRef("checksum"), byte_size=OuterRef("byte_size"))
    rows = FileCopy.objects.all()
    if conf.files() == "kept":
        rows = rows.filter(~Exists(files))
    dropped = 0
    for copy in _newest_first(rows):
        try:
            _forget(copy)
        except StorageFailed as err:
            logger.error("drop_copies: ended early, %s", err)  # noqa: TRY400
            break
        dropped += 1
    return dropped


def _forget(copy: FileCopy) -> None:
    """The bytes first: a row without bytes is seen when it is read, bytes without a row never."""
    with _storage() as storage:
        storage.delete(copy.name)
    copy.delete()


@contextmanager
def _storage() -> Iterator[Storage]:
    """Storages are of any make, and so are their errors; those name places, and files."""
    try:
        yield storages[conf.FILES_STORAGE]
    except Exception as err:
        raise StorageFailed(type(err).__name__) from err
