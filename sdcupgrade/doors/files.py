"""The door to files, below one root.

Every path is an absolute path of the global zone. A write is whole or not at all: temporary file beside the target,
fsync, rename, fsync of the folder. Failures raise StorageError, which says what was being written and why it failed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import BinaryIO, Optional, Protocol

    class Files(Protocol):
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

        def append(self, path: str, line: bytes) -> None:
            """Append and fsync; one write call."""

        def listdir(self, path: str) -> list[str]:
            """Sorted names; empty when there is no such folder."""

        def mkdir(self, path: str, mode: int = 0o700) -> None:
            """Make a folder and its parents; fine when it exists."""

        def rename(self, old: str, new: str) -> None: ...

        def remove(self, path: str) -> None:
            """Remove a file or symlink; fine when there is none."""

        def truncate(self, path: str, size: int) -> None: ...

        def open_append(self, path: str) -> AbstractContextManager[BinaryIO]:
            """Open for appending bytes (downloads); fsynced when the context ends."""

        def open_read(self, path: str) -> AbstractContextManager[BinaryIO]: ...

        def free(self, path: str) -> int:
            """Free bytes on the file system that holds *path* (or its nearest existing parent)."""

        def archive(self, folder: str, names: tuple[str, ...], into: str, max_bytes: int) -> int:
            """Pack *names* below *folder* (missing ones are left out) into the tar.gz *into*; newest files first until
            *max_bytes* (before compression) are taken. Returns how many bytes were left out."""

        def lock(self, path: str, holder: str) -> Optional[Lock]:
            """Take the flock on *path* without waiting and write *holder* into it; None when somebody has it."""

    class Lock(Protocol):
        """A held lock; gone with the process, however it ends."""

        def release(self) -> None: ...
