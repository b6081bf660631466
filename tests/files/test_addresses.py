"""Where bytes may come from: public addresses, by https, as they were checked."""

import io
import socket

import pytest

from dsintegration.exceptions import DSInvalidResponse, DSUnavailable, Reason
from dsintegration.platform.downloads import download, is_public

EMPTY = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture
def names(monkeypatch):
    """Sets what names stand for; the addresses that were connected to."""
    connected: list[str] = []

    def stand_for(*addresses):
        def look_up(host, port, **_):
            return [
                (
                    socket.AF_INET6 if ":" in ip else socket.AF_INET,
                    socket.SOCK_STREAM,
                    0,
                    "",
                    (ip, port),
                )
                for ip in addresses
            ]

        def connect(sock, address):
            connected.append(address[0])
            raise ConnectionRefusedError

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr("dsintegration.platform.sockets._PlainSocket.connect", connect)
        return connected

    return stand_for


def reason_of(url: str) -> Reason:
    with pytest.raises((DSInvalidResponse, DSUnavailable)) as caught:
        download(url, io.BytesIO(), byte_size=0, md5=EMPTY)
    assert "example" not in str(caught.value)
    assert caught.value.__cause__ is None
    # What was raised below holds the address.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value.reason


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3", "192.168.0.1", "172.16.5.5", "127.0.0.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:0a00:0001::", "ff02::1", "198.18.0.1",
        "fec0::1", "::127.0.0.1", "4000::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(settings, names, address):
    settings.DS_API_URL = "https://demarche.example.org/api/v2/graphql"
    assert not is_public(address)
    connected = names(address)
    assert reason_of("https://static.example.org/rib.pdf") == Reason.FILE_ELSEWHERE
    assert not connected


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::"],
)
def test_public_ones(settings, names, address):
    settings.DS_API_URL = "https://demarche.example.org/api/v2/graphql"
    connected = names(address)
    assert reason_of("https://static.example.org/rib.pdf") == Reason.STORAGE
    assert connected == [address]


def test_one_private_address_behind_a_public_one(settings, names):
    settings.DS_API_URL = "https://demarche.example.org/api/v2/graphql"
    connected = names("8.8.8.8", "10.0.0.1")
    assert reason_of("https://static.example.org/rib.pdf") == Reason.FILE_ELSEWHERE
    assert connected == ["8.8.8.8"]


def test_what_is_no_address(settings, names):
    settings.DS_API_URL = "https://demarche.example.org/api/v2/graphql"
    connected = names("8.8.8.8")
    for url in ("https://[static.example.org/rib.pdf", "https:///rib.pdf", "rib.pdf", ""):
        assert reason_of(url) == Reason.FILE_ELSEWHERE
    assert not connected


def test_hosts_that_may_be_private(settings, names):
    settings.DS_API_URL = "https://demarche.example.org/api/v2/graphql"
    settings.DS_FILES_PRIVATE_HOSTS = ["Static.example.org"]
    connected = names("10.0.0.1")
    assert reason_of("https://static.example.org/rib.pdf") == Reason.STORAGE
    assert reason_of("https://other.example.org/rib.pdf") == Reason.FILE_ELSEWHERE
    assert reason_of("http://static.example.org/rib.pdf") == Reason.FILE_ELSEWHERE
    assert connected == ["10.0.0.1"]


def test_this_machine_only_where_the_platform_is_here(settings, names):
    settings.DS_API_URL = "https://demarche.example.org/api/v2/graphql"
    names("127.0.0.1")
    for url in ("http://127.0.0.1:9/x", "https://127.0.0.1:9/x", "https://localhost/x"):
        assert reason_of(url) == Reason.FILE_ELSEWHERE
    settings.DS_API_URL = "http://127.0.0.1:1/api/v2/graphql"
    assert reason_of("http://127.0.0.1:9/x") == Reason.STORAGE


class TestThroughAProxy:
    @pytest.fixture(autouse=True)
    def proxy(self, settings, monkeypatch):
        settings.DS_API_URL = "https://demarche.example.org/api/v2/graphql"
        monkeypatch.setenv("HTTPS_PROXY", "http://10.9.9.9:3128")

    def test_it_is_what_is_connected_to(self, names):
        connected = names("8.8.8.8")
        # The proxy itself may be anywhere.
        assert reason_of("https://static.example.org/rib.pdf") == Reason.STORAGE
        assert connected == ["8.8.8.8"]  # what the proxy's own name stands for in this test

    @pytest.mark.parametrize("host", ["10.0.0.1", "intranet", "[::1]"])
    def test_what_we_see_to_be_private_is_not_asked_of_it(self, names, host):
        connected = names(host.strip("[]") if host != "intranet" else "8.8.8.8")
        assert reason_of(f"https://{host}/rib.pdf") == Reason.FILE_ELSEWHERE
        assert not connected
