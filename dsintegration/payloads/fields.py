"""The fields that answers are made of, as their types; what the database refuses is mended here."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from dsintegration.numbers import MAX_NUMBER


def _storable(value: Any) -> Any:
    """Text without what a database refuses: NUL characters, and halves of surrogate pairs."""
    if not isinstance(value, str) or (value.isprintable() and value.isascii()):
        return value
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _moment(value: Any) -> datetime:
    """ISO 8601 with an offset (type ISO8601DateTime), as UTC."""
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004  # pydantic collects ValueErrors
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("not an ISO 8601 date") from None
    if moment.tzinfo is None:
        raise ValueError("no offset")
    if not 1900 <= moment.year <= 9000:  # beyond, no display could move it to another time zone
        raise ValueError("out of range")
    return moment.astimezone(UTC)


Text = Annotated[str, BeforeValidator(_storable)]
ShortText = Annotated[Text, Field(min_length=1, max_length=255)]
Email = Annotated[Text, Field(max_length=320)]
Number = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class Payload(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        strict=True,
    )


def places_of(err: ValidationError) -> str:
    """Where what is wrong, without the values."""
    faults = err.errors(include_url=False, include_context=False, include_input=False)
    return ", ".join(f"{'.'.join(map(str, f['loc']))}: {f['type']}" for f in faults[:5])
