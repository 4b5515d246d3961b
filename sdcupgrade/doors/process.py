"""The door to this very process: which build of the program it is, the file it runs from, and becoming another.

While it lives it holds a shared flock on that file, so that nobody removes a version that still runs: modules are
imported from it until the end.
"""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from typing import NoReturn, Optional, Protocol

    class Process(Protocol):
        """The process that runs the program."""

        @property
        def version(self) -> str:
            """Of the program: semantic version."""

        @property
        def stamp(self) -> str:
            """Its buildstamp; empty when it runs from a checkout."""

        @property
        def file(self) -> Optional[str]:
            """The real path of the one file, or of the bundle, that it runs from; None for a checkout."""

        @property
        def continues(self) -> str:
            """The file that the process before it became, and so itself; empty when somebody typed the command."""

        @property
        def words(self) -> Sequence[str]:
            """The words of the command line, after the program's name."""

        @property
        def settings(self) -> Sequence[str]:
            """``NAME=value`` of what a new process needs to find the same Python."""

        def become(self, path: str, words: Sequence[str]) -> NoReturn:
            """Run the one file at the real *path* in place of this process. Once: what was become does not go on
            becoming (see :attr:`continues`). Nothing after it happens, no ``finally`` either."""


CONTINUES = "SDCUPGRADE_CONTINUES"
SETTINGS = ("PATH", "SDCUPGRADE_PYTHON")


class RealProcess:
    """This process. *environ* loses the mark of a continuation, so that no program that is started inherits it."""

    def __init__(self, environ: MutableMapping[str, str], words: Sequence[str]) -> None:
        from sdcupgrade import __version__, version

        self.version = __version__
        self.stamp = version.stamp()
        self.file = version.archive()
        self.words = tuple(words)
        self.continues = environ.pop(CONTINUES, "")
        self.settings = tuple(f"{name}={environ[name]}" for name in SETTINGS if environ.get(name))
        self._environ = environ
        self._held = _hold(self.file) if self.file else None

    def become(self, path: str, words: Sequence[str]) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve("/bin/sh", ["/bin/sh", path, *words], {**self._environ, CONTINUES: path})


def _hold(path: str) -> Optional[int]:
    """The descriptor that holds the lock; it ends with the process."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return descriptor
    return None
