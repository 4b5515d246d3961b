"""A real HTTP server on loopback that says exactly the bytes a test wants, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Optional

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

TLS_HELLO = b"\x16"


class Stage:
    """Answers each connection with the next of *answers* (the last one again when they are used up)."""

    def __init__(self, answers: list[bytes], tls: Optional[ssl.SSLContext] = None) -> None:
        self.asked: list[bytes] = []
        self._answers = answers
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        asked = b""
        while b"\r\n\r\n" not in asked and not asked.startswith(TLS_HELLO):
            asked += connection.recv(65536)
        head, _, body = asked.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.partition(b":")[2]):
                    body += connection.recv(65536)
        self.asked.append(head + b"\r\n\r\n" + body)
        connection.sendall(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
        connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@contextlib.contextmanager
def stage(*answers: bytes, tls: Optional[ssl.SSLContext] = None) -> Iterator[Stage]:
    """A stage that is gone afterwards."""
    made = Stage(list(answers) or [ANSWER], tls)
    try:
        yield made
    finally:
        made.close()


def moved(to: str, status: int = 302) -> bytes:
    """A redirect."""
    return f"HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
