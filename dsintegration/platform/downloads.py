"""Bytes of a file, from the storage that a signed address of the platform leads to.

The storage is not the platform: it gets no token, and nothing of it is believed. Its address is
https and public, and the address that was checked is the one that is connected to; no redirect is
followed; size and MD5 are those that the platform said, or nothing counts as taken. Only hosts of
DS_FILES_PRIVATE_HOSTS, and this very machine where the platform itself is there (the sandbox), are
taken as they are.

Nothing of an address goes into logs or exceptions: whoever has it has the file.
"""

import hashlib
import ipaddress
import logging
import ssl
from typing import IO, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from dsintegration import __version__, conf
from dsintegration.exceptions import DSError, DSInvalidResponse, DSUnavailable, FileGone, Reason
from dsintegration.platform import sockets
from dsintegration.platform.sockets import deadline
from dsintegration.platform.transport import authorities, proxies_for

# At DEBUG it writes the address of each request.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

MAX_BYTES = 200 * 1024 * 1024
# Seconds for all bytes; for a connection, and for each of their pieces.
BUDGET, TIMEOUTS = 60.0, (5.0, 20.0)
CHUNK = 256 * 1024
# What a browser would run, if it were not what it is said to be.
ACTIVE_TYPES = {"text/html", "application/xhtml+xml", "image/svg+xml", "text/javascript"}
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class _PrivateAddressError(OSError):
    """The storage lies where only machines of ours should be reachable."""


def download(
    url: str, into: IO[bytes], *, byte_size: int, md5: str, content_type: str = ""
) -> None:
    """Write the file into `into`, and have it verified; what was written before a failure is void.

    `md5`: in hexadecimal; `content_type`: what the platform says that it is.
    Raises FileGone, DSUnavailable, DSInvalidResponse.
    """
    if byte_size > MAX_BYTES:
        raise DSInvalidResponse(Reason.FILE_TOO_LARGE)
    with deadline(BUDGET):
        try:
            _download(url, into, byte_size, md5, content_type)
        except DSError:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as err:
            # Frames below hold the address: nothing of them is chained.
            raise _failure(err) from None


def _download(url: str, into: IO[bytes], byte_size: int, md5: str, content_type: str) -> None:
    host = _checked_host(url)
    adapter = _Adapter(trusted=_is_trusted(host))
    proxies = proxies_for(url)
    if proxies and not _is_trusted(host):
        _check_for_proxy(host)
    request = requests.Request(
        "GET",
        url,
        headers={
            "User-Agent": f"dsintegration/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        },
    ).prepare()
    try:
        # No session: neither cookies, nor .netrc, nor the redirects that it would look into.
        response = adapter.send(request, timeout=TIMEOUTS, verify=authorities(), proxies=proxies)
        _check_head(response, byte_size, content_type)
        digest, size = hashlib.md5(usedforsecurity=False), 0
        while chunk := response.raw.read(CHUNK, decode_content=False):
            size += len(chunk)
            if size > byte_size:
                break
            digest.update(chunk)
            into.write(chunk)
        if size != byte_size or digest.hexdigest() != md5:
            raise DSInvalidResponse(Reason.FILE_DIFFERS)
    finally:
        adapter.close()


def _check_head(response: requests.Response, byte_size: int, content_type: str) -> None:
    status = response.status_code
    if status in {404, 410}:
        raise FileGone
    if 300 <= status < 400:
        raise DSInvalidResponse(Reason.FILE_ELSEWHERE, http_status=status)
    if status != 200:
        raise DSUnavailable(Reason.STORAGE, http_status=status)
    length = response.headers.get("Content-Length", str(byte_size))
    # Storages have types of their own; a page in the place of a paper is none of them.
    kind = _kind(response.headers.get("Content-Type", ""))
    is_a_lie = kind in ACTIVE_TYPES and kind != _kind(content_type)
    if length != str(byte_size) or is_a_lie:
        raise DSInvalidResponse(Reason.FILE_DIFFERS)


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _checked_host(url: str) -> str:
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        raise DSInvalidResponse(Reason.FILE_ELSEWHERE) from None
    host = (parts.host or "").strip("[]").lower()
    is_local = conf.is_loopback(host) and _is_trusted(host)
    if not host or parts.auth or (parts.scheme != "https" and not is_local):
        raise DSInvalidResponse(Reason.FILE_ELSEWHERE)
    return host


def _is_trusted(host: str) -> bool:
    """Whether its address may be a private one."""
    if host in conf.files_private_hosts():
        return True
    api = urllib3.util.parse_url(conf.api_url()).host or ""
    return conf.is_loopback(host) and conf.is_loopback(api.strip("[]"))


def is_public(address: str) -> bool:
    """Whether anybody on the internet means the same machine by it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        # Python takes for global what was never given to anybody, and former private ranges.
        if ip not in GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast


def _check_for_proxy(host: str) -> None:
    """The proxy looks the name up by itself, and is trusted with it; what we can see, we refuse."""
    try:
        found = sockets.look_up(host, 443)
    except OSError:  # only the proxy knows names of the outside
        found = []
    if any(not is_public(address[0]) for *_, address in found) or "." not in host.strip("."):
        raise DSInvalidResponse(Reason.FILE_ELSEWHERE)


def _failure(err: BaseException) -> DSError:
    inner: BaseException | None = err
    while inner is not None:
        if isinstance(inner, _PrivateAddressError | ssl.SSLCertVerificationError):
            return DSInvalidResponse(Reason.FILE_ELSEWHERE, detail=type(inner).__name__)
        reason = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        inner = reason if isinstance(reason, BaseException) else inner.__cause__
    return DSUnavailable(Reason.STORAGE, detail=type(err).__name__)


class _PublicConnection(sockets.TLSConnection):
    """To a public address alone: the one that is checked is the one that is connected to."""

    @staticmethod
    def accept(address: str) -> None:
        if not is_public(address):
            raise _PrivateAddressError("not a public address")


class _PublicPool(sockets.TLSPool):
    ConnectionCls = _PublicConnection


class _Adapter(HTTPAdapter):
    """requests over our bounded sockets; `trusted`: the storage may lie at a private address."""

    def __init__(self, *, trusted: bool) -> None:
        self._trusted = trusted
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=sockets.tls_context(), **kwargs)
        # Nothing but https goes out, save to this very machine.
        pools = sockets.POOLS if self._trusted else {"https": _PublicPool}
        self.poolmanager.pool_classes_by_scheme = pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=sockets.tls_context(), **kwargs)
        manager.pool_classes_by_scheme = sockets.POOLS
        return manager
