"""gzip from a stream, in small memory: nothing is taken on trust, not even that the file has an end.

tarfile's own streaming compares no checksum and takes a cut for the end, so it is not asked.
"""

from __future__ import annotations

import zlib

from sdcupgrade.errors import BadInput, Corrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Stream(Protocol):
        """What bytes are read from, once and forwards."""

        def read(self, size: int, /) -> bytes: ...


GZIP = 31
"""zlib's word for a gzip file with its header."""

MAGIC = b"\x1f\x8b"
PACKED, UNPACKED = 64 << 10, 256 << 10
"""Bytes read and unpacked at a time: a bomb gets no further than what is asked of it."""


class Unpacked:
    """What is in the gzip file *stream*; *where* names it in messages. Raises BadInput when it is none."""

    def __init__(self, stream: Stream, where: str) -> None:
        self._stream = stream
        self._where = where
        self._gzip = zlib.decompressobj(GZIP)
        self._packed = stream.read(PACKED)
        self._held = b""
        self._at = 0
        if not self._packed.startswith(MAGIC):
            raise BadInput(f"{where}: not a gzbits tarball: it is no gzip file", "name a gzbits-VERSION.tgz")

    def read(self, size: int) -> bytes:
        """At most *size* bytes; empty at the end. Raises Corrupt when it is cut off or damaged."""
        if self._at == len(self._held):
            self._held, self._at = self._next(), 0
        piece = self._held[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def exactly(self, size: int) -> bytes:
        """*size* bytes. Raises Corrupt when there are fewer."""
        found = self.read(size)
        while len(found) < size:
            piece = self.read(size - len(found))
            if not piece:
                raise self._corrupt("it ends too early")
            found += piece
        return found

    def end(self) -> None:
        """Nothing may follow: call it when read() gave nothing. Raises Corrupt."""
        if self._gzip.unused_data or self._packed or self._stream.read(1):
            raise self._corrupt("other bytes follow its end")

    def _next(self) -> bytes:
        """The next bytes; none only at the end, where zlib has compared checksum and length."""
        while not self._gzip.eof:
            packed = self._gzip.unconsumed_tail or self._packed or self._stream.read(PACKED)
            if packed is self._packed:
                self._packed = b""
            try:
                found = self._gzip.decompress(packed, UNPACKED)
            except zlib.error as why:
                raise self._corrupt(f"it is damaged ({why})") from why
            if found:
                return found
            if not packed:
                raise self._corrupt("it is cut off")
        return b""

    def _corrupt(self, problem: str) -> Corrupt:
        return Corrupt(f"{self._where}: {problem}", "nothing of it is in use; get the file once more")
