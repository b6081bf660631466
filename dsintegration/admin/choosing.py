"""Choosing démarches in a form: boxes where they are few, their numbers where they are many.

Nobody gives more than he sees; what a row has beyond that is never offered, and so never given.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dsintegration.harmless import on_a_page
from dsintegration.models import Demarche
from dsintegration.numbers import MAX_NUMBER
from dsintegration.perimeters import Sight

# A form has a thousand fields at most (DATA_UPLOAD_MAX_NUMBER_FIELDS), and a person less patience.
MAX_BOXES = 100


class DemarchesField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Boxes."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: Any) -> str:
        return f"{on_a_page(obj.title)} (n° {obj.number})"


class NumbersField(forms.CharField):
    """Numbers of démarches, one a line; gives their rows.

    `faults`: why those that are not here are not, where somebody knows.
    """

    def __init__(self, *, sight: Sight, faults: Mapping[int, str], **kwargs: Any) -> None:
        self.sight, self.faults = sight, faults
        super().__init__(widget=forms.Textarea(attrs={"rows": 10, "cols": 40}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) or value is None:
            return value
        return "\n".join(str(getattr(row, "number", row)) for row in value)

    def clean(self, value: Any) -> Any:
        numbers: dict[int, None] = {}
        for word in re.split(r"[\s,;]+", super().clean(value) or ""):
            if not word:
                continue
            if not re.fullmatch(r"[0-9]{1,10}", word) or not 0 < int(word) <= MAX_NUMBER:
                raise ValidationError(f"« {word[:40]} » n'est pas un numéro de démarche.")
            numbers[int(word)] = None
        visible = self.sight.limit(Demarche.objects.filter(number__in=numbers), "pk")
        rows = {row.number: row for row in visible}
        missing = [number for number in numbers if number not in rows]
        if missing:
            unknown = "La démarche n° {} n'existe pas ici."
            raise ValidationError([self.faults.get(n) or unknown.format(n) for n in missing])
        return list(rows.values())


def demarches_typed(text: str) -> list[int]:
    """The numbers in the text of such a field, what is none left aside."""
    words = re.findall(r"(?<![^\s,;])[0-9]{1,10}(?![^\s,;])", text)
    return [int(word) for word in words if 0 < int(word) <= MAX_NUMBER]


def demarches_field(
    sight: Sight, *, label: str, help_text: str, faults: Mapping[int, str] | None = None
) -> forms.Field:
    """The field that fits; `initial` is the rows, or their keys."""
    visible = sight.limit(Demarche.objects.order_by("title", "number"), "pk")
    if visible[: MAX_BOXES + 1].count() <= MAX_BOXES:
        return DemarchesField(visible, required=False, label=label, help_text=help_text)
    more = " Les numéros des démarches, un par ligne."
    return NumbersField(
        sight=sight, faults=faults or {}, required=False, label=label, help_text=help_text + more
    )


def initial_for(field: forms.Field, rows: Iterable[Demarche]) -> Any:
    rows = list(rows)
    if isinstance(field, NumbersField):
        return "\n".join(str(row.number) for row in rows)
    return [row.pk for row in rows]
