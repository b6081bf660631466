"""A file as an answer to a browser or a program: saved, never run."""

import re

from django.http import FileResponse

from dsintegration.files import Opened
from dsintegration.models import File

CHUNK = 256 * 1024
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


def file_response(file: File, opened: Opened) -> FileResponse:
    """The whole file. Somebody else's paper: it opens in no page of ours, whatever it is."""
    kind = file.content_type.partition(";")[0].strip().lower()
    response = FileResponse(
        opened,
        as_attachment=True,
        filename=file.safe_name,
        content_type=kind if MEDIA_TYPE.fullmatch(kind) else "application/octet-stream",
    )
    response.block_size = CHUNK
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response
