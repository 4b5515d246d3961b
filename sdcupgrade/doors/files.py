"""The door to files, below one root.

Every path is an absolute path of the global zone. A write is whole or not at all: temporary file beside the target,
fsync, rename, fsync of the folder. Failures raise StorageError, which says what was being written and why it failed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sdcupgrade.doors.explained import explained
from sdcupgrade.doors.tree import RootedTree
from sdcupgrade.errors import NoInput, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO, Literal, Optional, Protocol

    from sdcupgrade.doors.tree import Tree

    class Files(Tree, Protocol):
        """Files below the root."""

        def real(self, path: str) -> str:
            """Where *path* is on this machine, for messages and for programs that must be handed a real path."""

        def exists(self, path: str) -> bool: ...

        def is_dir(self, path: str) -> bool: ...

        def size(self, path: str) -> int: ...

        def mtime(self, path: str) -> float: ...

        def read(self, path: str, limit: int = 64 << 20) -> bytes:
            """The whole file. Raises NoInput when it is not there, StorageError on anything else."""

        def write(self, path: str, data: bytes, mode: int = 0o600) -> None:
            """Replace the file whole: temporary, fsync, rename, fsync of the folder. Parents are made (0700)."""

        def replacing(self, path: str, mode: int = 0o600) -> AbstractContextManager[Target]:
            """The same for what is written bit by bit: the temporary, open for writing and reading. It is renamed when
            the context ends, and removed instead when that is by an exception."""

        def append(self, path: str, line: bytes) -> None:
            """Append and fsync; one write call."""

        def listdir(self, path: str) -> list[str]:
            """Sorted names; empty when there is no such folder."""

        def mkdir(self, path: str, mode: int = 0o700) -> None:
            """Make a folder and its parents; fine when it exists."""

        def rename(self, old: str, new: str) -> None: ...

        def remove(self, path: str) -> None:
            """Remove a file or symlink; fine when there is none."""

        def chmod(self, path: str, mode: int) -> None: ...

        def leads_to(self, path: str) -> Optional[str]:
            """The target of a symlink as it is written there; None when *path* is no symlink."""

        def link(self, path: str, target: str) -> None:
            """Make the symlink *path*, or let the one that is there lead to *target* from one instant to the next."""

        def resolved(self, path: str) -> str:
            """:meth:`real`, every symlink on the way followed: how a process knows the file that it runs from."""

        def in_use(self, path: str) -> bool:
            """Whether a process runs from this file (see :mod:`sdcupgrade.doors.process`)."""

        def rmdir(self, path: str) -> None:
            """Remove an empty folder; fine when there is none, or something in it."""

        def truncate(self, path: str, size: int) -> None: ...

        def open_append(self, path: str, sync: bool = True) -> AbstractContextManager[BinaryIO]:
            """Open for appending bytes; fsynced when the context ends, unless *sync* is False."""

        def open_read(self, path: str) -> AbstractContextManager[BinaryIO]: ...

        def free(self, path: str) -> int:
            """Free bytes on the file system that holds *path* (or its nearest existing parent)."""

        def writable(self, path: str) -> bool:
            """Whether this process may write into the folder *path* (or its nearest existing parent): permissions, and
            a file system that is not read-only. Nothing is written."""

        def archive(self, folder: str, names: tuple[str, ...], into: str, max_bytes: int) -> int:
            """Pack *names* below *folder* (missing ones are left out) into the tar.gz *into*; newest files first until
            *max_bytes* (before compression) are taken. Returns how many bytes were left out."""

        def lock(self, path: str, holder: str) -> Optional[Lock]:
            """Take the flock on *path* without waiting and write *holder* into it; None when somebody has it."""

        def locked(self, path: str) -> bool:
            """Whether somebody holds the flock on *path* now."""

    class Lock(Protocol):
        """A held lock; gone with the process, however it ends."""

        def release(self) -> None:
            """Empty the file and give the lock back: a file with a holder in it and no lock tells of a crash."""


PIECE = 1 << 20

TRIES = 5
PAUSE_S = 0.02
"""How often, and how far apart, a lock is tried: :meth:`RootedFiles.locked` holds it for a moment, which is nobody."""


@dataclass
class Target:
    """A file being replaced: write to *file*; clear *keep* to leave the old one as it was."""

    file: BinaryIO
    keep: bool = True


class RootedFiles(RootedTree):
    """The real files below *root* (``/`` on a headnode). *fsync* False is for tests.

    A path that does not begin with ``/`` is the operator's own, relative to the current folder and not below the root;
    one that is below the root already is taken as it stands.
    """

    def __init__(self, root: str = "/", fsync: bool = True) -> None:
        self._root = "" if root in ("", "/") else os.path.abspath(root)
        self._fsync = fsync
        self.held: Optional[int] = None
        """The descriptor of the lock taken last; programs inherit it, so that the lock lasts as long as the last of
        them: a vmadm that outlives its killed caller is not run a second time beside itself."""

    def real(self, path: str) -> str:
        inside = not self._root or path == self._root or path.startswith(self._root + "/")
        return path if inside or not path.startswith("/") else self._root + path

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.real(path))

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(self.real(path))

    def size(self, path: str) -> int:
        with explained("read", path):
            return os.stat(self.real(path)).st_size

    def mtime(self, path: str) -> float:
        with explained("read", path):
            return os.stat(self.real(path)).st_mtime

    def read(self, path: str, limit: int = 64 << 20) -> bytes:
        data = bytearray()
        with self.open_read(path) as file:
            # in pieces: a read of so many bytes reserves memory for all of them, however short the file
            while len(data) <= limit and (piece := file.read(PIECE)):
                data += piece
        if len(data) > limit:
            raise StorageError(f"{path}: longer than the {limit} bytes that are read of such a file")
        return bytes(data)

    def write(self, path: str, data: bytes, mode: int = 0o600) -> None:
        with self.replacing(path, mode) as target:
            target.file.write(data)

    @contextmanager
    def replacing(self, path: str, mode: int = 0o600) -> Iterator[Target]:
        """The way every file is replaced. An exception, or ``keep`` cleared, leaves the old file untouched."""
        self.mkdir(os.path.dirname(path))
        real = self.real(path)
        beginning = f"{os.path.dirname(real) or '.'}/.{os.path.basename(real)}."
        temporary = f"{beginning}{os.getpid()}.{os.urandom(4).hex()}"
        with explained("written", path):
            _forget_half_made(beginning)
            target = Target(_open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, "w+b"))
            try:
                with target.file:
                    yield target
                    target.file.flush()
                    os.fchmod(target.file.fileno(), mode)
                    self._sync(target.file.fileno())
                if target.keep:
                    os.replace(temporary, real)
                    self._sync_folder(real)
            finally:
                _unlink(temporary)

    def append(self, path: str, line: bytes) -> None:
        new = not self.exists(path)
        self.mkdir(os.path.dirname(path))
        with explained("written", path):
            descriptor = os.open(self.real(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                _append_whole(descriptor, line)
                self._sync(descriptor)
            finally:
                os.close(descriptor)
            if new:
                self._sync_folder(self.real(path))

    def listdir(self, path: str) -> list[str]:
        try:
            with explained("read", path):
                return sorted(os.listdir(self.real(path)))
        except NoInput:
            return []

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        real = self.real(path) or "."
        if os.path.isdir(real):
            return
        with explained("made", path):
            parent = os.path.dirname(real.rstrip("/"))
            if parent and not os.path.isdir(parent):
                self.mkdir(parent, mode)
            try:
                os.mkdir(real, mode)
            except FileExistsError:
                if not os.path.isdir(real):
                    raise
            self._sync_folder(real)

    def rename(self, old: str, new: str) -> None:
        self.mkdir(os.path.dirname(new))
        with explained("renamed", old):
            os.rename(self.real(old), self.real(new))
            self._sync_folder(self.real(new))

    def remove(self, path: str) -> None:
        with explained("removed", path):
            _unlink(self.real(path))

    def chmod(self, path: str, mode: int) -> None:
        with explained("made executable", path), _open(self.real(path), os.O_RDONLY, "rb") as file:
            os.fchmod(file.fileno(), mode)
            self._sync(file.fileno())

    def leads_to(self, path: str) -> Optional[str]:
        try:
            return os.readlink(self.real(path))
        except OSError:
            return None

    def link(self, path: str, target: str) -> None:
        real = self.real(path)
        beside = f"{os.path.dirname(real)}/.{os.path.basename(real)}.{os.getpid()}"
        with explained("written", path):
            _unlink(beside)
            try:
                os.symlink(target, beside)
                os.replace(beside, real)
            finally:
                _unlink(beside)
            self._sync_folder(real)

    def resolved(self, path: str) -> str:
        return os.path.realpath(self.real(path))

    def in_use(self, path: str) -> bool:
        if not self.exists(path):
            return False
        with explained("read", path):
            try:
                descriptor = os.open(self.real(path), os.O_RDWR)  # where only a writer may lock others out
            except OSError:  # read-only, or not ours
                descriptor = os.open(self.real(path), os.O_RDONLY)
            try:
                return not _flock(descriptor, fcntl.LOCK_EX, 1)
            finally:
                os.close(descriptor)

    def rmdir(self, path: str) -> None:
        with suppress(OSError):
            os.rmdir(self.real(path))

    def truncate(self, path: str, size: int) -> None:
        with explained("written", path), _open(self.real(path), os.O_RDWR, "r+b") as file:
            file.truncate(size)
            self._sync(file.fileno())

    @contextmanager
    def open_append(self, path: str, sync: bool = True) -> Iterator[BinaryIO]:
        self.mkdir(os.path.dirname(path))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with explained("written", path), _open(self.real(path), flags, "ab") as file:
            yield file
            file.flush()
            if sync:
                self._sync(file.fileno())

    @contextmanager
    def open_read(self, path: str) -> Iterator[BinaryIO]:
        with explained("read", path), _open(self.real(path), os.O_RDONLY, "rb") as file:
            yield file

    def free(self, path: str) -> int:
        with explained("read", path):
            found = os.statvfs(self._nearest(path))
        return found.f_bavail * found.f_frsize

    def writable(self, path: str) -> bool:
        return os.access(self._nearest(path), os.W_OK | os.X_OK)

    def _nearest(self, path: str) -> str:
        """*path*, or what of its parents there is."""
        real = self.real(path)
        while not os.path.exists(real) and real not in ("", "/"):
            real = os.path.dirname(real)
        return real or "/"

    def archive(self, folder: str, names: tuple[str, ...], into: str, max_bytes: int) -> int:
        from sdcupgrade.doors.archive import pack

        with self.replacing(into) as target:
            return pack(self.real(folder), names, target.file, max_bytes)

    def lock(self, path: str, holder: str) -> Optional[FlockLock]:
        self.mkdir(os.path.dirname(path))
        with explained("locked", path):
            descriptor = os.open(self.real(path), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if not _flock(descriptor, fcntl.LOCK_EX, TRIES):
                    os.close(descriptor)
                    return None
                os.ftruncate(descriptor, 0)
                os.write(descriptor, holder.encode())
                self._sync(descriptor)
            except OSError:
                os.close(descriptor)
                raise
            self.held = descriptor
            return FlockLock(descriptor, self)

    def locked(self, path: str) -> bool:
        if not self.exists(path):
            return False
        with explained("read", path):
            descriptor = os.open(self.real(path), os.O_RDONLY)
            try:
                return not _flock(descriptor, fcntl.LOCK_SH, 1)
            finally:
                os.close(descriptor)

    def _sync(self, descriptor: int) -> None:
        if self._fsync:
            os.fsync(descriptor)

    def _sync_folder(self, real: str) -> None:
        """Make a new name in the folder of *real* last through a power cut."""
        if self._fsync:
            descriptor = os.open(os.path.dirname(real.rstrip("/")) or ".", os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class FlockLock:
    """A flock on an open file. flock, not lockf: that one vanishes when any descriptor of the file is closed."""

    def __init__(self, descriptor: int, files: RootedFiles) -> None:
        self._descriptor: Optional[int] = descriptor
        self._files = files

    def release(self) -> None:
        """See :class:`Lock`; the file itself stays, for unlinking it would let two hold it."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            self._files.held = None
            try:
                os.ftruncate(descriptor, 0)
            finally:
                os.close(descriptor)


def _flock(descriptor: int, kind: int, tries: int) -> bool:
    for attempt in range(tries):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if attempt + 1 < tries:
                time.sleep(PAUSE_S)
    return False


def _open(real: str, flags: int, mode: Literal["rb", "w+b", "ab", "r+b"]) -> BinaryIO:
    return os.fdopen(os.open(real, flags, 0o600), mode)


def _unlink(real: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(real)


def _forget_half_made(beginning: str) -> None:
    """Remove what killed processes left of the same replacement: it may be a whole zone."""
    from sdcupgrade.doors.run import is_alive

    folder, name = os.path.split(beginning)
    for entry in os.listdir(folder):
        pid, _, rest = entry[len(name) :].partition(".")
        if entry.startswith(name) and pid.isdigit() and len(rest) == 8 and not is_alive(int(pid)):
            _unlink(f"{folder}/{entry}")


def _append_whole(descriptor: int, line: bytes) -> None:
    """One write; a line that did not fit is taken back, so that the next one does not follow half of it."""
    before = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.ftruncate(descriptor, before)
        raise
