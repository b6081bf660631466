"""What a check finds, and the requests that checks look at."""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import requests

from dsintegration.exceptions import DSError
from dsintegration.platform.client import Client
from dsintegration.platform.documents import Document
from dsintegration.platform.trace import Trace, last_trace


class Check(StrEnum):
    """In the order in which they are made."""

    SETTINGS = "settings"
    CONNECTION = "connection"
    TLS = "tls"
    ANSWER = "answer"
    TOKEN = "token"  # noqa: S105
    CLOCK = "clock"
    SCHEMA = "schema"
    DOSSIER = "dossier"
    RATE = "rate"


@dataclass(frozen=True)
class Finding:
    """`ok` is None where the check could not be made, or has no object.

    `kind`: where it fails, a DSError or ImproperlyConfigured, or None if it is neither.
    `ends_soon`: it holds today, and fails as a warning.
    """

    check: Check
    ok: bool | None
    sentence: str
    kind: type[Exception] | None = None
    ends_soon: bool = False


@dataclass(frozen=True)
class Exchange:
    """One request: its answer's `data`, or the `error` that it ended with."""

    data: dict[str, Any]
    error: DSError | None
    response: requests.Response | None
    body: dict[str, Any] | None
    location: str  # where a redirect leads
    trace: Trace
    started: float  # by our clock, seconds since 1970
    seconds: float  # that it took


def ask(client: Client, document: Document) -> Exchange:
    started, error, data = time.time(), None, dict[str, Any]()
    before = time.monotonic()
    try:
        data = client.ask_once(document)
    except DSError as err:
        error = err
    seconds = time.monotonic() - before
    kept = client.transport
    return Exchange(
        data,
        error,
        kept.last_response,
        kept.last_body,
        kept.last_location,
        last_trace(),
        started,
        seconds,
    )
