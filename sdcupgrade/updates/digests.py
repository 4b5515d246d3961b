"""The digests by which an image's bytes are known: sha1 of its manifest, and sha256 where it is signed."""

from __future__ import annotations

import hashlib

from sdcupgrade.errors import Corrupt
from sdcupgrade.model import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from sdcupgrade.doors.files import Files
    from sdcupgrade.model import Emit
    from sdcupgrade.updates.source import Part

    class Promised(Protocol):
        """What was promised about an image; *sha256* is empty where nobody signed it."""

        @property
        def uuid(self) -> str: ...

        @property
        def name(self) -> str: ...

        @property
        def version(self) -> str: ...

        @property
        def size(self) -> int: ...

        @property
        def sha1(self) -> str: ...

        @property
        def sha256(self) -> str: ...


PIECE = 1 << 20
ADVICE = "nothing was imported; try again, or tell the keeper of the updates server"


class Digests:
    """Bytes of *one* as they come by."""

    def __init__(self, one: Promised) -> None:
        self._one = one
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256() if one.sha256 else None

    def update(self, piece: bytes) -> None:
        """The next ones."""
        self._sha1.update(piece)
        if self._sha256 is not None:
            self._sha256.update(piece)

    def check(self) -> None:
        """That all were the promised ones. Raises Corrupt."""
        one = self._one
        what = f"image {one.uuid} ({one.name} {one.version})"
        if self._sha1.hexdigest() != one.sha1:
            raise Corrupt(f"{what}: the bytes have sha1 {self._sha1.hexdigest()}, promised was {one.sha1}", ADVICE)
        if self._sha256 is not None and self._sha256.hexdigest() != one.sha256:
            raise Corrupt(f"{what}: the bytes have sha256 {self._sha256.hexdigest()}, signed is {one.sha256}", ADVICE)


def digests_of(one: Promised, files: Files, part: Part) -> Digests:
    """Of bytes on this machine, as many as there are."""
    found, left = Digests(one), part.size
    with files.open_read(part.path) as file:
        file.seek(part.offset)
        while left > 0 and (piece := file.read(min(PIECE, left))):
            found.update(piece)
            left -= len(piece)
    return found


def check_in_place(wanted: Sequence[tuple[Promised, Part]], files: Files, emit: Emit) -> None:
    """Verify images where they lie on this machine. Raises Corrupt for the first that is not what was promised."""
    done, total = 0, sum(one.size for one, _ in wanted)
    for one, part in wanted:
        if part.size != one.size:
            raise Corrupt(f"image {one.uuid} ({one.name} {one.version}): {part.path} has {part.size} bytes of it,"
                          f" promised were {one.size}", ADVICE)  # fmt: skip
        digests_of(one, files, part).check()
        done += one.size
        emit(Event("progress", "verify", "images verified in place", done, total))
