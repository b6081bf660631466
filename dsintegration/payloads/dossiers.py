"""What an answer must contain, checked before anything is stored.

Strict on what our own document asks for: a field that is missing or of another type is refused,
never guessed. Tolerant of growth: fields and états that we do not know are let through. Errors name
places and kinds, never values: they may name people.
"""

from dataclasses import dataclass
from typing import Any

from django.views.decorators.debug import sensitive_variables
from pydantic import Field, InstanceOf, ValidationError

from dsintegration.exceptions import DSInvalidResponse, Reason
from dsintegration.payloads.content import Content, parse_content
from dsintegration.payloads.fields import (
    Email,
    Moment,
    Number,
    Payload,
    ShortText,
    Text,
    places_of,
)
from dsintegration.payloads.files import FilePayload
from dsintegration.payloads.selection import NOTHING, Selection


class MessagePayload(Payload):
    """Type `Message`. `body` is "" once discarded, and for a message that is only a file."""

    id: ShortText
    email: Email
    body: Text
    created_at: Moment
    discarded_at: Moment | None
    attachments: list[FilePayload]


class UsagerPayload(Payload):
    """Type `Profile`. Of a deleted account, `id` says so, and nobody reads `email` any more."""

    id: ShortText
    email: Email

    @property
    def is_deleted(self) -> bool:
        return self.id == "<deleted>"


class ServicePayload(Payload):
    """Type `Service`: whom usagers may ask."""

    nom: Text
    organisme: Text


class DemarchePayload(Payload):
    """Type `DemarcheDescriptor`. Without a service, nothing of a dossier is missing."""

    id: ShortText
    number: Number
    title: Text
    service: ServicePayload | None = None


class DossierPayload(Payload):
    """Type `Dossier`. Two dates that the schema promises may be null here: it may change."""

    id: ShortText
    number: Number
    state: ShortText
    date_derniere_modification: Moment
    date_depot: Moment | None
    date_passage_en_construction: Moment | None
    date_passage_en_instruction: Moment | None
    date_traitement: Moment | None
    date_expiration: Moment | None
    date_suppression_par_usager: Moment | None
    date_derniere_correction_en_attente: Moment | None
    usager: UsagerPayload
    demarche: DemarchePayload
    messages: list[MessagePayload]
    # What the démarche keeps beside that; no part of the answer bears this name.
    content: InstanceOf[Content] | None = Field(default=None, alias="our content")


class _PageInfo(Payload):
    has_next_page: bool
    end_cursor: str | None


class _Listed(Payload):
    """Types `Dossier` and `DeletedDossier`, as far as a list needs them."""

    number: Number


@dataclass(frozen=True)
class ListPage:
    """A page of a list of a démarche.

    `is_whole`: nothing in it was hidden from us; `faults`: the whole dossiers of the page that
    cannot be read, each with its number; `nodes`: those that can.
    """

    numbers: frozenset[int]
    nodes: list[DossierPayload]
    faults: list[DSInvalidResponse]
    is_whole: bool
    cursor: str | None
    is_last: bool


class _Connection(Payload):
    page_info: _PageInfo
    nodes: list[dict[str, Any] | None] | None


class _Demarche(Payload):
    number: Number
    list: _Connection


@sensitive_variables()
def parse_page(
    data: Any, demarche: int, *, whole: bool, selection: Selection = NOTHING
) -> ListPage:
    """A page of what `Client.get_list` gives; `whole`: its nodes are whole dossiers.

    Raises DSInvalidResponse, also where another démarche answers.
    """
    try:
        given = _Demarche.model_validate(data)
        nodes = [node for node in given.list.nodes or [] if node is not None]
        numbers = [_Listed.model_validate(node).number for node in nodes]
    except ValidationError as err:
        raise DSInvalidResponse(Reason.UNEXPECTED, detail=places_of(err)) from None
    if given.number != demarche:
        raise DSInvalidResponse(Reason.UNEXPECTED, detail="another démarche came")
    dossiers, faults = [], []
    # One that is given twice is one.
    by_number = dict(zip(numbers, nodes, strict=True)) if whole else {}
    for number, node in by_number.items():
        try:
            dossiers.append(parse_dossier(node, number, selection))
        except DSInvalidResponse as err:
            faults.append(err)
    info, rows = given.list.page_info, given.list.nodes
    # A page that says that more follows, and not from where, is no end: it hides what follows.
    is_last = not info.has_next_page or info.end_cursor is None
    return ListPage(
        numbers=frozenset(numbers),
        nodes=dossiers,
        faults=faults,
        is_whole=rows is not None and None not in rows and is_last is not info.has_next_page,
        cursor=info.end_cursor,
        is_last=is_last,
    )


def parse_demarche(data: Any, number: int) -> DemarchePayload:
    """What `Client.get_demarche` gives; raises DSInvalidResponse."""
    try:
        payload = DemarchePayload.model_validate(data)
    except ValidationError as err:
        raise DSInvalidResponse(Reason.UNEXPECTED, detail=places_of(err)) from None
    if payload.number != number:
        raise DSInvalidResponse(Reason.UNEXPECTED, detail="another démarche came")
    return payload


@sensitive_variables()
def parse_dossier(
    data: dict[str, Any], number: int, selection: Selection = NOTHING
) -> DossierPayload:
    """The dossier `number` out of what `Client.get_dossier` gives; raises DSInvalidResponse.

    `selection`: what it was asked for with; a content that cannot be read raises nothing.
    """
    try:
        payload = DossierPayload.model_validate(data)
    except ValidationError as err:
        raise DSInvalidResponse(
            Reason.UNEXPECTED, dossier_number=number, detail=places_of(err)
        ) from None
    if payload.number != number:
        raise DSInvalidResponse(
            Reason.UNEXPECTED, dossier_number=number, detail="another dossier came"
        )
    if not selection:
        return payload
    return payload.model_copy(update={"content": parse_content(data, selection)})
