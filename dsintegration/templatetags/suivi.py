"""What the usager's templates need: whose pages they are, and dates as they are said in French."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dsintegration import conf
from dsintegration.usager.words import day

register = template.Library()


@register.simple_tag
def organisation() -> conf.Organisation:
    return conf.organisation()


@register.filter
def long_day(moment: datetime) -> SafeString:
    """« 1er octobre 2026 »."""
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), day(moment))


@register.filter
def long_moment(moment: datetime) -> SafeString:
    """« 1er octobre 2026 à 9 h 05 »."""
    local = timezone.localtime(moment)
    hour = f"{local.hour}\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}{local:%M}"
    return format_html('<time datetime="{}">{} à {}</time>', moment.isoformat(), day(moment), hour)
