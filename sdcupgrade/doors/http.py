"""The door to HTTP services."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from typing import Optional, Protocol, Union

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
