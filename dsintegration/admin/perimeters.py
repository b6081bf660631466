"""Which service sees which démarches, as *responsables* say it. Nobody gives more than he sees."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from dsintegration import journal
from dsintegration.admin.choosing import (
    NumbersField,
    demarches_field,
    demarches_typed,
    initial_for,
)
from dsintegration.admin.mirror import PerimeterAdmin as Base
from dsintegration.admin.telling import sentence_of
from dsintegration.exceptions import DemarcheNotFound, DSError
from dsintegration.models import Demarche, Perimeter
from dsintegration.perimeters import Sight, sight_of
from dsintegration.platform.sockets import WEB_BUDGET, deadline
from dsintegration.words import UNCONFIGURED


def find_on_platform(numbers: Iterable[int]) -> dict[int, str]:
    """Store those that none of our dossiers has named yet; what is wrong with the others.

    All within the time of a page, and outside any transaction.
    """
    faults = {}
    # No project waits at its start for what these import (gql, pydantic).
    from dsintegration.platform.client import get_client
    from dsintegration.services import fetch_demarche

    with deadline(WEB_BUDGET):
        for number in numbers:
            try:
                fetch_demarche(number, client=get_client(web=True))
            except DemarcheNotFound:
                faults[number] = f"La plateforme ne connaît pas la démarche n° {number}."
            except DSError as err:
                faults[number] = f"Démarche n° {number} : {sentence_of(journal.word(err))}"
            except ImproperlyConfigured:
                faults[number] = UNCONFIGURED
    return faults


class PerimeterForm(forms.ModelForm):  # type: ignore[type-arg]
    """`sight`: of whoever fills it in; `faults`: what the platform said of new démarches."""

    sight: Sight
    faults: Mapping[int, str] = {}
    service = forms.CharField(
        label="Service",
        max_length=150,
        help_text="Le nom d'un groupe d'agents ; un nouveau nom crée le groupe, sans aucun droit.",
    )

    class Meta:
        model = Perimeter
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        has_row = self.instance.pk is not None
        if has_row:
            del self.fields["service"]
        given = list(self.instance.demarches.order_by("number")) if has_row else []
        self.fields["demarches"] = field = demarches_field(
            self.sight,
            label="Démarches",
            help_text="Ce que voient les membres du service : ces démarches, et rien d'autre.",
            faults=self.faults,
        )
        self.initial["demarches"] = initial_for(field, given)
        if self.sight.is_whole and not isinstance(field, NumbersField):
            self.fields["others"] = NumbersField(
                sight=self.sight,
                faults=self.faults,
                required=False,
                label="Autres démarches",
                help_text=(
                    "Numéros de démarches dont aucun dossier n'est encore ici, un par ligne ; leur "
                    "titre est demandé à la plateforme."
                ),
            )

    def clean_service(self) -> str:
        name = " ".join(self.cleaned_data["service"].split())
        group = Group.objects.filter(name=name).first()
        if group and Perimeter.objects.filter(group=group).exists():
            raise ValidationError("Ce service a déjà un périmètre.")
        # Its members have rights, and see other things already.
        if group and not self.sight.is_whole:
            raise ValidationError("Ce nom est déjà pris.")
        return name

    def chosen(self) -> list[Demarche]:
        rows = {*self.cleaned_data["demarches"], *(self.cleaned_data.get("others") or ())}
        return sorted(rows, key=lambda row: row.number)


@admin.register(Perimeter)
class PerimeterAdmin(Base):
    form = PerimeterForm
    title_of_new = "Nouveau périmètre"
    list_display = ("group", "demarches_count")
    ordering = ("group__name",)
    search_fields = ("group__name",)
    search_help_text = "Nom du service"
    list_select_related = ("group",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Perimeter]:
        """Those that lie within the account's own: another one would tell what else exists."""
        rows: QuerySet[Perimeter] = Perimeter.objects.order_by("group__name")
        sight = sight_of(request.user)
        if sight.demarches is not None:
            given = Perimeter.demarches.through.objects
            beyond = given.exclude(demarche__in=list(sight.demarches)).values("perimeter")
            rows = rows.exclude(pk__in=beyond)
        return rows.annotate(demarches_total=Count("demarches", distinct=True))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": self.get_fields(request, obj)})]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self._may_write(request, obj):
            return ["group", "named"]
        return (
            list(self.get_form(request, obj)().fields)
            if obj is None
            else list(self.get_form(request, obj)(instance=obj).fields)
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if self._may_write(request, obj) else ("group", "named")

    def get_form(  # type: ignore[override]
        self, request: HttpRequest, obj: Any = None, **kwargs: Any
    ) -> Any:
        faults = getattr(request, "faults", {})
        return type("Form", (PerimeterForm,), {"sight": sight_of(request.user), "faults": faults})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """New démarches are asked for before Django opens its transaction."""
        may_write = self.has_add_permission(request) or self.has_change_permission(request)
        if request.method == "POST" and may_write and sight_of(request.user).is_whole:
            fields = self.get_form(request)().fields
            numbers = {
                number
                for name, field in fields.items()
                if isinstance(field, NumbersField)
                for number in demarches_typed(request.POST.get(name, ""))
            }
            known = Demarche.objects.filter(number__in=numbers).values_list("number", flat=True)
            request.faults = find_on_platform(sorted(numbers - set(known)))  # type: ignore[attr-defined]
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.group, _ = Group.objects.get_or_create(name=form.cleaned_data["service"])
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        form.instance.demarches.set(form.chosen())

    def _may_write(self, request: HttpRequest, obj: Any) -> bool:
        return (
            self.has_add_permission(request)
            if obj is None
            else self.has_change_permission(request, obj)
        )

    @admin.display(description="démarches")
    def demarches_count(self, perimeter: Any) -> int:
        count: int = perimeter.demarches_total
        return count

    @admin.display(description="démarches")
    def named(self, perimeter: Perimeter) -> str:
        return ", ".join(map(str, perimeter.demarches.order_by("number"))) or "aucune"
