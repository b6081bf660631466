"""What one fetch takes while a refresh of 100,000 dossiers runs beside it, over its quiet time.

The platform (slow.py) answers a single dossier at once, so that what is seen is ours: waiting for
the writers' lock, and for a core. Beside a process that only computes, it is the core alone.
"""

import io
import random
import statistics
import subprocess
import sys
import tempfile
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from itertools import count
from typing import Any

from tests.bench.app import start
from tests.bench.clock import seconds
from tests.bench.refresh import PROJECT, control, platform
from tests.bench.slow import DEMARCHES, FIRST

DOSSIERS = 100_000
TURNS, KINDS = 150, ("new", "known")
# A refresh that has not ended by then has shown what it does.
LONGEST = 30.0
# What begins each part of a refresh.
PARTS = {
    "dsintegration.refresh.lists._plans": "plan",
    "dsintegration.refresh.lists.read_all": "lists",
    "dsintegration.refresh.lists.store_unmoved": "vouching",
    "dsintegration.refresh.lists._strays": "strays",
    "dsintegration.refresh.run.fetch_dossiers": "batches",
}
# Each row of the model dossier once more for every number, on SQLite and on PostgreSQL.
COPY = """
WITH RECURSIVE numbers(n) AS (
    SELECT {first} + 1 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {last}
)
INSERT INTO {table} ({columns}) SELECT {values} FROM numbers CROSS JOIN {table} AS model {rest}
"""


def fill() -> None:
    """The mirror as after a fetch of each dossier."""
    from dsintegration.models import Demarche, Dossier, Message
    from dsintegration.services import fetch_dossiers

    list(fetch_dossiers(range(FIRST, FIRST + DEMARCHES)))  # one of each démarche
    Dossier.objects.exclude(number=FIRST).delete()
    model = Dossier.objects.values_list("pk", flat=True).get()
    homes = Demarche.objects.values_list("number", "pk")
    home = " ".join(f"WHEN {number - 1} THEN {pk}" for number, pk in homes)
    ds_id = f"replace(model.ds_id, '{FIRST}', CAST(n AS text))"
    copy(
        Dossier,
        f"WHERE model.id = {model}",
        {"number": "n", "ds_id": ds_id, "demarche_id": f"CASE n % {DEMARCHES} {home} END"},
    )
    copy(
        Message,
        "JOIN dsintegration_dossier AS dossier ON dossier.number = n "
        f"WHERE model.dossier_id = {model}",
        {"ds_id": ds_id, "dossier_id": "dossier.id"},
    )
    print(f"{Dossier.objects.count():,} dossiers, {Message.objects.count():,} messages")


def copy(model, rest: str, own: dict[str, str]) -> None:
    from django.db import connection

    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    with connection.cursor() as cursor:
        cursor.execute(
            COPY.format(
                first=FIRST,
                last=FIRST + DOSSIERS,
                table=model._meta.db_table,
                columns=", ".join(columns),
                values=", ".join(own.get(name, f"model.{name}") for name in columns),
                rest=rest,
            )
        )


