"""refresh_dossiers over 10,000 dossiers, against a platform that takes its time (slow.py)."""

import io
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.bench.app import start
from tests.bench.clock import seconds
from tests.bench.slow import FIRST
from tests.bench.statements import count_statements

PROJECT = Path(__file__).resolve().parents[2]
DOSSIERS = 10_000
SAMPLE = 1000


@contextmanager
def platform(*options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.slow", *options]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def control(origin: str, moved: int, total: int = DOSSIERS, demarches: int = 5) -> dict:
    """What the platform counted since the last call; from now on so many dossiers have moved."""
    address = f"{origin}/control?moved={moved}&total={total}&demarches={demarches}"
    with urllib.request.urlopen(address) as response:
        return json.load(response)


def one_by_one(origin: str) -> float:
    """As in the platform's published sample: a POST each, on a new connection."""
    import requests

    from dsintegration.platform.documents import GET_DOSSIER

    def ask() -> None:
        for number in range(FIRST, FIRST + SAMPLE):
            body = {"query": GET_DOSSIER.text, "variables": {"number": number}}
            requests.post(f"{origin}/api/v2/graphql", json=body, timeout=35).json()

    return seconds(ask) * DOSSIERS / SAMPLE


def bench_time(origin: str) -> None:
    from django.core.cache import cache
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from dsintegration import conf
    from dsintegration.services import fetch_dossiers

    def refresh(*options: str) -> Callable[[], object]:
        return lambda: call_command(
            "refresh_dossiers", "--older-than", "0s", *options, stdout=io.StringIO()
        )

    numbers = range(FIRST, FIRST + DOSSIERS)
    list(fetch_dossiers(numbers))
    control(origin, 0)
    sample = one_by_one(origin)
    print(f"(a) one POST each, new connections: {sample:.0f} s ({SAMPLE} of them, extrapolated)")
    for label, moved, options, most in (
        ("(b) all have changed", DOSSIERS, (), 320),
        ("(c) none has", 0, (), 15),
        ("(d) 100 have", 100, (), 20),
        ("    --full", 0, ("--full",), 220),
    ):
        control(origin, moved)
        cache.clear()
        took = seconds(refresh(*options))
        told = control(origin, 0)
        print(f"{label:22} {told['requests']:4} requests   at most {most};   {took:.1f} s")
        if options:
            least = told["seconds"] / conf.in_flight()
            limit = 1.5 if connection.vendor == "postgresql" else 1.8
            print(f"    over the platform's own time {took / least:.2f}   at most {limit}")
            print(f"    (a) over it {sample / took:.0f}   at least 40")
    bench_followed(origin)
    for label, moved in (("none changed", 0), ("all changed", DOSSIERS)):
        control(origin, moved)
        with CaptureQueriesContext(connection) as captured:
            list(fetch_dossiers(numbers[:50]))
        print(f"SQL statements a batch, {label}: {count_statements(captured)}   at most 12")


def bench_followed(origin: str) -> None:
    """Five followed démarches: the import, then what a quarter of an hour costs."""
    from django.core.cache import cache
    from django.core.management import call_command
    from django.db import connection
    from django.db.models import F

    from dsintegration import conf
    from dsintegration.models import Demarche, Dossier, JournalEntry, Message
    from dsintegration.refresh import Tally, refresh

    def run(label: str, most: int, *, due: bool) -> None:
        cache.clear()
        if due:
            Dossier.objects.update(checked_at=F("checked_at") - timedelta(hours=2))
            Demarche.objects.update(covered_from=F("covered_from") - timedelta(hours=3))
        took = seconds(lambda: call_command("refresh_dossiers", stdout=io.StringIO()))
        told = control(origin, 0)
        least = told["seconds"] / conf.in_flight()
        print(
            f"{label:38} {told['requests']:4} requests   at most {most};   {took:.1f} s, over the "
            f"platform's own time {took / least:.2f}   at most 1.3"
        )

    empty(Message, Dossier, JournalEntry)
    Demarche.objects.update(followed=True)
    control(origin, 0)
    run("followed: import from nothing", 110, due=False)
    if connection.vendor == "postgresql":  # as autovacuum does within the minute
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    run("followed: none changed", 5, due=False)
    run("followed: none changed, all due", 15, due=True)
    control(origin, DOSSIERS)
    run("followed: all changed", 110, due=False)
    print("dossiers here:", Dossier.objects.count())
    # A thousand démarches of twenty dossiers: three lists each would be more than their batches.
    Demarche.objects.update(followed=False)
    empty(Message, Dossier)
    control(origin, 0, 20_000, 1000)
    numbers = range(FIRST, FIRST + 20_000)
    from dsintegration.services import fetch_dossiers

    cache.clear()
    list(fetch_dossiers(numbers))
    Dossier.objects.update(checked_at=F("checked_at") - timedelta(hours=2))
    control(origin, 0, 20_000, 1000)
    cache.clear()
    took = seconds(lambda: list(refresh(due_now(), Tally())))
    told = control(origin, 0)
    print(f"1,000 démarches of 20: {told['requests']} requests, {took:.1f} s")


def empty(*models: type) -> None:
    """As a database is before its first dossier: of rows that are deleted, PostgreSQL would keep
    what an import then goes through.
    """
    from django.core.management.color import no_style
    from django.db import connection

    tables = [model._meta.db_table for model in models]
    connection.ops.execute_sql_flush(
        connection.ops.sql_flush(no_style(), tables, allow_cascade=True)
    )


def due_now():
    from dsintegration.refresh import due_dossiers

    return due_dossiers()


def bench_memory() -> None:
    """Peak memory of a process that refreshes many, over one that refreshes few."""
    peaks = {}
    for count in (1_000, 100_000):
        with platform("--no-delays") as origin, tempfile.TemporaryDirectory() as folder:
            program = (
                "import django; django.setup()\n"
                "from django.core.management import call_command\n"
                "from dsintegration import services\n"
                "from dsintegration.platform import client\n"
                "client.wait_for_turn = lambda *_: None\n"
                "call_command('migrate', verbosity=0)\n"
                f"for _ in services.fetch_dossiers(range({FIRST}, {FIRST + count})): pass\n"
                "call_command('refresh_dossiers', '--older-than', '0s', '--full')\n"
                "call_command('refresh_dossiers', '--older-than', '0s')\n"
                "import resource\n"
                "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
            )
            control(origin, 0, count)
            run = subprocess.run(
                [sys.executable, "-c", program],
                check=True,
                cwd=PROJECT,
                capture_output=True,
                text=True,
                env=os.environ
                | {
                    "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
                    "DS_API_URL": f"{origin}/api/v2/graphql",
                },
            )
            peaks[count] = int(run.stdout.split()[-1])
    ratio = peaks[100_000] / peaks[1_000]
    few, many = (f"{peak / 1024:.0f} MB" for peak in peaks.values())
    print(f"peak memory, 100,000 over 1,000: {ratio:.2f} ({many} over {few})   at most 1.3")


def main() -> None:
    with platform() as origin, tempfile.TemporaryDirectory() as folder:
        start(f"{origin}/api/v2/graphql", folder, DS_RATE_LIMIT="400")
        from django.db import connection

        print(f"refresh_dossiers, {DOSSIERS:,} dossiers ({connection.vendor})")
        bench_time(origin)
        if connection.vendor == "sqlite":
            bench_memory()


if __name__ == "__main__":
    main()
