"""HTTP as we want it under gql: bounded in time and in size, verified, never redirected.

requests bounds each read of a socket, not the whole: a server that drips one byte at a time holds
its caller for ever. Here every operation of a socket, from the name look-up to the last byte, ends
at the deadline of the thread that runs it (`deadline`).
"""

import json
import logging
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, ClassVar, cast
from urllib.request import getproxies

import requests
import urllib3
from django.core.exceptions import ImproperlyConfigured
from gql.transport.requests import RequestsHTTPTransport
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import select_proxy, should_bypass_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util.ssl_ import create_urllib3_context

from dsintegration.conf import is_loopback
from dsintegration.trail import Step, last_trail, new_trail

# At WARNING it repeats headers that it cannot read: with a broken server, anything.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

# Fifty dossiers of five hundred long messages each stay below; a batch beyond it is asked for in
# halves. A hostile answer cannot add more to the memory of a process.
MAX_BODY_BYTES = 32 * 1024 * 1024

# The variables that may name a file of certificate authorities, as requests reads them.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

_thread = threading.local()


class BodyTooLargeError(requests.RequestException):
    """The body, once unpacked, is larger than any answer."""


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


def _look_up(host: str, port: int) -> list[Any]:
    """The addresses of a name. The system's look-up knows no timeout, so it waits in a thread."""
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as err:
            answers.put(err)
        except UnicodeError as err:  # a label that is empty or too long
            answers.put(socket.gaierror(socket.EAI_NONAME, str(err)))

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=_shortest(None))
    except queue.Empty:
        raise TimeoutError("the name look-up took too long") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _open_socket(host: str, port: int, timeout: float | None, options: Any) -> _PlainSocket:
    """A connection to the first address that accepts one."""
    trail = new_trail()
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in _look_up(host, port):
        trail.step = Step.CONNECTION
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

    def _new_conn(self: Any) -> _PlainSocket:
        timeout = self.timeout if isinstance(self.timeout, int | float) else None
        try:
            sock = _open_socket(self._dns_host, self.port, timeout, self.socket_options)
        except socket.gaierror as err:
            raise NameResolutionError(self.host, self, err) from err
        except TimeoutError as err:
            raise ConnectTimeoutError(self, "the connection took too long") from err
        except OSError as err:
            raise NewConnectionError(self, f"no connection: {err}") from err
        last_trail().step = self.step_after
        return sock


class _PlainConnection(_BoundedConnection, HTTPConnection):
    step_after = Step.ANSWER


class _TLSConnection(_BoundedConnection, HTTPSConnection):
    step_after = Step.HANDSHAKE

    def _tunnel(self) -> None:
        last_trail().step = Step.TUNNEL
        super()._tunnel()
        last_trail().step = Step.HANDSHAKE

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLCertVerificationError as err:
            last_trail().verify_code = err.verify_code
            raise
        trail, sock = last_trail(), cast("ssl.SSLSocket", self.sock)
        trail.step = Step.ANSWER
        trail.tls_version = sock.version() or ""
        if ends := (sock.getpeercert() or {}).get("notAfter"):
            trail.certificate_ends = ssl.cert_time_to_seconds(str(ends))


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


POOLS = {"http": _PlainPool, "https": _TLSPool}


def _tls_context() -> ssl.SSLContext:
    """TLS as urllib3 sets it up, verified; requests adds the authorities."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.sslsocket_class = _TLSSocket
    return context


class _BoundedAdapter(HTTPAdapter):
    """requests over our sockets; the body is read here, whole, up to `MAX_BODY_BYTES`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=_tls_context(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=_tls_context(), **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **(kwargs | {"stream": True}))
        body = BytesIO()
        try:
            for chunk in response.iter_content(64 * 1024):
                if body.tell() + len(chunk) > MAX_BODY_BYTES:
                    raise BodyTooLargeError(response=response)
                body.write(chunk)
        except BaseException:
            response.close()
            raise
        if response.status_code == 200 and not body.tell() and not _announces_its_end(response):
            # Python takes the end of a connection for the end of the headers.
            raise requests.ConnectionError("the answer ended before its body")
        finished = self.build_response(response.request, response.raw)
        body.seek(0)
        finished.raw = body
        return finished


