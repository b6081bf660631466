"""What templates need to show dossiers: badges, moments, bodies, the dashboard."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.template.context import RequestContext
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.timesince import timesince

from dsintegration import conf
from dsintegration.bodies import body_as_html
from dsintegration.checks import NOTICE
from dsintegration.exceptions import DSAccessDenied
from dsintegration.mirror.summary import summary
from dsintegration.models import Demarche, Dossier, Message, Platform
from dsintegration.platform.tokens import Tokens

register = template.Library()


@register.simple_tag
def state_badge(dossier: Dossier) -> SafeString:
    """The état in words; the colour only repeats it."""
    known = dossier.state if dossier.state in Dossier.State.values else "inconnu"
    return format_html(
        '<span class="ds-state ds-state-{}">{}</span>', known, dossier.get_state_display()
    )


@register.filter
def day(moment: datetime | None) -> str:
    return _time(moment, "d/m/Y") if moment else ""


@register.filter
def moment(moment: datetime | None) -> str:
    return _time(moment, "j F Y à H:i") if moment else ""


@register.filter
def ago(moment: datetime | None) -> str:
    """« il y a 3 heures », the moment itself on hover."""
    if moment is None:
        return ""
    elapsed = timesince(moment, depth=1)
    text = "à l'instant" if elapsed.startswith("0") else f"il y a {elapsed}"
    return _time(moment, "j F Y à H:i", text)


def _time(moment: datetime, pattern: str, text: str = "") -> SafeString:
    written = formats.date_format(timezone.localtime(moment), pattern)
    title = format_html(' title="{}"', written) if text else ""
    return format_html(
        '<time datetime="{}"{}>{}</time>', moment.isoformat(), title, text or written
    )


@register.filter
def body(message: Message) -> SafeString:
    return body_as_html(message)


@dataclass(frozen=True)
class Step:
    label: str
    at: datetime
    remark: str = ""


@register.filter
def timeline(dossier: Dossier) -> list[Step]:
    """What the platform's dates tell, in their order."""
    reopened = dossier.is_open
    dates = [
        ("Déposé", dossier.date_depot, ""),
        ("Passé en construction", dossier.date_passage_en_construction, ""),
        (
            "Passé en instruction",
            dossier.date_passage_en_instruction,
            "avant son retour en construction" if dossier.state == "en_construction" else "",
        ),
        ("Correction demandée", dossier.date_derniere_correction_en_attente, "attendue"),
        ("Décision", dossier.date_traitement, "avant sa réouverture" if reopened else ""),
        ("Supprimé par l'usager", dossier.date_suppression_par_usager, ""),
        ("Absent de la plateforme", dossier.absent_since, "souvent provisoire"),
        ("Expiration", dossier.date_expiration, ""),
    ]
    steps = [Step(label, at, remark) for label, at, remark in dates if at]
    if dossier.date_depot == dossier.date_passage_en_construction:
        steps = [step for step in steps if step.label != "Passé en construction"]
    return sorted(steps, key=lambda step: step.at)


@register.filter
def awaited(dossier: Dossier) -> str:
    """What is to happen next, and from whom."""
    if dossier.absent_since:
        return "La plateforme ne donne plus ce dossier."
    if dossier.date_derniere_correction_en_attente and dossier.is_open:
        return "L'usager doit corriger son dossier."
    if dossier.is_to_answer:
        return "L'usager attend une réponse à son message."
    match dossier.state:
        case Dossier.State.EN_CONSTRUCTION:
            return "Le dossier attend d'être pris en instruction."
        case Dossier.State.EN_INSTRUCTION:
            return "Une décision est attendue."
    return "Plus rien n'est attendu."


@dataclass(frozen=True)
class Banner:
    level: str
    text: str
    at: datetime | None = None


@register.simple_tag
def banners() -> list[Banner]:
    """What stands between us and the platform, whatever the dossier."""
    said = []
    platform = Platform.objects.filter(pk=Platform.SINGLETON).first()
    if platform and (error := platform.last_error):
        level = "error" if isinstance(error, DSAccessDenied) else "warning"
        said.append(Banner(level, capfirst(error.sentence), platform.last_error_at))
    try:
        expires = conf.api_token_expires()
        refused = [] if conf.sandbox() else Tokens(conf.api_tokens()).refused()
    except ImproperlyConfigured as err:
        return [*said, Banner("error", str(err))]
    if refused:
        which = f"{len(refused)} jeton de DS_API_TOKENS est refusé"
        if len(refused) > 1:
            which = f"{len(refused)} jetons de DS_API_TOKENS sont refusés"
        said.append(
            Banner("warning", f"{which} par la plateforme ; les autres continuent : remplacez-le.")
        )
    if expires and expires - timezone.localdate() <= NOTICE and not conf.sandbox():
        when = "a expiré le" if expires < timezone.localdate() else "expire le"
        said.append(Banner("warning", f"Le jeton de la plateforme {when} {expires:%d/%m/%Y}."))
    return said


BAR, GAP, HEIGHT = 16, 12, 120


@register.inclusion_tag("admin/dsintegration/dashboard.html", takes_context=True)
def dashboard(context: RequestContext) -> dict[str, Any]:
    figures = summary()
    demarches = Demarche.objects.in_bulk(figures.demarches)
    ranked = sorted(figures.demarches.items(), key=lambda item: -item[1].total())[:20]
    known = dict(Dossier.State.choices)
    states = [*known, *(figures.states.keys() - known.keys())]
    highest = max((max(week.deposits, week.decisions) for week in figures.weeks), default=0) or 1
    step = 2 * BAR + GAP

    def bar(rank: int, count: int, place: int) -> dict[str, int]:
        height = round(count / highest * HEIGHT)
        return {"x": rank * step + place * BAR, "y": HEIGHT - height, "height": height}

    return {
        "perms": context["perms"],
        "figures": figures,
        "states": [(state, known.get(state, state), figures.states[state]) for state in states],
        "demarches": [
            (demarches[pk], [counts[state] for state in states], counts.total())
            for pk, counts in ranked
            if pk in demarches
        ],
        "hidden_demarches": max(0, len(figures.demarches) - len(ranked)),
        "weeks": [
            {
                "week": week,
                "label_x": rank * step + BAR,
                "deposits": bar(rank, week.deposits, 0),
                "decisions": bar(rank, week.decisions, 1),
            }
            for rank, week in enumerate(figures.weeks)
        ],
        "highest": highest,
        "bar": BAR,
        "height": HEIGHT,
        "width": step * len(figures.weeks),
    }
