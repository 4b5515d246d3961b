"""A real HTTP server on loopback that says exactly the bytes a test wants, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Optional

from product_fakes import files_in

from sdcupgrade.doors.http import UrllibHttp
from sdcupgrade.log import NullLog

HERE = pathlib.Path(__file__).parent
CERTIFICATE = str(HERE / "localhost_cert.pem")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

TLS_HELLO = b"\x16"


class Stage:
    """Answers each connection with the next of *answers* (the last one again when they are used up). A hasty one
    answers and hangs up before it has read the body."""

    def __init__(self, answers: list[bytes], tls: Optional[ssl.SSLContext] = None, hasty: bool = False) -> None:
        self.asked: list[bytes] = []
        self._answers = answers
        self._tls = tls
        self._hasty = hasty
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
            asked += _some(connection)
        head, _, body = asked.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:") and not self._hasty:
                while len(body) < int(line.partition(b":")[2]):
                    body += _some(connection)
        self.asked.append(head + b"\r\n\r\n" + body)
        connection.sendall(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
        connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the client has hung up")
    return data


@contextlib.contextmanager
def stage(*answers: bytes, tls: Optional[ssl.SSLContext] = None, hasty: bool = False) -> Iterator[Stage]:
    """A stage that is gone afterwards."""
    made = Stage(list(answers) or [ANSWER], tls, hasty)
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


def tls_stage() -> ssl.SSLContext:
    """For a stage that shows :data:`CERTIFICATE`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def http(
    folder: pathlib.Path = HERE,
    proxy: Optional[str] = None,
    cafile: Optional[str] = None,
    environ: Optional[dict[str, str]] = None,
) -> UrllibHttp:
    """The real door, without a log."""
    return UrllibHttp(NullLog(), files_in(folder), proxy=proxy, cafile=cafile, environ=environ)
