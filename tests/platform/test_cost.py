"""What requests cost, and the line of the logs that tells it."""

from types import SimpleNamespace

import pytest

from dsintegration.platform import cost
from dsintegration.platform.cost import Cost, Meter, log_fetch


def test_from_one_reading_to_the_next(monkeypatch):
    now, client = [100.0], SimpleNamespace(requests_here=7)
    monkeypatch.setattr(cost, "time", SimpleNamespace(monotonic=lambda: now[0]))
    meter = Meter(client)
    now[0], client.requests_here = 102.5, 10
    assert meter.read() == Cost(3, 2.5)
    now[0] = 103.0
    assert meter.read() == Cost(0, 0.5)


@pytest.mark.parametrize(
    ("of_what", "reason", "line"),
    [
        ({"number": 12345}, "", "fetch_dossier 12345 created 0.123 s"),
        ({"number": None}, "timeout", "fetch_dossier created timeout 0.123 s"),
        ({"demarche": 901}, "", "fetch_dossier 901 created 0.123 s"),
    ],
)
def test_the_line(logs, of_what, reason, line):
    log_fetch("fetch_dossier", "created", Cost(2, 0.12345), reason=reason, **of_what)
    [record] = logs.records
    assert record.getMessage() == line
    told = {name: getattr(record, name) for name in ("operation", "outcome", "reason", *of_what)}
    asked = {"operation": "fetch_dossier", "outcome": "created", "reason": reason, **of_what}
    assert told == asked
    assert (record.duration, record.requests) == (0.123, 2)
