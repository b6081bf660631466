"""The list of dossiers as a file for a spreadsheet. Texts of messages stay here.

Each format is written row by row into a temporary file: fifty thousand rows take little memory.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any
from xml.sax.saxutils import escape

from django import forms
from django.utils import timezone

from dsintegration.harmless import FOR_IT, on_a_page
from dsintegration.models import Dossier

MOMENT, DAY = "%d/%m/%Y %H:%M", "%d/%m/%Y"
# What no spreadsheet holds; XML 1.0 knows neither of the last two.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# What a spreadsheet takes for the beginning of a formula, blanks before it or not.
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
LONGEST = 32_767

Cell = str | int | float | date | None  # a moment is a date, too


@dataclass(frozen=True)
class Column:
    title: str
    value: Callable[[Dossier], Any]
    width: int = 18


def _of(name: str) -> Callable[[Dossier], Any]:
    return lambda dossier: getattr(dossier, name)


def _yes(question: Callable[[Dossier], Any]) -> Callable[[Dossier], str]:
    return lambda dossier: "oui" if question(dossier) else "non"


COLUMNS = (
    Column("Numéro", _of("number"), 11),
    Column("État", lambda dossier: dossier.get_state_display()),
    Column("N° de la démarche", lambda dossier: dossier.demarche.number),
    Column("Démarche", lambda dossier: dossier.demarche.title, 60),
    Column("Adresse de l'usager", _of("usager_email"), 34),
    Column("Déposé le", _of("date_depot")),
    Column("En construction depuis le", _of("date_passage_en_construction")),
    Column("En instruction depuis le", _of("date_passage_en_instruction")),
    Column("Dernière décision le", _of("date_traitement")),
    Column("Modifié le", _of("date_derniere_modification")),
    Column("Expire le", _of("date_expiration")),
    Column("À répondre", _yes(_of("is_to_answer")), 11),
    Column("Attend une réponse depuis le", _of("waiting_since")),
    Column("Correction demandée le", _of("date_derniere_correction_en_attente")),
    Column("Messages", _of("messages_count"), 10),
    Column("Dernier message le", _of("last_human_at")),
    Column("Dernier message de", lambda dossier: dossier.get_last_human_author_display()),
    Column("Récupéré le", _of("fetched_at")),
    Column("En erreur", _yes(_of("last_error_at")), 10),
    Column("Absent de la plateforme depuis le", _of("absent_since")),
    Column("Lien de l'instructeur", _of("instructeur_url"), 60),
    Column("Lien de l'usager", _of("url"), 44),
)


@dataclass(frozen=True)
class Sheet:
    name: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]

    @property
    def lines(self) -> Iterator[Sequence[Cell]]:
        yield [cell_of(column.title) for column in self.columns]
        yield from self.rows


def cells(dossier: Dossier, columns: Iterable[Column] = COLUMNS) -> list[Cell]:
    return [cell_of(column.value(dossier)) for column in columns]


def cell_of(value: Any) -> Cell:
    """What a spreadsheet takes as it is: a moment of Paris, a number, a harmless text."""
    if isinstance(value, datetime):
        return timezone.localtime(value).replace(tzinfo=None, second=0, microsecond=0)
    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]
    text = on_a_page(FORBIDDEN.sub(FOR_IT, value))
    text = f"'{text}" if FORMULA.match(text) else text
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SHEETS_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_XLSX_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEETS_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_SHEETS_TYPE}.styles+xml"/>'
        "{types}</Types>"
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}"><sheets>{{sheets}}</sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/styles" Target="styles.xml"/>{{relations}}</Relationships>'
    ),
    # The second format is that of moments, the third that of days.
    "xl/styles.xml": (
        f'<styleSheet xmlns="{_SHEETS}"><numFmts count="1"><numFmt numFmtId="164" '
        'formatCode="dd/mm/yyyy hh:mm"/></numFmts><fonts count="1"><font><sz val="11"/>'
        '<name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill '
        'patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf/>'
        '<xf numFmtId="164" xfId="0" applyNumberFormat="1"/>'
        '<xf numFmtId="14" xfId="0" applyNumberFormat="1"/></cellXfs><cellStyles count="1">'
        '<cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    ),
}
# What each sheet adds to them.
_XLSX_SHEET = {
    "types": (
        f'<Override PartName="/xl/worksheets/sheet{{n}}.xml" '
        f'ContentType="{_SHEETS_TYPE}.worksheet+xml"/>'
    ),
    "sheets": '<sheet name="{name}" sheetId="{n}" r:id="s{n}"/>',
    "relations": (
        f'<Relationship Id="s{{n}}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{{n}}.xml"/>'
    ),
}
_XLSX_HEAD = (
    f'{_XML}<worksheet xmlns="{_SHEETS}"><sheetViews><sheetView workbookViewId="0"><pane '
    'ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
    "<cols>{cols}</cols><sheetData>"
)
_XLSX_TAIL = "</sheetData></worksheet>"
_FIRST_DAY = datetime(1899, 12, 30)  # noqa: DTZ001  # of a spreadsheet, which knows no zones


def write_xlsx(sheets: Sequence[Sheet], file: IO[bytes]) -> None:
    """By hand: the library takes three times as long."""
    added = {
        name: "".join(part.format(n=n, name=sheet.name) for n, sheet in enumerate(sheets, start=1))
        for name, part in _XLSX_SHEET.items()
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in _XLSX_PARTS.items():
            archive.writestr(name, _XML + part.format_map(added))
        for n, sheet in enumerate(sheets, start=1):
            cols = "".join(
                f'<col min="{place}" max="{place}" width="{column.width}" customWidth="1"/>'
                for place, column in enumerate(sheet.columns, start=1)
            )
            with archive.open(f"xl/worksheets/sheet{n}.xml", "w", force_zip64=True) as content:
                content.write(_XLSX_HEAD.format(cols=cols).encode())
                for row in sheet.lines:
                    content.write(f"<row>{''.join(map(_xlsx_cell, row))}</row>".encode())
                content.write(_XLSX_TAIL.encode())


def _xlsx_cell(value: Cell) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, datetime):
        return f'<c s="1"><v>{(value - _FIRST_DAY).total_seconds() / 86400:.10f}</v></c>'
    if isinstance(value, date):
        return f'<c s="2"><v>{(value - _FIRST_DAY.date()).days}</v></c>'
    if isinstance(value, int | float):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def write_csv(sheets: Sequence[Sheet], file: IO[bytes]) -> None:
    """The first sheet, with semicolons and a mark: as a French Excel reads it."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text, delimiter=";")
    for row in sheets[0].lines:
        writer.writerow(map(_csv_cell, row))
    text.detach()


