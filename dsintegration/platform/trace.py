"""How far the last connection of a thread came: what a diagnosis blames a failure on.

Exceptions keep none of it on purpose: what they are chained to holds the token.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    LOOK_UP = "look-up"
    CONNECTION = "connection"
    TUNNEL = "tunnel"  # through a proxy
    HANDSHAKE = "handshake"
    ANSWER = "answer"


@dataclass
class Trace:
    step: Step = Step.LOOK_UP  # the one that is under way, or that failed
    tls_version: str = ""  # as "TLSv1.3"
    certificate_ends: float | None = None  # seconds since 1970
    verify_code: int | None = None  # why OpenSSL refuses the certificate (X509_V_ERR_...)


_thread = threading.local()


def new_trace() -> Trace:
    trace = _thread.trace = Trace()
    return trace


def last_trace() -> Trace:
    """That of the last connection which this thread opened or tried to open."""
    trace: Trace = getattr(_thread, "trace", None) or new_trace()
    return trace
