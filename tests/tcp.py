"""A TCP server that does what a test says, for what no HTTP server would do."""

import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

Script = Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def read_request(connection: socket.socket) -> bytes:
    """One whole request, or what came before the other side left."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        head, found, body = received.partition(b"\r\n\r\n")
        if not found:
            continue
        lengths = [
            int(line.split(b":")[1])
            for line in head.lower().splitlines()
            if line.startswith(b"content-length:")
        ]
        if len(body) >= sum(lengths):
            break
    return received


class TCPServer:
    """Runs `script` on each connection; `with` gives it, its `url`, and what it counted."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.script, self.context = script, context
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}/api/v2/graphql"
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> "TCPServer":
        self.threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            if self.ended.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.script(connection)
        except OSError:
            pass  # the client left, which is what some tests want
        finally:
            connection.close()
