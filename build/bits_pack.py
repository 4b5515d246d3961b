"""Items into a gzbits tarball: the same bytes wherever it is made.

Plain ustar, members sorted, owner root, no times; gzip with stored blocks, written here, since two builds of zlib may
deflate the same bytes differently, and divide stored ones differently too (`docs/build.md`, why nothing is compressed).
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import struct
import sys
import tarfile
import zlib
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Union

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from sdcupgrade.bits.folders import PAYLOAD, destination_of, folder_of  # noqa: E402  (the path comes first)
from sdcupgrade.bits.manifest import NAME, Entry, Kind, Manifest, parse_manifest  # noqa: E402
from sdcupgrade.bits.rules import leads_away, resolve  # noqa: E402

BLOCK = 0xFFFF
"""The longest stored block of deflate."""

HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""gzip: no name, no time, no system."""


@dataclass(frozen=True)
class Item:
    """What goes into a tarball: *path* is below the payload's folder, *data* the bytes or the file that has them."""

    path: str
    kind: Kind
    on: tuple[str, ...]
    data: Union[bytes, pathlib.Path] = b""
    executable: bool = False
    target: str = ""

    def read(self) -> bytes:
        """The bytes of a file."""
        return self.data.read_bytes() if isinstance(self.data, pathlib.Path) else self.data

    def mode(self) -> int:
        """Nothing but the executable bit is taken over: the rest follows whoever made the tree."""
        return {Kind.FILE: 0o755 if self.executable else 0o644, Kind.DIR: 0o755, Kind.LINK: 0o777}[self.kind]

    def entry(self) -> Entry:
        """As the manifest has it; what has no place there is refused when that is read."""
        path = f"{PAYLOAD}/{self.path}"
        folder = folder_of(path)
        data = self.read() if self.kind is Kind.FILE else b""
        return Entry(
            path=path,
            kind=self.kind,
            destination=destination_of(path) or f"/{path}",
            on=self.on,
            mode=self.mode(),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest() if self.kind is Kind.FILE else "",
            target=self.target,
            key=bool(folder and folder.key),
        )


def manifest_of_items(items: list[Item], version: str, buildstamp: str) -> Manifest:
    """Their manifest, read as sdcupgrade will read it. Raises BadInput, which names the item."""
    entries = sorted((item.entry() for item in items), key=lambda entry: entry.path)
    made = Manifest(version, buildstamp, tuple(entries))
    return parse_manifest(made.text(), "the tree")


def without_dangling(items: list[Item]) -> tuple[list[Item], list[str]]:
    """The items without links to what is not among them, and the paths of these links: trees of node modules have
    some, and a manifest holds none."""
    kept, dangling = items, [""]
    while dangling:
        paths = {f"{PAYLOAD}/{item.path}" for item in kept}
        dangling = [item.path for item in kept if item.kind is Kind.LINK and _dangles(item, paths)]
        kept = [item for item in kept if item.path not in dangling]
    return kept, sorted({item.path for item in items} - {item.path for item in kept})


def _dangles(item: Item, paths: set[str]) -> bool:
    """Whether a link stays in the payload and names nothing there; one that leads out is refused, not dropped."""
    found = resolve(item.entry())
    return found is not None and found not in paths and not leads_away(found)


def pack(items: list[Item], manifest: Manifest, target: pathlib.Path) -> None:
    """Write *target*, whole or not at all. Raises ValueError for a name that a plain tar cannot hold."""
    by_path = {f"{PAYLOAD}/{item.path}": item for item in items}
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with fresh.open("xb") as out, closing(Stored(out)) as stored:
            stored.write(member(header(NAME, 0o644), manifest.text().encode()))
            for entry in manifest.entries:
                data = by_path[entry.path].read() if entry.kind is Kind.FILE else b""
                stored.write(member(header_of(entry), data))
            stored.write(bytes(2 * tarfile.BLOCKSIZE))
        fresh.chmod(0o644)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def member(info: tarfile.TarInfo, data: bytes) -> bytes:
    """Header, bytes, and what fills the last block. Raises ValueError for a name that a plain tar cannot hold."""
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def header_of(entry: Entry) -> tarfile.TarInfo:
    """The header of a member."""
    kinds = {Kind.FILE: tarfile.REGTYPE, Kind.DIR: tarfile.DIRTYPE, Kind.LINK: tarfile.SYMTYPE}
    return header(entry.path, entry.mode, kinds[entry.kind], entry.target)


def header(name: str, mode: int, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """A member that tells nothing of the machine it was made on."""
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.linkname = mode, kind, target
    info.uname = info.gname = "root"
    return info


class Stored:
    """Writes gzip in which nothing is compressed: every byte follows from the format."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._held = bytearray()
        self._crc = self._size = 0
        out.write(HEADER)

    def write(self, piece: bytes, /) -> int:
        """Take *piece*; a block is written when it is known not to be the last."""
        self._held += piece
        self._crc = zlib.crc32(piece, self._crc)
        self._size += len(piece)
        while len(self._held) > BLOCK:
            self._block(bytes(self._held[:BLOCK]), last=False)
            del self._held[:BLOCK]
        return len(piece)

    def close(self) -> None:
        """The last block, checksum and length."""
        self._block(bytes(self._held), last=True)
        self._out.write(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def _block(self, data: bytes, last: bool) -> None:
        self._out.write(struct.pack("<BHH", last, len(data), len(data) ^ 0xFFFF) + data)
