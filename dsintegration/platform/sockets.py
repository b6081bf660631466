"""Sockets that end in time, under requests and urllib3.

requests bounds each read of a socket, not the whole: a server that drips one byte at a time holds
its caller for ever. Here every operation of a socket, from the name look-up to the last byte, ends
at the deadline of the thread that runs it (`deadline`).
"""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from dsintegration.platform.trace import Step, last_trace, new_trace

# The seconds of a page or of an answer of ours: somebody waits for it.
WEB_BUDGET = 10.0

_thread = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End every socket operation of this thread, in the block, at most `seconds` from now.

    Inside another deadline, the one that comes first holds.
    """
    outer: float | None = getattr(_thread, "ends_at", None)
    ends_at = time.monotonic() + seconds
    _thread.ends_at = ends_at if outer is None else min(ends_at, outer)
    try:
        yield
    finally:
        _thread.ends_at = outer


def seconds_left() -> float | None:
    """The seconds before this thread's deadline, 0 when it has passed, None when it has none."""
    ends_at: float | None = getattr(_thread, "ends_at", None)
    return None if ends_at is None else max(0.0, ends_at - time.monotonic())


def _shortest(allowed: float | None) -> float | None:
    """The seconds that an operation may take; raises TimeoutError after the deadline."""
    left = seconds_left()
    if left == 0:
        raise TimeoutError("the deadline has passed")
    return min((seconds for seconds in (allowed, left) if seconds is not None), default=None)


class _BoundedOperations:
    """Each operation takes what `settimeout` allows, and never more than what remains."""

    _allowed: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._allowed = value
        super().settimeout(value)  # type: ignore[misc]

    def _bound(self) -> None:
        super().settimeout(_shortest(self._allowed))  # type: ignore[misc]

    def do_handshake(self, *args: Any) -> None:
        self._bound()
        super().do_handshake(*args)  # type: ignore[misc]

    def sendall(self, *args: Any) -> None:
        self._bound()
        super().sendall(*args)  # type: ignore[misc]

    def recv_into(self, *args: Any) -> int:
        self._bound()
        received: int = super().recv_into(*args)  # type: ignore[misc]
        return received


class _PlainSocket(_BoundedOperations, socket.socket):
    pass


class _TLSSocket(_BoundedOperations, ssl.SSLSocket):
    pass


def look_up(host: str, port: int) -> list[Any]:
    """The addresses of a name. The system's look-up knows no timeout, so it waits in a thread."""
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as err:
            answers.put(err)
        except UnicodeError as err:  # a label that is empty or too long
            answers.put(socket.gaierror(socket.EAI_NONAME, str(err)))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=_shortest(None))
    except queue.Empty:
        raise TimeoutError("the name look-up took too long") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _open_socket(
    host: str, port: int, timeout: float | None, options: Any, accept: Callable[[str], object]
) -> _PlainSocket:
    """A connection to the first address that accepts one; `accept` raises for one that must not be
    connected to.
    """
    trace = new_trace()
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in look_up(host, port):
        trace.step = Step.CONNECTION
        accept(address[0])
        sock = _PlainSocket(family, kind, protocol)
        try:
            for option in options or ():
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            sock._bound()
            sock.connect(address)
        except OSError as err:
            sock.close()
            failure = err
        else:
            return sock
    raise failure


class _BoundedConnection:
    """urllib3's way to open a socket, with ours; the errors are those that it promises."""

    step_after: ClassVar[Step]

    @staticmethod
    def accept(address: str) -> None:
        """Raises OSError for an address that must not be connected to."""

    def _new_conn(self: Any) -> _PlainSocket:
        timeout = self.timeout if isinstance(self.timeout, int | float) else None
        try:
            sock = _open_socket(
                self._dns_host, self.port, timeout, self.socket_options, self.accept
            )
        except socket.gaierror as err:
            raise NameResolutionError(self.host, self, err) from err
        except TimeoutError as err:
            raise ConnectTimeoutError(self, "the connection took too long") from err
        except OSError as err:
            raise NewConnectionError(self, f"no connection: {err}") from err
        last_trace().step = self.step_after
        return sock


class _PlainConnection(_BoundedConnection, HTTPConnection):
    step_after = Step.ANSWER


class TLSConnection(_BoundedConnection, HTTPSConnection):
    step_after = Step.HANDSHAKE

    def _tunnel(self) -> None:
        last_trace().step = Step.TUNNEL
        super()._tunnel()
        last_trace().step = Step.HANDSHAKE

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLCertVerificationError as err:
            last_trace().verify_code = err.verify_code
            raise
        trace, sock = last_trace(), cast("ssl.SSLSocket", self.sock)
        trace.step = Step.ANSWER
        trace.tls_version = sock.version() or ""
        if ends := (sock.getpeercert() or {}).get("notAfter"):
            trace.certificate_ends = ssl.cert_time_to_seconds(str(ends))


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = TLSConnection


POOLS = {"http": _PlainPool, "https": TLSPool}


def tls_context() -> ssl.SSLContext:
    """TLS as urllib3 sets it up, verified; requests adds the authorities."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.sslsocket_class = _TLSSocket
    return context
