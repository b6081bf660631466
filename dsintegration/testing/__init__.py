"""The platform, for the tests of a project that has this app: invented, on loopback, at once.

With pytest, the fixture `ds_sandbox`; with Django's TestCase, `SandboxMixin` and its attribute of
the same name. Both give a `TestPlatform`, empty at the beginning of each test:

    def test_a_dossier_is_copied(db, ds_sandbox):
        ds_sandbox.add_dossier(12345, state="accepte", messages=["Bonjour"])
        fetch_dossier(12345)

While it is there, the app speaks to it alone, whatever token, address and DEBUG the settings hold;
it does not pause between two tries, and does at once what a page would leave for later.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal
from unittest import mock

from django.test import override_settings

from dsintegration.conf import SANDBOX_SITE_URL
from dsintegration.sandbox import TOKEN, Reply, Sandbox
from dsintegration.sandbox.forms import Line
from dsintegration.sandbox.scenarios import REPLIES
from dsintegration.sandbox.storage import file
from dsintegration.testing.forms import Answers, Labels, answers_of, ids_of, lines_of

__all__ = ["Failure", "SandboxMixin", "TestPlatform", "platform"]

Failure = Literal[
    "not_found", "no_right", "token_refused", "token_expired",
    "timeout", "throttled", "server_error", "gateway", "maintenance", "not_the_api",
]  # fmt: skip

# Each failure, as the sandbox already knows it, by the number that shows it there.
_REPLIES: dict[str, int] = {
    "timeout": 20003,
    "not_the_api": 20004,
    "token_expired": 40101,
    "token_refused": 40301,
    "throttled": 42901,
    "server_error": 50001,
    "gateway": 50201,
    "maintenance": 50301,
}
NO_LABELS: Labels = {}
FIRST_DAY = datetime(2026, 9, 7, 8, 0, tzinfo=UTC)


class TestPlatform(Sandbox):
    """The platform's stand-in; what is sent to it stands in `received`."""

    __test__ = False  # for pytest: no test, whatever its name
    forms: dict[int, tuple[tuple[Line, ...], tuple[Line, ...]]]

    def empty(self) -> None:
        """As it is before each test: no dossier, no failure."""
        self.dossiers, self.replies = {}, {}
        self.pending, self.deleted, self.homes = {}, {}, {}
        self.demarches, self.unlistable, self.forbidden = set(), set(), set()
        self.hidden, self.list_replies, self.rights = set(), {}, {}
        self.unreadable, self.slow = set(), set()
        self.revisions, self.forms = {}, {}
        self.introspection = None
        self.received.clear()

    def add_form(
        self, demarche: int = 901, *, champs: Labels = NO_LABELS, annotations: Labels = NO_LABELS
    ) -> dict[str, str]:
        """Have a démarche ask this form; the id of each champ, by its label.

        Labels come with their type, as the platform names it, or with the champs of a repetition:
        `{"SIRET": "Siret", "Partenaires": {"Nom": "Text", "Apport": "IntegerNumber"}}`.
        """
        form = lines_of(champs, demarche * 1000), lines_of(annotations, demarche * 1000 + 500)
        self.forms[demarche] = form
        self.revisions[demarche] = {
            "champDescriptors": [line.descriptor for line in form[0]],
            "annotationDescriptors": [line.descriptor for line in form[1]],
        }
        return ids_of(form[0]) | ids_of(form[1])

    def add_dossier(
        self,
        number: int,
        *,
        state: str = "en_construction",
        usager: str = "usager@example.org",
        demarche: int = 901,
        title: str = "Démarche d'essai",
        messages: Iterable[str | Mapping[str, Any]] = (),
        champs: Answers = (),
        annotations: Answers = (),
        **fields: Any,
    ) -> dict[str, Any]:
        """Have a dossier, in place of one that has the same number; what the platform will answer.

        `messages`: texts that the service wrote, an hour apart, or the platform's own fields
        (`body`, `email`, `createdAt`, `discardedAt`), and `attachments`: names of files, or the
        platform's own fields (`filename`, `contentType`, `virusScanResult`) with their `content`
        in bytes, and a `fault` of the storage's (sandbox/storage.py). `champs`, `annotations`:
        answers to the form that `add_form` gave its démarche, by label (a text, a number, a date, a
        list; names of files; rows of a repetition); or the platform's own champs. `fields`: others
        of its type `Dossier`, by its own names (`dateTraitement="2026-10-01T10:00:00+02:00"`).
        """
        filed = FIRST_DAY.isoformat()
        decided = filed if state in {"accepte", "refuse", "sans_suite"} else None
        form = self.forms.get(demarche, ((), ()))
        examined = None if state == "en_construction" else filed
        dossier = {
            "id": f"Dossier-{number}",
            "number": number,
            "state": state,
            "dateDepot": filed,
            "datePassageEnConstruction": filed,
            "datePassageEnInstruction": examined,
            "dateTraitement": decided,
            "dateDerniereModification": filed,
            "usager": {"id": f"User-{usager}", "email": usager},
            "demarche": {"id": f"Procedure-{demarche}", "number": demarche, "title": title},
            "messages": [
                _message(number, rank, message) for rank, message in enumerate(messages, start=1)
            ],
            "champs": answers_of(form[0], champs, filed),
            "annotations": answers_of(form[1], annotations, filed),
        }
        self.replies.pop(number, None)
        self.forbidden.discard(number)
        self.dossiers[number] = dossier | fields
        return self.dossiers[number]

    def fail(self, number: int, failure: Failure) -> None:
        """Have every request for this dossier fail, until it is added again."""
        self.dossiers.pop(number, None)
        self.replies.pop(number, None)
        self.forbidden.discard(number)
        if failure == "no_right":
            self.forbidden.add(number)
        elif failure != "not_found":
            self.replies[number] = Reply(**REPLIES[_REPLIES[failure]])


