"""The door to HTTP services.

:class:`SocketHttp` is used twice: for the datacenter's own services (no proxy of the operator's) and for the updates
server (proxies of the environment, TLS verified always). Redirects of GET are followed at most five times, never from
https to http, and credentials stay with the host they were meant for. Left out: retries.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass

from sdcupgrade.errors import BadAnswer, BadInput, SdcupgradeError, StorageError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Optional, Protocol, Union

    from sdcupgrade.doors.files import Files
    from sdcupgrade.doors.wire import Address, Exchange, Limit
    from sdcupgrade.log import Log

    class Http(Protocol):
        """Makes requests. HTTP error statuses are returned; what never became an answer raises Unreachable."""

        def request(
            self,
            method: str,
            url: str,
            *,
            headers: Optional[Mapping[str, str]] = None,
            body: Union[bytes, FileBody, None] = None,
            timeout_s: float = 30.0,
        ) -> Response:
            """One request, the whole answer in memory (at most 64 MiB)."""

        def stream(
            self, url: str, *, headers: Optional[Mapping[str, str]] = None, timeout_s: float = 30.0
        ) -> AbstractContextManager[Stream]:
            """GET whose body is read piece by piece."""

    class Stream(Protocol):
        """An answer being read. A cut body simply ends: count the bytes."""

        status: int
        headers: Mapping[str, str]

        def read(self, size: int) -> bytes:
            """At most *size* bytes, empty at the end. Raises Unreachable when the connection breaks or stalls."""


@dataclass(frozen=True)
class FileBody:
    """A request body that is a file: *path* in the global zone, *size* in bytes; sent in pieces."""

    path: str
    size: int


@dataclass(frozen=True)
class Response:
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


ANSWER_CAP = 64 << 20
LEAST_RATE = 10_000
RATE_WINDOW_S = 30.0
"""A body that is streamed slower than so many bytes a second, over so long, is given up."""

MAX_REDIRECTS = 5
CREDENTIALS = ("authorization", "cookie", "proxy-authorization")
ENVIRONMENT = "environment"


class SocketHttp:
    """The real door. *proxy* is None, a URL, or ``environment`` (http_proxy and its kin in *environ*); *files* is where
    bodies that are files lie; *monotonic* is the time by which limits are kept."""

    def __init__(
        self,
        log: Log,
        files: Files,
        *,
        proxy: Optional[str] = None,
        cafile: Optional[str] = None,
        environ: Optional[Mapping[str, str]] = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._files = files
        self._proxy = proxy
        self._cafile = cafile
        self._environ = environ or {}
        self._monotonic = monotonic
        self._context: Optional[ssl.SSLContext] = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[bytes, FileBody, None] = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """See :class:`Http`. *timeout_s* spans the whole exchange; of a body that is a file, only each piece of it."""
        with self._logged(method, url) as result, _explained(method, url, timeout_s):
            answer = self._open(_Asked(method, url, dict(headers or {}), body, timeout_s))
            try:
                data = _whole(answer, f"{method} {url}")
            finally:
                answer.exchange.close()
            result.append(str(answer.status))
            return Response(answer.status, answer.headers, data)

    @contextmanager
    def stream(
        self, url: str, *, headers: Optional[Mapping[str, str]] = None, timeout_s: float = 30.0
    ) -> Iterator[SocketStream]:
        """See :class:`Http`. *timeout_s* is for the head of the answer, and then for each piece of the body."""
        with self._logged("GET", url) as result:
            with _explained("GET", url, timeout_s):
                answer = self._open(_Asked("GET", url, dict(headers or {}), None, timeout_s))
            stream = SocketStream(answer, url, timeout_s, self._monotonic)
            try:
                yield stream
            finally:
                answer.exchange.close()
                result.append(f"{answer.status}, {stream.received} bytes")

    def _open(self, asked: _Asked) -> _Answer:
        """Ask, following redirects, until an answer is there."""
        from sdcupgrade.doors.wire import REDIRECTS

        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(asked)
            if answer.status not in REDIRECTS or asked.method != "GET" or "location" not in answer.headers:
                return answer
            answer.exchange.close()
            asked = asked.moved(answer.headers["location"])
        raise Unreachable(f"{asked.method} {asked.url}: redirected more than {MAX_REDIRECTS} times")

    def _ask(self, asked: _Asked) -> _Answer:
        from sdcupgrade.doors.wire import Address, Exchange, Limit, connect, proxy_headers

        address = Address.of(asked.url)
        proxy = self._proxy_for(address)
        limit = Limit(asked.timeout_s, self._monotonic)
        exchange = Exchange(connect(address, proxy, self._tls, limit))
        try:
            plain = proxy is not None and address.scheme == "http"
            headers = {**asked.head(address), **(proxy_headers(proxy) if plain else {})}
            target = address.origin + address.target if plain else address.target
            exchange.send_head(asked.method, target, headers, limit)
            limit = self._send_body(exchange, asked, limit)
            status, found = exchange.read_head(limit, asked.method)
            if self._proxy not in (None, ENVIRONMENT):
                _refuse_proxy_error(status, found, address)
            return _Answer(exchange, status, found, limit)
        except BaseException:
            exchange.close()
            raise

    def _send_body(self, exchange: Exchange, asked: _Asked, limit: Limit) -> Limit:
        """Send the body; the limit for the answer."""
        if isinstance(asked.body, bytes):
            self._push(exchange, asked, asked.body, limit)
        elif asked.body is not None:
            return self._send_file(exchange, asked, asked.body)
        return limit

    def _send_file(self, exchange: Exchange, asked: _Asked, body: FileBody) -> Limit:
        from sdcupgrade.doors.wire import PIECE, Limit

        left = body.size
        with self._files.open_read(body.path) as file:
            limit = Limit(asked.timeout_s, self._monotonic)
            while left > 0:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise StorageError(f"{body.path}: shorter than the {body.size} bytes that were to be sent")
                with _explained(asked.method, asked.url, asked.timeout_s):
                    if not self._push(exchange, asked, piece, limit):
                        break
                left -= len(piece)
                limit = Limit(asked.timeout_s, self._monotonic)
        return limit

    def _push(self, exchange: Exchange, asked: _Asked, data: bytes, limit: Limit) -> bool:
        """Send a piece. False when the server stopped reading: it may have answered already, and that is to be read."""
        try:
            exchange.send(data, limit)
        except (BrokenPipeError, ConnectionResetError):
            self._log.warn("the server stopped reading before the whole body was sent", url=asked.url)
            return False
        return True

    def _tls(self) -> ssl.SSLContext:
        """One context for all requests and threads: making one costs 16 to 19 ms."""
        if self._context is None:
            from sdcupgrade.doors.tls import context

            self._context = context(self._cafile, self._environ)
        return self._context

    def _proxy_for(self, address: Address) -> Optional[Address]:
        from sdcupgrade.doors.wire import Address

        url = environment_proxy(self._environ, address) if self._proxy == ENVIRONMENT else self._proxy
        if not url:
            return None
        return Address.of(url if "://" in url else f"http://{url}")

    @contextmanager
    def _logged(self, method: str, url: str) -> Iterator[list[str]]:
        started = time.monotonic()
        result: list[str] = []
        try:
            yield result
        except SdcupgradeError as error:
            result.append(error.message)
            raise
        finally:
            self._log.call("http", method, url, time.monotonic() - started, "; ".join(result) or "given up")


class SocketStream:
    """The real :class:`Stream`. Time that the caller spends between reads is not held against the server."""

    def __init__(
        self,
        answer: _Answer,
        url: str,
        timeout_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.received = 0
        self._exchange = answer.exchange
        self._url = url
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._window_s = 0.0
        self._window_bytes = 0

    def read(self, size: int) -> bytes:
        """See :class:`Stream`. Raises Unreachable also when the body comes too slowly."""
        from sdcupgrade.doors.wire import Limit

        started = self._monotonic()
        with _explained("GET", self._url, self._timeout_s):
            data = self._exchange.read(size, Limit(self._timeout_s, self._monotonic))
        self.received += len(data)
        self._keep_rate(len(data), self._monotonic() - started)
        return data

    def _keep_rate(self, count: int, seconds: float) -> None:
        self._window_s += seconds
        self._window_bytes += count
        if self._window_s < RATE_WINDOW_S:
            return
        if count and self._window_bytes < LEAST_RATE * self._window_s:
            rate = self._window_bytes / self._window_s
            slow = f"{rate:.0f} bytes a second over {self._window_s:.0f} s"
            raise Unreachable(f"GET {self._url}: too slow: {slow}", RETRY)
        self._window_s, self._window_bytes = 0.0, 0


@dataclass(frozen=True)
class _Answer:
    """An answer whose body is still to be read; *limit* is what is left of the time for all of it."""

    exchange: Exchange
    status: int
    headers: Mapping[str, str]
    limit: Limit


def _whole(answer: _Answer, asked: str) -> bytes:
    from sdcupgrade.doors.wire import PIECE

    data = bytearray()
    while piece := answer.exchange.read(PIECE, answer.limit):
        data += piece
        if len(data) > ANSWER_CAP:
            raise BadAnswer(f"{asked}: the answer is longer than {ANSWER_CAP} bytes")
    if answer.exchange.cut:
        raise Unreachable(f"{asked}: the answer was cut off after {len(data)} bytes", RETRY)
    return bytes(data)


@dataclass(frozen=True)
class _Asked:
    """A request before it is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Union[bytes, FileBody, None]
    timeout_s: float

    def head(self, address: Address) -> dict[str, str]:
        """All headers as they are sent."""
        head = {"Host": address.authority, "User-Agent": "sdcupgrade", "Accept-Encoding": "identity", "Accept": "*/*"}
        if self.body is not None:
            head["Content-Length"] = str(len(self.body) if isinstance(self.body, bytes) else self.body.size)
        given = {name.lower() for name in self.headers}
        return {**{k: v for k, v in head.items() if k.lower() not in given}, **self.headers, "Connection": "close"}

    def moved(self, location: str) -> _Asked:
        """The request after a redirect. Raises Unreachable when it leads from https to http."""
        from urllib.parse import urljoin

        from sdcupgrade.doors.wire import Address

        url = urljoin(self.url, location)
        try:
            old, new = Address.of(self.url), Address.of(url)
        except BadInput as why:
            raise Unreachable(f"{self.method} {self.url}: redirects to {url}, which is refused") from why
        if (old.scheme, new.scheme) == ("https", "http"):
            raise Unreachable(f"{self.method} {self.url}: redirects from https to {url}, which is refused")
        same = (old.scheme, old.host, old.port) == (new.scheme, new.host, new.port)
        kept = {name: value for name, value in self.headers.items() if same or name.lower() not in CREDENTIALS}
        return _Asked(self.method, url, kept, self.body, self.timeout_s)


