"""Metadata packed into one ``.tgz``, read as if somebody meant harm: in memory, within limits, nothing unpacked.

Whether any of it is to be believed is not told here: this only finds the files in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdcupgrade.errors import Corrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

UNPACKED_LIMIT = 64 << 20
"""Bytes, of all members together with what is around them."""

NAME = re.compile(r"([0-9]+\.)?[A-Za-z0-9%._~-]{1,200}\.json")
GZIP = 31
"""zlib's word for a gzip file with its header."""


@dataclass(frozen=True)
class HeldFetch:
    """A :class:`sdcupgrade.updates.trusted.Fetch` of files that are in memory."""

    files: Mapping[str, bytes]

    def __call__(self, name: str, limit: int) -> Optional[bytes]:
        """See there."""
        found = self.files.get(name)
        if found is not None and len(found) > limit:
            raise Corrupt(f"{name}: longer than the {limit} bytes that are allowed")
        return found


def read_archive(data: bytes, where: str) -> dict[str, bytes]:
    """The metadata files in a ``.tgz``, by name. Raises Corrupt for anything else in it, and for anything twice."""
    import io
    import tarfile

    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(data, where)), mode="r:") as archive:
            for member in archive:
                plain = member.isreg() and not member.issparse()  # a sparse one has as many zeros as it says
                if not plain or not NAME.fullmatch(member.name) or member.name in files:
                    raise Corrupt(f"{where}: {member.name!r} has no place in an archive of metadata")
                file = archive.extractfile(member)
                files[member.name] = file.read() if file else b""
    except (tarfile.TarError, ValueError, OverflowError) as why:  # tarfile believes some numbers of a header
        raise Corrupt(f"{where}: not an archive of metadata: {why}") from why
    return files


def _unpacked(data: bytes, where: str) -> bytes:
    """The tar in it; the limit comes first, since the headers of a tar may promise anything."""
    import zlib

    unpacker = zlib.decompressobj(GZIP)
    try:
        found = unpacker.decompress(data, UNPACKED_LIMIT + 1)
    except zlib.error as why:
        raise Corrupt(f"{where}: not an archive of metadata: {why}") from why
    if len(found) > UNPACKED_LIMIT:
        raise Corrupt(f"{where}: unpacks to more than {UNPACKED_LIMIT} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise Corrupt(f"{where}: {'cut off' if not unpacker.eof else 'followed by other bytes'}")
    return found
