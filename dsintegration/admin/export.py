"""The list of dossiers as a file for a spreadsheet. Texts of messages stay here."""

import re
from typing import Any

from django.utils import timezone
from import_export import fields, resources, widgets
from import_export.formats import base_formats
from import_export.forms import ExportForm


class MarkedCSV(base_formats.CSV):
    """A CSV that says it is UTF-8: without the mark, Excel reads it as latin-1."""

    def export_data(self, dataset: Any, **kwargs: Any) -> str:
        return f"\ufeff{super().export_data(dataset, **kwargs)}"


FORMATS = [base_formats.XLSX, base_formats.ODS, MarkedCSV]
# What no spreadsheet holds.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Moment(widgets.Widget):
    """A moment of Paris, without its offset, which no spreadsheet understands."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        if value is None:
            return ""
        naive = timezone.localtime(value).replace(tzinfo=None, microsecond=0)
        return naive if kwargs.get("force_native_type") else f"{naive:%Y-%m-%d %H:%M:%S}"


def _column(attribute: str, title: str, widget: widgets.Widget | None = None) -> fields.Field:
    return fields.Field(attribute=attribute, column_name=title, widget=widget)


class FormatForm(ExportForm):
    """Which format; the first one unless another is chosen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        formats = self.fields["format"]
        formats.choices = [choice for choice in formats.choices if choice[0] != ""]


class DossierResource(resources.Resource):
    number = _column("number", "Numéro", widgets.IntegerWidget())
    state = _column("get_state_display", "État")
    demarche_number = _column("demarche__number", "N° de la démarche", widgets.IntegerWidget())
    demarche_title = _column("demarche__title", "Démarche")
    usager_email = _column("usager_email", "Adresse de l'usager")
    date_depot = _column("date_depot", "Déposé le", _Moment())
    date_passage_en_construction = _column(
        "date_passage_en_construction", "En construction depuis le", _Moment()
    )
    date_passage_en_instruction = _column(
        "date_passage_en_instruction", "En instruction depuis le", _Moment()
    )
    date_traitement = _column("date_traitement", "Dernière décision le", _Moment())
    date_derniere_modification = _column("date_derniere_modification", "Modifié le", _Moment())
    date_expiration = _column("date_expiration", "Expire le", _Moment())
    messages_count = _column("messages_count", "Messages", widgets.IntegerWidget())
    last_message_at = _column("last_message_at", "Dernier message le", _Moment())
    last_message_author = _column("get_last_message_author_display", "Dernier message de")
    fetched_at = _column("fetched_at", "Récupéré le", _Moment())
    absent_since = _column("absent_since", "Absent de la plateforme depuis le", _Moment())
    url = _column("url", "Lien")

    @classmethod
    def get_display_name(cls) -> str:
        return "Dossiers"

    def export_field(self, field: fields.Field, instance: Any, **kwargs: Any) -> Any:
        """The cell; one that would be run as a formula begins with an apostrophe."""
        cell = super().export_field(field, instance, **kwargs)
        if not isinstance(cell, str):
            return cell
        cell = CONTROL.sub("\N{REPLACEMENT CHARACTER}", cell)
        return f"'{cell}" if cell.startswith(FORMULA) else cell
