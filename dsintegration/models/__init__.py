"""The tables, by subject; all of them are imported from here."""

from dsintegration.models.accesses import UsagerAccess, UsagerAccessQuerySet
from dsintegration.models.api import (
    ApiKey,
    ApiKeyManager,
    OngoingFetch,
    PurgedDossier,
    end_of,
    in_a_year,
)
from dsintegration.models.journal import (
    Action,
    AppendOnly,
    Interface,
    JournalEntry,
    JournalEntryQuerySet,
    Outcome,
)
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
    "Interface",
    "JournalEntry",
    "JournalEntryQuerySet",
    "Message",
    "OngoingFetch",
    "Outcome",
    "Platform",
    "PurgedDossier",
    "RefreshTurn",
    "UsagerAccess",
    "UsagerAccessQuerySet",
    "end_of",
    "in_a_year",
]
