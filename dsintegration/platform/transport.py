"""HTTP as we want it under gql: bounded in time and in size, verified, never redirected."""

import json
import logging
import os
from io import BytesIO
from typing import Any
from urllib.request import getproxies

import requests
import urllib3
from django.core.exceptions import ImproperlyConfigured
from gql.transport.requests import RequestsHTTPTransport
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import select_proxy, should_bypass_proxies
from urllib3.exceptions import LocationParseError

from dsintegration.conf import is_loopback
from dsintegration.platform.sockets import POOLS, tls_context

# At WARNING it repeats headers that it cannot read: with a broken server, anything.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

# Fifty dossiers of five hundred long messages each stay below; a batch beyond it is asked for in
# halves. A hostile answer cannot add more to the memory of a process.
MAX_BODY_BYTES = 32 * 1024 * 1024

# The variables that may name a file of certificate authorities, as requests reads them.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class BodyTooLargeError(requests.RequestException):
    """The body, once unpacked, is larger than any answer."""


class _BoundedAdapter(HTTPAdapter):
    """requests over our sockets; the body is read here, whole, up to `MAX_BODY_BYTES`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=tls_context(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=tls_context(), **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        body = BytesIO()
        try:
            for chunk in response.iter_content(64 * 1024):
                if body.tell() + len(chunk) > MAX_BODY_BYTES:
                    raise BodyTooLargeError(response=response)
                body.write(chunk)
        except BaseException:
            response.close()
            body.close()  # our frame, and so the body, would live as long as the failure does
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
            verify=authorities(),
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
        self.session.proxies = proxies_for(self.url)
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
        # Some proxies put a byte-order mark before it, which may be ignored (RFC 8259, 8.1).
        body = json.loads(text.removeprefix("\ufeff"))
        if not isinstance(body, dict):
            # gql would look for keys in it and fail in as many ways as JSON has types.
            raise TypeError("a GraphQL answer is an object")
        self.last_body = body
        return body


def authorities() -> bool | str:
    """The certificate authorities: requests' own, or those that the environment names."""
    for name in CA_VARIABLES:
        if path := os.environ.get(name):
            if not os.path.exists(path):  # noqa: PTH110  # a Path refuses NUL, this says False
                raise ImproperlyConfigured(f"{name} désigne un fichier qui n'existe pas.")
            return path
    return True


def proxies_for(url: str) -> dict[str, str]:
    """The proxies of the environment, but for this machine and what NO_PROXY names."""
    host = urllib3.util.parse_url(url).host or ""
    if is_loopback(host.strip("[]")) or should_bypass_proxies(url, no_proxy=None):
        return {}
    proxies = getproxies()
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
