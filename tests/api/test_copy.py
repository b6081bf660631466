"""A real consumer against a live server: the program of docs/api.md, and requests."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from django.core.management import call_command
from django.db import connection, transaction

from dsintegration.mirror import epoch, storing
from dsintegration.models import Demarche, Dossier, Message, Platform, PurgedDossier
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossier
from tests.factories import DossierFactory, dossier_answer, message_answer

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
PROGRAM = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture
def copy(live_server, make_key, tmp_path):
    """Runs the program; what its copy then holds, as {number: version}."""
    key = make_key(can_read_personal_data=True)

    def run():
        environment = os.environ | {"API": f"{live_server.url}/api/v1/", "CLE": key}
        subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, check=True, timeout=120
        )
        rows = sqlite3.connect(tmp_path / "copie.sqlite3")
        try:
            found = rows.execute("SELECT number, version, json FROM dossier").fetchall()
        finally:
            rows.close()
        assert all(json.loads(text)["version"] == version for _, version, text in found)
        return {number: version for number, version, _ in found}

    return run


def stored() -> dict[int, int]:
    return dict(Dossier.objects.values_list("number", "version"))


def test_it_is_as_short_as_promised():
    assert len([line for line in PROGRAM.splitlines() if line.strip()]) <= 36


def test_copies_changes_and_erasures(copy):
    shared = DossierFactory(number=1, version=1).demarche
    DossierFactory.create_batch(450, demarche=shared, version=2)
    assert copy() == stored()
    Dossier.objects.filter(number=1).update(version=3)
    assert copy() == stored()
    gone = Dossier.objects.filter(number=1)
    gone.delete()
    PurgedDossier.objects.create(
        number=1,
        demarche_number=shared.number,
        version=4,
        purged_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    assert 1 not in copy()
    assert copy() == stored()
    # It returns, before the copy has read that it was erased once more.
    DossierFactory(number=1, demarche=shared, version=6)
    PurgedDossier.objects.update(version=5)
    assert copy() == stored()
    assert copy()[1] == 6


def test_what_is_purged_returns_and_is_purged_again(copy, sandbox):
    def purge(number):
        Dossier.objects.filter(number=number).update(erased_at=datetime(2026, 3, 1, tzinfo=UTC))
        call_command("purge_dossiers")

    for number in (12345, 12346):
        fetch_dossier(number)
    assert copy() == stored()
    for _ in range(2):
        purge(12345)
        assert list(copy()) == [12346]
        fetch_dossier(12345)
        assert copy() == stored()
        assert stored().keys() == {12345, 12346}
    # Erased, back and changed before the copy looks again.
    purge(12345)
    fetch_dossier(12345)
    assert copy() == stored()
    # Back and erased before it looks again.
    purge(12345)
    assert list(copy()) == [12346]


def test_asks_only_for_what_is_new(copy, live_server, make_key):
    DossierFactory.create_batch(3, version=1)
    copy()
    answer = requests.get(
        f"{live_server.url}/api/v1/dossiers/",
        {"after_version": 1},
        headers={"Authorization": f"Api-Key {make_key()}"},
        timeout=10,
    )
    assert answer.json() == {"epoch": epoch.current(), "next": None, "results": []}


TABLES = (Demarche, Dossier, Message, PurgedDossier, Platform)


class Backup:
    """What pg_dump and pg_restore do, in one transaction."""

    def __init__(self):
        self.rows = [(table, list(table.objects.all())) for table in TABLES]

    def restore(self):
        with transaction.atomic():
            for table in reversed(TABLES):
                table.objects.all().delete()
            for table, rows in self.rows:
                table.objects.bulk_create(rows)


def test_a_backup_is_restored_while_copiers_run(copy, sandbox, make_client):
    """What changed since, and what is here no more: 0 wrong, 0 ghosts."""
    numbers = list(range(101, 131))

    def write(turn, numbers=numbers):
        for number in numbers:
            answer = dossier_answer(number, messages=[message_answer(f"m{number}-{turn}")])
            sandbox.replies[number] = Reply(body={"data": {"dossier": answer}})
            fetch_dossier(number, client=client)

    client = make_client(sandbox.url)
    write(1)
    backup = Backup()
    copy()
    write(2)  # the copy has versions that will be given out again
    write(1, [200, 201])  # of what it has, these will be unknown here
    Dossier.objects.filter(number=130).update(erased_at=datetime(2026, 3, 1, tzinfo=UTC))
    call_command("purge_dossiers")
    before = copy()
    assert before == stored()
    is_open_again = threading.Event()

    def keep_copying():
        while not is_open_again.is_set():
            copy()

    copier = threading.Thread(target=keep_copying)
    copier.start()
    backup.restore()
    call_command("after_restore")
    write(3, numbers[::2])  # a refresh; the others are as they were in the backup
    is_open_again.set()
    copier.join()
    assert copy() == stored()
    assert stored().keys() == set(numbers)
    assert max(before.values()) < epoch.STEP < min(stored()[number] for number in numbers[::2])
    # And it goes on as ever.
    write(4)
    assert copy() == stored()


def answer_of(number, turn):
    """Each turn renames the démarche: all its dossiers get one version together."""
    demarche = {"id": "Procedure-7", "number": 7, "title": f"Titre {number} {turn}"}
    return Reply(body={"data": {"dossier": dossier_answer(number, demarche=demarche)}})


def test_with_writers_running(copy, sandbox, make_client):
    numbers = list(range(101, 107))

    def write(number):
        client = make_client(sandbox.url)
        try:
            for turn in range(12):
                sandbox.replies[number] = answer_of(number, turn)
                fetch_dossier(number, client=client)
        finally:
            client.close()
            connection.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in numbers]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        copy()
    for writer in writers:
        writer.join()
    assert copy() == stored()
    assert sorted(stored()) == numbers


def test_a_transaction_that_commits_late(sandbox, make_client, api, monkeypatch):
    """Nobody who began after it gets a version, let alone commits one, before it does."""
    holding, release = threading.Event(), threading.Event()
    write_messages = storing.write_messages

    def hold(messages):
        if messages and messages[0].dossier.number == 101:
            holding.set()
            release.wait(10)
        write_messages(messages)

    monkeypatch.setattr(storing, "write_messages", hold)

    def fetch(number):
        client = make_client(sandbox.url)
        try:
            # Of its own: a message that moved would give the first dossier another version.
            answer = dossier_answer(number, messages=[message_answer(f"m{number}")])
            sandbox.replies[number] = Reply(body={"data": {"dossier": answer}})
            fetch_dossier(number, client=client)
        finally:
            client.close()
            connection.close()

    client = api()

    def seen(after):
        rows = client.get("/api/v1/dossiers/", {"after_version": after}).json()["results"]
        return [(row["number"], row["version"]) for row in rows]

    seen(0)
    late, quick = (threading.Thread(target=fetch, args=(number,)) for number in (101, 102))
    late.start()
    assert holding.wait(10)
    quick.start()
    quick.join(0.5)
    assert seen(0) == []
    release.set()
    late.join()
    quick.join()
    assert seen(0) == [(101, 1), (102, 2)]
    assert seen(1) == [(102, 2)]
    assert Platform.objects.get().version == 2


class TestRealClient:
    @pytest.fixture
    def session(self, live_server, make_key, sandbox):
        session = requests.Session()
        session.headers["Authorization"] = (
            f"Api-Key {make_key(can_fetch=True, can_read_personal_data=True)}"
        )
        session.base = f"{live_server.url}/api/v1"
        with session:
            yield session

    def test_fetch_read_read_again(self, session):
        fetched = session.post(f"{session.base}/dossiers/12345/fetch/", timeout=10)
        assert fetched.status_code == 201
        assert fetched.headers["Content-Encoding"] == "gzip"  # requests asks for it
        read = session.get(f"{session.base}/dossiers/12345/", timeout=10)
        assert read.json() == fetched.json()
        known = {"If-None-Match": read.headers["ETag"]}
        again = session.get(f"{session.base}/dossiers/12345/", headers=known, timeout=10)
        assert (again.status_code, again.content) == (304, b"")

    def test_pages_by_their_addresses(self, session):
        DossierFactory.create_batch(5, version=1)
        url, found = f"{session.base}/dossiers/?page_size=2", []
        while url:
            page = session.get(url, timeout=10).json()
            found += [row["number"] for row in page["results"]]
            url = page["next"]
        assert sorted(found) == sorted(stored())
        assert len(found) == 5

    def test_head_and_options(self, session):
        DossierFactory(number=1)
        head = session.head(f"{session.base}/dossiers/1/", timeout=10)
        assert (head.status_code, head.content) == (200, b"")
        assert "ETag" in head.headers
        options = session.options(f"{session.base}/dossiers/", timeout=10)
        assert (options.status_code, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")

    def test_a_slash_that_is_missing(self, session):
        """The redirect stays on this server, so that requests keeps the key."""
        response = session.post(f"{session.base}/dossiers/12345/fetch", timeout=10)
        assert (response.status_code, len(response.history)) == (201, 1)

    def test_a_wrong_key(self, session):
        session.headers["Authorization"] = "Api-Key no"
        response = session.get(f"{session.base}/dossiers/", timeout=10)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Api-Key"


def test_next_is_https_behind_a_proxy_of_ours(api, settings):
    """Otherwise whoever follows it would send the key in clear."""
    DossierFactory.create_batch(2, version=1)
    url = "/api/v1/dossiers/?page_size=1"
    client, forwarded = api(), {"X-Forwarded-Proto": "https"}
    assert client.get(url, headers=forwarded).json()["next"].startswith("http://")
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert client.get(url, headers=forwarded).json()["next"].startswith("https://")
