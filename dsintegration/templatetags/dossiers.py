"""What templates need to show dossiers: badges, moments, bodies, the dashboard."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.template.context import Context, RequestContext
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from dsintegration import conf
from dsintegration.bodies import body_as_html
from dsintegration.checks import NOTICE
from dsintegration.exceptions import DSAccessDenied, DSError
from dsintegration.harmless import on_a_page
from dsintegration.mirror.summary import Week, summary
from dsintegration.models import Demarche, Dossier, Message, Platform
from dsintegration.perimeters import ASK, sight_of
from dsintegration.platform.tokens import Tokens
from dsintegration.words import IN_AN_AGENTS_WORDS, UNCONFIGURED

register = template.Library()

# One way to write them on all pages of the admin, on paper, and in files (admin/export.py).
DAY, MOMENT = "d/m/Y", "d/m/Y à\N{NO-BREAK SPACE}H:i"


@register.simple_tag
def state_badge(dossier: Dossier) -> SafeString:
    """The état in words; the colour only repeats it."""
    known = dossier.state if dossier.state in Dossier.State.values else "inconnu"
    return format_html(
        '<span class="ds-state ds-state-{}">{}</span>',
        known,
        on_a_page(dossier.get_state_display()),
    )


@register.filter
def foreign(text: str) -> SafeString:
    """A line that somebody else wrote, which turns around nothing of ours."""
    return format_html("<bdi>{}</bdi>", on_a_page(text))


@register.filter
def day(moment: datetime | None) -> str:
    return _time(moment, DAY) if moment else ""


@register.filter
def moment(moment: datetime | None) -> str:
    return _time(moment, MOMENT) if moment else ""


def _time(moment: datetime, pattern: str) -> SafeString:
    written = formats.date_format(timezone.localtime(moment), pattern)
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), written)


@register.filter
def days_since(moment: datetime) -> str:
    """« 12 jours », of our calendar: what was written yesterday evening is a day old."""
    days = (timezone.localdate() - timezone.localtime(moment).date()).days
    if days < 1:
        return "aujourd'hui"
    return f"{thousands(days)}\N{NO-BREAK SPACE}jour{'s' if days > 1 else ''}"


@register.filter
def thousands(number: int) -> str:
    """« 12 345 ». Never for the number of a dossier."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@register.filter
def shortened(text: str, most: int = 40) -> SafeString:
    """A long address with its end left out; the whole of it on hover, and for a screen reader."""
    text = on_a_page(text)
    if len(text) <= most:
        before, at, domain = text.rpartition("@")
        # A narrow column breaks the line there, and not inside a name.
        return format_html('{}<span class="ds-domain">{}</span>', f"{before}{at}", domain)
    return format_html(
        '<span title="{}" aria-hidden="true">{}…</span><span class="visually-hidden">{}</span>',
        text,
        text[: most - 1],
        text,
    )


_LONG_LINK = re.compile(r">(https?://[^<]{60,})</a>")


@register.filter
def body(message: Message) -> SafeString:
    """The text of a message; its links open beside the page, and long ones are shortened."""
    text = str(body_as_html(message)).replace(
        'rel="nofollow"', 'rel="noopener noreferrer nofollow"'
    )
    text = text.replace("<a ", '<a target="_blank" ')
    # Of our own making, or sanitised: escaped letters may be cut through, so not inside an `&`.
    text = _LONG_LINK.sub(lambda link: f">{_cut(link[1])}…</a>", text)
    return mark_safe(text)  # noqa: S308


def _cut(link: str) -> str:
    return link[:59].rpartition("&")[0] if "&" in link[50:59] else link[:59]


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
def awaited(dossier: Dossier) -> list[str]:
    """What is to happen next, and from whom: one sentence, or several that hold together."""
    if dossier.absent_since:
        said = ["La plateforme ne donne plus ce dossier."]
        return [*said, "L'usager a écrit en dernier."] if dossier.is_to_answer else said
    said = []
    if dossier.is_to_answer:
        said.append("L'usager attend une réponse à son message.")
    if dossier.date_derniere_correction_en_attente and dossier.is_open:
        said.append("L'usager doit corriger son dossier.")
    if said:
        return said
    match dossier.state:
        case Dossier.State.EN_CONSTRUCTION:
            return ["Le dossier attend d'être pris en instruction."]
        case Dossier.State.EN_INSTRUCTION:
            return ["Une décision est attendue."]
    return ["Plus rien n'est attendu."]


