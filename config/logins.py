"""Who tries to log in, for django-axes."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest


def login_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str | None:
    """What was typed as a login name, as far as the columns of django-axes hold it."""
    name: str | None = (credentials or request.POST).get("username")
    return name and name[:255]
