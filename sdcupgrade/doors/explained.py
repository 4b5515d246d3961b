"""What went wrong with a file, in words: the path, the reason, and what to do about it."""

from __future__ import annotations

import errno
from contextlib import contextmanager

from sdcupgrade.errors import NoInput, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ADVICE = {
    errno.ENOSPC: "free space on that file system, then type the same command again",
    errno.EDQUOT: "raise the quota or free space there, then type the same command again",
    errno.EROFS: "that file system is read-only: see `zfs get readonly` and `fmadm faulty`",
    errno.EACCES: "run as root, or see who owns that path",
    errno.EPERM: "run as root, or see who owns that path",
    errno.ENOTDIR: "a part of that path is a file: move it away",
}


@contextmanager
def explained(act: str, path: str) -> Iterator[None]:
    """Turn OSError into an error that names the path, the reason and what to do."""
    try:
        yield
    except FileNotFoundError as why:
        if act == "read":
            raise NoInput(f"{path}: there is no such file") from why
        raise StorageError(f"{path}: cannot be {act}: there is no such file or folder") from why
    except OSError as why:
        reason = (why.strerror or str(why)).lower()
        raise StorageError(f"{path}: cannot be {act}: {reason}", ADVICE.get(why.errno or 0, "")) from why
