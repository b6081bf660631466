"""Our documents against the schema that a platform describes of itself (introspection)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from graphql import (
    EnumValueNode,
    FieldNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    ValidationRule,
    build_client_schema,
    get_named_type,
    validate,
)

from dsintegration.harmless import cut
from dsintegration.platform.documents import (
    GET_ANNOTATION_FILES,
    GET_ATTESTATION_FILE,
    GET_CHAMP_FILES,
    GET_CONTENT,
    GET_DELETED,
    GET_DEMARCHE,
    GET_DOSSIER,
    GET_FORM,
    GET_MESSAGE_FILES,
    GET_MOTIVATION_FILE,
    GET_MOVED,
    GET_MOVED_WHOLE,
    GET_PENDING,
    GET_PULSE,
    GET_RIGHT,
)

DOCUMENTS = (
    GET_DOSSIER,
    GET_CONTENT,
    GET_FORM,
    GET_MOVED,
    GET_MOVED_WHOLE,
    GET_PENDING,
    GET_DELETED,
    GET_DEMARCHE,
    GET_PULSE,
    GET_RIGHT,
    GET_MESSAGE_FILES,
    GET_CHAMP_FILES,
    GET_ANNOTATION_FILES,
    GET_MOTIVATION_FILE,
    GET_ATTESTATION_FILE,
)

# What graphql-core raises where an introspection is no introspection; it promises no one class.
UNREADABLE = (
    GraphQLError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
    RecursionError,
)


class UnreadableSchemaError(Exception):
    """What answered the introspection is not a schema."""


@dataclass(frozen=True)
class Differences:
    """Places as `Dossier.state` or `Query.dossier(number:)`; nothing in them is to be trusted."""

    gone: list[str]
    misfits: list[str]  # what else graphql-core says of documents that do not fit, in English
    deprecated: dict[str, str]  # place → the reason that is given
    unknown_states: list[str]


def compare(introspection: dict[str, Any], known_states: Collection[str]) -> Differences:
    """What our documents use, against the `data` of an introspection; UnreadableSchemaError."""
    try:
        # A schema with a fault that does not concern us is no reason to refuse it.
        schema = build_client_schema(introspection, assume_valid=True)  # type: ignore[arg-type]
        found = [
            (error.place, error.reason)
            for document in DOCUMENTS
            for error in validate(schema, document.document, [_WhatIsUsed])
            if isinstance(error, _Usage)
        ]
        faults = [
            error.message
            for document in DOCUMENTS
            for error in validate(schema, document.document, hide_suggestions=True)
        ]
        states = _states(schema)
    except UNREADABLE:
        raise UnreadableSchemaError from None
    if schema.query_type is None:
        raise UnreadableSchemaError
    gone = _unique(place for place, reason in found if reason is None)
    return Differences(
        gone,
        # A field that is gone is a fault too: it is named once.
        [] if gone else _unique(cut(fault, 120) for fault in faults),
        {place: reason for place, reason in found if reason is not None},
        [cut(state, 40) for state in states if state not in known_states],
    )


def _states(schema: GraphQLSchema) -> list[str]:
    states = schema.type_map.get("DossierState")
    return list(states.values) if isinstance(states, GraphQLEnumType) else []


def _unique(places: Any) -> list[str]:
    return list(dict.fromkeys(places))


class _Usage(GraphQLError):
    """A place that our documents use; `reason`: why it is deprecated, None if it is gone."""

    def __init__(self, place: str, reason: str | None) -> None:
        super().__init__(place)
        self.place = cut(place, 80)
        self.reason = reason and cut(reason, 120)


class _WhatIsUsed(ValidationRule):
    """Reports each field, argument and enum value of a document that is gone or deprecated.

    graphql-core's own rule on what is deprecated stumbles over arguments of such a schema.
    """

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, field = self.context.get_parent_type(), self.context.get_field_def()
        if parent is None:
            return
        place = f"{parent}.{node.name.value}"
        self._look_at(place, field)
        for argument in node.arguments or ():
            if field:
                name = argument.name.value
                self._look_at(f"{place}({name}:)", field.args.get(name))

    def enter_enum_value(self, node: EnumValueNode, *_: Any) -> None:
        if kind := self.context.get_input_type():
            self._look_at(f"{get_named_type(kind)}.{node.value}", self.context.get_enum_value())

    def _look_at(
        self, place: str, definition: GraphQLField | GraphQLArgument | GraphQLEnumValue | None
    ) -> None:
        if definition is None:
            self.report_error(_Usage(place, None))
        elif definition.deprecation_reason is not None:
            self.report_error(_Usage(place, str(definition.deprecation_reason)))
