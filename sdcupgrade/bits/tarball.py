"""A gzbits tarball, read from a stream as if somebody meant harm.

Promises that every member handed out is the next entry of a manifest that is safe to act on, with its kind, mode,
size and digest; that the last bytes of a file are given only when its digest is right; and that when the members have
come to their end there was nothing else in the file. Writes nothing.

Headers are read one by one, by tarfile but not through it: it would follow extensions (pax, GNU, sparse files), and
takes what it cannot read for the end. A gzbits tarball is plain ustar.
"""

from __future__ import annotations

import hashlib
import tarfile

from sdcupgrade.bits.manifest import HINT, NAME, Entry, Kind, Manifest, parse_manifest
from sdcupgrade.bits.rules import TOTAL_LIMIT
from sdcupgrade.bits.unpack import UNPACKED, Unpacked
from sdcupgrade.errors import BadInput, Corrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from sdcupgrade.bits.unpack import Stream

MANIFEST_LIMIT = 24 << 20
"""Bytes; a real one has under 1 MB."""

TAIL_LIMIT = 64 << 10
"""Bytes of zeros that end a tar, rounded up to its record."""

_KINDS = {tarfile.REGTYPE: Kind.FILE, tarfile.DIRTYPE: Kind.DIR, tarfile.SYMTYPE: Kind.LINK}
_WORDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a fifo",
}


class Tarball:
    """The tarball in *stream*, of which the manifest has been read; *where* names it in messages, *limit* is how many
    bytes its files may have together. Raises BadInput when it is something else or its manifest may not be acted on,
    Corrupt when it is damaged."""

    def __init__(self, stream: Stream, where: str, limit: int = TOTAL_LIMIT) -> None:
        self._where = where
        self._unpacked = Unpacked(stream, where)
        self.manifest = self._read_manifest()
        if self.manifest.size > limit:
            raise BadInput(f"{where}: unpacks to {self.manifest.size} bytes, and at most {limit} are allowed", HINT)

    def members(self) -> Iterator[tuple[Entry, Reader]]:
        """Every entry of the manifest in its order, with what reads its bytes; once. What is not read is passed over
        and checked all the same. Raises Corrupt, which names the member."""
        paths = {entry.path for entry in self.manifest.entries}
        for entry in self.manifest.entries:
            info = self._header()
            self._compare(entry, info, paths)
            reader = Reader(self._unpacked, entry, self._where)
            yield entry, reader
            while reader.read(UNPACKED):
                pass
            self._padding(entry.size)
        self._end()

    def _read_manifest(self) -> Manifest:
        """The first member."""
        info = self._header()
        if info is None or info.name != NAME or info.type != tarfile.REGTYPE:
            first = "it is empty" if info is None else f"its first member is {info.name[:200]!r}, not {NAME}"
            hint = "of a gz-tools package, or of the tree of a headnode, build/gzbits.py makes one"
            raise BadInput(f"{self._where}: not a gzbits tarball: {first}", hint)
        if not 0 <= info.size <= MANIFEST_LIMIT:
            raise self._corrupt(NAME, f"it has {info.size} bytes, and at most {MANIFEST_LIMIT} are allowed")
        text = self._unpacked.exactly(info.size)
        self._padding(info.size)
        return parse_manifest(text, f"{self._where}: {NAME}")

    def _header(self) -> Optional[tarfile.TarInfo]:
        """The next header; None for the zeros that end a tar."""
        block = self._unpacked.exactly(tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as why:
            raise BadInput(f"{self._where}: what is in it is no tar ({why})", HINT) from why

    def _compare(self, entry: Entry, info: Optional[tarfile.TarInfo], paths: set[str]) -> None:
        """The header has to say what the manifest says. Raises Corrupt."""
        if info is None:
            raise self._corrupt(entry.path, "it is in the manifest, and not in the tarball")
        if info.name != entry.path:
            if info.name not in paths:
                raise self._corrupt(info.name, "it is in the tarball, and not in the manifest")
            twice = "twice" if info.name < entry.path else "out of its order"
            raise self._corrupt(info.name, f"it is in the tarball {twice}; {entry.path!r} has to come here")
        kind = _KINDS.get(info.type)
        if kind is not entry.kind:
            word = f"a {kind.value}" if kind else _WORDS.get(info.type, "of a kind that gzbits does not have")
            raise self._corrupt(entry.path, f"it is {word}, and the manifest says {entry.kind.value}")
        if info.size != entry.size:
            raise self._corrupt(entry.path, f"it has {info.size} bytes, and the manifest says {entry.size}")
        if kind is Kind.LINK and info.linkname != entry.target:
            raise self._corrupt(
                entry.path, f"it is a link to {info.linkname[:200]!r}, and the manifest says {entry.target!r}"
            )
        if kind is not Kind.LINK and info.mode != entry.mode:
            raise self._corrupt(entry.path, f"its mode is {info.mode:04o}, and the manifest says {entry.mode:04o}")

    def _padding(self, size: int) -> None:
        """What fills the last block of a member."""
        self._unpacked.exactly(-size % tarfile.BLOCKSIZE)

    def _end(self) -> None:
        """After the last member come zeros, not many, and nothing else. Raises Corrupt."""
        info = self._header()
        if info is not None:
            raise self._corrupt(info.name, "it is in the tarball, and not in the manifest")
        zeros = 0
        while piece := self._unpacked.read(UNPACKED):
            zeros += len(piece)
            if piece.strip(b"\0") or zeros > TAIL_LIMIT:
                raise Corrupt(f"{self._where}: other bytes follow the last member", HINT)
        self._unpacked.end()

    def _corrupt(self, path: str, problem: str) -> Corrupt:
        return Corrupt(f"{self._where}: {path[:200]!r}: {problem}", HINT)


class Reader:
    """The bytes of one member."""

    def __init__(self, unpacked: Unpacked, entry: Entry, where: str) -> None:
        self._unpacked = unpacked
        self._entry = entry
        self._where = where
        self._left = entry.size
        self._sha256 = hashlib.sha256()
        if entry.kind is Kind.FILE and not self._left:
            self._check()

    def read(self, size: int, /) -> bytes:
        """At most *size* bytes; empty at the end. Raises Corrupt instead of giving the last ones of a wrong file."""
        if not self._left or not size:
            return b""
        piece = self._unpacked.read(min(size, self._left))
        if not piece:
            raise Corrupt(f"{self._where}: {self._entry.path!r}: the tarball ends in it", HINT)
        self._sha256.update(piece)
        self._left -= len(piece)
        if not self._left:
            self._check()
        return piece

    def _check(self) -> None:
        found = self._sha256.hexdigest()
        if found != self._entry.sha256:
            problem = f"its sha256 is {found}, and the manifest says {self._entry.sha256}"
            raise Corrupt(f"{self._where}: {self._entry.path!r}: {problem}", HINT)