@register.filter
def for_agents(error: DSError) -> str:
    """A failure in the words of those who can do nothing about settings and tokens."""
    return IN_AN_AGENTS_WORDS.get(error.reason, error.sentence)


@dataclass(frozen=True)
class Banner:
    level: str
    text: str
    at: datetime | None = None


@register.simple_tag(takes_context=True)
def banners(context: Context) -> list[Banner]:
    """What stands between us and the platform, whatever the dossier, in an agent's words.

    Superusers, who may well be the operators, read what there is to do.
    """
    is_operator = bool(getattr(context.get("user"), "is_superuser", False))
    said = []
    platform = Platform.objects.filter(pk=Platform.SINGLETON).first()
    if platform and (error := platform.last_error):
        level = "error" if isinstance(error, DSAccessDenied) else "warning"
        sentence = (
            error.sentence if is_operator else IN_AN_AGENTS_WORDS.get(error.reason, error.sentence)
        )
        said.append(Banner(level, capfirst(sentence), platform.last_error_at))
    try:
        expires = conf.api_token_expires()
        refused = [] if conf.sandbox() else Tokens(conf.api_tokens()).refused()
    except ImproperlyConfigured as err:
        return [*said, Banner("error", str(err) if is_operator else UNCONFIGURED)]
    if refused and is_operator:
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


BAR, GAP, HEIGHT = 26, 14, 120
MAX_DEMARCHES = 20


@register.simple_tag
def ask_for_a_service() -> str:
    """What an account without any right is told, which would see an empty page."""
    return ASK


@register.inclusion_tag("admin/dsintegration/dashboard.html", takes_context=True)
def dashboard(context: RequestContext) -> dict[str, Any]:
    """The figures of what the account sees."""
    figures, sight = summary(), sight_of(context["user"])
    if sight.demarches is not None:
        figures = figures.of(sight.demarches)
    ranked = sorted(
        figures.demarches.items(),
        key=lambda item: (-figures.to_answer[item[0]], -item[1].total()),
    )[:MAX_DEMARCHES]
    demarches = Demarche.objects.in_bulk([pk for pk, _ in ranked])
    known = dict(Dossier.State.choices)
    states = [*known, *sorted(figures.states.keys() - known.keys())]
    return {
        "perms": context["perms"],
        "ask": ASK if sight.is_empty else "",
        "figures": figures,
        "to_answer": figures.to_answer.total(),
        "failing": figures.failing.total(),
        "absent": figures.absent.total(),
        "states": [
            (state, on_a_page(known.get(state, state)), figures.states[state]) for state in states
        ],
        "demarches": [
            (
                demarches[pk],
                [counts[state] for state in states],
                counts.total(),
                figures.to_answer[pk],
            )
            for pk, counts in ranked
            if pk in demarches
        ],
        "hidden_demarches": max(0, len(figures.demarches) - len(ranked)),
        **_chart(figures.weeks),
    }


def _chart(weeks: Iterable[Week]) -> dict[str, Any]:
    """The bars of each week, with their figures above them."""
    weeks = list(weeks)
    highest = max((max(week.deposits, week.decisions) for week in weeks), default=0) or 1
    step = 2 * BAR + GAP

    def bar(rank: int, count: int, place: int) -> dict[str, int]:
        height = round(count / highest * HEIGHT)
        x = rank * step + place * BAR
        top = HEIGHT - height
        return {
            "x": x,
            "y": top,
            "height": height,
            "count": count,
            "label_x": x + BAR // 2,
            "label_y": top - 3,
        }

    return {
        "weeks": [
            {
                "week": week,
                "label_x": rank * step + BAR,
                "deposits": bar(rank, week.deposits, 0),
                "decisions": bar(rank, week.decisions, 1),
            }
            for rank, week in enumerate(weeks)
        ],
        "bar": BAR,
        "height": HEIGHT,
        "width": step * len(weeks),
    }
