"""What the platform is asked when somebody opens a file: whether it is there, safe, and where."""

from collections.abc import Iterator
from typing import IO, Any

from django.views.decorators.debug import sensitive_variables
from pydantic import ValidationError

from dsintegration.database import release
from dsintegration.exceptions import DSInvalidResponse, DSUnavailable, FileGone, Reason
from dsintegration.mirror.files import files_of, owner_of
from dsintegration.mirror.following import homes_of
from dsintegration.models import File, Place, Scan
from dsintegration.payloads.files import AddressedFile
from dsintegration.platform import documents
from dsintegration.platform.client import Client
from dsintegration.platform.downloads import download

# What a caller is told to wait for a verdict, in seconds.
PENDING_PAUSE = 120


def take(file: File, url: str, into: IO[bytes]) -> None:
    """The bytes from the storage, verified; those without a checksum cannot be."""
    if not file.md5:
        raise DSInvalidResponse(Reason.FILE_DIFFERS)
    size, kind = file.byte_size, file.content_type
    release()
    download(url, into, byte_size=size, md5=file.md5, content_type=kind)


def check_scan(verdict: str) -> None:
    """Raises where the antivirus has not said, or found something."""
    if verdict == Scan.PENDING:
        raise DSUnavailable(Reason.FILE_PENDING, retry_after=PENDING_PAUSE)
    if verdict != Scan.SAFE:
        raise DSInvalidResponse(Reason.FILE_INFECTED)


@sensitive_variables()
def fresh_file(file: File, client: Client) -> AddressedFile:
    """The same file with an address of now; raises FileGone where it is not there any more."""
    number = file.dossier.number
    if client.tokens.are_several:
        client.tokens.expected |= {
            known: home.token for known, home in homes_of([number]).items() if home.token
        }
    document, variables = _question(file)
    release()
    dossier = client.get_addresses(number, document, **variables)
    try:
        given = [AddressedFile.model_validate(node) for node in _found(file, dossier)]
    except (ValidationError, KeyError, TypeError):
        raise DSInvalidResponse(Reason.UNEXPECTED, dossier_number=number) from None
    rows = files_of(Place(file.place), owner_of(file), given)
    for row, addressed in zip(rows, given, strict=True):
        if row.key == file.key:
            return addressed
    raise FileGone(dossier_number=number)


def _question(file: File) -> tuple[documents.Document, dict[str, Any]]:
    match file.place:
        case Place.MESSAGE if file.message:
            return documents.GET_MESSAGE_FILES, {"place": file.message.ds_id}
        case Place.MOTIVATION:
            return documents.GET_MOTIVATION_FILE, {}
        case Place.ATTESTATION:
            return documents.GET_ATTESTATION_FILE, {}
    dossier = file.dossier
    for document, champs in (
        (documents.GET_CHAMP_FILES, dossier.champs),
        (documents.GET_ANNOTATION_FILES, dossier.annotations),
    ):
        for champ in champs or ():
            inner = (held for row in champ.get("rows", ()) for held in row)
            if any(held.get("champ") == file.champ_id for held in (champ, *inner)):
                return document, {"place": champ["id"]}
    raise FileGone


def _found(file: File, dossier: dict[str, Any]) -> Iterator[Any]:
    """The files of the answer that lie where ours does."""
    match file.place:
        case Place.MESSAGE:
            for message in dossier["messages"]:
                if file.message and message["id"] == file.message.ds_id:
                    yield from message["attachments"]
        case Place.CHAMP:
            for champ in dossier["champs"]:
                inner = (held for row in champ.get("rows", ()) for held in row["champs"])
                for held in (champ, *inner):
                    if held["id"] == file.champ_id:
                        yield from held.get("files", ())
        case _:
            if dossier["file"] is not None:
                yield dossier["file"]