def _message(number: int, rank: int, message: str | Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"body": message} if isinstance(message, str) else dict(message)
    message = {
        "id": f"Commentaire-{number}-{rank}",
        "email": "service@example.org",
        "createdAt": (FIRST_DAY + timedelta(hours=rank)).isoformat(),
        "discardedAt": None,
    } | given
    message["attachments"] = [
        _attachment(attachment, message["createdAt"]) for attachment in given.get("attachments", ())
    ]
    return message


def _attachment(given: str | Mapping[str, Any], at: str) -> dict[str, Any]:
    fields = {"filename": given} if isinstance(given, str) else dict(given)
    return file(fields.pop("filename", "piece.pdf"), fields.pop("createdAt", at), **fields)


@contextmanager
def platform() -> Iterator[TestPlatform]:
    """The platform's stand-in, empty, that the app speaks to in the block."""
    ours = _running()
    ours.empty()
    with ExitStack() as stack:
        stack.enter_context(
            override_settings(
                DS_SANDBOX=False,
                DS_API_URL=ours.url,
                DS_API_TOKEN=TOKEN,
                DS_API_TOKENS=[],
                DS_SITE_URL=SANDBOX_SITE_URL,
            )
        )
        stack.enter_context(mock.patch("dsintegration.platform.client.pause"))
        for name in ("pool", "calls"):
            stack.enter_context(mock.patch(f"dsintegration.background.{name}", _AtOnce()))
        yield ours


@cache
def _running() -> TestPlatform:
    """One for all the tests of this process."""
    return TestPlatform()


class _AtOnce:
    """In place of the threads that work after a page: they would not see the test's transaction."""

    def run_later(self, work: Any, *args: Any, **kwargs: Any) -> None:
        from dsintegration.background import run_safely

        run_safely(lambda: work(*args, **kwargs))


class SandboxMixin:
    """For Django's TestCase: the platform's stand-in, in `self.ds_sandbox`."""

    ds_sandbox: TestPlatform

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.ds_sandbox = self.enterContext(platform())  # type: ignore[attr-defined]
