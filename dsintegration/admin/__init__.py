"""The Django admin: one module a subject. The mirror is read there, and never edited."""

from django.contrib.admin import AdminSite, site

from dsintegration.admin import actions, api_keys, demarches, dossiers, journal, perimeters

__all__ = ["api_keys", "demarches", "dossiers", "journal", "perimeters", "register"]


def register(other: AdminSite) -> None:
    """Show our pages in another admin site, too: that of a project that has its own beside."""
    for model, page in site._registry.items():
        if model._meta.app_label == "dsintegration":
            other.register(model, type(page))
    actions.limit(other)


actions.limit(site)
