import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.bench.app import start
from tests.bench.clock import compare
from tests.bench.statements import count_statements

COUNTS = [0, 10, 1000]
TURNS = 300
STARTS = 15
PROJECT = Path(__file__).resolve().parents[2]


@contextmanager
def stub(*words: str) -> Iterator[str]:
    """`words`: what it serves (stub.py)."""
    command = [sys.executable, "-m", "tests.bench.stub", *(words or map(str, COUNTS))]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/api/v2/graphql"
        finally:
            process.terminate()


def number(kind: int, rank: int) -> int:
    return 28_000_000 + kind * 10_000 + rank


def bench_service(url: str) -> None:
    import requests
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from dsintegration.platform.documents import GET_DOSSIER
    from dsintegration.services import fetch_dossier

    session = requests.Session()
    headers = {"Authorization": f"Bearer {os.environ['DS_API_TOKEN']}"}

    def bare(dossier: int) -> None:
        body = {"query": GET_DOSSIER.text, "variables": {"number": dossier}}
        response = session.post(url, json=body, headers=headers, timeout=(5, 35))
        json.loads(response.text)

    print("(a) one fetch_dossier over the same POST by requests.Session and json.loads")
    for kind, messages in enumerate(COUNTS[:2]):
        for label, limit in (("new", 3.3), ("unchanged", 2.6)):
            asked = (number(kind, rank if label == "new" else 1) for rank in count(1))
            asked_bare = (number(kind, rank) for rank in count(1))
            ratio = compare(
                lambda asked=asked: fetch_dossier(next(asked)),
                lambda asked=asked_bare: bare(next(asked)),
                TURNS,
            )
            print(f"    {label:9} {messages:4} messages  {ratio}   at most {limit}")

    print("(b) SQL statements, without transaction control and journal")
    for kind, messages in enumerate(COUNTS):
        for label in ("new", "unchanged"):
            with CaptureQueriesContext(connection) as captured:
                fetch_dossier(number(kind, 9_999))
            limit = 8 if label == "new" else 4
            total = count_statements(captured)
            print(f"    {label:9} {messages:4} messages  {total}   at most {limit}")


def bench_start() -> None:
    def manage(*arguments: str) -> Callable[[], object]:
        command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
        return lambda: subprocess.run(command, check=True, capture_output=True)

    print("(c) manage.py fetch_dossier over manage.py check")
    for label, argument in (
        ("until its input is checked", "--help"),
        ("with the fetch", str(number(1, 9_999))),
    ):
        ratio = compare(manage("fetch_dossier", argument), manage("check"), STARTS)
        print(f"    {label:26}  {ratio}   at most 1.3")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, stub() as url:
        start(url, folder)
        bench_service(url)
        bench_start()


if __name__ == "__main__":
    main()
