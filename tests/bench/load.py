"""Two minutes of mixed traffic on gunicorn, PostgreSQL and Redis: 16 clients who never rest.

Agents, other systems, usagers and fetches at once. No answer may be a 5xx, and neither the memory
of the server nor its connections to the database may grow. Exits with 1 otherwise.
"""

import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urljoin

import requests

from tests.bench.api import free_port, wait_for
from tests.bench.million import fill

SECONDS = float(os.environ.get("LOAD_SECONDS", "120"))
DOSSIERS = 20_000
WORKERS, THREADS = 2, 8
# Dossiers of the sandbox and who filed them.
USAGERS = {
    12345: "bureau@lescordesvocales.example.org",
    12346: "farid.benali@example.org",
    12347: "camille.durand@example.org",
}
KNOWN = range(12345, 12352)
HOST = "dossiers.example.org"
# Of the last look over the first, which is taken when all has been asked once.
MOST_GROWTH = 1.1


class Browser:
    """A client behind our proxy: its cookies, its address, and the tokens of its forms."""

    def __init__(self, origin: str, rank: int, key: str = "") -> None:
        self.origin, self.session = origin, requests.Session()
        self.session.headers.update(
            {
                "Host": HOST,
                "X-Forwarded-Proto": "https",
                "X-Forwarded-For": f"192.0.2.{rank}",
                "Referer": f"https://{HOST}/",
            }
        )
        if key:
            self.session.headers["Authorization"] = f"Api-Key {key}"
        self.cookies: dict[str, str] = {}
        self.seen: dict[tuple[str, int], list[float]] = defaultdict(list)

    def call(self, what: str, path: str, data: dict[str, str] | None = None) -> requests.Response:
        method = "GET" if data is None else "POST"
        started = time.monotonic()
        # By hand: the cookies are for https, which ends at the proxy.
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = self.session.request(
            method,
            urljoin(self.origin, path),
            data=data,
            headers={"Cookie": cookies} if cookies else {},
            allow_redirects=False,
            timeout=60,
        )
        self.seen[what, response.status_code].append(time.monotonic() - started)
        self.cookies |= {cookie.name: cookie.value or "" for cookie in response.cookies}
        self.session.cookies.clear()
        return response

    def fill_in(self, what: str, page: str, action: str = "", **fields: str) -> requests.Response:
        form = self.call(f"{what} (form)", page)
        token = re.search(r'name="csrfmiddlewaretoken" value="(.+?)"', form.text)
        assert token, f"{page}: {form.status_code}"
        return self.call(what, action or page, fields | {"csrfmiddlewaretoken": token[1]})


def agent(browser: Browser, chance: random.Random) -> Iterator[None]:
    login = "/admin/login/?next=/admin/"
    browser.fill_in("admin: log in", login, username="load", password="load")
    dossiers = "/admin/dsintegration/dossier/"
    while True:
        number = chance.randrange(1, DOSSIERS)
        page = browser.call("admin: list", dossiers)
        links = re.findall(r"/admin/dsintegration/dossier/(\d+)/change/", page.text)
        yield
        browser.call("admin: filter", f"{dossiers}?state__exact=en_instruction")
        yield
        browser.call("admin: search", f"{dossiers}?q=Usager{number}@example.org")
        yield
        browser.call("admin: one dossier", f"{dossiers}{chance.choice(links)}/change/")
        yield
        browser.call("admin: home", "/admin/")
        yield
        numbers = str(chance.choice(KNOWN))
        browser.fill_in("admin: fetch", f"{dossiers}fetch/", numbers=numbers)
        yield


def system(browser: Browser, chance: random.Random) -> Iterator[None]:
    version = 0
    while True:
        browser.call("api: page", "/api/v1/dossiers/?page_size=100")
        yield
        changes = browser.call("api: changes", f"/api/v1/dossiers/?after_version={version}").json()
        version = max((row["version"] for row in changes["results"]), default=0)
        yield
        browser.call("api: one", f"/api/v1/dossiers/{chance.randrange(1, DOSSIERS)}/")
        yield


def fetcher(browser: Browser, chance: random.Random) -> Iterator[None]:
    while True:
        browser.call("api: fetch", f"/api/v1/dossiers/{chance.choice(KNOWN)}/fetch/", {})
        yield


def usager(browser: Browser, chance: random.Random, mails: Path, number: int) -> Iterator[None]:
    browser.fill_in("page: ask", "/suivi/", number=str(number), email=USAGERS[number])
    link = ""
    while not link:
        for mail in mails.iterdir():
            found = re.search(r"/suivi/lien/\S+", mail.read_text(encoding="utf-8"))
            if found and f"n° {number}" in mail.read_text(encoding="utf-8"):
                link = found[0]
        yield
    page = browser.call("page: link", link).text
    token = re.search(r'name="token" value="(.+?)"', page)
    browser.fill_in("page: open", link, "/suivi/lien/", token=token[1] if token else "")
    while True:
        browser.call("page: dossier", f"/suivi/{number}/")
        yield
        browser.fill_in("page: refresh", f"/suivi/{number}/", f"/suivi/{number}/actualiser/")
        yield
        other = str(chance.randrange(1, DOSSIERS))
        browser.fill_in("page: ask", "/suivi/", number=other, email="other@example.org")
        yield


