"""Everything, on the database that DATABASE_URL names, or on an SQLite of its own."""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dsintegration.sandbox import TOKEN, Sandbox
from tests.torture.processes import Processes, environment
from tests.torture.proxy import Proxy

STEPS = ("faults", "refreshes", "memory", "kills", "databases")
# How many times each is killed: 200 in all.
COMMANDS, REFRESHES, WEBS, CHILDREN, WORKERS = 50, 30, 15, 20, 3
KILLS = 200
# Of the memory of a fetch that meets a gigabyte, over that of any fetch.
MOST_MEMORY = 1.5


def try_faults(ledger, app: Processes, proxy: Proxy, sandbox: Sandbox, rounds: int) -> None:
    from tests.torture.faults import FAULTS
    from tests.torture.trial import try_fault

    for turn in range(rounds):
        for rank, fault in enumerate(FAULTS):
            with ledger.attempt(fault.name) as seen:
                seen.append(try_fault(fault, app, proxy, sandbox, turn=rank + turn))


def try_memory(ledger, app: Processes, proxy: Proxy) -> None:
    from dsintegration.exceptions import Reason
    from tests.torture.faults import FAULTS
    from tests.torture.whole import NotWhole

    app.command("fetch_dossier", "12345")
    usual = app.peak()
    for fault in FAULTS:
        if fault.reason is not Reason.TOO_LARGE:
            continue
        with ledger.attempt(f"memory: {fault.name}") as seen, proxy.playing(fault.act):
            app.command("fetch_dossier", "12345")
            ratio = app.peak() / usual
            seen.append(f"{app.peak() / 1024:.0f} MB over {usual / 1024:.0f} MB: {ratio:.2f}")
            if ratio > MOST_MEMORY:
                raise NotWhole(f"memory grows by {ratio:.2f}")


def try_kills(
    ledger, app: Processes, proxy: Proxy, sandbox: Sandbox, seed: int, broker: str
) -> None:
    """The command and the task queue, and beside them the web."""
    from django.db import connections

    from tests.torture.kills import COMMAND, PRIVATE, CeleryKills, CommandKills, WebKills
    from tests.torture.whole import check_silent

    workers = KILLS - COMMANDS - REFRESHES - WEBS - (CHILDREN + WORKERS if broker else 0)

    def background() -> None:
        kills = CommandKills(ledger, app, proxy, sandbox, f"command {seed}")
        kills.kill(COMMANDS, "fetch_dossier", *map(str, COMMAND))
        kills.kill(REFRESHES, "refresh_dossiers", "--older-than=0s", "--full", "--demarche=8")
        if broker:
            celery = CeleryKills(ledger, app, proxy, sandbox, f"celery {seed}")
            celery.kill(CHILDREN, WORKERS, broker)
        else:
            print("Celery's worker is not killed: that takes REDIS_URL (.ci/redis).")

    def web() -> None:
        kills = WebKills(ledger, app, proxy, sandbox, f"web {seed}")
        kills.kill(workers, whole=False)
        kills.kill(WEBS, whole=True)
        kills.fetch_all()

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(run, (background, web)):
            pass
    with ledger.attempt("logs of all that was killed"):
        check_silent(app.logs(), PRIVATE)


def try_all(folder: Path, seed: int, rounds: int, only: list[str]) -> bool:
    """Whether everything survived."""
    sandbox = Sandbox()
    proxy = Proxy(sandbox.url, folder)
    broker = os.environ.get("REDIS_URL", "")
    env = environment(
        folder,
        DS_API_URL=proxy.url,
        DS_API_TOKEN=TOKEN,
        REQUESTS_CA_BUNDLE=str(proxy.authorities),
        CELERY_BROKER_URL=broker,
    )
    os.environ |= env
    import django
    from django.core.management import call_command

    django.setup()
    from django.db import connection

    from dsintegration.models import ApiKey
    from tests.torture.databases import Databases
    from tests.torture.ledger import Ledger
    from tests.torture.refreshes import Refreshes

    call_command("migrate", verbosity=0)
    rights = dict.fromkeys(("all_demarches", "can_fetch", "can_read_personal_data"), True)
    key = ApiKey.objects.create_key(name="Torture", **rights)[1]
    app, ledger = Processes(env, folder, key), Ledger()
    print(f"{connection.vendor}, --seed {seed}", flush=True)
    try:
        app.start_web()
        steps = {
            "faults": lambda: try_faults(ledger, app, proxy, sandbox, rounds),
            "refreshes": Refreshes(ledger, app, proxy, sandbox).try_all,
            "memory": lambda: try_memory(ledger, app, proxy),
            "kills": lambda: try_kills(ledger, app, proxy, sandbox, seed, broker),
            "databases": Databases(ledger, app, proxy, sandbox, folder).try_all,
        }
        for name in only or steps:
            started = time.monotonic()
            steps[name]()
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    finally:
        app.close()
        proxy.close()
        sandbox.close()
    print(ledger.table())
    return ledger.has_survived()


@contextmanager
def small_disk(path: Path) -> Iterator[None]:
    """A disk of 40 megabytes there, if we may make one."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(path)]
    is_mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--rounds", type=int, default=1, help="times that each fault is tried")
    parser.add_argument("--only", action="append", choices=STEPS, default=[])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and end what was started
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name) / "db"):
        return 0 if try_all(Path(name), options.seed, options.rounds, options.only) else 1


if __name__ == "__main__":
    sys.exit(main())
