import threading

import pytest

from dsintegration import files
from dsintegration.models import File
from dsintegration.sandbox.storage import file
from dsintegration.services import fetch_dossier
from tests.factories import dossier_answer, message_answer

NUMBER = 28711001


@pytest.fixture(autouse=True)
def all_places_are_free(monkeypatch):
    monkeypatch.setattr(files, "_places", threading.BoundedSemaphore(files.AT_ONCE))


@pytest.fixture
def attach(sandbox):
    """Puts a file into a message of the dossier, and fetches that; the file's row."""

    def put(filename="rib.pdf", *, scan_when_stored=None, **fields):
        held = file(filename, "2026-03-02T09:15:40+01:00", **fields)
        stored = held | ({"virusScanResult": scan_when_stored} if scan_when_stored else {})
        give(sandbox, stored)
        fetch_dossier(NUMBER)
        give(sandbox, held)
        sandbox.received.clear()
        return File.objects.select_related("dossier", "message").get()

    return put


def give(sandbox, *files):
    sandbox.dossiers[NUMBER] = dossier_answer(
        NUMBER, messages=[message_answer("m1", attachments=list(files))]
    )
