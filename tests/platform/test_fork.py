"""A process that forks after a call: parent and child must not read each other's answers."""

import os
import subprocess
import sys

from tests.processes import PROJECT
from tests.settings import EMPTY

# The server answers each request with the number of the dossier that was asked, and says in the
# end over how many connections it was asked.
PROGRAM = """
import json, os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import django

django.setup()
from dsintegration.platform.client import Client
from dsintegration import background

connections = set()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        connections.add(self.client_address)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"data": {"dossier": {"number": body["variables"]["number"]}}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Client(f"http://127.0.0.1:{server.server_port}/", "token")
assert client.get_dossier(1) == {"number": 1}
background.run_later(lambda: None)
background.pool.close()
pid = os.fork()
if pid == 0:
    works = threading.Event()
    background.run_later(works.set)
    os._exit(0 if client.get_dossier(2) == {"number": 2} and works.wait(10) else 1)
_, status = os.waitpid(pid, 0)
assert client.get_dossier(3) == {"number": 3}
print(os.waitstatus_to_exitcode(status), len(connections))
"""


def test_each_process_has_a_connection_and_threads_of_its_own():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=PROJECT,
        env=EMPTY
        | {
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "x" * 50,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert run.stdout == "0 2\n", run.stderr
