import gc
import logging
from collections.abc import Callable, Iterator
from functools import partial

import hypothesis
import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.core.management.commands import flush
from django.db import connection
from django.test import Client as DjangoClient
from django.utils import timezone

from dsintegration.background import TryAgain
from dsintegration.mirror.choices import _seen_nothing
from dsintegration.models import ApiKey
from dsintegration.platform.client import Client, get_client
from dsintegration.platform.clock import Clock
from dsintegration.sandbox import TOKEN, Sandbox
from dsintegration.sandbox.scenarios import DOSSIERS, FORBIDDEN, REPLIES
from dsintegration.sandbox.server import Reply
from dsintegration.sandbox.storage import Storage

# The same examples each time; `make torture` looks for others, and for many more.
hypothesis.settings.register_profile(
    "test", derandomize=True, database=None, deadline=None, max_examples=60
)
hypothesis.settings.register_profile(
    "torture", database=None, deadline=None, max_examples=1000, print_blob=True
)
hypothesis.settings.load_profile("test")

SITE_URL = "https://demarche.example.org"


# What migrations write and no test changes.
KEPT = {"django_content_type", "auth_permission"}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> None:
    """Tests with real transactions leave a few rows. Django would truncate all tables and have
    the permissions made again, which takes longer than most of these tests.
    """

    def sql_flush(style, tables, *, reset_sequences=False, allow_cascade=False) -> list[str]:
        names = sorted(set(tables) - KEPT)
        return [f"DELETE FROM {connection.ops.quote_name(name)}" for name in names]

    with django_db_blocker.unblock():
        connection.ops.sql_flush = sql_flush
    flush.emit_post_migrate_signal = lambda *_, **__: None


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def sandbox(running, settings) -> Sandbox:
    """The platform's stand-in, as new, that the settings point to."""
    running.dossiers = dict(DOSSIERS)
    running.replies = {number: Reply(**reply) for number, reply in REPLIES.items()}
    running.received.clear()
    running.pending, running.deleted, running.homes = {}, {}, {}
    running.demarches = {7}  # that of dossier_answer, also before its first dossier
    running.unlistable, running.forbidden = set(), set(FORBIDDEN)
    running.hidden, running.list_replies, running.rights = set(), {}, {}
    running.introspection, running.storage = None, Storage()
    running.revisions, running.unreadable, running.slow = {}, set(), set()
    running.now = lambda: timezone.now()
    settings.DS_API_URL = running.url
    settings.DS_API_TOKEN = TOKEN
    settings.DS_SITE_URL = SITE_URL
    for client in (get_client(), get_client(web=True), get_client(patient=True)):
        client.clock = Clock()  # what the last test taught it may be a year off
    return running


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """Databases of tests come and go; a process has one."""
    _seen_nothing.clear()


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    """The seconds that the client would have slept between tries; it does not."""
    taken: list[float] = []
    monkeypatch.setattr("dsintegration.platform.client.pause", taken.append)
    return taken


@pytest.fixture
def make_client() -> Iterator[type[Client]]:
    """Clients that are closed in the end."""
    made: list[Client] = []

    def make(url: str, token: str = TOKEN, **options) -> Client:
        made.append(Client(url, token, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def logs(caplog) -> pytest.LogCaptureFixture:
    """Everything that any library logs, at every level."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def no_collection() -> Iterator[None]:
    """For what recurses to Python's limit: there, a finalizer that is run by chance fails too."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def on_sqlite() -> bool:
    return "sqlite" in django_settings.DATABASES["default"]["ENGINE"]


class Later:
    """Pieces of work that requests left for after the answer; `again`: those to be tried again."""

    def __init__(self) -> None:
        self.left: list[Callable[[], object]] = []
        self.again: list[Callable[[], object]] = []

    def run_later(self, work, *args) -> None:
        self.left.append(partial(work, *args))

    def run(self) -> None:
        while self.left:
            work = self.left.pop(0)
            try:
                work()
            except TryAgain:
                self.again.append(work)


@pytest.fixture
def later(monkeypatch) -> Later:
    """Background work waits until the test has it done, in its own thread and transaction."""
    kept = Later()
    monkeypatch.setattr("dsintegration.background.pool", kept)
    monkeypatch.setattr("dsintegration.background.calls", kept)
    return kept


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch) -> None:
    """What one test counted or kept is not the next one's, nor the broker that failed there."""
    cache.clear()
    monkeypatch.setattr("dsintegration.background.broker._down_until", 0.0)


@pytest.fixture
def make_key(db) -> Callable[..., str]:
    """A key of the REST API, on all démarches unless it says otherwise."""

    def make(**fields) -> str:
        fields = {"all_demarches": "demarches" not in fields} | fields
        return ApiKey.objects.create_key(name="Portail", **fields)[1]

    return make


@pytest.fixture
def api(make_key) -> Callable[..., DjangoClient]:
    """A caller of the REST API who holds a new key."""
    return lambda **fields: caller(make_key(**fields))


def caller(key: str) -> DjangoClient:
    return DjangoClient(headers={"Authorization": f"Api-Key {key}"})