def settle(*, followed: bool) -> None:
    """All are due; and the database has done what it would do by and by."""
    from django.db import connection
    from django.utils import timezone

    from dsintegration.models import Demarche, Dossier

    now, hour = timezone.now(), timedelta(hours=1)
    Dossier.objects.filter(number__lt=FIRST + DOSSIERS).update(checked_at=now - 2 * hour)
    Demarche.objects.update(
        followed=followed, read_until=now - hour, covered_from=now - 3 * hour, reading_cursor=""
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.execute("ANALYZE")


class Fetches:
    """One after the other, of dossiers that the refresh does not ask for."""

    def __init__(self) -> None:
        self.new, self.chance = count(FIRST + 2 * DOSSIERS), random.Random(1)

    def fetch(self, kind: str) -> float:
        """The seconds of one: a new dossier, or one that is known and as it was."""
        from dsintegration.services import fetch_dossier

        number = next(self.new) if kind == "new" else FIRST + 2 * DOSSIERS - 1
        time.sleep(self.chance.uniform(0, 0.02))
        return seconds(lambda: fetch_dossier(number))

    def quiet(self) -> list[tuple[str, float]]:
        return [(kind, self.fetch(kind)) for _ in range(TURNS) for kind in KINDS]

    def beside(self, process: subprocess.Popen[str]) -> list[tuple[float, str, float]]:
        """When each began, of which kind it was, and its seconds."""
        ends_at, seen = time.monotonic() + LONGEST, []
        while process.poll() is None and time.monotonic() < ends_at:
            seen += [(time.monotonic(), kind, self.fetch(kind)) for kind in KINDS]
        process.terminate()
        return seen


def bench(label: str, fetches: Fetches, *words: str, followed: bool = False) -> None:
    settle(followed=followed)
    quiet = fetches.quiet()
    command = [sys.executable, "-m", "tests.bench.busy", *words]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()  # it begins
        seen = fetches.beside(process)
        *lines, said = process.stdout.read().splitlines() or [""]
    quiet += fetches.quiet()
    usual = {kind: statistics.median(took for k, took in quiet if k == kind) for kind in KINDS}
    begun = [(float(moment), part) for moment, part in map(str.split, lines)]
    by_part = defaultdict(list)
    for began, kind, took in seen:
        place = bisect(begun, (began,)) - 1
        by_part[begun[place][1] if place >= 0 else "start"].append(took / usual[kind])
    print(label)
    millis = ", ".join(f"{kind} {took * 1000:.1f} ms" for kind, took in usual.items())
    print(f"    quiet     {told([took / usual[kind] for kind, took in quiet])}   ({millis})")
    for part, ratios in by_part.items():
        print(f"    {part:9} {told(ratios)}")
    print(f"    in all    {told([r for some in by_part.values() for r in some])}   at most 3")
    print(f"    {said}")


def told(ratios: list[float]) -> str:
    high = sorted(ratios)[int(len(ratios) * 0.95)]
    return (
        f"{len(ratios):5} fetches   median {statistics.median(ratios):5.2f}   "
        f"95 % {high:6.2f}   longest {max(ratios):6.2f}"
    )


# The process beside them


def refresh(options: list[str]) -> None:
    """refresh_dossiers; print when it began what."""
    import django

    django.setup()
    from django.core.management import CommandError, call_command

    for place, part in PARTS.items():
        name, _, function = place.rpartition(".")
        module = import_module(name)
        setattr(module, function, telling(part, getattr(module, function)))
    print("begins", flush=True)
    said = io.StringIO()
    with suppress(CommandError):  # stopped before its end
        call_command("refresh_dossiers", *options, stdout=said)
    print(said.getvalue().strip())


def telling(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def told(*args: Any, **options: Any) -> Any:
        print(time.monotonic(), part)
        return work(*args, **options)

    return told


def compute() -> None:
    print("begins", flush=True)
    while True:
        pass


def main() -> None:
    with platform("--alone-at-once") as origin, tempfile.TemporaryDirectory() as folder:
        start(f"{origin}/api/v2/graphql", folder, DS_RATE_LIMIT="400")
        from django.db import connection

        print(f"one fetch beside a refresh of {DOSSIERS:,} ({connection.vendor})")
        control(origin, 0, DOSSIERS)
        fill()
        fetches = Fetches()
        bench("(a) beside a process that only computes", fetches, "compute")
        for name, moved, options, followed in (
            ("(b) none has changed", 0, (), False),
            ("(c) --full, all have changed", DOSSIERS, ("--full",), False),
            ("(d) followed, all have changed", DOSSIERS, (), True),
            ("(e) followed, none has changed", 0, (), True),
        ):
            control(origin, moved, DOSSIERS)
            bench(name, fetches, "refresh", *options, followed=followed)


if __name__ == "__main__":
    if "refresh" in sys.argv:
        refresh(sys.argv[2:])
    elif "compute" in sys.argv:
        compute()
    else:
        main()
