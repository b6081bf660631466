"""Keys of the REST API: made here and shown once; then their rights change, or they are revoked."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import yesno
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.formats import date_format
from django.views.decorators.debug import sensitive_variables

from dsintegration.admin.choosing import demarches_field, initial_for
from dsintegration.admin.mirror import PerimeterAdmin, in_words
from dsintegration.models import ApiKey, end_of
from dsintegration.perimeters import Sight, sight_of
from dsintegration.templatetags.dossiers import DAY, day, moment


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """`sight`: of whoever makes the key, which gives no more than that."""

    sight: Sight
    last_day = forms.DateField(
        label="Dernier jour",
        help_text="La clé sert jusqu'à la fin de ce jour.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    # The row that this very page makes: reloaded after it was sent, it makes no second one.
    draw = forms.UUIDField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The midnight that ends a day is already the next one's.
        end = self.instance.expiry_date - timedelta(microseconds=1)
        self.initial.setdefault("last_day", timezone.localtime(end).date())
        self.initial["draw"] = uuid4()
        has_row = not self.instance._state.adding
        given = list(self.instance.demarches.order_by("number")) if has_row else []
        column = ApiKey._meta.get_field("demarches")
        self.fields["demarches"] = field = demarches_field(
            self.sight, label="Démarches", help_text=str(column.help_text)
        )
        self.initial["demarches"] = initial_for(field, given)
        if not self.sight.is_whole:
            self.fields.pop("all_demarches", None)

    def clean_last_day(self) -> date:
        last: date = self.cleaned_data["last_day"]
        if "last_day" in self.changed_data and last < timezone.localdate():
            raise ValidationError("Ce jour est passé.")
        return last

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("all_demarches") and cleaned.get("demarches"):
            raise ValidationError("Choisissez toutes les démarches, ou une liste : pas les deux.")
        if "last_day" in cleaned:
            self.instance.expiry_date = end_of(cleaned["last_day"])
        return cleaned


def _reads_content(request: HttpRequest) -> bool:
    return request.user.has_perm("dsintegration.view_dossier")


@admin.register(ApiKey)
class ApiKeyAdmin(PerimeterAdmin):
    form = ApiKeyForm
    title_of_new = "Nouvelle clé de l'API"
    list_display = (
        "name",
        "scope",
        in_words("can_fetch", "récupère"),
        in_words("can_read_personal_data", "lit les données personnelles"),
        in_words("can_read_content", "lit le contenu"),
        "last_day",
        "is_valid",
        "used_on",
    )
    list_filter = (
        "revoked",
        "all_demarches",
        "can_fetch",
        "can_read_personal_data",
        "can_read_content",
    )
    search_fields = ("name",)
    search_help_text = "Nom du système"
    ordering = ("name", "created_at")
    readonly_fields = ("made_at", "used_on", "last_day_told")
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Those that give no more than the account sees: others do not exist for it."""
        rows: QuerySet[ApiKey] = ApiKey.objects.order_by(*self.ordering)
        sight = sight_of(request.user)
        if sight.demarches is not None:
            given = ApiKey.demarches.through.objects
            beyond = given.exclude(demarche__in=list(sight.demarches)).values("apikey")
            rows = rows.filter(all_demarches=False).exclude(pk__in=beyond)
        if not _reads_content(request):
            rows = rows.filter(can_read_content=False)
        return rows.annotate(demarches_count=Count("demarches", distinct=True))

    def get_form(  # type: ignore[override]
        self, request: HttpRequest, obj: Any = None, **kwargs: Any
    ) -> Any:
        names = [*self._rights(request), "last_day", "draw"] + (["revoked"] if obj else [])
        form = type("Form", (self.form,), {"sight": sight_of(request.user)})
        columns = [name for name in names if name not in {"demarches", "last_day", "draw"}]
        return forms.modelform_factory(ApiKey, form=form, fields=columns)

    def _rights(self, request: HttpRequest) -> tuple[str, ...]:
        whole = ("all_demarches",) if sight_of(request.user).is_whole else ()
        content = ("can_read_content",) if _reads_content(request) else ()
        return ("name", "can_fetch", "can_read_personal_data", *content, *whole, "demarches")

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        rights = self._rights(request)
        if obj is None:
            return (*rights, "last_day", "draw")
        if not self.has_change_permission(request, obj):
            rights = tuple(name for name in rights if name != "demarches")
            return (*rights, "scope", "last_day_told", "revoked", "made_at", "used_on")
        return (*rights, "last_day", "revoked", "made_at", "used_on")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.readonly_fields
        return (*self.readonly_fields, "scope")

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
        if request.method == "POST" and (made := self._made_before(request)):
            messages.warning(
                request, "Cette clé est déjà faite, et n'est plus montrée : faites-en une autre."
            )
            link = self.address_of("apikey_change", made.pk)
            return HttpResponseRedirect(link)
        # What follows is the page that shows the key, whatever the button.
        said = {
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }
        try:
            return super().add_view(request, form_url, said | (extra_context or {}))
        except IntegrityError:  # two clicks at the same moment
            if made := self._made_before(request):
                link = self.address_of("apikey_change", made.pk)
                return HttpResponseRedirect(link)
            raise

    def _made_before(self, request: HttpRequest) -> ApiKey | None:
        """The row of this very page, if it was sent before: a reload sends it again."""
        try:
            draw = UUID(request.POST.get("draw", ""))
        except ValueError:
            return None
        return self.get_queryset(request).filter(pk=draw).first()

    @sensitive_variables()
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            draw = form.cleaned_data.get("draw")
            if draw and not ApiKey.objects.filter(pk=draw).exists():
                obj.pk = draw
            obj.given_by = str(request.user.pk)
            obj.shown_once = obj.draw_key()
            obj.save(force_insert=True)  # never over another one, whatever `draw` says
            return
        # Whoever saves its rights answers for them from then on; revoking one gives nothing.
        if not obj.revoked:
            obj.given_by = str(request.user.pk)
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        form.instance.demarches.set(form.cleaned_data["demarches"])

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
        count = getattr(key, "demarches_count", None)
        if count is None:
            count = key.demarches.count()
        return f"{count} démarche{'s' if count > 1 else ''}" if count else "aucune démarche"

    @admin.display(description="dernier jour", ordering="expiry_date")
    def last_day(self, key: Any) -> str:
        """The midnight that ends a day is already the next one's."""
        return day(key.expiry_date - timedelta(microseconds=1))

    @admin.display(description="dernier jour")
    def last_day_told(self, key: Any) -> str:
        return self.last_day(key)

    @admin.display(description="créée le")
    def made_at(self, key: Any) -> str:
        return moment(key.created_at)

    @admin.display(description="servie pour la dernière fois le", ordering="last_used_on")
    def used_on(self, key: Any) -> str:
        return date_format(key.last_used_on, DAY) if key.last_used_on else "jamais"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        page = super().get_changelist_instance(request)
        givers = {key.given_by for key in page.result_list if key.given_by}
        accounts = get_user_model()._default_manager.filter(pk__in=givers, is_active=True)
        closed = givers - {str(pk) for pk in accounts.values_list("pk", flat=True)}
        for key in page.result_list:
            key.giver_is_gone = key.given_by in closed
        return page

    @admin.display(description="vaut")
    def is_valid(self, key: Any) -> str:
        if key.is_valid and getattr(key, "giver_is_gone", False):
            return (
                "ne donne accès à rien : le compte qui l'a donnée est fermé. Pour la rétablir, "
                "ouvrez-la, vérifiez ses droits et enregistrez-la."
            )
        return str(yesno(key.is_valid))
