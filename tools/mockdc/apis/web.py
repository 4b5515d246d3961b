"""Requests and answers as plain data, so that an API is a function and needs no socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Optional, Union


@dataclass
class Request:
    """One HTTP request. *path* is decoded and without query; *query* keeps the last value of each name; header
    names are lower case; *body* is the whole body, or for large uploads a readable file (use :meth:`reader`)."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Union[bytes, BinaryIO] = b""
    raw_target: str = ""

    @staticmethod
    def make(method: str, target: str, headers: Optional[dict[str, str]] = None,
             body: Union[bytes, BinaryIO] = b"") -> Request:
        """From the request line's target."""
        import urllib.parse

        path, _, query = target.partition("?")
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        return Request(method, urllib.parse.unquote(path), dict(pairs), lower, body, target)

    def bytes(self) -> bytes:
        """The whole body."""
        return self.body if isinstance(self.body, bytes) else self.body.read()

    def json(self) -> Any:
        """The body as JSON; raises ValueError."""
        return json.loads(self.bytes())


@dataclass(frozen=True)
class FileBody:
    """A body that is a file on disk, or *size* bytes of it from *offset* on, sent as it is (sendfile where there is
    one)."""

    path: str
    size: int
    offset: int = 0


@dataclass(frozen=True)
class Wire:
    """What a fault does to the body on its way: *cut* ends it after so many bytes (Content-Length stays), *corrupt*
    flips its first byte, *rate* limits it to so many bytes per second of the datacenter's time."""

    cut: Optional[int] = None
    corrupt: bool = False
    rate: Optional[float] = None


@dataclass
class Response:
    """One HTTP answer. A dict or list body is sent as JSON; None as an empty body. The face that sends it obeys
    *wire*."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    wire: Optional[Wire] = None

    def encoded(self) -> Union[bytes, FileBody]:
        """The body as it goes over the wire."""
        if isinstance(self.body, (bytes, FileBody)):
            return self.body
        return b"" if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()


def error(status: int, code: str, message: str, **more: Any) -> Response:
    """A restify error."""
    return Response(status, {"code": code, "message": message, **more})


def request_id() -> str:
    """A fresh x-request-id."""
    import uuid

    return str(uuid.uuid4())
