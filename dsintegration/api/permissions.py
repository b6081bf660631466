"""What a key may do. What it may see is `visible_to` of the models' QuerySets."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from dsintegration.models import ApiKey


class HasKey(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, ApiKey)


class MayFetch(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, ApiKey) and request.auth.can_fetch
