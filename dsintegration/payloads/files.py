"""What the platform says of a file (type `File`)."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from dsintegration.payloads.fields import Moment, Payload, ShortText, Text


def _big_int(value: Any) -> Any:
    """Type `BigInt`, which JSON holds as text."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value) else value


class FilePayload(Payload):
    """A file without its address. The platform leaves out those that it found to be infected."""

    filename: Text
    content_type: Annotated[Text, Field(max_length=255)]
    byte_size: Annotated[
        int, BeforeValidator(_big_int), Field(alias="byteSizeBigInt", ge=0, lt=2**63)
    ]
    checksum: Annotated[Text, Field(max_length=255)]
    created_at: Moment
    virus_scan_result: ShortText


class AddressedFile(FilePayload):
    """The same with a fresh address, which opens the file to whoever has it, for an hour."""

    url: Annotated[Text, Field(repr=False)]
