"""The rows of files, out of what an answer says of them.

What holds files (a message, or a dossier for those of its form and decision) bears their marks, so
that files which did not change cost no statement, and those that are gone are known without a look.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dsintegration.models import Dossier, File, Message, Place
from dsintegration.models.files import key_of
from dsintegration.payloads import FilePayload

_COLUMNS = (
    "dossier_id",
    "place",
    "message_id",
    "champ_id",
    "filename",
    "content_type",
    "byte_size",
    "checksum",
    "created_at",
    "scan",
)


@dataclass(frozen=True)
class Filed:
    """The files of a message, or (`message` None) those of a dossier that are in no message;
    `before`: their marks as they were stored.
    """

    dossier: Dossier
    message: Message | None
    files: Sequence[File]
    before: str


def files_of(
    place: Place, owner: str, payloads: Iterable[FilePayload], *, champ_id: str = ""
) -> list[File]:
    """The files that lie in one place, as rows that belong to nothing yet.

    `owner`: an id that is unique over all dossiers (ids of champs are not, without the number).
    """
    alike: Counter[str] = Counter()
    files = []
    for payload in payloads:
        told = (place.value, owner, payload.checksum, payload.filename, payload.created_at)
        rank = alike[key_of(*told)]
        alike[key_of(*told)] += 1
        files.append(
            File(
                place=place,
                champ_id=champ_id,
                filename=payload.filename,
                content_type=payload.content_type,
                byte_size=payload.byte_size,
                checksum=payload.checksum,
                created_at=payload.created_at,
                scan=payload.virus_scan_result,
                key=key_of(*told, rank),
            )
        )
    return files


def marks_of(files: Iterable[File]) -> str:
    return " ".join(file.mark for file in files)


def write_files(filed: Sequence[Filed]) -> None:
    """Write what differs; once dossiers and messages are written.

    One statement for what is new or changed, and one for what is gone, if anything is.
    """
    to_write: list[File] = []
    gone: set[str] = set()
    for owner in filed:
        before = dict(mark.split(":") for mark in owner.before.split())
        gone |= before.keys() - {file.key for file in owner.files}
        for file in owner.files:
            if f"{file.key}:{before.get(file.key, '')}" != file.mark:
                file.dossier, file.message = owner.dossier, owner.message
                to_write.append(file)
    gone -= {file.key for file in to_write}
    if gone:
        File.objects.filter(key__in=gone).delete()
    if to_write:
        File.objects.bulk_create(
            to_write, update_conflicts=True, unique_fields=["key"], update_fields=_COLUMNS
        )
