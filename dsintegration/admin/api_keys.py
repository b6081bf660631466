"""Keys of the REST API: made here and shown once; then their rights change, or they are revoked."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import yesno
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_variables

from dsintegration.admin.mirror import in_words
from dsintegration.models import ApiKey, end_of


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    last_day = forms.DateField(
        label="Dernier jour",
        help_text="La clé sert jusqu'à la fin de ce jour.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    class Meta:
        model = ApiKey
        exclude: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The midnight that ends a day is already the next one's.
        moment = self.instance.expiry_date - timedelta(microseconds=1)
        self.initial.setdefault("last_day", timezone.localtime(moment).date())

    def clean_last_day(self) -> date:
        day: date = self.cleaned_data["last_day"]
        if "last_day" in self.changed_data and day < timezone.localdate():
            raise ValidationError("Ce jour est passé.")
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("all_demarches") and cleaned.get("demarches"):
            raise ValidationError("Choisissez toutes les démarches, ou une liste : pas les deux.")
        if "last_day" in self.changed_data and "last_day" in cleaned:
            self.instance.expiry_date = end_of(cleaned["last_day"])
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = ApiKeyForm
    list_display = (
        "name",
        "scope",
        in_words("can_fetch", "récupère"),
        in_words("can_read_personal_data", "lit les données personnelles"),
        "expiry_date",
        "is_valid",
        "last_used_on",
    )
    list_filter = ("revoked", "all_demarches", "can_fetch", "can_read_personal_data")
    search_fields = ("name",)
    search_help_text = "Nom du système"
    ordering = ("name", "created_at")
    # The two columns of filter_horizontal style themselves, which the CSP forbids.
    formfield_overrides = {models.ManyToManyField: {"widget": forms.CheckboxSelectMultiple}}  # noqa: RUF012
    readonly_fields = ("created_at", "last_used_on", "expiry_date")
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        rows: QuerySet[ApiKey] = super().get_queryset(request)
        return rows.annotate(demarches_count=Count("demarches"))

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        rights = ("name", "can_fetch", "can_read_personal_data", "all_demarches", "demarches")
        if obj is None:
            return (*rights, "last_day")
        end = "last_day" if self.has_change_permission(request, obj) else "expiry_date"
        return (*rights, end, "revoked", "created_at", "last_used_on")

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """A revoked key stays so."""
        return super().has_change_permission(request, obj) and not (obj and obj.revoked)

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """A key is revoked, and its row remains to tell what it was."""
        return False

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # What follows is the page that shows the key, whatever the button.
        buttons = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().add_view(request, form_url, buttons | (extra_context or {}))

    @sensitive_variables()
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.shown_once = obj.draw_key()
        super().save_model(request, obj, form, change)

    @sensitive_variables()
    def response_add(
        self,
        request: HttpRequest,
        obj: Any,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """The key, in this very answer: no redirect could carry it without keeping it somewhere."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Clé de l'API : {obj}",
            "opts": self.opts,
            "api_key": obj,
            "key": obj.shown_once,
        }
        response = TemplateResponse(request, "admin/dsintegration/apikey/created.html", context)
        add_never_cache_headers(response)
        return response

    @admin.display(description="étendue")
    def scope(self, key: Any) -> str:
        if key.all_demarches:
            return "toutes les démarches"
        count = key.demarches_count
        return f"{count} démarche{'s' if count > 1 else ''}" if count else "aucune démarche"

    @admin.display(description="vaut")
    def is_valid(self, key: ApiKey) -> str:
        return str(yesno(key.is_valid))
