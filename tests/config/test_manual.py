"""The files of the operators' manual, tried with the programs that read them."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme

from dsintegration.models import Dossier
from dsintegration.services import fetch_dossier
from tests.management.test_process import LONE
from tests.processes import environment
from tests.settings import EMPTY

PROJECT = Path(__file__).resolve().parents[2]
FILES = PROJECT / "docs" / "exploitation"
UNITS = sorted((FILES / "systemd").glob("*.*"))
CRON = re.findall(
    r"^[^#\n]*? dossiers (cd .*)$", (FILES / "dossiers.cron").read_text(), re.MULTILINE
)


def hardening(text):
    return text.partition("# Rien n'est écrit")[2].partition("\n[Install]")[0].strip()


class TestUnits:
    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
    def test_systemd_understands_them(self, tmp_path):
        shutil.copytree(FILES / "systemd", tmp_path / "units")
        units = [path for path in (tmp_path / "units").glob("*.*") if path.is_file()]
        for unit in units:
            # What is installed elsewhere stands in for what is not installed here.
            text = re.sub(r"/srv/dossiers/\.venv/bin/\w+", "/bin/true", unit.read_text())
            unit.write_text(text)
        run = subprocess.run(
            ["systemd-analyze", "verify", *units],
            env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}/units:"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode, run.stderr) == (0, "")

    def test_all_are_hardened_alike(self):
        common = (FILES / "systemd/dossiers-.service.d/commun.conf").read_text()
        assert hardening(common) == hardening((FILES / "systemd/dossiers.service").read_text())
        assert "ProtectSystem=strict" in common

    def test_each_timer_has_its_service(self):
        names = {path.name for path in UNITS}
        timers = {path.stem for path in UNITS if path.suffix == ".timer"}
        assert timers == {"dossiers-refresh", "dossiers-full", "dossiers-purge"}
        assert {f"{timer}.service" for timer in timers} < names


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not here")
def test_nginx_understands_its_own(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("dossiers.example.org")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "dossiers.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "dossiers.key")
    text = (FILES / "nginx.conf").read_text()
    for place in ("/etc/ssl/certs", "/etc/ssl/private", "/var/log/nginx"):
        text = text.replace(place, str(tmp_path))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid; events {{}} http {{ gzip on; {text} }}")
    run = subprocess.run(
        ["nginx", "-t", "-q", "-c", whole, "-e", tmp_path / "log"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert re.search(r"listen 443.*?gzip off;", text, re.DOTALL)


@pytest.mark.django_db(transaction=True)
class TestCron:
    @pytest.mark.parametrize("line", CRON)
    def test_silent_when_all_is_well(self, sandbox, line):
        fetch_dossier(12345)
        Dossier.objects.update(checked_at="2026-01-01T00:00:00Z")
        command = line.replace("cd /srv/dossiers", f"cd {PROJECT}").replace(
            ".venv/bin/python", sys.executable
        )
        assert command != line
        run = subprocess.run(
            ["/bin/sh", "-c", command],
            env=environment(sandbox),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")

    def test_not_when_it_is_not(self, sandbox):
        fetch_dossier(12345)
        Dossier.objects.update(checked_at="2026-01-01T00:00:00Z")
        env = environment(sandbox, DS_API_TOKEN="b" * 84)
        command = (
            CRON[0]
            .replace("cd /srv/dossiers", f"cd {PROJECT}")
            .replace(".venv/bin/python", sys.executable)
        )
        run = subprocess.run(
            ["/bin/sh", "-c", command], env=env, capture_output=True, text=True, check=False
        )
        assert run.returncode == 4
        assert "jeton" in run.stderr

    def test_all_four(self):
        assert len(CRON) == 4


class TestBeat:
    """The clock of the tasks starts as its unit says, and without any place to write."""

    def beat(self, tmp_path, **more):
        """Its status and its words, ended as soon as it has begun."""
        env = {
            **LONE,
            **EMPTY,
            "SECRET_KEY": "for the tests only, and long enough",
            "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
            "PYTHONPATH": str(PROJECT),
            **more,
        }
        said = tmp_path / "said"
        with said.open("w") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    *["-m", "celery", "-A", "config.celery", "beat", "--loglevel", "INFO"],
                ],
                env=env,
                cwd="/proc",
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            if "beat: Starting..." in said.read_text():
                process.terminate()
                break
            time.sleep(0.1)
        return process.wait(timeout=60), said.read_text()

    def test_without_a_place(self, tmp_path):
        status, said = self.beat(tmp_path)
        assert status == 0
        assert "beat: Starting..." in said
        assert "Traceback" not in said

    def test_in_its_own_place(self, tmp_path):
        status, _ = self.beat(tmp_path, STATE_DIRECTORY=str(tmp_path))
        assert status == 0
        assert list(tmp_path.glob("celerybeat-schedule*"))

    def test_a_place_that_is_not_there(self, tmp_path):
        status, said = self.beat(tmp_path, STATE_DIRECTORY=str(tmp_path / "nowhere"))
        assert status == 7
        assert said.startswith("STATE_DIRECTORY")
        assert said.count("\n") == 1
