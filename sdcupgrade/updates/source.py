"""Where images come from, and the updates server as the usual such place.

A source gives manifests by name and channel, one manifest by uuid, and the bytes of an image from a given offset on. It
verifies nothing: :mod:`sdcupgrade.updates.fetch` does, on every byte.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

from sdcupgrade.dc.api import Api, failure, target
from sdcupgrade.dc.imgapi import listed
from sdcupgrade.doors.http import Response
from sdcupgrade.errors import BadInput, HttpError
from sdcupgrade.jsonvalue import whole_number
from sdcupgrade.model import Image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import BinaryIO, Optional, Protocol

    from sdcupgrade.doors.files import Files
    from sdcupgrade.doors.http import Http, Stream
    from sdcupgrade.updates.trusted import Fetch

    class Source(Protocol):
        """A place that images come from. Methods raise Unreachable, HttpError or BadAnswer."""

        @property
        def name(self) -> str:
            """For messages and for the plan: the URL."""

        def channels(self) -> tuple[str, ...]:
            """The channels there are, its default first; none where the source has no channels."""

        def images(self, name: str, channel: str) -> tuple[Image, ...]:
            """The active images with exactly that name in the channel, newest last. BadInput for an unknown channel."""

        def image(self, uuid: str) -> Optional[Image]:
            """The manifest, whichever channel it is in."""

        def open(
            self, uuid: str, channel: str, offset: int = 0, etag: str = ""
        ) -> AbstractContextManager[Body]:
            """The image's bytes from *offset* on, if they are still those of *etag*; else from the start."""

        def local(self, uuid: str) -> Optional[Part]:
            """The image's bytes, where they lie on this machine and need not be fetched."""

        def metadata(self) -> Optional[Fetch]:
            """Where signed metadata is that the source itself carries; None when it has none of its own."""


DEFAULT_URL = "https://updates.tritondatacenter.com"
"""Since TRITON-2304; updates.joyent.com before."""

STALL_S = 30.0
ADVICE = "see whether it is up, and what is in between: network, firewall, proxy; prepare --source URL asks another"


@dataclass(frozen=True)
class Part:
    """Bytes that lie on this machine: *size* of them from *offset* on in the file *path*."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True)
class Body:
    """Bytes being read. *start* is the offset of the first one: 0 where the source does not do ranges. *total* is the
    length of the whole file as the source tells it, None where it does not. *ended* says that there is nothing at the
    offset that was asked for."""

    stream: Stream
    start: int
    total: Optional[int]
    etag: str
    ended: bool = False


def absolute(files: Files, path: str) -> str:
    """*path* as it means the same from any folder, for plans."""
    import os.path

    return os.path.abspath(files.real(path))


class Reading:
    """A :class:`sdcupgrade.doors.http.Stream` of *left* bytes of a file on this machine."""

    status = 200

    def __init__(self, file: BinaryIO, left: int) -> None:
        self.headers: Mapping[str, str] = {}
        self._file = file
        self._left = left

    def read(self, size: int) -> bytes:
        """See there."""
        piece = self._file.read(max(0, min(size, self._left)))
        self._left -= len(piece)
        return piece


class UpdatesServer:
    """A public IMGAPI with channels. Anonymous, read only."""

    def __init__(self, http: Http, url: str = DEFAULT_URL) -> None:
        self.url = url.rstrip("/")
        self.http = http
        self.api = Api(f"updates server {self.url}", http, lambda: (self.url,), "~2", ADVICE)

    @property
    def name(self) -> str:
        """See :class:`Source`."""
        return self.url

    def channels(self) -> tuple[str, ...]:
        """See :class:`Source`; a server without channels has no such path."""
        try:
            found = self.api.records("/channels")
        except HttpError as error:
            if error.http_status == 404:
                return ()
            raise
        ordered = sorted(found, key=lambda record: not record.flag("default"))
        return tuple(record.text("name") for record in ordered)

    def images(self, name: str, channel: str) -> tuple[Image, ...]:
        """See :class:`Source`. The server sorts by published_at, the only order that means anything (reference 2.5)."""
        try:
            found = listed(self.api, {"name": name, "channel": channel})
        except HttpError as error:
            raise self._explained(error, channel) from error
        return tuple(image for image in found if image.name == name)

    def _explained(self, error: HttpError, channel: str) -> Exception:
        if error.http_status != 422 or "channel" not in error.message:
            return error
        there = ", ".join(self.channels())
        return BadInput(f"there is no channel {channel!r} on {self.url}", f"it has: {there}; use --channel")

    def image(self, uuid: str) -> Optional[Image]:
        """See :class:`Source`."""
        try:
            return Image.read(self.api.record(f"/images/{uuid}", {"channel": "*"}))
        except HttpError as error:
            if error.http_status == 404:
                return None
            raise

    def local(self, uuid: str) -> Optional[Part]:
        """See :class:`Source`; never."""
        return None

    def metadata(self) -> Optional[Fetch]:
        """See :class:`Source`; it has none."""
        return None

    @contextmanager
    def open(self, uuid: str, channel: str, offset: int = 0, etag: str = "") -> Iterator[Body]:
        """See :class:`Source`. Files are served for one channel only, never for ``*`` (reference 2.4)."""
        url = self.url + target(f"/images/{uuid}/file", {"channel": channel})
        with self.http.stream(url, headers=_range(offset, etag), timeout_s=STALL_S) as stream:
            yield self._body(stream, f"{self.api.service}: GET {url[len(self.url):]}", offset)

    def _body(self, stream: Stream, what: str, offset: int) -> Body:
        etag = stream.headers.get("etag", "")
        if stream.status == 206:
            start, total = content_range(stream.headers.get("content-range", ""))
            return Body(stream, start, total, etag)
        if stream.status == 416 and offset:
            return Body(stream, offset, content_range(stream.headers.get("content-range", ""))[1], etag, ended=True)
        if stream.status == 200:
            return Body(stream, 0, _length(stream.headers), etag)
        raise failure(what, Response(stream.status, stream.headers, stream.read(64 << 10)), ADVICE)


def file_channel(image: Image, channel: str) -> str:
    """The channel to ask an image's file from: the wanted one if the image is in it, else any that it is in."""
    return channel if channel in image.channels or not image.channels else image.channels[0]


def _range(offset: int, etag: str) -> dict[str, str]:
    """A weak tag promises nothing about bytes, so it cannot guard a range; then only the digest does."""
    headers = {"Accept": "*/*"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if etag and not etag.startswith("W/"):
            headers["If-Range"] = etag
    return headers


def content_range(text: str) -> tuple[int, Optional[int]]:
    """Start and total of ``bytes 10-99/100`` or ``bytes */100``; (-1, None) where it says nothing."""
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    start = span.partition("-")[0]
    if unit != "bytes":
        return -1, None
    found = whole_number(start)
    return -1 if found is None else found, whole_number(total)


def _length(headers: Mapping[str, str]) -> Optional[int]:
    return whole_number(headers.get("content-length", ""))
