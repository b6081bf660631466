"""A TCP proxy with TLS between the app and the sandbox, that plays one fault at a time.

TLS throughout, so that the address, and with it the instance that the database remembers, stays
the same whatever certificate is shown.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trustme

PATH = "/api/v2/graphql"
OTHER_NAME, PAST = "other.example.org", datetime(2020, 1, 1, tzinfo=UTC)
# After it, closing a socket resets the connection, as a crash does.
NO_LINGER = struct.pack("ii", 1, 0)

Act = Callable[["Exchange"], None]


@dataclass
class Exchange:
    """One request that came over one connection: what a fault may do with it."""

    proxy: "Proxy"
    connection: ssl.SSLSocket
    request: bytes

    def ask(self) -> bytes:
        """The body that the sandbox answers with."""
        with socket.create_connection(self.proxy.sandbox) as sandbox:
            sandbox.sendall(self.request)
            return read_http(sandbox).partition(b"\r\n\r\n")[2]

    def send(
        self,
        body: bytes,
        *,
        status: str = "200 OK",
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """An answer; `length` may lie about its body."""
        lines = {
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(body) if length is None else length),
        } | dict(headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.connection.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.connection.close()

    def wait_for_the_end(self) -> None:
        """Until the other side has left."""
        with suppress(OSError):
            while self.connection.recv(65536):
                pass


def forward(exchange: Exchange) -> None:
    exchange.send(exchange.ask())


@dataclass
class Elsewhere:
    """Another host, to which the platform's answers may point: it only counts who comes."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}{PATH}"

    def visits(self) -> int:
        """How many came since the last look."""
        count = 0
        self.listener.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()
                count += 1
        return count


class Proxy:
    """Listens at `url`. `pace`: the seconds between two bytes of an answer that drips."""

    def __init__(self, sandbox_url: str, folder: Path, *, pace: float = 1) -> None:
        sandbox = urlsplit(sandbox_url)
        self.sandbox, self.pace = (sandbox.hostname, sandbox.port), pace
        self.elsewhere = Elsewhere()
        self.authorities = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authorities))
        self.certificates = {
            "good": _context(authority.issue_cert("localhost")),
            "wrong name": _context(authority.issue_cert(OTHER_NAME)),
            "expired": _context(authority.issue_cert("localhost", not_after=PAST)),
            "unknown authority": _context(trustme.CA().issue_cert("localhost")),
            "self-signed": _self_signed(),
        }
        self._act: Act = forward
        self._certificate = "good"
        self._open: set[socket.socket] = set()
        self.requests = 0
        self.port = 0
        self._listen()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}{PATH}"

    def close(self) -> None:
        self._stop_listening()
        self._hang_up()
        self.elsewhere.listener.close()

    @contextmanager
    def playing(
        self, act: Act, *, certificate: str = "good", refuses: bool = False
    ) -> Iterator[None]:
        """Every request of the block meets `act`, on new connections."""
        self._act, self._certificate = act, certificate
        self._hang_up()
        if refuses:
            self._stop_listening()
        try:
            yield
        finally:
            self._act, self._certificate = forward, "good"
            self._hang_up()
            if refuses:
                self._listen()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._accepting.start()

    def _stop_listening(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._accepting.join()
        self._listener.close()

    def _hang_up(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        act = self._act
        try:
            with self.certificates[self._certificate].wrap_socket(raw, server_side=True) as tls:
                self._open.add(tls)
                try:
                    while request := read_http(tls):
                        self.requests += 1
                        act(Exchange(self, tls, request))
                finally:
                    self._open.discard(tls)
        except OSError:
            raw.close()  # the app left, as some faults make it


def read_http(connection: socket.socket) -> bytes:
    """One whole request or answer, or what came before the other side left."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        head, found, body = received.partition(b"\r\n\r\n")
        if not found:
            continue
        fields = (line.partition(b":") for line in head.lower().splitlines())
        if len(body) >= sum(int(value) for name, _, value in fields if name == b"content-length"):
            return received
    return b""


def _context(certificate: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _self_signed() -> ssl.SSLContext:
    """The certificate of an authority, shown as a server's own."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.cert_pem.tempfile() as certificate, authority.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context
