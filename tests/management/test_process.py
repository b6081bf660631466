"""The project in processes of its own, with a real environment: what an operator's shell sees."""

import json
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import requests

from tests.settings import EMPTY

PROJECT = Path(__file__).resolve().parents[2]
LONE = {"SECRET_KEY": "for the tests only", "PATH": os.environ["PATH"]}
# Set, to nothing: so that no .env file of this folder has a say.
UNSET = EMPTY


@pytest.fixture
def manage(tmp_path):
    def run(*words, stdin=None, **env):
        database = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
        return subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), *words],
            env=LONE | UNSET | database | env,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=tmp_path,
        )

    return run


SANDBOX = {"DS_SANDBOX": "1", "DEBUG": "1"}


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY manque"),
        ({"SECRET_KEY": "", "SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY_FILE ne peut pas être lu"),
        ({"SECRET_KEY": "hidden"}, "SECRET_KEY est trop courte"),
        ({"LOG_LEVEL": "DEBUG"}, "LOG_LEVEL doit valoir INFO, WARNING, ERROR"),
        ({"SECURE_HSTS_SECONDS": "long"}, "SECURE_HSTS_SECONDS doit être un nombre entier"),
        ({"SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY et SECRET_KEY_FILE"),
        ({"DEBUG": "perhaps"}, "DEBUG doit valoir 1 ou 0"),
        ({"DATABASE_URL": "mysql://me:hidden@host/db"}, "DATABASE_URL doit être"),
        ({"DATABASE_URL": "postgres://me:hid/den@host:port/db"}, "DATABASE_URL doit être"),
        ({"DATABASE_URL": "db.sqlite3"}, "DATABASE_URL doit être"),
        ({"DS_API_READ_TIMEOUT": "long"}, "DS_API_READ_TIMEOUT doit être un nombre"),
        ({"DS_API_TOKEN_EXPIRES": "soon"}, "DS_API_TOKEN_EXPIRES doit être une date"),
        ({"DS_SANDBOX": "1"}, "DS_SANDBOX=1 n'est permis qu'avec DEBUG=1"),
        (SANDBOX | {"DS_API_TOKEN": "hidden"}, "DS_SANDBOX=1 (le bac à sable) et DS_API_TOKEN"),
        ({}, "DS_API_TOKEN manque"),
        ({"DS_API_TOKEN": "hid den"}, "DS_API_TOKEN contient un blanc"),
        ({"DS_API_TOKEN": "hidden", "DS_API_URL": "http://example.org"}, "https://"),
    ],
)
def test_wrong_settings_are_one_sentence(manage, env, words):
    manage("migrate", "--verbosity=0")
    run = manage("fetch_dossier", "12345", **env)
    assert (run.returncode, run.stdout) == (7, "")
    assert words in run.stderr
    assert run.stderr.strip().count("\n") == 0
    for secret in ("hid", "Traceback"):
        assert secret not in run.stderr


def test_wrong_settings_of_any_command(manage):
    run = manage("check", DEBUG="perhaps")
    assert (run.returncode, run.stderr) == (7, "DEBUG doit valoir 1 ou 0.\n")


def test_secrets_from_files(manage, tmp_path):
    (tmp_path / "secret").write_text("for the tests only\n")
    run = manage("check", SECRET_KEY="", SECRET_KEY_FILE=str(tmp_path / "secret"))
    assert run.returncode == 0


def test_an_unmigrated_database(manage):
    run = manage("fetch_dossier", "12345", DS_API_TOKEN="a" * 84, DS_API_URL="http://127.0.0.1:9/")
    assert run.returncode == 1
    assert "manage.py migrate" in run.stderr
    assert "Traceback" not in run.stderr


def test_bad_input(manage):
    run = manage("fetch_dossier", "--format=xml", "1")
    assert run.returncode == 2
    assert run.stderr.startswith("--format : 'xml' n'est pas parmi")


def test_a_reader_that_leaves(manage, running):
    manage("migrate", "--verbosity=0")
    command = f"{sys.executable} {PROJECT / 'manage.py'} fetch_dossier --help"
    run = subprocess.run(
        ["/bin/sh", "-c", f"{command} | true"],
        env=LONE | UNSET,
        capture_output=True,
        text=True,
    )
    assert run.stderr == ""


@pytest.mark.parametrize(
    ("redirection", "status", "words"),
    [
        ("--file - <&-", 2, "aucun numéro de dossier"),
        ("12345 >&-", 0, ""),
        ("404 2>&-", 3, ""),
        ("12345 >/dev/full", 1, "La sortie ne peut pas être écrite"),
        ("404 405 2>&1 | head -0; exit ${PIPESTATUS[0]}", 141, ""),
    ],
)
def test_streams_that_are_closed_or_full(
    manage, platform, sandbox, tmp_path, redirection, status, words
):
    manage("migrate", "--verbosity=0")
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
    run = subprocess.run(
        [
            "/bin/bash",
            "-c",
            f"{sys.executable} {PROJECT / 'manage.py'} fetch_dossier {redirection}",
        ],
        env=LONE | UNSET | database | platform,
        capture_output=True,
        text=True,
    )
    assert run.returncode == status
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


@pytest.fixture
def platform(running):
    """The environment that points to a platform on this machine."""
    from dsintegration.sandbox import TOKEN

    return {"DS_API_URL": running.url, "DS_API_TOKEN": TOKEN}


def test_the_whole_way(manage, platform, sandbox):
    assert manage("migrate", "--verbosity=0").returncode == 0
    run = manage("fetch_dossier", "12345", "12346", **platform)
    assert (run.returncode, run.stderr) == (0, "")
    assert "Dossier n° 12345 : créé" in run.stdout
    again = manage("fetch_dossier", "--file", "-", stdin="12345\n", **platform)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Dossier n° 12345 : inchangé" in again.stdout


