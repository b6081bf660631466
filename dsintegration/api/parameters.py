"""Query parameters, read strictly: what is unknown or malformed is refused, never passed over."""

import re
from collections.abc import Collection
from datetime import UTC, datetime

from django import forms
from django.core.exceptions import ValidationError as FormError
from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from dsintegration.harmless import cut
from dsintegration.numbers import MAX_NUMBER

# Whatever the platform may come to call an état, but for what no text holds.
WORD = r"[^\x00-\x1f\x7f]{1,255}"
MAX_VERSION = 2**63 - 1

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_OFFSET = r"[0-9]{2}:?[0-9]{2}"
_MOMENT = re.compile(rf"{_DAY}(?:[T ]{_TIME}(?:Z|[+-]{_OFFSET}))?")
# A `+` that nobody encoded is a blank when it arrives.
_BLANK_FOR_PLUS = re.compile(rf"({_DAY}[T ]{_TIME}) ({_OFFSET})")


def check_parameters(
    given: QueryDict,
    known: Collection[str],
    repeatable: Collection[str] = (),
    prefixes: tuple[str, ...] = (),
) -> None:
    """Raise ValidationError for a parameter that is unknown, empty, or given twice.

    `prefixes`: of names that go on with an id.
    """
    faults = {}
    for name, values in given.lists():
        if name not in known and not name.startswith(prefixes):
            choice = ", ".join([*known, *(f"{prefix}<id>" for prefix in prefixes)]) or "aucun"
            faults[cut(name, 40)] = f"paramètre inconnu ; possibles ici : {choice}."
        elif not all(values):
            faults[name] = "valeur vide ; ôtez le paramètre, ou donnez une valeur."
        elif len(values) > 1 and name not in repeatable:
            faults[name] = "donné plusieurs fois."
    if faults:
        raise ValidationError(faults)


class NumberField(forms.Field):
    """A plain whole number from `minimum` to `maximum`."""

    def __init__(self, *, minimum: int = 1, maximum: int = MAX_NUMBER, **kwargs: object) -> None:
        self.minimum, self.maximum = minimum, maximum
        super().__init__(**kwargs)  # type: ignore[arg-type]

    def clean(self, value: str | None) -> int | None:
        number: int | None = super().clean(value)
        return number

    def to_python(self, value: str | None) -> int | None:
        if not value:
            return None
        if not re.fullmatch(r"[0-9]{1,19}", value):
            raise FormError("donnez un nombre entier, en chiffres.")
        if not self.minimum <= int(value) <= self.maximum:
            raise FormError(f"donnez un nombre de {self.minimum} à {self.maximum}.")
        return int(value)


class MomentField(forms.Field):
    """ISO 8601 with an offset, or a day: its first moment in UTC."""

    def to_python(self, value: str | None) -> datetime | None:
        if not value:
            return None
        text = _BLANK_FOR_PLUS.sub(r"\1+\2", value)
        try:
            if not _MOMENT.fullmatch(text):
                raise ValueError("another form")
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise FormError(
                "donnez une date, ou un moment avec son décalage : 2026-03-02, "
                "2026-03-02T08:15:41Z ou 2026-03-02T09:15:41+01:00."
            ) from None


class TrueOrFalseField(forms.Field):
    def to_python(self, value: str | None) -> bool | None:
        if not value:
            return None
        if value not in {"true", "false"}:
            raise FormError("donnez true ou false.")
        return value == "true"


class WordsField(forms.MultipleChoiceField):
    """Any words, the parameter repeated: no list of choices could hold those to come."""

    def valid_value(self, value: str) -> bool:
        return bool(re.fullmatch(WORD, value))

    default_error_messages = {  # noqa: RUF012  # as in Django
        "invalid_choice": "donnez un état tel que la plateforme l'écrit, par exemple accepte."
    }
