"""What the usager's templates need: whose pages they are, and dates as they are said in French."""

from datetime import datetime
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dsintegration import conf
from dsintegration.usager.words import day, hour

register = template.Library()


@register.simple_tag
def organisation() -> conf.Organisation:
    return conf.organisation()


@register.inclusion_tag("dsintegration/footer.html")
def footer() -> dict[str, Any]:
    """The links that the law wants on every page; without those that cannot be had.

    An error page bears it, too, and must not fail in its turn.
    """
    try:
        whose = conf.organisation()
        return {
            "organisation": whose,
            "statement": whose.accessibility_url or reverse("dsintegration_usager:accessibility"),
        }
    except (ImproperlyConfigured, NoReverseMatch):
        return {}


@register.filter
def long_day(moment: datetime) -> SafeString:
    """« 1er octobre 2026 »."""
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), day(moment))


@register.filter
def long_moment(moment: datetime) -> SafeString:
    """« 1er octobre 2026 à 9 h 05 (heure de Paris) »."""
    words = f"{day(moment)} à {hour(moment)}"
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), words)


register.filter("hour", hour)
