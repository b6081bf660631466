"""Accounts and groups in Django's own pages, for superusers: in French, whatever Django's version.

Django keeps the names of its rights in English.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.urls import URLPattern

from dsintegration.admin.kept import keep_typed
from dsintegration.admin.titles import TitledAdmin

VERBS = {
    "add": "Peut ajouter",
    "change": "Peut modifier",
    "delete": "Peut supprimer",
    "view": "Peut voir",
}


def right_in_words(right: Permission) -> str:
    """« Authentification : utilisateur : Peut ajouter », or the right's own name."""
    verb, _, model = right.codename.partition("_")
    content_type = right.content_type
    is_djangos = verb in VERBS and model == content_type.model and right.name.startswith("Can ")
    model_class = content_type.model_class()
    app = model_class._meta.app_config.verbose_name if model_class else content_type.app_label
    return f"{app} : {content_type.name} : {VERBS[verb] if is_djangos else right.name}"


class InFrench(TitledAdmin):
    @property
    def urls(self) -> list[URLPattern]:
        patterns: list[URLPattern] = self.get_urls()
        for pattern in patterns:
            pattern.callback = keep_typed(self.admin_site, pattern.callback)
        return patterns

    def formfield_for_manytomany(self, db_field: Any, *args: Any, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_manytomany(db_field, *args, **kwargs)
        if db_field.related_model is Permission:
            field.label_from_instance = right_in_words
        return field


admin.site.unregister([User, Group])


@admin.register(User)
class AccountAdmin(InFrench, UserAdmin):  # type: ignore[type-arg]
    title_of_new = "Nouvel utilisateur"
    # Django's two boxes beside each other, and its two fields of a date, are nameless to a reader.
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")


@admin.register(Group)
class ServiceAdmin(InFrench, GroupAdmin):
    title_of_new = "Nouveau groupe"
    filter_horizontal = ()
