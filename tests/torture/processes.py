"""The app in processes of its own: the command line, and the web under gunicorn."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from tests.torture.app import Answer, Run

PROJECT = Path(__file__).resolve().parents[2]
READ_TIMEOUT = 4


def environment(folder: Path, **given: str) -> dict[str, str]:
    """Nothing of this machine's but the database; everything else empty, whatever .env says."""
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    return dict.fromkeys(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE), "") | {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/db/db.sqlite3",
        "DJANGO_SETTINGS_MODULE": "tests.torture.settings",
        "SECRET_KEY": "only-for-the-trial-by-fault",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DS_API_FETCHES_PER_MINUTE": "100000",
        "DS_API_READS_PER_MINUTE": "100000",
        "DS_API_READ_TIMEOUT": str(READ_TIMEOUT),
        "DS_RATE_LIMIT": "400",
        "NUM_PROXIES": "1",
        "TORTURE_LOG": str(folder / "log"),
        "TORTURE_PEAK": str(folder / "peak"),
        **given,
    }


class Processes:
    """`env`: the environment of all of them; `key`: of the REST API."""

    def __init__(self, env: dict[str, str], folder: Path, key: str = "") -> None:
        self.env, self.folder, self.key = env, folder, key
        self.console = (folder / "console").open("w+b")
        self.web: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._log_place = self._console_place = 0

    def fetch_both(
        self, by_command: int, by_rest: int, *, is_endless: bool
    ) -> tuple[Run | None, Answer]:
        """Together; a command would wait two minutes for what is endless, and is not asked."""
        with ThreadPoolExecutor(1) as pool:
            post = pool.submit(self.post, by_rest)
            run = None if is_endless else self.command("fetch_dossier", str(by_command))
            return run, post.result()

    # The command line

    def command(self, *words: str) -> Run:
        return self._run([sys.executable, "-m", "tests.torture.peak", *words])

    def limited_command(self, size: int, *words: str) -> Run:
        """One that may not write beyond the first `size` bytes of any file."""
        command = ["prlimit", f"--fsize={size}", sys.executable, "manage.py", *words]
        return self._run(command, TORTURE_LOG="/dev/null")

    def _run(self, command: list[str], **env: str) -> Run:
        run = subprocess.run(
            command,
            cwd=PROJECT,
            env=self.env | env,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return Run(run.returncode, run.stdout, run.stderr)

    def peak(self) -> int:
        """The memory of the last command, in kilobytes."""
        return int((self.folder / "peak").read_text())

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A command that goes on while we look for the moment to kill it."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=PROJECT,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=self.console,
        )

    def start_module(self, *words: str) -> subprocess.Popen[bytes]:
        """A program in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=PROJECT,
            env=self.env,
            stdout=self.console,
            stderr=self.console,
            start_new_session=True,
        )

    # The web

    def start_web(self) -> None:
        self.web = self.start_module(
            *("gunicorn", "--preload", "--workers", "2", "--threads", "4"),
            *("--log-level", "info", "--access-logfile", "-"),
            *("--bind", f"127.0.0.1:{self.port}", "config.wsgi"),
        )
        self.wait_for_web()

    def wait_for_web(self) -> None:
        for _ in range(600):
            if self._is_listening():
                return
            time.sleep(0.05)
        raise RuntimeError("gunicorn does not start")

    def workers(self) -> list[int]:
        assert self.web
        children = Path(f"/proc/{self.web.pid}/task/{self.web.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def kill_workers(self) -> None:
        for pid in self.workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_web(self) -> None:
        """gunicorn and its workers, all at once."""
        if self.web:
            with suppress(ProcessLookupError):
                os.killpg(self.web.pid, signal.SIGKILL)
            self.web.wait()
            while self._is_listening():  # its workers die a little later
                time.sleep(0.01)

    def _is_listening(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        return False

    def post(self, number: int) -> Answer:
        return self.ask("POST", f"/api/v1/dossiers/{number}/fetch/")

    def ask(self, method: str, path: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        # As the proxy in front of it says that the request came by https.
        headers = {"Authorization": f"Api-Key {self.key}", "X-Forwarded-Proto": "https"}
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        except (OSError, http.client.HTTPException):
            return Answer(0, "")
        finally:
            connection.close()

    # What all of them say

    def logs(self) -> str:
        text = ""
        for name in ("log", "console"):
            path, place = self.folder / name, f"_{name}_place"
            with path.open("rb") as file:
                file.seek(getattr(self, place))
                text += file.read().decode("utf-8", "replace")
                setattr(self, place, file.tell())
        return text

    def in_a_hurry(self) -> AbstractContextManager[object]:
        return nullcontext()  # their environment says how long they wait

    def close(self) -> None:
        self.kill_web()
        self.console.close()
