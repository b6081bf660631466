from collections.abc import Iterator

import pytest

# Before any test sets OIDC_ISSUER: config.urls asks for it when it is imported.
import tests.oidc.urls  # noqa: F401
from dsintegration.oidc import provider as known
from tests.oidc.openid import CLIENT, SECRET, OpenIDProvider, openid_provider


@pytest.fixture
def openid(settings) -> Iterator[OpenIDProvider]:
    """A provider that the settings point to, as config/settings.py does for OIDC_ISSUER."""
    with openid_provider() as provider:
        settings.DS_OIDC_ISSUER = provider.url
        settings.DS_OIDC_CLIENT_ID = CLIENT
        settings.DS_OIDC_CLIENT_SECRET = SECRET
        settings.AUTHENTICATION_BACKENDS = [
            *settings.AUTHENTICATION_BACKENDS,
            "dsintegration.oidc.backend.OidcBackend",
        ]
        settings.ROOT_URLCONF = "tests.oidc.urls"
        known.forget()
        yield provider
        known.forget()
