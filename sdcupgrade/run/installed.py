"""The program on disk: which versions are installed, which one is in use, and which one is on trial.

Every version is a file that never changes, ``/opt/custom/sdcupgrade/<version>/sdcupgrade``; one symlink leads to the
one in use. What is known about them are small files of a few lines beside them, made and renamed whole, which the
``sh`` header of the one file reads and renames, too (``build/header.sh``):

    trial      a version that was just put in use, and the one before it, until its first command has come through
    good       the same two once it has: the way back
    rejected   the same two when it did not, or when the operator went back
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from sdcupgrade.errors import BadAnswer, SdcupgradeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.doors.files import Files
    from sdcupgrade.jsonvalue import Json

VERSIONS = "/opt/custom/sdcupgrade"
BIN = "/opt/custom/bin"
NAME = "sdcupgrade"
LINK = f"{BIN}/{NAME}"
TRIAL, GOOD, REJECTED = f"{VERSIONS}/trial", f"{VERSIONS}/good", f"{VERSIONS}/rejected"
BEGUN = f"{TRIAL}.begun"
"""Which processes began the trial; the header writes it."""

LIMIT = 64 << 10
READABLE = 0o644
"""Anybody may ask for the version."""


@dataclass(frozen=True)
class Pair:
    """Two versions by their paths: *new* came after *old*. *stamp* is the buildstamp of *new*."""

    new: str
    old: str
    stamp: str = ""

    def other(self, path: Optional[str]) -> str:
        """The one of the two that *path* is not; empty when it is neither."""
        return {self.new: self.old, self.old: self.new}.get(path or "", "")


def read_pair(files: Files, path: str) -> Optional[Pair]:
    """What such a file tells; None when there is none, or it tells nothing."""
    try:
        lines = files.read(path, LIMIT).decode().split("\n")
    except (SdcupgradeError, UnicodeDecodeError):
        return None
    return Pair(*lines[:3]) if len(lines) >= 3 and lines[0] else None


def write_pair(files: Files, path: str, pair: Pair) -> None:
    """Raises StorageError."""
    files.write(path, f"{pair.new}\n{pair.old}\n{pair.stamp}\n".encode(), READABLE)


def current(files: Files) -> Optional[str]:
    """The file of the version in use; None when the link is not there, or leads out of the place of versions."""
    target = files.leads_to(LINK)
    if target is None:
        return None
    path = posixpath.normpath(posixpath.join(BIN, target))
    return path if path.startswith(f"{VERSIONS}/") else None


def path_of(folder: str) -> str:
    """The file of the version in the folder of that name."""
    return f"{VERSIONS}/{folder}/{NAME}"


def flip(files: Files, path: str) -> None:
    """Put another version in use: the link leads to it, or to the one before, at every instant. Raises StorageError."""
    if not path.startswith(f"{VERSIONS}/"):
        raise BadAnswer(f"{path}: is no installed version")
    files.mkdir(BIN, 0o755)
    files.link(LINK, posixpath.relpath(path, BIN))


def previous(files: Files) -> Optional[str]:
    """The version to go back to: the one before that in use, else the last one known as good; None without any."""
    now = current(files)
    trial, good = read_pair(files, TRIAL), read_pair(files, GOOD)
    ways = [trial.old] if trial and trial.new == now else []
    ways += [good.other(now), good.new, good.old] if good else []
    return next((path for path in ways if path and path != now and files.exists(path)), None)


def kept(files: Files) -> set[str]:
    """The files of the versions that must stay: in use, and all that there is a way back to."""
    pairs = [read_pair(files, place) for place in (TRIAL, GOOD)]
    named = [path for pair in pairs if pair for path in (pair.new, pair.old)]
    return {path for path in (current(files), previous(files), *named) if path}


def come_through(files: Files, file: Optional[str]) -> None:
    """The version on trial has shown that it works, if it is the one at the real path *file*. Raises StorageError."""
    if file is None or not files.exists(TRIAL):
        return
    pair = read_pair(files, TRIAL)
    if pair is not None and files.resolved(pair.new) == file:
        files.remove(BEGUN)
        files.rename(TRIAL, GOOD)


def end_trial(file: str) -> None:
    """The same at the end of a command, for ``sdcupgrade_boot``; what keeps it from being written is told."""
    import sys

    from sdcupgrade.doors.real import environment, real_files

    try:
        come_through(real_files(environment()), file)
    except SdcupgradeError as why:
        sys.stderr.write(f"sdcupgrade: {why.message}; so the new version is still on trial\n")


def told(files: Files) -> dict[str, Json]:
    """For ``version -j``."""
    trial, good = read_pair(files, TRIAL), read_pair(files, GOOD)
    return {
        "installed": current(files),
        "previous": previous(files),
        "good": good.new if good else None,
        "trial": trial.new if trial else None,
    }
