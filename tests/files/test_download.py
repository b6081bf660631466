"""Bytes as a storage gives them."""

import gzip
import hashlib
import io

import pytest

from dsintegration.exceptions import DSInvalidResponse, Reason
from dsintegration.platform import downloads
from dsintegration.platform.downloads import download
from tests.tcp import TCPServer, read_request

BYTES = b"%PDF-1.7 of a few letters"


@pytest.fixture
def storage(settings):
    """Serves these bytes with these headers; what is written, and how often it was asked."""
    settings.DS_API_URL = "http://127.0.0.1:9/api/v2/graphql"

    def serve(content, headers=b""):
        def answer(connection):
            read_request(connection)
            length = b"Content-Length: %d\r\n" % len(content)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + length + headers + b"\r\n" + content)

        into = io.BytesIO()
        with TCPServer(answer) as server:
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            url = server.url.replace("localhost", "127.0.0.1")
            try:
                download(url, into, byte_size=len(content), md5=md5)
            finally:
                serve.asked = server.connections
        return into.getvalue()

    return serve


def test_the_largest_and_no_larger(storage, monkeypatch):
    monkeypatch.setattr(downloads, "MAX_BYTES", len(BYTES))
    assert storage(BYTES) == BYTES
    with pytest.raises(DSInvalidResponse) as caught:
        storage(BYTES + b"!")
    assert caught.value.reason == Reason.FILE_TOO_LARGE
    assert storage.asked == 0


def test_they_are_verified_and_kept_as_they_are_stored(storage):
    """A storage may have packed a file by itself: the platform's MD5 is that of what it holds."""
    packed = gzip.compress(BYTES)
    assert storage(packed, b"Content-Encoding: gzip\r\n") == packed
