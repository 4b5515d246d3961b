"""The door to trees of files: what a path is, whole files put aside, and renames that put them in place.

Unlike :class:`~sdcupgrade.doors.files.Files` nothing here waits for the disk by itself: who moves two thousand files
calls :meth:`Tree.sync` once, between the act that prepares and the act that relies on it. Links are never followed at
the last part of a path.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from sdcupgrade.doors.explained import explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Optional, Protocol

    class Tree(Protocol):
        """Files, folders and links below the root. Methods raise StorageError."""

        @property
        def owner(self) -> tuple[int, int]:
            """User and group of whoever runs this: root and its group, on a headnode."""

        def look(self, path: str) -> Optional[Seen]:
            """What is there; None when nothing is."""

        def scan(self, folder: str) -> dict[str, Seen]:
            """Everything in a folder, by name; empty when there is no such folder."""

        def digest(self, path: str) -> str:
            """The sha256 of a regular file."""

        def put(self, path: str, pieces: Iterable[bytes], mode: Optional[int], owner: tuple[int, int]) -> None:
            """Write a new file, not yet on disk; one that is there is written over. *mode* None leaves mode and owner
            to the file system: it has none."""

        def put_link(self, path: str, target: str, owner: tuple[int, int]) -> None:
            """Make a symlink where nothing is."""

        def swap_in(self, staged: str, path: str) -> None:
            """Rename a file or link over another, or to where nothing is."""

        def put_folder(self, path: str, mode: Optional[int], owner: tuple[int, int]) -> None:
            """Make a folder, or give the one that is there this mode and owner."""

        def drop_folder(self, path: str) -> bool:
            """Remove a folder; False when there is something in it."""

        def sync(self, files: Iterable[str] = ()) -> None:
            """Return when all that was done is on disk. *files*, and folders, are those on file systems that a sync of
            everything only begins to write (pcfs); they are waited for one by one."""


PIECE = 1 << 20
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}


@dataclass(frozen=True)
class Seen:
    """What a path is. *kind* is ``file``, ``dir``, ``link`` or ``other``; *size* in bytes of a file; *target* is a
    link's."""

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int = 0
    target: str = ""


class RootedTree:
    """The real ones; :meth:`real` says where the root is."""

    _fsync: bool

    def real(self, path: str) -> str:
        """See :class:`~sdcupgrade.doors.files.Files`."""
        raise NotImplementedError

    @property
    def owner(self) -> tuple[int, int]:
        return os.geteuid(), os.getegid()

    def look(self, path: str) -> Optional[Seen]:
        with explained("read", path), suppress(FileNotFoundError, NotADirectoryError):
            real = self.real(path)
            return _seen(real, os.lstat(real))
        return None

    def scan(self, folder: str) -> dict[str, Seen]:
        found: dict[str, Seen] = {}
        missing = suppress(FileNotFoundError, NotADirectoryError)
        with explained("read", folder), missing, os.scandir(self.real(folder)) as entries:
            for entry in entries:
                found[entry.name] = _seen(entry.path, entry.stat(follow_symlinks=False))
        return found

    def digest(self, path: str) -> str:
        import hashlib

        found = hashlib.sha256()
        with explained("read", path):
            descriptor = os.open(self.real(path), os.O_RDONLY | os.O_NOFOLLOW)
            try:
                while piece := os.read(descriptor, PIECE):
                    found.update(piece)
            finally:
                os.close(descriptor)
        return found.hexdigest()

    def put(self, path: str, pieces: Iterable[bytes], mode: Optional[int], owner: tuple[int, int]) -> None:
        with explained("written", path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            descriptor = os.open(self.real(path), flags, 0o644 if mode is None else 0o600)
            try:
                for piece in pieces:
                    _write_all(descriptor, piece)
                if mode is not None:
                    _own(descriptor, owner)
                    os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)

    def put_link(self, path: str, target: str, owner: tuple[int, int]) -> None:
        with explained("written", path):
            real = self.real(path)
            os.symlink(target, real)
            if owner != self.owner:
                os.lchown(real, *owner)

    def swap_in(self, staged: str, path: str) -> None:
        with explained("written", path):
            os.replace(self.real(staged), self.real(path))

    def put_folder(self, path: str, mode: Optional[int], owner: tuple[int, int]) -> None:
        with explained("made", path):
            real = self.real(path)
            with suppress(FileExistsError):
                os.mkdir(real, 0o755 if mode is None else 0o700)
            if mode is not None:
                descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    _own(descriptor, owner)
                    os.fchmod(descriptor, mode)
                finally:
                    os.close(descriptor)

    def drop_folder(self, path: str) -> bool:
        with explained("removed", path):
            try:
                os.rmdir(self.real(path))
            except FileNotFoundError:
                pass
            except OSError as why:
                if why.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                return False
        return True

    def sync(self, files: Iterable[str] = ()) -> None:
        for path in files:
            with explained("written", path):
                _wait_for(self.real(path), self._fsync)
        if self._fsync:
            os.sync()


def _seen(real: str, status: os.stat_result) -> Seen:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "other")
    target = os.readlink(real) if kind == "link" else ""
    size = status.st_size if kind == "file" else 0
    return Seen(kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), size, target)


def _wait_for(real: str, fsync: bool) -> None:
    """Until it is on disk; without *fsync* only whether it can be waited for."""
    descriptor = os.open(real, os.O_RDONLY)
    try:
        if fsync:
            os.fsync(descriptor)
    except OSError as why:
        if why.errno != errno.EINVAL:  # so says a file system that cannot do that to a folder
            raise
    finally:
        os.close(descriptor)


def _own(descriptor: int, owner: tuple[int, int]) -> None:
    status = os.fstat(descriptor)
    if (status.st_uid, status.st_gid) != owner:
        os.fchown(descriptor, *owner)


def _write_all(descriptor: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(descriptor, left) :]
