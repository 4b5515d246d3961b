"""Doors that end the world at a chosen moment, for proofs that nothing is lost: :func:`crashing`.

Counted are the calls that change something or wait: programs, requests, writing files, sleeping. Reading is not.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from mockdc.core.clock import Crash
from sdcupgrade.doors import Doors

if TYPE_CHECKING:
    from sdcupgrade.doors.clock import Clock
    from sdcupgrade.doors.files import Files, Lock
    from sdcupgrade.doors.http import Http
    from sdcupgrade.doors.process import Process
    from sdcupgrade.doors.run import Runner

COUNTED = {"run", "request", "sleep", "write", "append", "rename", "remove", "mkdir", "truncate", "archive", "lock",
           "chmod", "link", "rmdir", "become",
           "put", "put_link", "put_folder", "swap_in", "drop_folder", "sync"}  # fmt: skip
ENTERED = {"stream", "open_append"}
MODES = ("before", "after", "torn")
__all__ = ["COUNTED", "Crash", "Crasher", "crashing"]


class Crasher:
    """Counts the calls through all doors, and raises Crash at the *at*-th: before it, after it (even if it failed), or
    in the middle of it (``torn``: half a line appended, half a file put; otherwise as before). 0 never crashes, and
    counts. *watch* is called after each call that did not crash."""

    def __init__(self, at: int, mode: str = "before") -> None:
        assert mode in MODES, mode
        self.at = at
        self.mode = mode
        self.names: list[str] = []
        self.where = ""
        self.watch: Callable[[], None] = lambda: None
        self._locks: list[tuple[pathlib.Path, Lock]] = []

    @property
    def calls(self) -> int:
        """How many there were so far; *names* tells which."""
        return len(self.names)

    def call(self, name: str, function: Callable[..., Any], *words: Any, **named: Any) -> Any:
        """One call through a door."""
        self.names.append(name)
        mine = self.calls == self.at
        if mine and self.mode != "after":
            if self.mode == "torn" and name == "append":
                function(words[0], words[1][: len(words[1]) // 2])
            if self.mode == "torn" and name == "put":
                whole = b"".join(words[1])
                function(words[0], [whole[: len(whole) // 2]], *words[2:])
            self.crash(name, words)
        try:
            return function(*words, **named)
        finally:
            if mine:
                self.crash(name, words)
            self.watch()

    def crash(self, name: str, words: tuple[Any, ...]) -> None:
        """The end: the kernel frees what the process had locked, and nothing else happens."""
        self.where = f"{self.mode} call {self.calls}: {name} {words[0] if words else ''}"
        self.free()
        raise Crash(self.where)

    def free(self) -> None:
        """Free the locks as the kernel does; the holder's name stays in the file."""
        for path, lock in self._locks:
            holder = path.read_bytes()
            lock.release()
            path.write_bytes(holder)
        self._locks = []

    def remember(self, path: str, lock: Lock) -> None:
        """A lock that the process holds."""
        self._locks.append((pathlib.Path(path), lock))


class _Door:
    """Stands before a door and counts."""

    def __init__(self, door: Any, crasher: Crasher) -> None:
        self._door = door
        self._crasher = crasher

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._door, name)
        if name in ENTERED:
            return lambda *words, **named: self._entered(name, function(*words, **named), words)
        if name not in COUNTED:
            return function
        if name == "lock":
            function = self._locked
        return lambda *words, **named: self._crasher.call(name, function, *words, **named)

    def _locked(self, path: str, holder: str) -> Any:
        lock = self._door.lock(path, holder)
        if lock is not None:
            self._crasher.remember(self._door.real(path), lock)
        return lock

    @contextlib.contextmanager
    def _entered(self, name: str, context: Any, words: tuple[Any, ...]) -> Iterator[Any]:
        with context as thing:
            self._crasher.call(name, lambda *_: None, *words)
            yield thing


def crashing(doors: Doors, at: int, mode: str = "before") -> tuple[Doors, Crasher]:
    """*doors* that crash at the *at*-th call; ask the crasher how many there were (``at=0`` to count a whole run).

    A program that was begun goes on to its end when its caller crashes ``after`` it, as vmadm does on a headnode. For a
    crash that takes the program with it set ``dc.clock.dies_at`` (no call needs to be chosen, *at* may be 0), and call
    ``crasher.free()`` once Crash has come.
    """
    crasher = Crasher(at, mode)

    def guard(door: Any) -> Any:
        return _Door(door, crasher)

    guarded = Doors(cast("Runner", guard(doors.run)), cast("Http", guard(doors.admin)), cast("Http", guard(doors.web)),
                    cast("Files", guard(doors.files)), cast("Clock", guard(doors.clock)),
                    cast("Process", guard(doors.process)))
    return guarded, crasher
