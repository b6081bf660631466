"""The form of a démarche (type `Revision`): which champs can be chosen."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field as PydanticField
from pydantic import ValidationError

from dsintegration.exceptions import DSInvalidResponse, Reason
from dsintegration.payloads.dossiers import DemarchePayload
from dsintegration.payloads.fields import Payload, ShortText, Text, places_of


class _Descriptor(Payload):
    """Interface `ChampDescriptor`; `inner`: of a repetition."""

    typename: ShortText = PydanticField(alias="__typename")
    id: ShortText
    label: Text
    required: bool
    level: int | None = None
    inner: "list[_Descriptor] | None" = None


class _Revision(Payload):
    champ_descriptors: list[_Descriptor]
    annotation_descriptors: list[_Descriptor]


class _Demarche(DemarchePayload):
    active_revision: _Revision


@dataclass(frozen=True)
class Field:
    """A line of the form; `type`: the platform's name of its kind (« Siret »); `repetition`: the id
    of the one that it stands in; `level`: of a title of a section.
    """

    id: str
    label: str
    type: str
    required: bool
    is_annotation: bool
    repetition: str = ""
    level: int | None = None


@dataclass(frozen=True)
class FormPayload:
    """`fields`: in the form's order, those of a repetition after it."""

    demarche: DemarchePayload
    fields: list[Field]


def parse_form(data: Any, number: int) -> FormPayload:
    """What `Client.get_form` gives; raises DSInvalidResponse."""
    try:
        demarche = _Demarche.model_validate(data)
    except ValidationError as err:
        raise DSInvalidResponse(Reason.UNEXPECTED, detail=places_of(err)) from None
    if demarche.number != number:
        raise DSInvalidResponse(Reason.UNEXPECTED, detail="another démarche came")
    revision = demarche.active_revision
    fields = [
        *_fields(revision.champ_descriptors, is_annotation=False),
        *_fields(revision.annotation_descriptors, is_annotation=True),
    ]
    return FormPayload(demarche, fields)


def _fields(given: list[_Descriptor], *, is_annotation: bool, repetition: str = "") -> list[Field]:
    fields = []
    for one in given:
        kind = one.typename.removesuffix("ChampDescriptor")
        fields.append(
            Field(one.id, one.label, kind, one.required, is_annotation, repetition, one.level)
        )
        fields += _fields(one.inner or [], is_annotation=is_annotation, repetition=one.id)
    return fields
