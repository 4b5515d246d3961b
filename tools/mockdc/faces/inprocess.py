"""The in-process face: the doors of sdcupgrade onto a datacenter on virtual time, for thousands of runs in seconds.

Programs and APIs are called as functions, through the same entrances as everywhere. Time-outs are kept in the
datacenter's time: a program that hangs costs nothing. Files are real files below the datacenter's folder, not fsynced.
Errors are those of the real doors. Left out: TLS, redirects and proxies, which only the real doors have.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, Optional, Union

from mockdc.apis.web import FileBody as SentFile
from mockdc.apis.web import Request
from mockdc.apis.web import Response as Answer
from mockdc.commands import PROGRAMS, usbkey
from mockdc.core import faults
from mockdc.core.clock import TimeUp, VirtualClock
from mockdc.faces import dispatch
from sdcupgrade.doors import Doors
from sdcupgrade.doors.files import RootedFiles, Target
from sdcupgrade.doors.http import FileBody, Response
from sdcupgrade.doors.run import Completed
from sdcupgrade.doors.window import Window
from sdcupgrade.errors import CommandFailed, StorageError, Unreachable

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter


def doors(dc: Datacenter) -> Doors:
    """All ways out, into *dc*, which must be on virtual time."""
    clock = virtual(dc)
    files = BoxFiles(dc)
    return Doors(BoxRunner(dc, clock, files), BoxHttp(dc, clock, files), BoxHttp(dc, clock, files, outside=True), files,
                 BoxClock(dc))


def virtual(dc: Datacenter) -> VirtualClock:
    """The clock of a datacenter that lives in this process only."""
    assert isinstance(dc.clock, VirtualClock), "the in-process doors need virtual time"
    return dc.clock


class BoxClock:
    """The datacenter's time."""

    def __init__(self, dc: Datacenter) -> None:
        self.dc = dc

    def time(self) -> float:
        return self.dc.clock.now()

    def monotonic(self) -> float:
        return self.dc.clock.now()

    def sleep(self, seconds: float) -> None:
        self.dc.wait(seconds)


class BoxFiles(RootedFiles):
    """Real files below the headnode's root; ``disk-full`` faults make writing fail, and the mounted boot key is FAT."""

    def __init__(self, dc: Datacenter) -> None:
        super().__init__(str(dc.folder), fsync=False)
        self.dc = dc

    def _room(self, path: str) -> None:
        if faults.disk_full(self.dc, path):
            raise StorageError(f"{path}: cannot be written: no space left on device",
                               "free space on that file system, then type the same command again")

    def _on_key(self, path: str) -> bool:
        below = path.startswith(usbkey.MOUNTPOINT + "/")
        return below and (self.dc.folder / usbkey.MOUNTPOINT.lstrip("/")).is_symlink()

    def real(self, path: str) -> str:
        """See RootedFiles; on the key, case does not count."""
        return super().real(path.lower() if self._on_key(path) else path)

    def put(self, path: str, pieces: Iterable[bytes], mode: Optional[int], owner: tuple[int, int]) -> None:
        """See RootedTree; the key keeps no mode."""
        self._room(path)
        super().put(path, pieces, mode, owner)
        if self._on_key(path):
            pathlib.Path(self.real(path)).chmod(usbkey.MODE)

    def put_folder(self, path: str, mode: Optional[int], owner: tuple[int, int]) -> None:
        """See RootedTree; the key keeps no mode."""
        self._room(path)
        super().put_folder(path, mode, owner)
        if self._on_key(path):
            pathlib.Path(self.real(path)).chmod(usbkey.MODE)

    def put_link(self, path: str, target: str, owner: tuple[int, int]) -> None:
        """See RootedTree; the key holds none."""
        self._room(path)
        if self._on_key(path):
            raise StorageError(f"{path}: cannot be written: operation not applicable")
        super().put_link(path, target, owner)

    @contextlib.contextmanager
    def replacing(self, path: str, mode: int = 0o600) -> Iterator[Target]:
        """See RootedFiles."""
        self._room(path)
        with super().replacing(path, mode) as target:
            yield target

    def append(self, path: str, line: bytes) -> None:
        """See RootedFiles."""
        self._room(path)
        super().append(path, line)

    @contextlib.contextmanager
    def open_append(self, path: str, sync: bool = True) -> Iterator[BinaryIO]:
        """See RootedFiles."""
        self._room(path)
        with super().open_append(path, sync) as file:
            yield file