def environment_proxy(environ: Mapping[str, str], address: Address) -> Optional[str]:
    """The proxy that the environment names for *address*: ``https_proxy`` and its kin, unless ``no_proxy`` lists it."""
    def value(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    host = address.host
    for entry in value("no_proxy").lower().replace(",", " ").split():
        name = entry.lstrip("*").lstrip(".")
        if entry == "*" or name in (host, f"{host}:{address.port}") or (name and host.endswith(f".{name}")):
            return None
    return value(f"{address.scheme}_proxy") or value("all_proxy") or None


RETRY = "type the same command again; it goes on where it stopped"
_PROXY_ERRORS = {"no-such-host": "the name does not resolve", "refused": "connection refused"}


def _refuse_proxy_error(status: int, headers: Mapping[str, str], address: Address) -> None:
    """The admin proxy says with a 502 and a header that it could not reach the service: nobody answered."""
    reason = headers.get("x-proxy-error", "")
    if status == 502 and reason:
        raise ConnectionError(f"{address.host}: {_PROXY_ERRORS.get(reason, reason)}")


@contextmanager
def _explained(method: str, url: str, timeout_s: float) -> Iterator[None]:
    """Turn everything that is not an answer into Unreachable with a reason that a person understands."""
    from sdcupgrade.doors.wire import Garbled

    try:
        yield
    except (OSError, EOFError, UnicodeError, Garbled) as why:
        reason, hint = _reason(why, timeout_s)
        raise Unreachable(f"{method} {url}: {reason}", hint) from why


def _reason(why: Exception, timeout_s: float) -> tuple[str, str]:
    """What went wrong, and what to look at."""
    import socket

    if isinstance(why, (socket.gaierror, UnicodeError)):
        return "the name does not resolve", "check the name, and the resolvers in /etc/resolv.conf"
    if isinstance(why, (socket.timeout, TimeoutError)):
        return f"timed out after {timeout_s:g} s", "see whether the service is up, and whether a firewall is in between"
    if isinstance(why, ConnectionRefusedError):
        return "connection refused", "see whether the service is up: sdcupgrade check"
    if isinstance(why, EOFError):
        return "the connection was closed before an answer came", RETRY
    kind = type(why).__name__
    if kind == "SSLCertVerificationError":
        detail = getattr(why, "verify_message", "") or str(why)
        return f"its certificate is not to be trusted: {detail}", "name the right authority: SSL_CERT_FILE=FILE"
    if kind.startswith("SSL"):
        return f"TLS failed: {why}", "see whether the server speaks TLS 1.2 or newer on that port"
    if kind == "Garbled":
        return f"the answer is not HTTP: {why}", "see what listens there"
    text = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
    return text or kind, "see whether the service is up: sdcupgrade check"
