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
    def __init__(self, delays: bool, alone_at_once: bool) -> None:
        self.delays, self.alone_at_once = delays, alone_at_once
        self.moved, self.revision, self.total, self.demarches = 0, 0, 10_000, DEMARCHES
        self.requests, self.seconds = 0, 0.0
        self.lock = threading.Lock()

    def control(self, asked: dict[str, list[str]]) -> bytes:
        with self.lock:
            told = json.dumps({"requests": self.requests, "seconds": self.seconds})
            self.requests, self.seconds = 0, 0.0
            self.moved, self.total = int(asked["moved"][0]), int(asked["total"][0])
            self.demarches = int(asked["demarches"][0])
            self.revision += 1
        return told.encode()

    def dossier(self, number: int) -> bytes:
        is_moved = number < FIRST + self.moved
        minute = self.revision if is_moved else 0
        text = MODEL.replace(b"@number@", b"%d" % number)
        text = text.replace(b"@demarche@", b"%d" % (number % self.demarches + 1))
        return text.replace(b"@date@", b"2026-10-02T11:%02d:00+02:00" % minute)

    def lists(self, variables: dict, operation: str) -> tuple[bytes, int]:
        """A page of a list, and how many whole dossiers are in it."""
        whole = operation == "getMovedWhole"
        # A list from the beginning has all of them; a later one, what moved.
        count = self.total if variables["since"] < "2011" else self.moved
        if operation not in ("getMoved", "getMovedWhole"):
            count = 0
        first = FIRST + (variables["demarche"] - 1 - FIRST) % self.demarches
        moved = range(first, FIRST + count, self.demarches)
        start = int(variables.get("after") or 0)
        page = moved[start : start + variables["first"]]
        end = start + len(page)
        nodes = [
            self.dossier(number)
            if whole
            else b'{"number": %d, "dateDerniereModification": "2026-10-02T11:20:37+02:00"}' % number
            for number in page
        ]
        cursor = b'"%d"' % end if nodes else b"null"
        more = b"true" if end < len(moved) else b"false"
        content = (
            b'{"data": {"demarche": {"number": %d, "list": {"pageInfo": {"hasNextPage": %b, '
            b'"endCursor": %b}, "nodes": [%b]}}}}'
            % (variables["demarche"], more, cursor, b",".join(nodes))
        )
        return content, len(nodes) if whole else 0

    def answer(self, body: bytes) -> bytes:
        asked = json.loads(body)
        variables, operation = asked["variables"], asked["query"].split()[1].partition("(")[0]
        if operation == "getDemarche":
            number = variables["number"]
            demarche = {"id": f"Procedure-{number}", "number": number, "title": "Aide"}
            content, dossiers = json.dumps({"data": {"demarche": demarche}}).encode(), 0
        elif "demarche" in variables:
            content, dossiers = self.lists(variables, operation)
        else:
            single = "number" in variables
            parts = [
                b'"%s":%s'
                % (b"dossier" if single else b"d" + name[1:].encode(), self.dossier(number))
                for name, number in variables.items()
            ]
            content, dossiers = b'{"data":{%s}}' % b",".join(parts), len(parts)
        is_alone = "number" in variables
        takes = 0 if is_alone and self.alone_at_once else REQUEST + DOSSIER * dossiers
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
    """Print the port; `--no-delays`: for what is not a matter of time; `--alone-at-once`: a dossier
    that is asked for alone comes without one.
    """
    platform = Platform("--no-delays" not in sys.argv, "--alone-at-once" in sys.argv)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=platform.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
