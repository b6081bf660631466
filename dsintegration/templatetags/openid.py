"""What a login page needs to offer the way in by OpenID."""

from typing import Any

from django import template
from django.template.context import Context
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from dsintegration import conf

register = template.Library()


@register.inclusion_tag("admin/dsintegration/oidc/button.html", takes_context=True)
def openid_button(context: Context) -> dict[str, Any]:
    """Nothing where no provider is set, or its addresses are not among the project's."""
    provider = conf.openid()
    try:
        address = reverse("dsintegration_oidc:login") if provider else ""
    except NoReverseMatch:
        address = ""
    goal = context.get("next") or ""
    if address and goal:
        address = f"{address}?{urlencode({'next': goal})}"
    return {"address": address, "provider": provider.name if provider else ""}
