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
from dsintegration.models.content import ChampDescriptor, ChampValue
from dsintegration.models.counters import Counter
from dsintegration.models.files import File, FileCopy, Place, Scan, attach_files
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
    "ChampDescriptor",
    "ChampValue",
    "Counter",
    "Demarche",
    "Dossier",
    "DossierQuerySet",
    "FetchLot",
    "File",
    "FileCopy",
    "Interface",
    "JournalEntry",
    "JournalEntryQuerySet",
    "Message",
    "OidcIdentity",
    "OngoingFetch",
    "Outcome",
    "Perimeter",
    "Place",
    "Platform",
    "PurgedDossier",
    "RefreshTurn",
    "Scan",
    "UsagerAccess",
    "UsagerAccessQuerySet",
    "UsagerSession",
    "UsagerSessionQuerySet",
    "attach_files",
    "end_of",
    "in_a_year",
]
