from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dsintegration.numbers import InvalidNumber, parse_number
from dsintegration.usager.addresses import InvalidAddress, parse_address


class NumberField(forms.CharField):
    """A dossier's number as people write it; cleaned to an int."""

    def clean(self, value: Any) -> int:
        try:
            return parse_number(super().clean(value))
        except InvalidNumber as err:
            raise ValidationError(str(err)) from None


class AddressField(forms.CharField):
    """An address as people write it; cleaned to its one spelling."""

    def clean(self, value: Any) -> str:
        try:
            return parse_address(super().clean(value))
        except InvalidAddress as err:
            raise ValidationError(str(err)) from None


class LinkRequestForm(forms.Form):
    number = NumberField(
        label="Numéro du dossier",
        max_length=300,  # the address of its page, too
        help_text=(
            "Il figure dans les courriels que vous avez reçus. Exemple\N{NO-BREAK SPACE}: 12345."
        ),
        error_messages={"required": "Écrivez le numéro du dossier, par exemple 12345."},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    email = AddressField(
        label="Votre adresse électronique",
        max_length=400,
        help_text=(
            "Celle du compte qui a déposé le dossier. "
            "Quelqu'un d'autre l'a déposé pour vous\N{NO-BREAK SPACE}? "
            "Seule son adresse convient\N{NO-BREAK SPACE}: demandez-lui où en est le dossier. "
            "Exemple\N{NO-BREAK SPACE}: nom@example.org."
        ),
        error_messages={
            "required": "Écrivez votre adresse électronique, par exemple nom@example.org."
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound and self.errors:
            # Without a script, this is what takes the reader to what is to be mended.
            first = next(iter(self.errors))
            self.fields[first].widget.attrs["autofocus"] = True
