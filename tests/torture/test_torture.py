"""Each fault of the table once, between the app in this process and the sandbox (torture/)."""

import io
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command

from dsintegration.platform.sockets import deadline
from tests.torture.app import Answer, Run
from tests.torture.faults import FAULTS, Fault
from tests.torture.proxy import Proxy
from tests.torture.trial import try_fault

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="session")
def running_proxy(running, tmp_path_factory):
    proxy = Proxy(running.url, tmp_path_factory.mktemp("proxy"), pace=0.05)
    yield proxy
    proxy.close()


@pytest.fixture
def proxy(running_proxy, sandbox, settings, monkeypatch) -> Proxy:
    """Between the sandbox and the app, whose settings point to it."""
    settings.DS_API_URL = running_proxy.url
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running_proxy.authorities))
    return running_proxy


class InProcess:
    """The app in this thread."""

    def __init__(self, caller, caplog, settings) -> None:
        self.caller, self.caplog, self.settings = caller, caplog, settings

    def fetch_both(self, by_command: int, by_rest: int, *, is_endless: bool) -> tuple[Run, Answer]:
        return self.command(by_command), self.post(by_rest)

    def command(self, number: int) -> Run:
        out, err = io.StringIO(), io.StringIO()
        status = 0
        try:
            call_command("fetch_dossier", str(number), stdout=out, stderr=err)
        except CommandError as error:
            status = error.returncode
            err.write(str(error))
        return Run(status, out.getvalue(), err.getvalue())

    def post(self, number: int) -> Answer:
        response = self.caller.post(f"/api/v1/dossiers/{number}/fetch/")
        return Answer(response.status_code, response.content.decode())

    def logs(self) -> str:
        text = self.caplog.text
        self.caplog.clear()
        return text

    @contextmanager
    def in_a_hurry(self):
        self.settings.DS_API_READ_TIMEOUT = 0.4
        with deadline(1.5):
            yield
        self.settings.DS_API_READ_TIMEOUT = 35


@pytest.fixture
def app(api, logs, settings) -> InProcess:
    return InProcess(api(can_fetch=True), logs, settings)


@pytest.mark.parametrize(
    ("fault", "turn"), [(fault, rank % 4) for rank, fault in enumerate(FAULTS)], ids=str
)
def test_fault(app, proxy, sandbox, fault: Fault, turn):
    try_fault(fault, app, proxy, sandbox, turn=turn)
