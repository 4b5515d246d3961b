"""The form of a bundle's file: where its program begins, the header before it, and the digest of all that is no member.

The file is ``[header][zip archive, stored][program]``. The program's own archive is last and counts its offsets from
its own beginning, so every Python runs it from inside, at any size, and where it begins can be worked out from the
file's end. The header is the program's own, with a check in it: before anything is imported out of the file, the last
bytes of it must be the program's, by digest. The archive's comment is the digest of every byte of the archive that
belongs to no member: so each byte of the file is under exactly one digest, of the header, the frame, a member or the
program.
"""

from __future__ import annotations

import hashlib
import struct

from sdcupgrade.errors import BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO, Optional

    from sdcupgrade.updates.bundle_index import Member

PIECE = 1 << 20
END = struct.Struct("<4s4xHHIIH")
"""The end of an archive's directory: magic, entries here, entries, size and offset of the directory, length of comment
(APPNOTE 4.3.16)."""

COMMENT = 64
"""Bytes of the archive's comment: a sha256 in hex."""

HEADER_LIMIT = 64 << 10
PLAIN = b"\ncheck=\n"
"""The line of the program's header that a bundle's header has the check in."""

CHECK = """
# A bundle: payload and program in one file. {name}
check='it = open(file, "rb")
it.seek(max(0, it.seek(0, 2) - {size}))
if __import__("hashlib").sha256(it.read()).hexdigest() != "{sha256}":
    sys.stderr.write("sdcupgrade: %s: damaged or cut off: its program is not the one it was made with; "
                     "copy the bundle again; nothing was touched\\n" % file)
    sys.exit(79)
it.close()
'
"""


def program_start(file: BinaryIO, size: int) -> Optional[int]:
    """Where the program begins in a file of *size* bytes: 0 in the one file itself, None where no program ends."""
    if size < END.size:
        return None
    file.seek(size - END.size)
    magic, here, entries, directory, offset, comment = END.unpack(file.read(END.size))
    start = size - END.size - directory - offset
    return start if magic == b"PK\5\6" and here == entries and comment == 0 and start >= 0 else None


def header_of(program: bytes, where: str) -> bytes:
    """The header of the program whose first bytes are *program*. Raises BadInput when it is none that can carry."""
    header, archive, _ = program.partition(b"PK\3\4")
    if not archive or header.count(PLAIN) != 1 or not header.startswith(b"#!/bin/sh\n"):
        raise BadInput(f"{where}: is no sdcupgrade that can carry a bundle", "name the one file of a later version")
    return header


def bundle_header(header: bytes, name: str, size: int, sha256: str) -> bytes:
    """The header of a bundle, from that of its program of *size* bytes."""
    said = "".join(letter for letter in name if letter.isalnum() or letter in "._-")
    return header.replace(PLAIN, CHECK.format(name=said, size=size, sha256=sha256).encode())


def promised_program(file: BinaryIO) -> Optional[int]:
    """The size of the program as the header of a bundle tells it; None when the file does not begin as a bundle."""
    import re

    file.seek(0)
    found = re.search(rb"\n# A bundle: .*\ncheck=.*\n.* - (\d{1,12})\)\)\n", file.read(HEADER_LIMIT))
    return int(found[1]) if found else None


def frame_digest(file: BinaryIO, members: Iterable[Member], begin: int, end: int) -> str:
    """The sha256 of everything from *begin* to *end* that belongs to none of the *members*, which lie in order."""
    found = hashlib.sha256()
    for member in members:
        for piece in pieces(file, begin, member.offset - begin):
            found.update(piece)
        begin = member.end
    for piece in pieces(file, begin, end - begin):
        found.update(piece)
    return found.hexdigest()


def pieces(file: BinaryIO, offset: int, size: int) -> Iterator[bytes]:
    """*size* bytes from *offset* on, fewer where the file ends."""
    file.seek(offset)
    while size > 0 and (piece := file.read(min(PIECE, size))):
        yield piece
        size -= len(piece)
