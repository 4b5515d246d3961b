"""Packing files that somebody else is still writing into a tar.gz, within a size.

Only regular files are taken, newest first; sockets, devices and symlinks are left out, and no symlink on the way is
followed: the files are those of a zone, whose root is not to be trusted. Written for the logs of a zone that is about
to be reprovisioned; files that shrink or vanish meanwhile do no harm.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator
    from typing import BinaryIO, Optional


@dataclass(frozen=True)
class _Found:
    mtime: float
    name: str
    size: int


def pack(folder: str, names: tuple[str, ...], into: BinaryIO, max_bytes: int) -> int:
    """Pack what is found under *names* below *folder* into *into*; return how many bytes were left out.

    *max_bytes* counts before compression. Raises OSError when *into* cannot be written.
    """
    import tarfile

    found = sorted((item for name in names for item in _walk(folder, name)), key=lambda item: (-item.mtime, item.name))
    left_out, room = 0, max_bytes
    with tarfile.open(fileobj=into, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for item in found:
            if item.size > room:
                left_out += item.size
                continue
            room -= item.size
            _add(tar, folder, item)
    return left_out


def _walk(folder: str, name: str) -> Iterator[_Found]:
    """The regular files at or below *name*."""
    start = os.path.join(folder, name)
    if os.path.realpath(start) != os.path.join(os.path.realpath(folder), os.path.normpath(name)):
        return
    one = _look(folder, name)
    if one is not None:
        yield one
    for place, _, files in os.walk(start):
        for file in files:
            one = _look(folder, os.path.relpath(os.path.join(place, file), folder))
            if one is not None:
                yield one


def _look(folder: str, name: str) -> Optional[_Found]:
    try:
        status = os.lstat(os.path.join(folder, name))
    except OSError:
        return None
    return _Found(status.st_mtime, name, status.st_size) if stat.S_ISREG(status.st_mode) else None


def _add(tar: tarfile.TarFile, folder: str, item: _Found) -> None:
    try:
        descriptor = os.open(os.path.join(folder, item.name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as file:
        info = tar.gettarinfo(arcname=item.name, fileobj=file)
        if info.isreg():
            info.size = item.size
            tar.addfile(info, _Padded(file))


class _Padded:
    """A file that never ends too early: one that was cut meanwhile is filled up with zeros, for tar promised a size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = 0, /) -> bytes:
        return self._file.read(size).ljust(size, b"\0")