class BoxRunner:
    """Runs the box's programs on the headnode."""

    def __init__(self, dc: Datacenter, clock: VirtualClock, files: BoxFiles) -> None:
        self.dc = dc
        self.clock = clock
        self.files = files

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[str] = None,
        timeout_s: float = 60.0,
        stdout_to: Optional[str] = None,
    ) -> Completed:
        """See Runner. A program that runs out of time dies where it stands, as the killed process would."""
        started = self.clock.now()
        name = pathlib.PurePath(argv[0]).name
        given = (stdin or "").encode("utf-8", "surrogateescape")
        try:
            with self.clock.limit(timeout_s):
                status, out, err = dispatch.command(self.dc, self.dc.headnode, name, list(argv[1:]), lambda: given)
        except dispatch.NoSuchProgram as why:
            hint = "run this in the headnode's global zone"
            raise CommandFailed(f"{argv[0]}: there is no such program", hint) from why
        except TimeUp as why:
            raise CommandFailed(
                f"{argv[0]} did not end within {timeout_s:g} s and was stopped: {' '.join(argv)}",
                "see what keeps it, then type the same sdcupgrade command again",
            ) from why
        if stdout_to is not None:
            with self.files.replacing(stdout_to) as target:
                target.file.write(out)
                target.keep = status == 0
            out = b""
        texts = [data.decode("utf-8", "surrogateescape") for data in (out, err)]
        return Completed(tuple(argv), status, texts[0], texts[1], round(self.clock.now() - started, 3))

    def find(self, name: str) -> Optional[str]:
        """See Runner."""
        return f"/usr/bin/{name}" if name in PROGRAMS else None


class BoxHttp:
    """Requests to the datacenter's services by name or admin address, or, *outside*, to the updates server."""

    def __init__(self, dc: Datacenter, clock: VirtualClock, files: BoxFiles, outside: bool = False) -> None:
        self.dc = dc
        self.clock = clock
        self.files = files
        self.outside = outside

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[bytes, FileBody, None] = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """See Http."""
        answer = self._ask(method, url, headers, body, timeout_s)
        with BoxStream(answer, url, self.clock, timeout_s) as stream:
            data = b"".join(iter(lambda: stream.read(1 << 20), b""))
            promised = stream.headers.get("content-length", "")
        if promised.isdigit() and len(data) < int(promised) and method != "HEAD":
            raise Unreachable(f"{method} {url}: the answer was cut off after {len(data)} bytes")
        return Response(answer.status, stream.headers, data)

    @contextlib.contextmanager
    def stream(
        self, url: str, *, headers: Optional[Mapping[str, str]] = None, timeout_s: float = 30.0
    ) -> Iterator[BoxStream]:
        """See Http."""
        answer = self._ask("GET", url, headers, None, timeout_s)
        with BoxStream(answer, url, self.clock, timeout_s) as stream:
            yield stream

    def _ask(
        self, method: str, url: str, headers: Optional[Mapping[str, str]], body: Union[bytes, FileBody, None],
        timeout_s: float,
    ) -> Answer:
        parts = urllib.parse.urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with contextlib.ExitStack() as stack:
            sent: Union[bytes, BinaryIO] = b""
            if isinstance(body, FileBody):
                file = stack.enter_context(self.files.open_read(body.path))
                sent = stack.enter_context(io.BufferedReader(Window(file, body.offset, body.size)))
            elif body is not None:
                sent = body
            request = Request.make(method, target, dict(headers or {}), sent)
            try:
                with self.clock.limit(timeout_s):
                    return dispatch.http(self.dc, self._api(parts.hostname or ""), request)
            except dispatch.NoSuchHost as why:
                raise Unreachable(f"{method} {url}: the name does not resolve") from why
            except dispatch.Refused as why:
                raise Unreachable(f"{method} {url}: connection refused") from why
            except TimeUp as why:
                raise Unreachable(f"{method} {url}: timed out after {timeout_s:g} s") from why

    def _api(self, host: str) -> str:
        if not self.outside:
            return dispatch.by_host(self.dc, host)
        if not host.startswith("updates."):
            raise dispatch.NoSuchHost(host)
        return dispatch.OUTSIDE


class BoxStream:
    """An answer being read, with whatever the wire does to it."""

    def __init__(self, answer: Answer, url: str, clock: VirtualClock, timeout_s: float) -> None:
        body = answer.encoded()
        self.status = answer.status
        self._left = body.size if isinstance(body, SentFile) else len(body)
        given = {name.lower(): value for name, value in answer.headers.items()}
        self.headers: Mapping[str, str] = {"content-length": str(self._left), **given}
        self._wire = answer.wire
        self._offset = 0
        self._url = url
        self._clock = clock
        self._timeout_s = timeout_s
        self._file = _opened(body)

    def __enter__(self) -> BoxStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """See Stream."""
        raw = self._file.read(min(size, self._left))
        self._left -= len(raw)
        piece = dispatch.damaged(self._wire, raw, self._offset)
        self._offset += len(piece)
        if len(piece) < len(raw):
            self._left = 0
        if self._wire is not None and self._wire.rate:
            self._pace(len(piece) / self._wire.rate)
        return piece

    def _pace(self, seconds: float) -> None:
        try:
            with self._clock.limit(self._timeout_s):
                self._clock.sleep(seconds)
        except TimeUp as why:
            raise Unreachable(f"GET {self._url}: timed out after {self._timeout_s:g} s") from why


def _opened(body: Union[bytes, SentFile]) -> BinaryIO:
    """A body as something to read from; the stream closes it."""
    if isinstance(body, bytes):
        return io.BytesIO(body)
    file = pathlib.Path(body.path).open("rb")  # noqa: SIM115 (closed by BoxStream)
    file.seek(body.offset)
    return file
