"""Redis does not answer: everything goes on, and limits hold in each process."""

import socket

import pytest
from django.core.cache import cache
from django.test import Client as Browser

from config import env
from dsintegration.hosting import cache as config_cache
from dsintegration.mirror.summary import summary
from dsintegration.models import UsagerAccess
from dsintegration.platform import rate_limit
from dsintegration.services import fetch_dossier
from dsintegration.usager import limits
from tests.tcp import TCPServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(monkeypatch):
    """The clock of the process's pauses; each test begins with a Redis that nothing is known of."""
    times = [1000.0]
    monkeypatch.setattr(config_cache, "now", lambda: times[0])
    monkeypatch.setattr(config_cache.RedisCache, "is_down_until", 0.0)
    return times


@pytest.fixture
def redis_at(settings, monkeypatch, clock):
    def use(port, **options):
        monkeypatch.setenv("CACHE_URL", f"redis://:hidden@127.0.0.1:{port}/0")
        settings.CACHES = {"default": env.cache("CACHE_URL", default="")}
        settings.CACHES["default"]["OPTIONS"] |= options
        cache.memory.clear()

    return use


@pytest.fixture
def dead(redis_at):
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    redis_at(port)
    return port


def warnings(logs):
    return [r.getMessage() for r in logs.records if r.name == "dsintegration.hosting.cache"]


def test_each_method(dead):
    assert cache.get("a", "nothing") == "nothing"
    assert cache.add("a", 1)
    assert not cache.add("a", 2)
    assert (cache.incr("a"), cache.decr("a"), cache.get("a")) == (2, 1, 1)
    with pytest.raises(ValueError, match="not found"):
        cache.incr("b")
    cache.set_many({"b": 2, "c": 3})
    assert cache.get_many(["a", "b", "c", "d"]) == {"a": 1, "b": 2, "c": 3}
    assert "a" in cache
    assert cache.touch("a")
    cache.delete_many(["b", "c"])
    assert cache.delete("a")
    cache.set("a", 1)
    cache.clear()
    assert "a" not in cache


def test_said_once_and_without_the_password(dead, logs):
    cache.get("a")
    cache.get("b")
    assert warnings(logs) == [
        "Redis fails (ConnectionError): each process counts for itself, next try in 30 s"
    ]
    assert "hidden" not in logs.text


def test_a_redis_that_hangs_is_left_alone_for_a_while(redis_at, clock, logs):
    with TCPServer(lambda connection: connection.makefile("rb").read()) as server:
        redis_at(server.port, socket_timeout=0.2)
        cache.set("a", 1)
        assert cache.get("a") == 1
        assert server.connections == 1
        clock[0] += config_cache.PAUSE
        cache.get("a")
        assert server.connections == 2
    assert len(warnings(logs)) == 2


def test_a_redis_that_is_back_is_asked_again(redis_at, clock):
    def serve(connection):
        while request := connection.recv(65536):
            # One answer a command; each command begins with its count of words.
            for command in request.split(b"*")[1:]:
                words = command.split(b"\r\n")
                connection.sendall(b"$1\r\n7\r\n" if words[2] == b"GET" else b"+OK\r\n")

    with TCPServer(serve) as server:
        redis_at(server.port, protocol=2)
        config_cache.RedisCache.is_down_until = clock[0] + 1
        try:
            assert cache.get("a") is None
            assert server.connections == 0
            clock[0] += 1
            assert cache.get("a") == 7
        finally:
            cache._cache.get_client().connection_pool.disconnect()


def test_the_api_answers_and_its_limits_hold(dead, api, settings, monkeypatch):
    settings.DS_API_READS_PER_MINUTE = 3
    client = api()
    statuses = [client.get("/api/v1/dossiers/").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_wrong_keys_are_refused_as_always(dead, db):
    caller = Browser(headers={"Authorization": f"Api-Key {'x' * 40}"})
    assert caller.get("/api/v1/dossiers/").status_code == 401


def test_a_usager_gets_a_link_and_mails_are_limited(dead, sandbox, client, later, mailoutbox):
    dossier = fetch_dossier(12345).dossier
    for _ in range(limits.MAILS_OF_DOSSIER.count + 2):
        form = {"number": "12345", "email": dossier.usager_email}
        assert client.post("/suivi/", form).status_code == 302
        later.run()
    assert len(mailoutbox) == limits.MAILS_OF_DOSSIER.count
    assert UsagerAccess.objects.count() == limits.MAILS_OF_DOSSIER.count


def test_attempts_are_limited(dead, client, later):
    for _ in range(limits.ATTEMPTS.count + 1):
        client.post("/suivi/", {"number": "1", "email": "camille@example.org"})
    assert len(later.left) == limits.ATTEMPTS.count


def test_the_pace_is_counted_here(dead, settings, monkeypatch):
    settings.DS_RATE_LIMIT = 2
    times, pauses = [1_000_000.0], []

    def pause(seconds):
        pauses.append(seconds)
        times[0] += 61

    monkeypatch.setattr(rate_limit, "now", lambda: times[0])
    monkeypatch.setattr(rate_limit, "pause", pause)
    for _ in range(3):
        rate_limit.wait_for_turn()
    assert len(pauses) == 1


def test_figures(dead, sandbox):
    fetch_dossier(12345)
    assert summary().total == 1
    fetch_dossier(12346)
    assert summary().total == 1  # those of five minutes


def test_ready_all_the_same(dead, client):
    assert client.get("/health/ready").json()["status"] == "ok"
