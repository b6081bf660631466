"""The project as production runs it: https behind a proxy, and nothing of its inside shown."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client

from tests.management.test_process import LONE
from tests.settings import EMPTY

PROJECT = Path(__file__).resolve().parents[2]
HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Host": "ds.example.org"}
KEY = "a-key-of-production-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ"

OPENID = {
    "OIDC_ISSUER": "https://id.example.org",
    "OIDC_CLIENT_ID": "dossiers",
    "OIDC_CLIENT_SECRET": "a secret of the tests",
}


@pytest.fixture
def production(tmp_path):
    """A sensible environment."""
    return {
        **LONE,
        **EMPTY,
        "SECRET_KEY": KEY,
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "ALLOWED_HOSTS": "ds.example.org",
        "NUM_PROXIES": "1",
        "CACHE_URL": "redis://127.0.0.1:1/0",
        "DEFAULT_FROM_EMAIL": "Ville d'Exemple <ne-pas-repondre@example.org>",
        "DS_ORGANISATION_NAME": "Ville d'Exemple",
        "DS_ORGANISATION_ACCESSIBILITY_URL": "/accessibilite/",
        "DS_ORGANISATION_LEGAL_URL": "/mentions-legales/",
        "DS_ORGANISATION_PRIVACY_URL": "/donnees-personnelles/",
        "DS_PUBLIC_URL": "https://ds.example.org",
        "DS_API_TOKEN": "a" * 84,
        "DS_PURGE_ABSENT_AFTER": "90d",
        "DS_PURGE_EXPIRED_AFTER": "30d",
        "DS_PURGE_DELETED_BY_USAGER_AFTER": "30d",
    }


class TestChecks:
    @pytest.fixture
    def check(self, production):
        def run(**env):
            return subprocess.run(
                [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
                env=production | env,
                capture_output=True,
                text=True,
                cwd=PROJECT,
            )

        return run

    def test_nothing_to_say(self, check):
        run = check()
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.startswith("System check identified no issues")

    def test_openid_alone(self, check):
        run = check(**OPENID, LOCAL_PASSWORDS="0")
        assert (run.returncode, run.stderr) == (0, "")

    def test_no_way_in(self, check):
        run = check(LOCAL_PASSWORDS="0")
        assert run.returncode == 7
        assert run.stderr.startswith("LOCAL_PASSWORDS=0 sans OIDC_ISSUER")
        assert run.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("env", "found"),
        [
            (OPENID | {"OIDC_CLIENT_SECRET": ""}, "dsintegration.E030"),
            (OPENID | {"OIDC_ISSUER": "http://id.example.org"}, "dsintegration.E030"),
            ({"SECRET_KEY": "for the tests only"}, "security.W009"),
            ({"ALLOWED_HOSTS": ""}, "security.W020"),
            ({"SECURE_HSTS_SECONDS": "0"}, "security.W004"),
            ({"DEBUG": "1"}, "security.W018"),
            ({"DS_API_TOKEN": ""}, "dsintegration.W001"),
            ({"DS_PURGE_EXPIRED_AFTER": ""}, "dsintegration.W004"),
        ],
    )
    def test_what_is_missing(self, check, env, found):
        run = check(**env)
        assert run.returncode == 1
        assert found in run.stderr


@pytest.fixture
def server(production, tmp_path):
    """gunicorn as the manual runs it, on a copy of the project without collected static files."""
    for name in ("config", "dsintegration", "templates", "docs"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    shutil.copy(PROJECT / "manage.py", tmp_path)
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "--verbosity=0"], env=production, cwd=tmp_path, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "-c", "docs/exploitation/gunicorn.conf.py"),
            *("--bind", f"127.0.0.1:{port}", "--workers", "1"),
        ],
        env=production,
        cwd=tmp_path,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}"
    with process:
        for _ in range(200):
            try:
                if requests.get(f"{url}/health/live", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)

        def get(path, headers=HTTPS, method="GET", **options):
            return requests.request(
                method, url + path, headers=headers, allow_redirects=False, timeout=20, **options
            )

        get.log = tmp_path / "log"
        yield get
        process.terminate()
    log.close()


class TestServer:
    def test_behind_the_proxy(self, server):
        ready = server("/health/ready", headers={"Host": "127.0.0.1"})
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")

        plain = server("/suivi/?q=1", headers=HTTPS | {"X-Forwarded-Proto": "http"})
        assert plain.status_code == 301
        assert plain.headers["Location"] == "https://ds.example.org/suivi/?q=1"

        home = server("/")
        assert (home.status_code, home.headers["Location"]) == (302, "/suivi/")
        assert home.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert home.headers["X-Content-Type-Options"] == "nosniff"
        assert home.headers["X-Frame-Options"] == "DENY"
        assert home.headers["Referrer-Policy"] == "same-origin"
        assert home.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert home.headers["Permissions-Policy"].startswith("camera=(), geolocation=()")
        assert home.headers["Cache-Control"] == "no-store, private"
        assert "default-src 'self'" in home.headers["Content-Security-Policy"]

        strange = server("/", headers=HTTPS | {"Host": "evil.example.net"})
        assert (strange.status_code, strange.headers["Content-Type"]) == (
            400,
            "text/html; charset=utf-8",
        )
        assert "Demande incorrecte" in strange.text

        # No static files were collected: a page that wants one is a bug, with a person in its URL.
        bug = server("/suivi/?q=camille@example.org")
        assert bug.status_code == 500
        assert "Une erreur est survenue" in bug.text
        for inside in ("Traceback", "ValueError", "manifest"):
            assert inside not in bug.text

        lines = [
            json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")
        ]
        assert "camille" not in server.log.read_text()
        assert "Traceback" not in server.log.read_text()
        assert [(line["event"], line["status"]) for line in lines if "status" in line] == [
            ("Request refused", 400),
            ("Internal Server Error", 500),
        ]
        assert lines[-1]["exception"]["type"] == "builtins.ValueError"


def test_the_files_of_the_manual_belong_together():
    unit, nginx, gunicorn = (
        (PROJECT / "docs/exploitation" / name).read_text()
        for name in ("systemd/dossiers.service", "nginx.conf", "gunicorn.conf.py")
    )
    assert "-c docs/exploitation/gunicorn.conf.py" in unit
    [bind] = re.findall(r'^bind = .* else "(.+)"', gunicorn, re.MULTILINE)
    assert f"server {bind};" in nginx
    log_format = re.search(r"log_format (.*?);", nginx, re.DOTALL)[1]
    for revealing in ("$request ", "$request_uri", "$args", "$query_string", "referer"):
        assert revealing not in log_format
    manual = "".join(
        (PROJECT / "docs" / name).read_text()
        for name in ("exploitation.md", "hebergement.md", "rafraichissement.md")
    )
    for file in (PROJECT / "docs/exploitation").iterdir():
        assert f"(exploitation/{file.name}" in manual


@pytest.mark.django_db
class TestLimits:
    @pytest.fixture
    def browser(self):
        return Client(raise_request_exception=False)

    def test_a_form_beyond_measure(self, browser):
        response = browser.post(
            "/admin/login/", "username=" + "a" * 300_000, "application/x-www-form-urlencoded"
        )
        assert response.status_code == 413
        assert "Envoi trop volumineux" in response.content.decode()

    def test_a_file(self, browser):
        body = (
            "--x\r\nContent-Disposition: form-data; name=number; filename=a.txt\r\n\r\n"
            "text\r\n--x--\r\n"
        )
        response = browser.post("/admin/login/", body, "multipart/form-data; boundary=x")
        assert response.status_code == 400
        assert "Demande incorrecte" in response.content.decode()

    def test_a_file_for_the_api(self, api):
        body = "--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nt\r\n--x--\r\n"
        client = api(can_fetch=True)
        response = client.post(
            "/api/v1/dossiers/12345/fetch/", body, "multipart/form-data; boundary=x"
        )
        assert (response.status_code, response.json()["code"]) == (400, "invalid")

    def test_the_largest_form_passes(self, browser, sandbox):
        User.objects.create_superuser("chef", "chef@example.org", "a password")
        browser.post("/admin/login/", {"username": "chef", "password": "a password"})
        numbers = "\r\n".join(f"n° 2 147 483 {rank:03}" for rank in range(501))
        response = browser.post("/admin/dsintegration/dossier/fetch/", {"numbers": numbers})
        assert "Cela fait 501 dossiers" in response.content.decode()

    @pytest.mark.parametrize(
        ("path", "status"), [("/api/v1/dossiers/", 400), ("/api/v2/", 404), ("/api", 404)]
    )
    def test_the_api_answers_in_json(self, client, path, status):
        response = client.get(path, headers={"host": "evil.example.net"} if status == 400 else {})
        assert response.status_code == status
        if path != "/api":
            assert response.json()["code"] in {"invalid", "not_found"}

    def test_a_bug_before_the_api_s_views(self, browser, monkeypatch):
        def fail(*_):
            raise ZeroDivisionError("inside")

        monkeypatch.setattr(
            "django.contrib.sessions.middleware.SessionMiddleware.process_request", fail
        )
        response = browser.get("/api/v1/dossiers/")
        assert (response.status_code, response.json()["code"]) == (500, "server_error")
        page = browser.get("/admin/")
        assert page.status_code == 500
        assert "inside" not in page.content.decode()


@pytest.mark.django_db
class TestSessions:
    @pytest.fixture
    def cookies(self, client):
        User.objects.create_superuser("chef", "chef@example.org", "a password")
        client.post("/admin/login/", {"username": "chef", "password": "a password"})
        client.get("/admin/")
        return client

    def test_cookies(self, cookies):
        session = cookies.cookies["__Host-sessionid"]
        assert (session["secure"], session["httponly"], session["samesite"]) == (True, True, "Lax")
        assert (session["path"], session["domain"]) == ("/", "")
        assert (session["max-age"], session["expires"]) == ("", "")  # goes with the browser
        assert cookies.session.get_expiry_age() == 10 * 3600
        cookies.get("/admin/logout/")
        assert cookies.cookies["__Host-csrftoken"]["secure"]

    def test_pages_of_agents_are_kept_by_nobody(self, cookies):
        for path in ("/admin/", "/admin/dsintegration/dossier/", "/admin/nothing/"):
            kept = cookies.get(path)["Cache-Control"]
            assert "no-store" in kept
            assert "private" in kept

    def test_answers_of_the_api_are_private(self, api):
        assert "private" in api().get("/api/v1/dossiers/")["Cache-Control"]


def test_forbidden_pages(client, django_user_model, db):
    django_user_model.objects.create_user("agent", "a@example.org", "a password", is_staff=True)
    client.post("/admin/login/", {"username": "agent", "password": "a password"})
    response = client.get("/admin/dsintegration/dossier/")
    assert response.status_code == 403
    assert "Accès refusé" in response.content.decode()
