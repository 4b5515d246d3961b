"""Writing a bundle: header, members one after another, index, program; in a piece at a time, hashed on the way.

The caller gives a file to write to, which may be read and positioned, and renames it when all is well.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass

from sdcupgrade.errors import BadInput, Corrupt
from sdcupgrade.jsonvalue import pretty
from sdcupgrade.updates import bundle_form as form
from sdcupgrade.updates.bundle_index import INDEX, SIGNATURE, Index, Member, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO
    from zipfile import ZipInfo

    from sdcupgrade.doors.files import Files
    from sdcupgrade.updates.source import Part

    Describe = Callable[[Member, Program, tuple[Member, ...]], Index]
    Sign = Callable[[bytes], bytes]

PROGRAM_LIMIT = 256 << 20
"""Bytes; the one file has some five million."""

LONG_AGO = (1980, 1, 1, 0, 0, 0)
UNIX = 3


@dataclass(frozen=True)
class Carrier:
    """The program that is put into a bundle: where it lies, what it is, and its header."""

    part: Part
    program: Program
    header: bytes


def carrier(files: Files, part: Part) -> Carrier:
    """Read and check the one file. Raises NoInput, BadInput when it is no sdcupgrade that can carry a bundle, Corrupt
    when it is damaged."""
    if part.size > PROGRAM_LIMIT:
        raise BadInput(f"{part.path}: is not the one file of sdcupgrade", "name it with --program")
    with files.open_read(part.path) as file:
        digest = hashlib.sha256()
        for piece in form.pieces(file, part.offset, part.size):
            digest.update(piece)
        header = form.header_of(b"".join(form.pieces(file, part.offset, min(part.size, form.HEADER_LIMIT))), part.path)
        version, buildstamp = _identity(file, part)
    return Carrier(part, Program(part.size, digest.hexdigest(), version, buildstamp), header)


def _identity(file: BinaryIO, part: Part) -> tuple[str, str]:
    """Version and buildstamp, as they are written in the program; every member of it is checked on the way."""
    from zipfile import BadZipFile, ZipFile

    from sdcupgrade.doors.window import Window

    try:
        with ZipFile(Window(file, part.offset, part.size)) as archive:
            damaged = archive.testzip()
            texts = [archive.read(f"site-packages/sdcupgrade/{name}.py") for name in ("__init__", "_build")]
    except (BadZipFile, KeyError) as why:
        raise BadInput(f"{part.path}: is not the one file of sdcupgrade: {why}", "name it with --program") from why
    if damaged is not None:
        raise Corrupt(f"{part.path}: {damaged} in it is damaged", "get the one file anew; nothing was written")
    found = re.search(rb'__version__ = "([^"]+)"', texts[0]), re.search(rb"STAMP = '([^']*)'", texts[1])
    return found[0][1].decode() if found[0] else "", found[1][1].decode() if found[1] else ""


class Writer:
    """Writes a bundle of *name* with the program of *carrier* to *file*, which is empty. A context: one that is left
    before :meth:`finish` leaves half a bundle and no complaint."""

    def __init__(self, file: BinaryIO, carrier: Carrier, name: str) -> None:
        from zipfile import ZipFile

        self._file = file
        self._carrier = carrier
        header = form.bundle_header(carrier.header, name, carrier.program.size, carrier.program.sha256)
        file.write(header)
        self.header = Member("header", 0, len(header), hashlib.sha256(header).hexdigest())
        self._members: list[Member] = []
        self._archive = ZipFile(file, "w")
        self._archive.comment = b"0" * form.COMMENT

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # zipfile would end the archive later, in a file that is closed by then
            self._archive.close()

    def add(self, name: str, size: int, given: Iterable[bytes]) -> Member:
        """Write a member of *size* bytes. Raises Corrupt when other than so many are given."""
        digest, count = hashlib.sha256(), 0
        with self._archive.open(_info(name, size), "w") as out:
            offset = self._file.tell()
            for piece in given:
                out.write(piece)
                digest.update(piece)
                count += len(piece)
        if count != size:
            raise Corrupt(f"{name}: {count} bytes came, {size} were promised", "nothing was written; try again")
        self._members.append(Member(name, offset, size, digest.hexdigest()))
        return self._members[-1]

    def finish(self, files: Files, describe: Describe, sign: Sign) -> Index:
        """Index, signature (none when *sign* gives nothing), directory and program. *describe* makes the index."""
        index = describe(self.header, self._carrier.program, tuple(self._members))
        raw = pretty(index.to_json()).encode()
        signature = sign(raw)
        for name, data in ((INDEX, raw), (SIGNATURE, signature)):
            if data:
                self._archive.writestr(_info(name, len(data)), data)
        self._archive.close()
        self._seal()
        part = self._carrier.part
        with files.open_read(part.path) as program:
            for piece in form.pieces(program, part.offset, part.size):
                self._file.write(piece)
        return index

    def _seal(self) -> None:
        """Put the digest of the frame into the archive's comment."""
        end = self._file.seek(0, 2)
        frame = form.frame_digest(self._file, self._members, self.header.size, end - form.COMMENT)
        self._file.seek(end - form.COMMENT)
        self._file.write(frame.encode())


def _info(name: str, size: int) -> ZipInfo:
    """An entry that tells nothing of the machine it was made on; its size decides whether it takes zip64."""
    from zipfile import ZipInfo

    info = ZipInfo(name, LONG_AGO)
    info.create_system = UNIX
    info.external_attr = 0o100644 << 16
    info.file_size = size
    return info
