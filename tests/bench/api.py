"""The REST API at 1,000,000 dossiers in PostgreSQL, over bare Django views of the same rows."""

import http.client
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager

from tests.bench.clock import compare, seconds
from tests.bench.million import fill
from tests.bench.statements import count_statements

DOSSIERS = 1_000_000
TURNS = 150
CLIENTS, WORKERS, SECONDS = 4, 2, 8
# Some dossier in the middle; it gets the seven messages that it lacks.
NUMBER, MESSAGES = 500_000, 10
MORE = """
INSERT INTO dsintegration_message (dossier_id, ds_id, email, body, created_at)
SELECT id, 'More-' || rank, 'agent@agglo.example.org',
       repeat('Bonjour, il manque le budget signé. ', 4), date_depot + rank * interval '1 day'
FROM dsintegration_dossier, generate_series(1, %s) AS rank WHERE number = %s
"""
# A démarche changes its title: a third of all dossiers get one version.
SHARED = """
UPDATE dsintegration_dossier SET version = 2000000
WHERE demarche_id = (SELECT min(id) FROM dsintegration_demarche)
"""
LIST, DETAIL = "/api/v1/dossiers/", f"/api/v1/dossiers/{NUMBER}/"


def position(version: int, number: int) -> str:
    """A cursor, as pagination.py writes it."""
    return f"{version:016x}{number:08x}"


def caller(application: Callable, path: str, key: str) -> Callable[[], bytes]:
    """A request straight into the WSGI application, its environment made beforehand."""
    from django.test import RequestFactory

    request = RequestFactory().get(path, headers={"Authorization": f"Api-Key {key}"})
    statuses: list[str] = []

    def call() -> bytes:
        response = application(dict(request.environ), lambda status, _: statuses.append(status))
        body = b"".join(response)
        response.close()
        assert statuses.pop().startswith("200"), path
        return body

    return call


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def wait_for(port: int) -> None:
    """Until somebody listens there, for ten seconds at most."""
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


@contextmanager
def gunicorn():
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--log-level", "error"]
    with subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}", "config.wsgi"]) as server:
        try:
            wait_for(port)
            yield port
        finally:
            server.terminate()


def ask(port: int, path: str, key: str, answered: "multiprocessing.Queue[int]") -> None:
    """One client: one request after the other, each on a connection of its own."""
    count, ends = 0, time.monotonic() + SECONDS
    while time.monotonic() < ends:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Authorization": f"Api-Key {key}", "X-Forwarded-Proto": "https"}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert response.status == 200, response.status
        response.read()
        connection.close()
        count += 1
    answered.put(count)


def per_second(port: int, path: str, key: str) -> float:
    answered: multiprocessing.Queue[int] = multiprocessing.Queue()
    clients = [
        multiprocessing.Process(target=ask, args=(port, path, key, answered))
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    total = sum(answered.get() for _ in clients)
    for client in clients:
        client.join()
    return total / SECONDS


def main() -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ALLOWED_HOSTS": "testserver,127.0.0.1",
        "DS_API_READS_PER_MINUTE": "10000000",
        "DS_API_TOKEN": "a" * 84,
        "NUM_PROXIES": "1",  # ours says that the clients came by https
        "DS_SANDBOX": "",
        "DEBUG": "",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore:No directory at",  # no static file is asked for
        "SECRET_KEY": "for the bench only",
    }
    warnings.filterwarnings("ignore", "No directory at")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from dsintegration.models import ApiKey, Demarche

    # Opening a connection takes as long as a page, and is not ours: it would flatter the ratios.
    settings.DATABASES["default"]["CONN_MAX_AGE"] = None
    settings.SECURE_SSL_REDIRECT = False  # the clients speak plain http
    settings.ROOT_URLCONF = "tests.bench.bare"
    call_command("migrate", verbosity=0)
    fill(1, DOSSIERS)
    with connection.cursor() as cursor:
        cursor.execute(MORE, [MESSAGES - 3, NUMBER])
    key = ApiKey.objects.create_key(name="Bench", all_demarches=True, can_read_personal_data=True)[
        1
    ]
    few = Demarche.objects.filter(number__in=[7, 8, 9])
    limited = ApiKey.objects.create_key(name="Limited", demarches=few)[1]
    application = get_wsgi_application()

    def call(path: str, key: str = key) -> Callable[[], bytes]:
        return caller(application, path, key)

    print(f"REST API, {DOSSIERS:,} dossiers (PostgreSQL)")
    print("(a) time over a bare view of the same rows")
    for name, path, bare, limit in (
        ("page of 100", LIST, "/bare/page/", 2.0),
        (f"one, {MESSAGES} messages", DETAIL, f"/bare/{NUMBER}/", 2.5),
    ):
        ratio = compare(call(path), call(bare), TURNS)
        print(f"    {name:28} {ratio}   at most {limit}")
    print("(b) SQL statements, without the journal")
    for name, path, who, limit in (
        ("page of 100", LIST, key, 3),
        ("page of 100, three démarches", LIST, limited, 3),
        (f"one, {MESSAGES} messages", DETAIL, key, 4),
    ):
        work = call(path, who)
        work()
        with CaptureQueriesContext(connection) as captured:
            work()
        print(f"    {name:28} {count_statements(captured):5}   at most {limit}")
    print("(c) far pages over the first one")
    before = DOSSIERS - 499_900
    for name, far, first, limit in (
        ("page 5,000", f"?cursor={position(before, before)}", "", 1.2),
        (
            "page 5,000, oldest first",
            f"?after_version=0&cursor={position(499_900, 499_900)}",
            "?after_version=0",
            1.2,
        ),
    ):
        ratio = compare(call(LIST + far), call(LIST + first), TURNS)
        print(f"    {name:28} {ratio}   at most {limit}")
    print("(d) other questions, in milliseconds")
    for name, query, who in (
        ("three démarches of 200", "", limited),
        ("the same, all its changes", "?after_version=0", limited),
        ("nothing new", f"?after_version={DOSSIERS}", key),
        ("nothing new, three démarches", f"?after_version={DOSSIERS}", limited),
        ("an état that nobody knows", "?state=inconnu", key),
        ("one démarche of 200", "?demarche=7&after_version=0", key),
        ("deposited in a month", "?deposited_after=2026-01-01&deposited_before=2026-02-01", key),
    ):
        work = call(LIST + query, who)
        work()
        print(f"    {name:28} {statistics.median(seconds(work) for _ in range(20)) * 1000:7.1f}")
    with connection.cursor() as cursor:
        cursor.execute(SHARED)
        cursor.execute("VACUUM ANALYZE dsintegration_dossier")
    first = f"{LIST}?after_version={DOSSIERS + 1}"
    ratio = compare(call(f"{first}&cursor={position(2_000_000, 900_000)}"), call(first), TURNS)
    print(f"(c) page 3,000 of one version    {ratio}   at most 1.2")
    print(f"(e) requests per second, {CLIENTS} clients, gunicorn with {WORKERS} workers")
    with gunicorn() as port:
        for name, path in (("page of 100", LIST), (f"one, {MESSAGES} messages", DETAIL)):
            per_second(port, path, key)
            print(f"    {name:28} {per_second(port, path, key):7.0f}")


if __name__ == "__main__":
    main()
