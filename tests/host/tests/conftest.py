import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from dsintegration.models import ApiKey

PREFIX = "/si"


class Browser(Client):
    """Behind a server that mounts the project below PREFIX, as its addresses say."""

    def generic(self, method, path, *args, **kwargs):
        assert path.startswith(f"{PREFIX}/"), path
        return super().generic(method, path.removeprefix(PREFIX), *args, **kwargs)


@pytest.fixture
def client():
    return Browser()


@pytest.fixture
def boss(db):
    return get_user_model().objects.create_superuser("boss@example.org", "secret")


@pytest.fixture
def admin(client, boss):
    client.force_login(boss)
    return client


@pytest.fixture
def api(db):
    """A caller who holds a key with every right."""
    _, key = ApiKey.objects.create_key(
        name="Portail", all_demarches=True, can_fetch=True, can_read_personal_data=True
    )
    return Browser(headers={"Authorization": f"Api-Key {key}"})
