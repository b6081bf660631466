"""What is asked of a dossier beyond its own columns, and what an answer must contain."""

from dsintegration.payloads.content import Content
from dsintegration.payloads.dossiers import (
    DemarchePayload,
    DossierPayload,
    ListPage,
    MessagePayload,
    parse_demarche,
    parse_dossier,
    parse_page,
)
from dsintegration.payloads.files import AddressedFile, FilePayload
from dsintegration.payloads.form import Field, FormPayload, parse_form
from dsintegration.payloads.selection import NOTHING, Selection

__all__ = [
    "NOTHING",
    "AddressedFile",
    "Content",
    "DemarchePayload",
    "DossierPayload",
    "Field",
    "FilePayload",
    "FormPayload",
    "ListPage",
    "MessagePayload",
    "Selection",
    "parse_demarche",
    "parse_dossier",
    "parse_form",
    "parse_page",
]
