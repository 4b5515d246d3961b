"""The lock that lets one sdcupgrade at a time change a datacenter, and tells who holds it.

A flock: it goes with its process, however that ends. The holder is written into the file, which lies in ``/var`` of the
headnode (one to a datacenter) and outlives a reboot; a holder left in a file that nobody locks is one that crashed.
Commands that change nothing take no lock.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass

from sdcupgrade.errors import LockHeld, SdcupgradeError
from sdcupgrade.jsonvalue import Record, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from sdcupgrade.doors.files import Files

PATH = "/var/sdcupgrade/lock"
WAIT = "wait for its end, then type the same command again"


@dataclass(frozen=True)
class Holder:
    """Who holds the lock. *command* is such as ``upgrade``, *name* the upgrade's name, if it is about one."""

    pid: int
    user: str
    host: str
    started: str
    command: str
    name: str

    def __str__(self) -> str:
        command = f"{self.command} {self.name}".rstrip()
        return f"pid {self.pid} ({self.user}, {command}, since {self.started})"


@contextmanager
def held(files: Files, holder: Holder) -> Iterator[Optional[Holder]]:
    """Hold the lock. Gives the holder before, if that one crashed. Raises LockHeld at once when somebody has it."""
    before = _read(files)
    lock = files.lock(PATH, dumps(asdict(holder)))
    if lock is None:
        raise LockHeld(
            f"the lock is held by {_read(files) or 'another process'}; nothing was changed",
            f"wait for it, or see: sdcupgrade status {before.name}" if before and before.name else WAIT,
        )
    try:
        yield before
    finally:
        lock.release()


def holder_now(files: Files) -> Optional[Holder]:
    """Who holds the lock at this moment; None when nobody does."""
    return _read(files) if files.locked(PATH) else None


def _read(files: Files) -> Optional[Holder]:
    """The holder written in the file; None when it is empty or cannot be read as one."""
    try:
        text = files.read(PATH)
        record = Record(loads(text, PATH), PATH)
        return Holder(
            record.number("pid"),
            record.text("user"),
            record.text("host"),
            record.text("started"),
            record.text("command"),
            record.text("name"),
        )
    except SdcupgradeError:
        return None