def _csv_cell(value: Cell) -> Cell:
    if isinstance(value, datetime):
        return f"{value:{MOMENT}}"
    if isinstance(value, date):
        return f"{value:{DAY}}"
    return str(value).replace(".", ",") if isinstance(value, float) else value


ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
_NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{kind}:1.0"'
    for name, kind in (
        ("office", "office"),
        ("table", "table"),
        ("text", "text"),
        ("style", "style"),
        ("number", "datastyle"),
    )
)
_ODS_HEAD = (
    f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {_NAMESPACES} '
    'office:version="1.2"><office:automatic-styles>'
    '<number:date-style style:name="N1"><number:day number:style="long"/><number:text>/'
    '</number:text><number:month number:style="long"/><number:text>/</number:text><number:year '
    'number:style="long"/><number:text> </number:text><number:hours number:style="long"/>'
    '<number:text>:</number:text><number:minutes number:style="long"/></number:date-style>'
    '<style:style style:name="moment" style:family="table-cell" style:data-style-name="N1"/>'
    '<number:date-style style:name="N2"><number:day number:style="long"/><number:text>/'
    '</number:text><number:month number:style="long"/><number:text>/</number:text><number:year '
    'number:style="long"/></number:date-style>'
    '<style:style style:name="day" style:family="table-cell" style:data-style-name="N2"/>'
    "</office:automatic-styles><office:body><office:spreadsheet>"
)
_ODS_TAIL = "</office:spreadsheet></office:body></office:document-content>"
_ODS_MANIFEST = (
    '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest '
    'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">'
    f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{ODS_TYPE}"/>'
    '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
    "</manifest:manifest>"
)


def write_ods(sheets: Sequence[Sheet], file: IO[bytes]) -> None:
    """By hand: the library keeps the whole document, 1.6 GiB for fifty thousand rows."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", ODS_TYPE, zipfile.ZIP_STORED)
        archive.writestr("META-INF/manifest.xml", _ODS_MANIFEST)
        with archive.open("content.xml", "w", force_zip64=True) as content:
            content.write(_ODS_HEAD.encode())
            for sheet in sheets:
                content.write(f'<table:table table:name="{sheet.name}">'.encode())
                for row in sheet.lines:
                    line = "".join(map(_ods_cell, row))
                    content.write(f"<table:table-row>{line}</table:table-row>".encode())
                content.write(b"</table:table>")
            content.write(_ODS_TAIL.encode())


def _ods_cell(value: Cell) -> str:
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, datetime):
        return (
            '<table:table-cell table:style-name="moment" office:value-type="date" '
            f'office:date-value="{value.isoformat()}"><text:p>{value:{MOMENT}}</text:p>'
            "</table:table-cell>"
        )
    if isinstance(value, date):
        return (
            '<table:table-cell table:style-name="day" office:value-type="date" '
            f'office:date-value="{value.isoformat()}"><text:p>{value:{DAY}}</text:p>'
            "</table:table-cell>"
        )
    if isinstance(value, int | float):
        return (
            f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}'
            "</text:p></table:table-cell>"
        )
    text = f"<text:p>{escape(value)}</text:p>"
    return f'<table:table-cell office:value-type="string">{text}</table:table-cell>'


@dataclass(frozen=True)
class Format:
    name: str
    extension: str
    content_type: str
    write: Callable[[Sequence[Sheet], IO[bytes]], None]


FORMATS = (
    Format(
        "Excel (xlsx)",
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        write_xlsx,
    ),
    Format("LibreOffice (ods)", "ods", ODS_TYPE, write_ods),
    Format("CSV", "csv", "text/csv; charset=utf-8", write_csv),
)


class FormatForm(forms.Form):
    format = forms.TypedChoiceField(
        label="Format",
        coerce=int,
        choices=[(place, format.name) for place, format in enumerate(FORMATS)],
    )
