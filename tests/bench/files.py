"""Files of 200 MB through gunicorn: the memory of its worker, and how quick the rest stays.

Exits with 1 where one passes through with 20 MiB more memory, or where ten at once make pages
twice as slow and 30 ms slower.
"""

import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.bench.api import free_port, wait_for

SIZE = 200_000_000
AT_ONCE, THREADS = 10, 8
MOST_MEMORY = 20 * 1024  # KiB
NUMBER = 12345


@contextmanager
def gunicorn() -> Iterator[tuple[str, int]]:
    """The server's address, and the pid of its one worker."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--workers", "1", "--log-level", "error"]
    command += ["--worker-class", "gthread", "--threads", str(THREADS)]
    with subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}", "config.wsgi"]) as server:
        try:
            wait_for(port)
            time.sleep(1)
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
            yield f"http://127.0.0.1:{port}", int(children.split()[0])
        finally:
            server.terminate()


def peak(pid: int) -> int:
    """The most memory that the process ever had, in KiB."""
    [kib] = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(kib)


def latencies(session: requests.Session, url: str, until: Callable[[], bool]) -> list[float]:
    taken: list[float] = []
    while not until() or len(taken) < 50:
        started = time.perf_counter()
        session.get(url, timeout=30).raise_for_status()
        taken.append(time.perf_counter() - started)
        time.sleep(0.01)
    return taken


def download(url: str, key: str) -> None:
    """Patient, as the answer tells."""
    while True:
        with requests.get(
            url, headers={"Authorization": f"Api-Key {key}"}, stream=True, timeout=90
        ) as answer:
            if answer.status_code == 503:
                time.sleep(float(answer.headers["Retry-After"]))
                continue
            answer.raise_for_status()
            taken = sum(len(chunk) for chunk in answer.iter_content(1024 * 1024))
            assert taken == SIZE, taken
            return


def measure(origin: str, pid: int, file: int, key: str) -> bool:
    url = f"{origin}/api/v1/dossiers/{NUMBER}/files/{file}/"
    session = requests.Session()
    session.headers["Authorization"] = f"Api-Key {key}"
    page = f"{origin}/api/v1/dossiers/{NUMBER}/"
    # What any fetch has imported and kept: no file's doing.
    session.post(f"{page}fetch/", timeout=30).raise_for_status()
    quiet = latencies(session, page, lambda: True)
    before = peak(pid)
    started = time.perf_counter()
    download(url, key)
    one, took = peak(pid) - before, time.perf_counter() - started
    print(f"one file of {SIZE / 1e6:.0f} MB: {took:.1f} s, {one / 1024:.1f} MiB more   at most 20")

    threads = [threading.Thread(target=download, args=(url, key)) for _ in range(AT_ONCE)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    busy = latencies(session, page, lambda: not any(thread.is_alive() for thread in threads))
    took = time.perf_counter() - started
    print(f"{AT_ONCE} at once: {took:.1f} s, {(peak(pid) - before) / 1024:.1f} MiB more in all")
    alone, beside = statistics.median(quiet) * 1000, statistics.median(busy) * 1000
    print(f"a page meanwhile: {beside:.1f} ms (alone {alone:.1f}), median of {len(busy)}")
    is_slow = beside > 2 * alone and beside - alone > 30
    return one <= MOST_MEMORY and not is_slow


def main() -> int:
    from dsintegration.sandbox import TOKEN, Sandbox
    from dsintegration.sandbox.storage import Content, file

    sandbox = Sandbox()
    content = Content(secrets.token_bytes(65536), SIZE)
    held = file("plan.pdf", "2026-09-07T10:00:00+02:00", content=content)
    messages = sandbox.dossiers[NUMBER]["messages"]
    sandbox.dossiers[NUMBER] |= {"messages": [messages[0] | {"attachments": [held]}]}
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "DEBUG": "1",
            "SECRET_KEY": "for this measure only",
            "DS_API_URL": sandbox.url,
            "DS_API_TOKEN": TOKEN,
            "DS_API_FETCHES_PER_MINUTE": "100000",
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        import django

        django.setup()
        from django.core.management import call_command

        from dsintegration.models import ApiKey, File
        from dsintegration.services import fetch_dossier

        call_command("migrate", verbosity=0)
        fetch_dossier(NUMBER)
        _, key = ApiKey.objects.create_key(
            name="bench", all_demarches=True, can_read_personal_data=True, can_fetch=True
        )
        row = File.objects.get()
        with gunicorn() as (origin, pid):
            is_well = measure(origin, pid, row.pk, key)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
