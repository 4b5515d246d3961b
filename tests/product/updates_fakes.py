"""An updates server of a few files, with the faults that matter to a download."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Optional, Union

from sdcupgrade.doors.http import FileBody, Response
from sdcupgrade.errors import Unreachable

URL = "https://updates.example.com"


@dataclass(frozen=True)
class Wanted:
    """An image to fetch, with the bytes that a true server has."""

    uuid: str
    data: bytes
    name: str = "imgapi"
    version: str = "v1"
    channel: str = "dev"
    sha256: str = ""

    @property
    def size(self) -> int:
        """Of the data."""
        return len(self.data)

    @property
    def sha1(self) -> str:
        """Of the data."""
        return hashlib.sha1(self.data).hexdigest()


@dataclass
class FileServer:
    """Serves ``/images/UUID/file``. *cuts* are the lengths after which the next connections break, one each; *ranges*
    False ignores ranges, as the real updates server does; *spoilt* connections flip the first byte; *surplus* is sent
    after the end; *shift* is how far off ranges are; *refuses* answers that status; *failures* is how many connections
    never come to be."""

    files: dict[str, bytes]
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    spoilt: int = 0
    surplus: bytes = b""
    refuses: int = 0
    failures: int = 0
    etag: str = '"one"'
    length: Optional[int] = None
    shift: int = 0
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[bytes, FileBody, None] = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """Nothing but files is served."""
        raise Unreachable(url)

    @contextmanager
    def stream(
        self, url: str, *, headers: Optional[Mapping[str, str]] = None, timeout_s: float = 30.0
    ) -> Iterator[FakeStream]:
        """See Http."""
        with self.mutex:
            self.asked.append((url, dict(headers or {})))
            if self.failures:
                self.failures -= 1
                raise Unreachable(f"{url}: connection refused")
            stream = self._answer(url, headers or {})
        yield stream

    def _answer(self, url: str, headers: Mapping[str, str]) -> FakeStream:
        if self.refuses:
            return FakeStream(self.refuses, {}, b'{"code":"ResourceNotFound","message":"image not found"}')
        data = self.files[url.split("/")[4]]
        start = self._start(headers)
        if start > len(data):
            return FakeStream(416, {"content-range": f"bytes */{len(data)}"}, b"")
        if self.spoilt:
            self.spoilt -= 1
            data = bytes([data[0] ^ 255]) + data[1:]
        size = len(data) if self.length is None else self.length
        told = {"etag": self.etag, "content-length": str(size - start)}
        if start:
            told["content-range"] = f"bytes {start + self.shift}-{len(data) - 1}/{size}"
        sent = data[start:] + self.surplus
        return FakeStream(206 if start else 200, told, sent[: self.cuts.pop(0)] if self.cuts else sent)

    def _start(self, headers: Mapping[str, str]) -> int:
        guarded = headers.get("If-Range", self.etag) != self.etag
        text = headers.get("Range", "")
        return int(text[len("bytes=") : -1]) if text and self.ranges and not guarded else 0

    def starts(self) -> list[str]:
        """The ranges asked for, one for each connection."""
        return [headers.get("Range", "") for _, headers in self.asked]


class FakeStream:
    """An answer being read; a cut one simply ends."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self._data = data

    def read(self, size: int) -> bytes:
        """See Stream."""
        piece, self._data = self._data[:size], self._data[size:]
        return piece
