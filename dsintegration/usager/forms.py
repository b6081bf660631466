from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dsintegration.numbers import InvalidNumber, parse_number


class NumberField(forms.CharField):
    """A dossier's number as people write it; cleaned to an int."""

    def clean(self, value: Any) -> int:
        try:
            return parse_number(super().clean(value))
        except InvalidNumber as err:
            raise ValidationError(str(err)) from None


class LinkRequestForm(forms.Form):
    number = NumberField(
        label="Numéro du dossier",
        max_length=300,  # the address of its page, too
        help_text="Il figure dans les courriels que vous avez reçus. Exemple : 12345.",
        error_messages={"required": "Écrivez le numéro du dossier, par exemple 12345."},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    email = forms.EmailField(
        label="Votre adresse électronique",
        help_text="Celle avec laquelle vous avez déposé le dossier. Exemple : nom@example.org.",
        error_messages={
            "required": "Écrivez votre adresse électronique, par exemple nom@example.org.",
            "invalid": "Cette adresse n'est pas complète : écrivez-la comme nom@example.org.",
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound and self.errors:
            # Without a script, this is what takes the reader to what is to be mended.
            first = next(iter(self.errors))
            self.fields[first].widget.attrs["autofocus"] = True
