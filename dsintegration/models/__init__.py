"""The tables, by subject; all of them are imported from here."""

from dsintegration.models.accesses import (
    UsagerAccess,
    UsagerAccessQuerySet,
    UsagerSession,
    UsagerSessionQuerySet,
)
from dsintegration.models.api import (
    ApiKey,
    ApiKeyManager,
    OngoingFetch,
    PurgedDossier,
    end_of,
    in_a_year,
)
from dsintegration.models.identities import OidcIdentity
from dsintegration.models.journal import (
    Action,
    AppendOnly,
    Interface,
    JournalEntry,
    JournalEntryQuerySet,
    Outcome,
)
from dsintegration.models.lots import FetchLot
from dsintegration.models.mirror import (
    OPEN_STATES,
    TO_ANSWER,
    Author,
    Demarche,
    Dossier,
    DossierQuerySet,
    Message,
    Platform,
    RefreshTurn,
)
from dsintegration.models.perimeters import Perimeter

__all__ = [
    "OPEN_STATES",
    "TO_ANSWER",
    "Action",
    "ApiKey",
    "ApiKeyManager",
    "AppendOnly",
    "Author",
    "Demarche",
    "Dossier",
    "DossierQuerySet",
    "FetchLot",
    "Interface",
    "JournalEntry",
    "JournalEntryQuerySet",
    "Message",
    "OidcIdentity",
    "OngoingFetch",
    "Outcome",
    "Perimeter",
    "Platform",
    "PurgedDossier",
    "RefreshTurn",
    "UsagerAccess",
    "UsagerAccessQuerySet",
    "UsagerSession",
    "UsagerSessionQuerySet",
    "end_of",
    "in_a_year",
]
