"""What a key may do, and see."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from dsintegration.models import ApiKey, Dossier, File, Place, PurgedDossier
from dsintegration.perimeters import sight_of_key
from dsintegration.representation import shows_file


class HasKey(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, ApiKey)


class MayFetch(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, ApiKey) and request.auth.can_fetch


def visible_dossiers(rows: QuerySet[Dossier], key: ApiKey) -> QuerySet[Dossier]:
    """Those that exist for the key."""
    return sight_of_key(key).limit(rows)


def visible_purged(rows: QuerySet[PurgedDossier], key: ApiKey) -> QuerySet[PurgedDossier]:
    """Those that existed for the key."""
    demarches = sight_of_key(key).demarches
    return rows if demarches is None else rows.filter(demarche_number__in=demarches.values())


def may_open(key: ApiKey, file: File, dossier: Dossier) -> bool:
    """Files of messages are part of the conversation; the others, of the form and the decision."""
    if file.place == Place.MESSAGE:
        return key.can_read_personal_data
    hidden = dossier.demarche.hidden_champs
    return key.can_read_content and shows_file(dossier, file, hidden)