@contextmanager
def platform() -> Iterator[str]:
    """The sandbox in a process of its own."""
    program = (
        "from dsintegration.sandbox import Sandbox; import time\n"
        "print(Sandbox().url, flush=True); time.sleep(1e6)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def gunicorn(errors: Path) -> Iterator[tuple[str, int]]:
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread"),
        *("--workers", str(WORKERS), "--threads", str(THREADS), "--log-level", "warning"),
        *("--bind", f"127.0.0.1:{port}", "config.wsgi"),
    ]
    with errors.open("w") as output, subprocess.Popen(command, stderr=output) as server:
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}", server.pid
        finally:
            server.terminate()


def memory(pid: int) -> int:
    """Bytes of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = 0
    for process in [str(pid), *children]:
        status = Path(f"/proc/{process}/status").read_text()
        total += int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]
    return total


def connections() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def run(clients: list[tuple[Browser, Iterator[None]]], look: Callable[[], None]) -> list[str]:
    """All clients at once; `look` after a quarter of the time and in the end."""
    ended, troubles = threading.Event(), []

    def work(steps: Iterator[None]) -> None:
        try:
            for _ in steps:
                if ended.is_set():
                    return
        except Exception as err:  # noqa: BLE001  # whatever it is, it is told
            troubles.append(f"{type(err).__name__}: {err}")

    threads = [threading.Thread(target=work, args=[steps]) for _, steps in clients]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS / 4)
    look()
    time.sleep(SECONDS * 3 / 4)
    look()
    ended.set()
    for thread in threads:
        thread.join()
    return troubles


def report(browsers: list[Browser]) -> int:
    """What each kind of request got; how many were 5xx."""
    seen: dict[tuple[str, int], list[float]] = defaultdict(list)
    for browser in browsers:
        for key, times in browser.seen.items():
            seen[key] += times
    print(f"{'':24} status  count   median      95 %   longest (ms)")
    for (what, status), times in sorted(seen.items()):
        high = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        figures = (statistics.median(times), high, max(times))
        numbers = "".join(f"{seconds * 1000:10.0f}" for seconds in figures)
        print(f"{what:24} {status:6} {len(times):6} {numbers}")
    total = sum(map(len, seen.values()))
    print(f"{total} requests, {total / SECONDS:.0f} a second")
    return sum(len(times) for (_, status), times in seen.items() if status >= 500)


def main() -> None:
    with platform() as url, tempfile.TemporaryDirectory() as folder:
        mails = Path(folder) / "mails"
        mails.mkdir()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ALLOWED_HOSTS": HOST,
            "DS_API_READS_PER_MINUTE": "10000000",
            "DS_API_FETCHES_PER_MINUTE": "10000000",
            "CACHE_URL": os.environ["REDIS_URL"],
            "DS_API_URL": url,
            "DS_API_TOKEN": sandbox_token(),
            "DS_PUBLIC_URL": f"https://{HOST}",
            "DS_SANDBOX": "",
            "DEBUG": "",
            "LOG_LEVEL": "ERROR",
            "EMAIL_URL": f"filemail:///{mails}",
            "NUM_PROXIES": "1",
            "SECRET_KEY": "for the load only, and long enough to pass for a real one",
        }
        import django
        from django.core.management import call_command

        django.setup()
        from django.contrib.auth import get_user_model
        from django.db import connection

        from dsintegration.models import ApiKey
        from dsintegration.services import fetch_dossiers

        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        fill(1, 12_000)
        fill(13_000, DOSSIERS)
        list(fetch_dossiers(KNOWN))
        get_user_model().objects.create_superuser("load", password="load")
        rights = {"all_demarches": True, "can_fetch": True, "can_read_personal_data": True}
        _, key = ApiKey.objects.create_key(name="Load", **rights)
        connection.close()

        looks: list[tuple[int, int]] = []
        errors = Path(folder) / "errors.txt"
        with gunicorn(errors) as (origin, pid):
            browsers = [Browser(origin, rank, key if 5 <= rank < 13 else "") for rank in range(16)]
            ways: list[Iterator[None]] = []
            for rank, browser in enumerate(browsers):
                chance = random.Random(rank)
                if rank < 5:
                    ways.append(agent(browser, chance))
                elif rank < 10:
                    ways.append(system(browser, chance))
                elif rank < 13:
                    ways.append(fetcher(browser, chance))
                else:
                    ways.append(usager(browser, chance, mails, [*USAGERS][rank - 13]))
            clients = list(zip(browsers, ways, strict=True))
            troubles = run(clients, lambda: looks.append((memory(pid), connections())))
        print(f"{SECONDS:.0f} s of {len(clients)} clients, {WORKERS} workers of {THREADS} threads")
        failures = report(browsers)
        (early, few), (late, many) = looks
        print(f"5xx: {failures}")
        print(f"memory, end over start: {late / early:.2f} ({late >> 20} MB over {early >> 20} MB)")
        print(f"connections to the database: {few}, then {many}")
        complaints = errors.read_text()
        for trouble in troubles:
            print(f"a client ended: {trouble}")
        if complaints:
            print(f"what the server said:\n{complaints[:5000]}")
        limit = WORKERS * (THREADS + 4) + 1
        is_sound = not (failures or troubles or "Traceback" in complaints)
        if not is_sound or late > early * MOST_GROWTH or max(few, many) > limit:
            sys.exit(1)


def sandbox_token() -> str:
    from dsintegration.sandbox import TOKEN

    return TOKEN


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
