"""The door to HTTP services, on urllib.

:class:`UrllibHttp` is used twice: for the datacenter's own services (no proxy of the operator's) and for the updates
server (proxies of the environment, TLS verified always). What urllib is told, about redirects, credentials, proxies and
certificates, is in :mod:`sdcupgrade.doors.opener`; here are the limits and the log. urllib is imported at the first
request: it costs a command 15 ms and 2 MiB. Left out: retries, and connections that serve more than one request.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass

from sdcupgrade.errors import BadAnswer, BadInput, SdcupgradeError, StorageError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from http.client import HTTPResponse
    from typing import Optional, Protocol, Union
    from urllib.request import OpenerDirector

    from sdcupgrade.doors.files import Files
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
    """A request body that is a file, or a part of one: *path* in the global zone, *size* bytes from *offset* on; sent
    in pieces."""

    path: str
    size: int
    offset: int = 0


@dataclass(frozen=True)
class Response:
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


ANSWER_CAP = 64 << 20
PIECE = 256 << 10
LEAST_RATE = 10_000
RATE_WINDOW_S = 30.0
"""A body that is streamed slower than so many bytes a second, over so long, is given up."""

ENVIRONMENT = "environment"
RETRY = "type the same command again; it goes on where it stopped"


class UrllibHttp:
    """The real door. *proxy* is None, the URL of a plain forward proxy, or ``environment`` (``http_proxy`` and its kin
    of this process); *web_proxy* the operator's own, for http and https; *cafile* and *environ* say whom TLS believes;
    *files* is where bodies that are files lie; *monotonic* is the time by which limits are kept."""

    def __init__(
        self,
        log: Log,
        files: Files,
        *,
        proxy: Optional[str] = None,
        web_proxy: Optional[str] = None,
        cafile: Optional[str] = None,
        environ: Optional[Mapping[str, str]] = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._files = files
        self._proxy = proxy
        self._web_proxy = web_proxy
        self._cafile = cafile
        self._environ = environ or {}
        self._monotonic = monotonic
        self._opener: Optional[OpenerDirector] = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[bytes, FileBody, None] = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """See :class:`Http`. *timeout_s* is for each wait until the answer begins, and then for all of its body."""
        with self._logged(method, url) as result, _explained(method, url, timeout_s):
            with self._open(method, url, headers, body, timeout_s) as answer:
                data = self._whole(answer, f"{method} {url}", timeout_s)
            result.append(str(answer.status))
            return Response(answer.status, _lower(answer), data)

    @contextmanager
    def stream(
        self, url: str, *, headers: Optional[Mapping[str, str]] = None, timeout_s: float = 30.0
    ) -> Iterator[UrllibStream]:
        """See :class:`Http`. *timeout_s* is for each wait; :data:`LEAST_RATE` holds for the body as well."""
        with self._logged("GET", url) as result:
            with _explained("GET", url, timeout_s):
                answer = self._open("GET", url, headers, None, timeout_s)
            stream = UrllibStream(answer, url, timeout_s, self._monotonic)
            try:
                yield stream
            finally:
                answer.close()
                result.append(f"{answer.status}, {stream.received} bytes")

    def _open(
        self,
        method: str,
        url: str,
        headers: Optional[Mapping[str, str]],
        body: Union[bytes, FileBody, None],
        timeout_s: float,
    ) -> HTTPResponse:
        """The answer after redirects, its body still to be read."""
        from urllib.request import Request

        from sdcupgrade.doors.opener import checked

        checked(url)
        sent = dict(headers or {})
        if isinstance(body, FileBody):
            sent["Content-Length"] = str(body.size)
        data = self._pieces(body) if isinstance(body, FileBody) else body
        request = Request(url, data, sent, method=method)
        answer: HTTPResponse = self._opened().open(request, timeout=timeout_s)
        return answer

    def _opened(self) -> OpenerDirector:
        """One opener, and with it one TLS context, for all requests and threads."""
        if self._opener is None:
            from sdcupgrade.doors import opener, tls

            self._opener = opener.make_opener(
                self._proxy, lambda: tls.context(self._cafile, self._environ), self._web_proxy
            )
        return self._opener

    def _pieces(self, body: FileBody) -> Iterator[bytes]:
        left = body.size
        with self._files.open_read(body.path) as file:
            file.seek(body.offset)
            while left > 0:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise StorageError(f"{body.path}: shorter than the {body.size} bytes that were to be sent")
                yield piece
                left -= len(piece)

    def _whole(self, answer: HTTPResponse, asked: str, timeout_s: float) -> bytes:
        """The body. Only a bare ``read()`` of http.client tells that it was cut, and that one knows no limits."""
        from http.client import IncompleteRead

        end = self._monotonic() + timeout_s
        data = bytearray()
        try:
            while piece := answer.read1(PIECE):
                data += piece
                if len(data) > ANSWER_CAP:
                    raise BadAnswer(f"{asked}: the answer is longer than {ANSWER_CAP} bytes")
                if self._monotonic() > end:
                    raise TimeoutError
            if answer.length:
                raise IncompleteRead(b"", answer.length)
        except IncompleteRead as why:
            raise Unreachable(f"{asked}: the answer was cut off after {len(data)} bytes", RETRY) from why
        return bytes(data)

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


class UrllibStream:
    """The real :class:`Stream`. Time that the caller spends between reads is not held against the server."""

    def __init__(self, answer: HTTPResponse, url: str, timeout_s: float, monotonic: Callable[[], float]) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = _lower(answer)
        self.received = 0
        self._answer = answer
        self._url = url
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._window_s = 0.0
        self._window_bytes = 0

    def read(self, size: int) -> bytes:
        """See :class:`Stream`. Raises Unreachable also when the body comes too slowly."""
        started = self._monotonic()
        with _explained("GET", self._url, self._timeout_s):
            data = self._some(size)
        self.received += len(data)
        self._keep_rate(len(data), self._monotonic() - started)
        return data

    def _some(self, size: int) -> bytes:
        """One ``recv``, straight into the bytes that are returned: nothing is waited for that is not there yet."""
        from http.client import IncompleteRead

        try:
            return self._answer.read1(size)
        except IncompleteRead:
            return b""

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


def _lower(answer: HTTPResponse) -> dict[str, str]:
    """All headers; one that is there twice is joined."""
    return {name.lower(): ", ".join(answer.headers.get_all(name, [])) for name in answer.headers}


@contextmanager
def _explained(method: str, url: str, timeout_s: float) -> Iterator[None]:
    """Turn everything that is not an answer into Unreachable with a reason that a person understands."""
    from sdcupgrade.doors.opener import NO_ANSWER, reason_and_hint

    try:
        yield
    except NO_ANSWER as why:
        reason, hint = reason_and_hint(why, timeout_s)
        raise Unreachable(f"{method} {url}: {reason}", hint) from why
    except ValueError as why:  # http.client's word for a header that would break the request
        raise BadInput(f"{method} {url}: {why}") from why
