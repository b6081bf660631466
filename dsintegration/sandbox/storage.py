"""The sandbox's files, and the storage that gives their bytes: signed addresses, good for an hour.

As on the platform, the storage knows no token, and an address alone opens a file.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote, urlsplit

PREFIX = "/storage/"
LIFE = 3600  # seconds
CHUNK = 64 * 1024
# What the storage does wrong on demand, by the word under `fault` of a file.
FAULTS = (
    "md5",  # other bytes of the same size
    "endless",  # more bytes than the platform said, without an end
    "cut",  # the connection ends before the file
    "drip",  # one byte at a time
    "redirect",
    "private",  # its address lies in a private network
    "type",  # right bytes under another type
    "gone",
    "down",
)


@dataclass(frozen=True)
class Content:
    """Bytes that are made when they are read: `pattern` again and again, up to `size`."""

    pattern: bytes
    size: int

    def chunks(self) -> Iterator[bytes]:
        block = self.pattern * max(1, CHUNK // len(self.pattern))
        for start in range(0, self.size, len(block)):
            yield block[: min(len(block), self.size - start)]

    @property
    def checksum(self) -> str:
        return _checksum(self)


@cache
def _checksum(content: Content) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in content.chunks():
        digest.update(chunk)
    return base64.b64encode(digest.digest()).decode()


def whole(data: bytes) -> Content:
    return Content(data or b"\0", len(data))


def file(filename: str, created_at: str, **fields: Any) -> dict[str, Any]:
    """A file of a dossier. `content`: its bytes; `fault`: one of FAULTS; or the platform's own
    fields, by the names of its type `File`.
    """
    content = fields.pop("content", b"%PDF-1.4\n% invented\n")
    if isinstance(content, bytes):
        content = whole(content)
    return {
        "filename": filename,
        "contentType": "application/pdf",
        "byteSizeBigInt": str(content.size),
        "checksum": content.checksum,
        "createdAt": created_at,
        "virusScanResult": "safe",
        "content": content,
        "fault": "",
    } | fields


class Storage:
    """`asked`: the headers of each request that came, for tests."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []
        self._signed: dict[str, tuple[dict[str, Any], float]] = {}

    def sign(self, file: dict[str, Any], origin: str) -> str:
        """A new address of the file."""
        if given := file.get("url"):
            return str(given)
        if file.get("fault") == "private":
            origin = "https://10.0.0.7"
        key = secrets.token_urlsafe(16)
        self._signed[key] = (file, time.time() + LIFE)
        return f"{origin}{PREFIX}{key}?temp_url_sig={key[::-1]}&filename={quote(file['filename'])}"

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(dict(handler.headers))
        key = urlsplit(handler.path).path.removeprefix(PREFIX)
        file, ends_at = self._signed.get(key, ({}, 0))
        fault = file.get("fault", "")
        if time.time() > ends_at:
            return _empty(handler, 401)
        match fault:
            case "redirect":
                return _empty(handler, 302, {"Location": f"{PREFIX}elsewhere"})
            case "gone":
                return _empty(handler, 404)
            case "down":
                return _empty(handler, 503)
        content: Content = file.get("content") or whole(b"")
        handler.send_response_only(200)
        is_lie = fault == "type"
        handler.send_header("Content-Type", "text/html" if is_lie else file["contentType"])
        if fault == "endless":
            handler.send_header("Connection", "close")
        else:
            handler.send_header("Content-Length", str(content.size))
        handler.end_headers()
        try:
            for chunk in _faulty(content, fault):
                handler.wfile.write(chunk)
        except OSError:  # the client had enough
            pass
        handler.close_connection = True
        return None


def _faulty(content: Content, fault: str) -> Iterator[bytes]:
    match fault:
        case "md5":
            yield from Content(b"?", content.size).chunks()
        case "endless":
            yield from content.chunks()
            while True:
                yield b"\0" * CHUNK
        case "cut":
            yield next(content.chunks())[: content.size // 2]
        case "drip":
            for chunk in content.chunks():
                for place in range(len(chunk)):
                    yield chunk[place : place + 1]
                    time.sleep(0.2)
        case _:
            yield from content.chunks()


def _empty(
    handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str] | None = None
) -> None:
    handler.send_response_only(status)
    for name, value in ({"Content-Length": "0"} | dict(headers or {})).items():
        handler.send_header(name, value)
    handler.end_headers()
