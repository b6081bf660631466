"""Answers of forms as a person reads them. All of it is foreign text, and escaped."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dsintegration.harmless import on_a_page
from dsintegration.templatetags.dossiers import foreign
from dsintegration.templatetags.maps import map_of

register = template.Library()

# Beyond, an answer is folded: letters, lines.
LONG, MANY_LINES = 700, 12
# Numbers below may be years.
GROUPED_FROM = 10_000

KINDS = {
    "Address": "adresse", "Carte": "carte", "Checkbox": "case à cocher", "Civilite": "civilité",
    "Commune": "commune", "Date": "date", "Datetime": "date et heure",
    "DecimalNumber": "nombre décimal", "Departement": "département",
    "DossierLink": "lien vers un dossier", "DropDownList": "choix dans une liste",
    "Email": "adresse électronique", "EngagementJuridique": "engagement juridique",
    "Epci": "intercommunalité", "Iban": "IBAN", "IntegerNumber": "nombre entier",
    "LinkedDropDownList": "deux choix liés", "MultipleDropDownList": "plusieurs choix",
    "Pays": "pays", "Phone": "téléphone", "PieceJustificative": "pièce justificative",
    "Region": "région", "Repetition": "bloc répétable", "RNA": "numéro RNA", "RNF": "numéro RNF",
    "Siret": "SIRET", "Text": "texte", "Textarea": "texte long",
    "TitreIdentite": "titre d'identité", "YesNo": "oui ou non",
}  # fmt: skip

EVENTS = {
    "depose": "Déposé",
    "depose_correction_usager": "Corrigé par l'usager",
    "depose_correction_instructeur": "Corrigé par un instructeur",
    "passe_en_instruction": "Passé en instruction",
    "passe_en_instruction_automatiquement": "Passé en instruction automatiquement",
    "accepte": "Accepté",
    "accepte_automatiquement": "Accepté automatiquement",
    "refuse": "Refusé",
    "refuse_automatiquement": "Refusé automatiquement",
    "classe_sans_suite": "Classé sans suite",
    "repasse_en_construction": "Repassé en construction",
    "repasse_en_instruction": "Repassé en instruction",
}
# Of the platform's names of colours (« green_menthe »), what comes first.
FAMILIES = {"beige", "blue", "brown", "green", "orange", "pink", "purple", "yellow"}
UNANSWERED = format_html('<span class="ds-quiet">{}</span>', "sans réponse")


@register.filter
def kind_of_champ(kind: str) -> str:
    return KINDS.get(kind, on_a_page(kind))


@register.filter
def event(name: str) -> str:
    return EVENTS.get(name) or on_a_page(name.replace("_", " "))


@register.filter
def under(found: dict[str, Any], key: str) -> Any:
    """What stands under a key that a template has in a variable."""
    return found.get(key)


@register.filter
def iso(moment: str) -> datetime:
    """A moment of the content's JSON."""
    return datetime.fromisoformat(moment)


@register.filter
def family(color: str) -> str:
    name = color.partition("_")[0]
    return name if name in FAMILIES else "none"


@register.filter
def line_of(champ: dict[str, Any]) -> str:
    """One line of plain text, as lists and files show it; "" where nothing was answered."""
    value = champ.get("value")
    write = _WRITTEN.get(champ["type"])
    if write and value is not None:
        return write(value)
    if "rows" in champ:
        return f"lignes : {len(champ['rows'])}" if champ["rows"] else ""
    return on_a_page(champ.get("text") or "")


@register.simple_tag
def answer(champ: dict[str, Any], links: dict[int, int]) -> SafeString:
    """The answer on the dossier's page; `links`: the dossiers that may be opened, by number."""
    value, kind = champ.get("value"), champ["type"]
    if kind == "CarteChamp":
        return map_of(value or []) if value else UNANSWERED
    if kind == "DossierLinkChamp" and value in links:
        link = reverse("admin:dsintegration_dossier_change", args=[links[value]])
        return format_html('<a href="{}">Dossier n° {}</a>', link, value)
    if kind == "MultipleDropDownListChamp" and value:
        lines = format_html_join("", "<li>{}</li>", ((foreign(one),) for one in value))
        return format_html('<ul class="ds-choices">{}</ul>', lines)
    text = line_of(champ)
    return _folded(text) if text else UNANSWERED


@register.filter
def headings(rows: Iterable[list[dict[str, Any]]]) -> list[tuple[str, str]]:
    """The columns of a repetition: ids with labels, in their order; a row may lack some."""
    found: dict[str, str] = {}
    for row in rows:
        for champ in row:
            found.setdefault(champ["id"], champ["label"])
    return list(found.items())


@register.filter
def in_columns(
    row: list[dict[str, Any]], columns: Iterable[tuple[str, str]]
) -> list[dict[str, Any] | None]:
    answers = {champ["id"]: champ for champ in row}
    return [answers.get(champ_id) for champ_id, _ in columns]


def _folded(text: str) -> SafeString:
    is_long = len(text) > LONG or text.count("\n") > MANY_LINES
    whole = format_html('<div class="ds-text">{}</div>', foreign(text))
    if not is_long:
        return whole
    start = " ".join(text[:160].split())
    return format_html(
        '<details class="ds-folded"><summary>{}…</summary>{}</details>', foreign(start), whole
    )


def _day(value: str) -> str:
    return str(formats.date_format(date.fromisoformat(value), "j F Y"))


def _moment(value: str) -> str:
    at = timezone.localtime(datetime.fromisoformat(value))
    return str(formats.date_format(at, "j F Y à H:i"))


def _number(value: float) -> str:
    """« 12 345,5 »."""
    text = f"{Decimal(str(value)):f}"
    whole, _, rest = text.partition(".")
    rest = rest.rstrip("0")
    if abs(int(whole)) >= GROUPED_FROM:
        whole = f"{int(whole):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{whole},{rest}" if rest else whole


_WRITTEN: dict[str, Callable[[Any], str]] = {
    "DateChamp": _day,
    "DatetimeChamp": _moment,
    "IntegerNumberChamp": _number,
    "DecimalNumberChamp": _number,
    "DossierLinkChamp": str,
}
