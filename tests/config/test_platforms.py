"""What platforms as a service start: lines of Procfile, cron.json and Dockerfile, really run."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml
from django.core.management import get_commands, load_command_class
from django.urls import resolve

from tests.management.test_process import LONE
from tests.settings import EMPTY

PROJECT = Path(__file__).resolve().parents[2]
PROCFILE = dict(
    line.split(": ", 1) for line in (PROJECT / "Procfile").read_text().strip().splitlines()
)
CRON = [job["command"] for job in json.loads((PROJECT / "cron.json").read_text())["jobs"]]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()


def in_docker(instruction):
    """The last command of that kind, in its JSON form."""
    return json.loads(re.findall(rf"^{instruction}.*?(\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])


@pytest.fixture
def platform(tmp_path):
    """The environment that a platform gives, and a copy of the project."""
    # Where others than root may come.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    place = folder / "app"
    for name in ("config", "dsintegration", "templates", "docs"):
        shutil.copytree(PROJECT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "manage.py", place)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {
        **LONE,
        **EMPTY,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SECRET_KEY": "a-key-of-a-platform-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "ALLOWED_HOSTS": "*",
        "NUM_PROXIES": "1",
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
    }
    yield env, place
    shutil.rmtree(folder)


def as_nobody():
    """Root may write everywhere; the image's account, nowhere but in /dev/shm."""
    if os.geteuid() != 0:
        return []
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*command, sys.executable, "-c", ""], check=False).returncode != 0:
        pytest.skip("this Python is in root's home")
    return command


@contextmanager
def started(command, platform):
    env, place = platform
    process = subprocess.Popen(
        command, env=env, cwd=place, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    url = f"http://127.0.0.1:{env['PORT']}/health/live"
    try:
        for _ in range(600):
            assert process.poll() is None, process.stderr.read()
            try:
                if requests.get(url, timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        else:
            pytest.fail("nothing answers")
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_web(platform):
    with started(shlex.split(PROCFILE["web"]), platform) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1  # WEB_CONCURRENCY


def test_image(platform):
    command = in_docker("CMD")
    with started([*as_nobody(), *command], platform):
        env, _ = platform
        healthy = [sys.executable, *in_docker("HEALTHCHECK")[1:]]
        assert subprocess.run(healthy, env=env, check=False).returncode == 0
    sick = subprocess.run(healthy, env=env, check=False, capture_output=True)
    assert sick.returncode == 1


def test_image_is_nobody_s():
    assert re.search(r"^USER \d+$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.count("FROM ") == 2


def test_postdeploy(platform):
    env, place = platform
    for _ in range(2):
        run = subprocess.run(
            PROCFILE["postdeploy"],
            shell=True,
            env=env,
            cwd=place,
            check=False,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
    assert "Responsables : inchangé" in run.stdout


def test_worker_without_a_broker(platform):
    env, place = platform
    run = subprocess.run(
        shlex.split(PROCFILE["worker"]),
        env=env,
        cwd=place,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 7
    assert run.stderr.startswith("CELERY_BROKER_URL manque")


def test_redis_url_is_the_cache(platform):
    env, place = platform
    for more, shown in (
        ({}, "redis://127.0.0.1:1/0"),
        ({"CACHE_URL": "redis://127.0.0.1:2/0"}, "redis://127.0.0.1:2/0"),
    ):
        run = subprocess.run(
            [
                *(sys.executable, "manage.py", "shell", "--no-imports", "-c"),
                "from django.conf import settings; print(settings.CACHES['default']['LOCATION'])",
            ],
            env=env | more,
            cwd=place,
            check=True,
            capture_output=True,
            text=True,
        )
        assert shown in run.stdout


def test_a_wrong_redis_url_is_named(platform):
    env, place = platform
    run = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=env | {"REDIS_URL": "http://secret"},
        cwd=place,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 7
    assert run.stderr.startswith("REDIS_URL doit")


@pytest.mark.parametrize("line", CRON)
def test_cron(line):
    fields = line.split()
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields[:5])
    python, manage, name, *arguments = fields[5:]
    assert (python, manage) == ("python", "manage.py")
    command = load_command_class(get_commands()[name], name)
    command.create_parser("manage.py", name).parse_args(arguments)


class TestRun:
    """`make run` takes PORT, and listens there."""

    def run(self, port, tmp_path):
        env = {
            **LONE,
            **EMPTY,
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "for the tests only",
            "PORT": port,
        }
        code = (
            "from config import demo, env\n"
            "from django.core.exceptions import ImproperlyConfigured\n"
            "try: print(demo.address())\n"
            "except ImproperlyConfigured as err: print(err)\n"
        )
        return subprocess.run(
            [sys.executable, "-c", code],
            env=env,
            cwd=PROJECT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def test_where(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert self.run(str(port), tmp_path).startswith(f"Le port {port} ne peut pas être pris")
        assert self.run(str(port), tmp_path) == f"127.0.0.1:{port}"

    @pytest.mark.parametrize("port", ["70000", "x"])
    def test_none(self, port, tmp_path):
        assert self.run(port, tmp_path).startswith("PORT doit être")


def test_kubernetes():
    manifest = (PROJECT / "docs/exploitation/kubernetes.yaml").read_text(encoding="utf-8")
    deployment, task = yaml.safe_load_all(manifest)
    pod = deployment["spec"]["template"]["spec"]
    user = int(re.search(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[1])
    assert pod["securityContext"]["runAsUser"] == user
    (web,) = pod["containers"]
    assert resolve(web["livenessProbe"]["httpGet"]["path"])
    assert resolve(web["readinessProbe"]["httpGet"]["path"])
    (container,) = task["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert f"{task['spec']['schedule']} {' '.join(container['command'])}" in CRON