def _announces_its_end(response: requests.Response) -> bool:
    return any(name in response.headers for name in ("Content-Length", "Transfer-Encoding"))


class BearerToken(AuthBase):
    """The token, in the header only. An object, so that no `repr` of a dict shows it.

    An explicit auth also keeps requests from replacing it with what .netrc says.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class BoundedTransport(RequestsHTTPTransport):
    """gql's transport over one kept connection; remembers the last answer as it came.

    gql forgets the HTTP status as soon as a body holds `errors`, and the meaning depends on it.
    """

    def __init__(
        self, url: str, *, token: str, user_agent: str, timeouts: tuple[float, float]
    ) -> None:
        super().__init__(
            url,
            auth=BearerToken(token),
            headers={"User-Agent": user_agent},
            timeout=timeouts,  # type: ignore[arg-type]  # requests takes a pair
            verify=_authorities(),
            allow_redirects=False,
            json_deserialize=self._parse,
        )
        self.last_response: requests.Response | None = None
        self.last_body: dict[str, Any] | None = None
        self.last_location = ""

    def forget_last_answer(self) -> None:
        self.last_response = self.last_body = None
        self.last_location = ""

    @property
    def proxy(self) -> str:
        """The proxy on the way, without the account that its address may hold; "" for none."""
        assert self.session is not None  # noqa: S101  # for mypy: connected
        if not (proxy := select_proxy(self.url, self.session.proxies)):
            return ""
        parts = urllib3.util.parse_url(proxy)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme or 'http'}://{parts.host}{port}"

    def connect(self) -> None:
        super().connect()  # type: ignore[no-untyped-call]
        assert self.session is not None  # noqa: S101  # for mypy: the line above made it
        # What the environment says is read once, here, instead of at each request.
        self.session.trust_env = False
        self.session.proxies = _proxies_for(self.url)
        adapter = _BoundedAdapter(pool_connections=1, pool_maxsize=1)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)
        self.session.hooks["response"].append(self._note)

    def _note(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self.last_response = response
        # Never followed; requests would parse it all the same, and stumble over a broken one.
        self.last_location = response.headers.pop("Location", "")
        # JSON is UTF-8 (RFC 8259, 8.1), whatever a proxy wrote into the header.
        response.encoding = "utf-8"
        if response.ok:
            response.content.decode("utf-8")  # raises where `text` would put other letters

    def _parse(self, text: str) -> dict[str, Any]:
        body = json.loads(text)
        if not isinstance(body, dict):
            # gql would look for keys in it and fail in as many ways as JSON has types.
            raise TypeError("a GraphQL answer is an object")
        self.last_body = body
        return body


def _authorities() -> bool | str:
    """The certificate authorities: requests' own, or those that the environment names."""
    for name in CA_VARIABLES:
        if path := os.environ.get(name):
            if not os.path.exists(path):  # noqa: PTH110  # a Path refuses NUL, this says False
                raise ImproperlyConfigured(f"{name} désigne un fichier qui n'existe pas.")
            return path
    return True


def _proxies_for(url: str) -> dict[str, str]:
    """The proxies of the environment, but for this machine and what NO_PROXY names."""
    host = urllib3.util.parse_url(url).host or ""
    if is_loopback(host.strip("[]")) or should_bypass_proxies(url, no_proxy=None):
        return {}
    proxies = {scheme: proxy for scheme, proxy in getproxies().items() if scheme != "no"}
    if proxy := select_proxy(url, proxies):
        try:
            parts = urllib3.util.parse_url(proxy)
        except LocationParseError:
            parts = urllib3.util.Url()
        if parts.scheme not in {None, "http", "https"} or not parts.host:
            raise ImproperlyConfigured(
                "HTTPS_PROXY doit être une adresse comme http://proxy.example.org:3128."
            )
    return proxies
