"""The filters of the lists. A value that no dossier has is valid, and matches nothing."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework.request import Request

from dsintegration.api.answers import PREFIX, of_answers
from dsintegration.api.parameters import (
    WORD,
    MomentField,
    NumberField,
    TrueOrFalseField,
    WordsField,
    check_parameters,
)
from dsintegration.models import TO_ANSWER, Demarche, Dossier
from dsintegration.numbers import MAX_NUMBER
from dsintegration.perimeters import sight_of_key


def _filter(field: type[forms.Field], shown_as: Mapping[str, Any], **kwargs: Any) -> Any:
    """A filter that reads its value with `field`, and what the schema says of it."""
    kind = type("Filter", (filters.Filter,), {"field_class": field})
    return extend_schema_field(dict(shown_as))(kind(**kwargs))


def _number(name: str, description: str, *, minimum: int, maximum: int, **kwargs: Any) -> Any:
    shown_as = {"type": "integer", "minimum": minimum, "maximum": maximum}
    shown_as["description"] = description
    return _filter(
        NumberField, shown_as, field_name=name, minimum=minimum, maximum=maximum, **kwargs
    )


def _moment(name: str, description: str, **kwargs: Any) -> Any:
    shown_as = {
        "type": "string",
        "description": description,
        "anyOf": [{"format": "date"}, {"format": "date-time"}],
    }
    return _filter(MomentField, shown_as, field_name=name, **kwargs)


class DossierFilters(filters.FilterSet):
    state = _filter(
        WordsField,
        {
            "type": "array",
            "items": {"type": "string", "pattern": f"^{WORD}$"},
            "description": (
                "État, tel que la plateforme l'écrit ; peut être répété. Un état que personne ne "
                "connaît est permis, et ne trouve rien."
            ),
        },
        field_name="state",
        lookup_expr="in",
    )
    demarche = _number(
        "demarche",
        "Numéro de la démarche.",
        minimum=1,
        maximum=MAX_NUMBER,
        method="of_demarche",
    )
    deposited_after = _moment(
        "date_depot", "Déposé à partir de ce moment, lui-même compris.", lookup_expr="gte"
    )
    deposited_before = _moment(
        "date_depot", "Déposé avant ce moment, lui-même exclu.", lookup_expr="lt"
    )
    absent = _filter(
        TrueOrFalseField,
        {
            "type": "boolean",
            "description": "Absent de la plateforme (true), ou non (false).",
        },
        field_name="absent_since",
        lookup_expr="isnull",
        exclude=True,
    )
    to_answer = _filter(
        TrueOrFalseField,
        {
            "type": "boolean",
            "description": (
                "L'usager a écrit en dernier, messages automatiques mis à part, et aucun agent n'a "
                "marqué le dossier « rien à répondre » (true), ou non (false)."
            ),
        },
        method="awaiting_answer",
    )

    class Meta:
        model = Dossier
        fields = ()

    def awaiting_answer(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return queryset.filter(TO_ANSWER) if value else queryset.exclude(TO_ANSWER)

    def of_demarche(self, queryset: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        """By id, for the reason that Sight.limit gives."""
        sight = sight_of_key(self.request.auth)
        demarches = Demarche.objects.filter(number=value).values_list("pk", "number")
        known = dict(demarches) if sight.demarches is None else sight.demarches
        return queryset.filter(demarche__in=[pk for pk, number in known.items() if number == value])


class StrictFilterBackend(filters.DjangoFilterBackend):
    """A parameter that it does not know is refused: the answer would be to another question."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        filterset = self.get_filterset_class(view, queryset)
        filters_of_view = filterset.base_filters if filterset else ()
        known = [*filters_of_view, *view.pagination_class.parameters]
        prefixes = (PREFIX,) if view.has_answers else ()
        check_parameters(request.query_params, known, repeatable={"state"}, prefixes=prefixes)
        if view.has_answers:
            queryset = of_answers(request, queryset)
        if not any(name in request.query_params for name in filters_of_view):
            return queryset
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered
