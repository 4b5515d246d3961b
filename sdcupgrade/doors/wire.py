"""One HTTP/1.1 exchange over one connection, with every wait inside a limit.

Why not ``http.client``: importing it costs every command 17 ms and 6 MiB more than ``socket`` (measured; a bare
interpreter starts in 6 ms), its time-out is per socket operation, so that a dripping server holds it for ever, and a
body that is cut short ends without a word. Here a limit spans operations, and the end of a body knows whether it was
one. Left out: keep-alive, HTTP/2, compression, cookies. Raises OSError, EOFError and :class:`Garbled`; ``http.py``
turns them into sentences.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from sdcupgrade.errors import BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from typing import Optional

HEAD_CAP = 64 << 10
PIECE = 64 << 10
PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)


class Garbled(Exception):
    """The other side does not speak HTTP."""


class Limit:
    """A moment by which something has to be over. *monotonic* is the time, handed in by tests."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Seconds left. Raises TimeoutError when there are none."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass(frozen=True)
class Address:
    """A URL, taken apart. *target* is path and query."""

    scheme: str
    host: str
    port: int
    target: str
    credentials: str = ""

    @staticmethod
    def of(url: str) -> Address:
        """Raises BadInput for anything but http and https, and for a URL that is not one."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as why:
            raise BadInput(f"{url}: not a URL: {why}") from why
        if parts.scheme not in PORTS or not parts.hostname or not url.isascii() or any(c <= " " for c in url):
            raise BadInput(f"{url}: not an http or https URL")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        credentials = parts.netloc.rpartition("@")[0]
        return Address(parts.scheme, parts.hostname, port or PORTS[parts.scheme], target, credentials)

    @property
    def authority(self) -> str:
        """For the Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """``http://host:port``, what a proxy puts before the target."""
        return f"{self.scheme}://{self.authority}"


def connect(
    address: Address, proxy: Optional[Address], tls: Callable[[], ssl.SSLContext], limit: Limit
) -> socket.socket:
    """A connection to *address*, through *proxy* if there is one (CONNECT for https)."""
    first = proxy or address
    sock = socket.create_connection((first.host, first.port), limit.left())
    if address.scheme != "https":
        return sock
    try:
        if proxy is not None:
            _tunnel(sock, address, proxy, limit)
        sock.settimeout(limit.left())
        return tls().wrap_socket(sock, server_hostname=address.host)
    except BaseException:
        sock.close()
        raise


def proxy_headers(proxy: Optional[Address]) -> dict[str, str]:
    """The header that lets us through a proxy whose URL has a user and password in it."""
    if proxy is None or not proxy.credentials:
        return {}
    import base64
    from urllib.parse import unquote

    return {"Proxy-Authorization": "Basic " + base64.b64encode(unquote(proxy.credentials).encode()).decode()}


def _tunnel(sock: socket.socket, address: Address, proxy: Address, limit: Limit) -> None:
    name = f"[{address.host}]" if ":" in address.host else address.host
    exchange = Exchange(sock)
    exchange.send_head("CONNECT", f"{name}:{address.port}", {"Host": address.authority, **proxy_headers(proxy)}, limit)
    status, _ = exchange.read_head(limit, "CONNECT")
    if status != 200:
        raise OSError(f"the proxy {proxy.authority} answered {status} when asked for a connection to {address.host}")


class Exchange:
    """One request and its answer on a connected socket. Call in order: send_head, send, read_head, read."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._left: Optional[int] = None
        """Bytes still to come of the body, or of the chunk; None when it goes on until the connection closes."""
        self._chunked = False
        self.cut = False
        """Whether the body ended before it should have."""

    def close(self) -> None:
        self._sock.close()

    def send_head(self, method: str, target: str, headers: Mapping[str, str], limit: Limit) -> None:
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise BadInput(f"a line break in a header of {method} {target}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), limit)

    def send(self, data: bytes, limit: Limit) -> None:
        self._sock.settimeout(limit.left())
        self._sock.sendall(data)

    def read_head(self, limit: Limit, method: str) -> tuple[int, dict[str, str]]:
        """Status and headers (names in lower case) of the answer; interim answers (1xx) are passed over."""
        while True:
            status = _status(self._line(limit))
            headers = self._headers(limit)
            if status >= 200:
                break
        self._frame(method, status, headers)
        return status, headers

    def read(self, size: int, limit: Limit) -> bytes:
        """At most *size* bytes of the body; empty at its end, and then :attr:`cut` tells whether it was whole."""
        if self._chunked and self._left == 0:
            self._next_chunk(limit)
        if self._left == 0 or size <= 0:
            return b""
        data = self._some(size if self._left is None else min(size, self._left), limit)
        if self._left is not None:
            self._left -= len(data)
            if not data:
                self.cut, self._left, self._chunked = True, 0, False
        return data

    def _frame(self, method: str, status: int, headers: Mapping[str, str]) -> None:
        """How long the body is (RFC 9112, 6.3)."""
        if method in ("HEAD", "CONNECT") or status in (204, 304):
            self._left = 0
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            self._left, self._chunked = 0, True
        elif "content-length" in headers:
            if not headers["content-length"].isdigit():
                raise Garbled(f"Content-Length is {headers['content-length']!r}")
            self._left = int(headers["content-length"])

    def _next_chunk(self, limit: Limit) -> None:
        try:
            line = self._line(limit) or self._line(limit)  # the first of two ends the chunk before
            self._left = int(line.split(b";")[0], 16)
        except EOFError:
            self.cut, self._chunked = True, False
        except ValueError as why:
            raise Garbled(f"a chunk of length {line[:20]!r}") from why
        else:
            if self._left == 0:
                self._chunked = False

    def _headers(self, limit: Limit) -> dict[str, str]:
        headers: dict[str, str] = {}
        size = 0
        while True:
            line = self._line(limit).decode("latin-1")
            size += len(line)
            if not line:
                return headers
            if size > HEAD_CAP:
                raise Garbled("its headers do not end")
            name, colon, value = line.partition(":")
            if not colon:
                raise Garbled(f"a header line {line[:40]!r}")
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()

    def _line(self, limit: Limit) -> bytes:
        """The next line without its end. Raises EOFError when the connection ends first."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > HEAD_CAP:
                raise Garbled("a line that does not end")
            data = self._receive(PIECE, limit)
            if not data:
                raise EOFError
            self._buffer += data
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    def _some(self, size: int, limit: Limit) -> bytes:
        if not self._buffer:
            return self._receive(size, limit)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _receive(self, size: int, limit: Limit) -> bytes:
        self._sock.settimeout(limit.left())
        return self._sock.recv(size)


def _status(line: bytes) -> int:
    parts = line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise Garbled(f"it began with {line[:40]!r}")
    return int(parts[1])