def test_lines_of_fetches_where_they_are_asked_for(manage, platform, sandbox):
    manage("migrate", "--verbosity=0")
    run = manage("fetch_dossier", "12345", "12346", LOG_LEVEL="INFO", **platform)
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert sorted((line["number"], line["outcome"]) for line in lines) == [
        (12345, "created"),
        (12346, "created"),
    ]
    assert sum(line["requests"] for line in lines) == len(sandbox.received) == 1
    assert "Dossier n° 12345 : créé" in run.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_lacks_letters(manage, platform, sandbox, encoding):
    manage("migrate", "--verbosity=0")
    run = manage(
        "fetch_dossier", "12345", "404", PYTHONIOENCODING=encoding, PYTHONUTF8="0", **platform
    )
    assert run.returncode == 3
    assert "12345" in run.stdout
    assert "Traceback" not in run.stderr


def test_a_progress_bar_on_a_terminal_only(manage, platform, sandbox, tmp_path):
    manage("migrate", "--verbosity=0")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}

    def bar(*numbers):
        subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), "fetch_dossier", *numbers],
            env=LONE | UNSET | database | platform,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            check=True,
        )
        os.write(theirs, b"end")
        shown = b""
        while not shown.endswith(b"end"):
            shown += os.read(ours, 65536)
        return b"dossier/s" in shown

    assert bar("12345", "12346")
    assert not bar("12345")
    os.close(ours)
    os.close(theirs)


def test_the_sandbox_keeps_its_rows_apart(manage):
    run = manage(
        "shell", "-v0", "-c", "from django.conf import settings as s; print(s.DATABASES)", **SANDBOX
    )
    assert run.returncode == 0, run.stderr
    assert "sandbox.sqlite3" in run.stdout
    assert "db.sqlite3'" not in run.stdout.replace("sandbox.sqlite3", "")


class TestDemo:
    """`make fetch`, once everything is installed."""

    @pytest.fixture
    def demo(self, tmp_path):
        for name in ("config", "dsintegration"):
            shutil.copytree(PROJECT / name, tmp_path / name)
        shutil.copy(PROJECT / "manage.py", tmp_path)

        def run(*words, **env):
            return subprocess.run(
                [sys.executable, "-m", "config.demo", *words],
                env=LONE | env,
                capture_output=True,
                encoding="utf-8",
                cwd=tmp_path,
            )

        return run

    def test_without_a_token(self, demo, tmp_path):
        run = demo("fetch_dossier", "12345")
        assert run.returncode == 0
        assert "Dossier n° 12345 : créé" in run.stdout
        assert run.stderr.startswith("Bac à sable : ")
        assert run.stderr.strip().count("\n") == 0
        assert (tmp_path / "sandbox.sqlite3").exists()
        assert not (tmp_path / "db.sqlite3").exists()
        assert "Dossier n° 12345 : inchangé" in demo("fetch_dossier", "12345").stdout

    def test_with_a_token(self, demo, platform, sandbox, tmp_path):
        run = demo("fetch_dossier", "12345", **platform)
        assert run.returncode == 0
        assert "Dossier n° 12345 : créé" in run.stdout
        assert "se lie au premier réseau" in run.stderr
        assert (tmp_path / "db.sqlite3").exists()
        assert len(sandbox.received) == 1

    def test_a_broken_env_file(self, demo, tmp_path):
        (tmp_path / ".env").write_text("DS_API_TOKEN = hidden\n")
        run = demo("fetch_dossier", "12345")
        assert run.returncode == 7
        assert run.stderr == (".env, ligne 1 : écrivez NOM=valeur, sans blanc autour du signe =.\n")

    @pytest.mark.parametrize("content", [b"# Pr\xe9fecture\n", None])
    def test_an_env_file_that_cannot_be_read(self, demo, tmp_path, content):
        if content is None:
            (tmp_path / ".env").mkdir()
        else:
            (tmp_path / ".env").write_bytes(content)
        run = demo("fetch_dossier", "12345")
        assert run.returncode == 7
        assert run.stderr.startswith(".env ne peut pas être lu")
        assert run.stderr.strip().count("\n") == 0

    @pytest.mark.parametrize("env", [{"DEBUG": "0"}, {"DS_API_TOKEN": "a" * 84}])
    def test_pages_are_not_served_in_production(self, demo, tmp_path, env):
        run = demo("serve", **env)
        assert run.returncode == 7
        assert "DEBUG=1" in run.stderr
        assert "mot de passe" not in run.stderr

    def test_pages(self, demo, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        shutil.copytree(PROJECT / "templates", tmp_path / "templates")
        with subprocess.Popen(
            [sys.executable, "-m", "config.demo", "serve"],
            env=LONE | {"PYTHONUNBUFFERED": "1", "PORT": str(port)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        ) as server:
            said = [server.stdout.readline() for _ in range(2)]
            password = re.search(r"compte : demo   mot de passe : (\S+)", said[1])[1]
            assert any("Quit the server" in line for line in server.stdout)
            login = f"http://127.0.0.1:{port}/admin/login/"
            session = requests.Session()
            session.get(login)
            form = {"username": "demo", "password": password, "next": "/admin/"}
            form["csrfmiddlewaretoken"] = session.cookies["csrftoken"]
            page = session.post(login, data=form).text
            server.terminate()
        assert "14</strong> dossiers" in page

    @pytest.mark.parametrize(("number", "status"), [("404", 3), ("abc", 2), ("50301", 5)])
    def test_statuses_come_through(self, demo, number, status):
        assert demo("fetch_dossier", number).returncode == status
