"""The rows of files, out of what an answer says of them.

What holds files (a message, or a dossier for those of its form and decision) bears their marks, so
that files which did not change cost no statement, and those that are gone are known without a look.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsintegration.models import Dossier, File, Message, Place
from dsintegration.models.files import key_of
from dsintegration.payloads.selection import champs_with_files

if TYPE_CHECKING:  # pages that show files are not to wait for pydantic
    from dsintegration.payloads.content import Placed
    from dsintegration.payloads.files import FilePayload

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
    place: Place, owner: str, payloads: "Iterable[FilePayload]", *, champ_id: str = ""
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


def owner_of(file: File) -> str:
    """What it lies in, by an id that is unique over all dossiers."""
    if file.message is not None:
        return file.message.ds_id
    return f"{file.dossier.number}/{file.champ_id}"


def files_of_content(number: int, placed: "Iterable[Placed]") -> list[File]:
    """Those of a dossier that are in no message, as `files_of` gives them."""
    homes: dict[tuple[str, str], list[FilePayload]] = {}
    for given in placed:
        homes.setdefault((given.place, given.champ), []).append(given.file)
    return [
        file
        for (place, champ), payloads in homes.items()
        for file in files_of(Place(place), f"{number}/{champ}", payloads, champ_id=champ)
    ]


def marks_of(files: Iterable[File]) -> str:
    return " ".join(file.mark for file in files)


def places_between(before: str, after: str) -> set[str]:
    """Where files lie that came, changed or went, by the marks before and after."""
    return {mark.rpartition(":")[2] for mark in set(before.split()) ^ set(after.split())}


def write_files(filed: Sequence[Filed]) -> None:
    """Write what differs; once dossiers and messages are written.

    One statement for what is new or changed, and one for what is gone, if anything is.
    """
    to_write: list[File] = []
    gone: set[str] = set()
    for owner in filed:
        before = set(owner.before.split())
        gone |= {mark.partition(":")[0] for mark in before} - {file.key for file in owner.files}
        for file in owner.files:
            if file.mark not in before:
                file.dossier, file.message = owner.dossier, owner.message
                to_write.append(file)
    gone -= {file.key for file in to_write}
    if gone:
        File.objects.filter(key__in=gone).delete()
    if to_write:
        File.objects.bulk_create(
            to_write, update_conflicts=True, unique_fields=["key"], update_fields=_COLUMNS
        )


def drop_files(dossiers: Sequence[Dossier]) -> None:
    """Erase the files of champs and decisions that these dossiers hold no longer; their marks are
    set, for whoever writes the dossiers.
    """
    with_files = {dossier.pk: dossier for dossier in dossiers if dossier.file_marks}
    if not with_files:
        return
    kept: dict[int, list[File]] = {pk: [] for pk in with_files}
    gone = []
    for file in File.objects.filter(dossier__in=with_files, message=None):
        if _is_held(file, with_files[file.dossier_id]):
            kept[file.dossier_id].append(file)
        else:
            gone.append(file.pk)
    if gone:
        File.objects.filter(pk__in=gone).delete()
    for pk, files in kept.items():
        with_files[pk].file_marks = marks_of(files)


def _is_held(file: File, dossier: Dossier) -> bool:
    if file.place == Place.CHAMP:
        return file.champ_id in champs_with_files(dossier.champs, dossier.annotations)
    return dossier.instruction is not None
