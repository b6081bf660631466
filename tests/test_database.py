"""A database that is down, or full: what pages, the API, commands and probes say of it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError, connection, connections
from django.test import Client

from dsintegration.api.errors import SENTENCES
from dsintegration.database import Trouble, trouble
from dsintegration.services import fetch_dossier
from tests.processes import PROJECT

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = "password of db.example.org"


@pytest.fixture
def break_it(monkeypatch):
    """Every statement fails from now on, as `err` says."""

    def fail(err):
        def refuse(*_, **__):
            raise err from getattr(err, "because", None)

        monkeypatch.setattr(connection, "cursor", refuse)

    return fail


def full() -> OperationalError:
    err, err.because = (found := OperationalError(WORDS)), Exception()
    err.because.sqlstate = "53100"
    return found


TROUBLES = [
    (lambda: OperationalError(WORDS), "database_down"),
    (lambda: InterfaceError(WORDS), "database_down"),
    (full, "database_full"),
]


@pytest.mark.parametrize(("make", "code"), TROUBLES)
class TestApi:
    @pytest.mark.parametrize(
        ("method", "address"),
        [
            ("get", "dossiers/"),
            ("get", "dossiers/12345/"),
            ("get", "purged/"),
            ("post", "dossiers/12345/fetch/"),
        ],
    )
    def test_each_address(self, api, break_it, logs, make, code, method, address):
        client = api(can_fetch=True)
        break_it(make())
        response = getattr(client, method)(f"/api/v1/{address}")
        assert (response.status_code, response["Retry-After"]) == (503, "30")
        assert response.json() == {"detail": SENTENCES[code], "code": code}
        assert WORDS not in logs.text
        assert "DATABASE" not in response.content.decode()


@pytest.mark.parametrize(("make", "code"), TROUBLES)
@pytest.mark.parametrize("address", ["/admin/dsintegration/dossier/", "/suivi/lien/x/"])
def test_pages(django_user_model, break_it, make, code, address):
    client = Client(raise_request_exception=False)
    client.force_login(django_user_model.objects.create_superuser("chef"))
    break_it(make())
    response = client.get(address)
    assert (response.status_code, response["Retry-After"]) == (503, "30")
    assert "momentanément indisponible" in response.content.decode()
    assert WORDS not in response.content.decode()


def test_a_bug_stays_a_bug(api, monkeypatch):
    """A table that is missing is no outage."""
    client = api()
    client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE dsintegration_dossier RENAME TO elsewhere")
    try:
        assert client.get("/api/v1/dossiers/").json()["code"] == "server_error"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO dsintegration_dossier")


def test_commands_and_probes(break_it, client):
    break_it(full())
    with pytest.raises(CommandError, match="n'a plus de place sur son disque") as caught:
        call_command("check_fresh")
    assert caught.value.returncode == 1
    assert client.get("/health/ready").json()["database"] == "full"


@pytest.mark.skipif(os.getuid() != 0, reason="takes root to make a small disk")
class TestFullDisk:
    """PostgreSQL's tables, or SQLite's file, on a disk of some megabytes."""

    @pytest.fixture
    def disk(self):
        folder = Path(tempfile.mkdtemp())
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False
        )
        if made.returncode:
            pytest.skip("no disk can be made here")
        yield folder
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()

    def test_postgresql(self, disk, on_sqlite, sandbox, api):
        if on_sqlite:
            pytest.skip("needs PostgreSQL")
        shutil.chown(disk, "postgres")
        name = connection.settings_dict["NAME"]
        client = api(can_fetch=True)
        fetch_dossier(12345)

        def move(tablespace):
            connections.close_all()
            connection.settings_dict["NAME"] = "postgres"
            with connection.cursor() as cursor:
                cursor.execute(f'ALTER DATABASE "{name}" SET TABLESPACE {tablespace}')
            connection.close()
            connection.settings_dict["NAME"] = name

        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        move("small")
        try:
            assert client.get("/health/ready").json()["database"] == "ok"
            with (disk / "filler").open("wb", buffering=0) as filler:
                try:
                    while filler.write(bytes(4096)):
                        pass
                except OSError:
                    pass
            ready = client.get("/health/ready")
            assert (ready.status_code, ready.json()["database"]) == (503, "full")
            with pytest.raises(OperationalError) as caught, connection.cursor() as cursor:
                cursor.execute("CREATE TABLE too_much AS SELECT generate_series(1, 1000000)")
            assert trouble(caught.value) is Trouble.FULL
            (disk / "filler").unlink()
            assert client.get("/health/ready").json()["database"] == "ok"
            assert client.post("/api/v1/dossiers/12346/fetch/").status_code == 201
        finally:
            (disk / "filler").unlink(missing_ok=True)
            move("pg_default")
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLESPACE small")

    def test_sqlite(self, disk):
        environment = os.environ | {"DATABASE_URL": f"sqlite:///{disk}/db.sqlite3"}
        command = [sys.executable, "manage.py"]
        options = {"cwd": PROJECT, "env": environment, "capture_output": True, "text": True}
        options["env"] |= {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        subprocess.run([*command, "migrate"], check=True, **options)
        with (disk / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass
        done = subprocess.run([*command, "after_restore"], check=False, **options)
        assert done.returncode == 1
        assert "n'a plus de place sur son disque" in done.stderr
        assert "Traceback" not in done.stderr
