"""A platform that takes 100 ms a request and 2 ms a dossier, in a process of its own.

It prepares its answers beforehand, so that its own work is not what is measured. `GET /control?`
says which dossiers have moved and returns what it counted since the last control.
"""

import json
import re
import socket
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

from tests.bench.stub import answer

REQUEST, DOSSIER = 0.1, 0.002
DEMARCHES, MESSAGES = 5, 3
FIRST = 28_000_000
PAGE = 100

_model = json.loads(answer(MESSAGES))["data"]["dossier"]
_model["dateDerniereModification"] = "@date@"
_model["demarche"] |= {"number": 0, "id": "@demarche@"}
MODEL = (
    json.dumps(_model)
    .replace("28700000", "@number@")
    .replace('"number": 0', '"number": @demarche@')
    .encode()
)


class Platform:
    def __init__(self, delays: bool) -> None:
        self.delays = delays
        self.moved, self.revision, self.total = 0, 0, 10_000
        self.requests, self.seconds = 0, 0.0
        self.lock = threading.Lock()

    def control(self, asked: dict[str, list[str]]) -> bytes:
        with self.lock:
            told = json.dumps({"requests": self.requests, "seconds": self.seconds})
            self.requests, self.seconds = 0, 0.0
            self.moved, self.total = int(asked["moved"][0]), int(asked["total"][0])
            self.revision += 1
        return told.encode()

    def dossier(self, number: int) -> bytes:
        is_moved = number < FIRST + self.moved
        minute = self.revision if is_moved else 0
        text = MODEL.replace(b"@number@", b"%d" % number)
        text = text.replace(b"@demarche@", b"%d" % (number % DEMARCHES + 1))
        return text.replace(b"@date@", b"2026-10-02T11:%02d:00+02:00" % minute)

    def lists(self, variables: dict) -> bytes:
        moved = [
            number
            for number in range(FIRST, FIRST + self.moved)
            if number % DEMARCHES + 1 == variables["demarche"]
        ]
        start = int(variables.get("after") or 0)
        nodes = [
            {"number": number, "dateDerniereModification": "2026-10-02T11:20:37+02:00"}
            for number in moved[start : start + PAGE]
        ]
        end = start + len(nodes)
        nothing = {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []}
        page = {
            "pageInfo": {"hasNextPage": end < len(moved), "endCursor": str(end) if nodes else None},
            "nodes": nodes,
        }
        demarche = {
            "dossiers": page,
            "pendingDeletedDossiers": nothing,
            "deletedDossiers": nothing,
        }
        return json.dumps({"data": {"demarche": demarche}}).encode()

    def answer(self, body: bytes) -> bytes:
        asked = json.loads(body)
        variables = asked["variables"]
        if "getChanges" in asked["query"]:
            content, dossiers = self.lists(variables), 0
        else:
            single = "number" in variables
            parts = [
                b'"%s":%s'
                % (b"dossier" if single else b"d" + name[1:].encode(), self.dossier(number))
                for name, number in variables.items()
            ]
            content, dossiers = b'{"data":{%s}}' % b",".join(parts), len(parts)
        takes = REQUEST + DOSSIER * dossiers
        with self.lock:
            self.requests += 1
            self.seconds += takes
        if self.delays:
            time.sleep(takes)
        return content

    def serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        with connection:
            while chunk := connection.recv(65536):
                received += chunk
                head, separator, body = received.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                if not separator or len(body) < int(length[1] if length else 0):
                    continue
                received = b""
                if head.startswith(b"GET"):
                    content = self.control(parse_qs(urlsplit(head.split()[1].decode()).query))
                else:
                    content = self.answer(body)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(content), content)
                )


def main() -> None:
    """Print the port; `--no-delays`: for what is not a matter of time."""
    platform = Platform("--no-delays" not in sys.argv)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=platform.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
