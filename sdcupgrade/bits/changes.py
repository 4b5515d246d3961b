"""What has to change so that the global zone and its boot key are what a manifest says. Pure.

Paths are those of the global zone; one on the boot key begins with ``key:`` and goes on in lower case, below wherever
the key is mounted. A key is FAT: nothing on it has a mode, an owner, or is a link, so those are not compared there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdcupgrade.bits.folders import FOLDERS, HEADNODE
from sdcupgrade.bits.rules import DIR, FILE, LINK
from sdcupgrade.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Optional

    from sdcupgrade.bits.manifest import Entry, Manifest

KEY = "key:"
STAGING = ".gzbits"
"""The folder at the top of each file system in which files wait until they are put in place."""

STAGING_BACK = ".gzbits-back"
"""The same for undoing what was cut off."""

ROOTS = ("/opt/smartdc", KEY, "/usbkey")
"""What everything is below, and the order in which it is put in place: what mounts the key comes first."""

FOLDER_MODE = 0o755
"""Of folders that no manifest speaks of, such as ``/usbkey/scripts`` itself, where they are missing."""


@dataclass(frozen=True)
class Thing:
    """What a path is or shall be. *kind* is ``file``, ``dir``, ``link`` or ``other`` (a device, say); what does not
    apply to the kind is left at its default."""

    kind: str
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    size: int = 0
    sha256: str = ""
    target: str = ""


@dataclass(frozen=True)
class Change:
    """One path, as it is and as it shall be; None for nothing there."""

    path: str
    before: Optional[Thing]
    after: Optional[Thing]

    @property
    def what(self) -> str:
        """In a word: added, removed, changed (bytes), link, mode (or owner), kind."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        if self.before.kind != self.after.kind:
            return "kind"
        if self.before.target != self.after.target:
            return "link"
        return "changed" if self.before.sha256 != self.after.sha256 else "mode"


@dataclass(frozen=True)
class Disk:
    """What was found: things by path, and of each folder that is ours the names in it."""

    things: Mapping[str, Thing]
    names: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """*changes* in the order in which they are made. *kept* are folders that would go if there were not something of
    somebody else in them."""

    changes: tuple[Change, ...]
    kept: tuple[str, ...] = ()


def root_of(path: str) -> str:
    """Which of :data:`ROOTS` a path is below."""
    if path.startswith(KEY):
        return KEY
    return ROOTS[0] if path.startswith(f"{ROOTS[0]}/") else ROOTS[2]


def under(root: str, name: str) -> str:
    """A name at the top of a root."""
    return f"{root}{name}" if root == KEY else f"{root}/{name}"


def child(folder: str, name: str) -> str:
    """A name in a folder."""
    return f"{folder}{name}" if folder.endswith(":") else f"{folder}/{name}"


def parent(path: str) -> str:
    """The folder of a path; a root has none."""
    above, slash, _ = path.rpartition("/")
    if slash:
        return above if path not in ROOTS else ""
    return KEY if path != KEY and path.startswith(KEY) else ""


def places(entry: Entry) -> tuple[str, ...]:
    """Where an entry goes on a headnode."""
    if HEADNODE not in entry.on:
        return ()
    return (entry.destination, KEY + entry.key_path.lower()) if entry.key else (entry.destination,)


def wanted(manifest: Manifest, owner: tuple[int, int]) -> dict[str, Thing]:
    """What a headnode with this manifest has, by path; *owner* is root, whatever its numbers are here."""
    found: dict[str, Thing] = {}
    for entry in manifest.entries:
        for path in places(entry):
            found[path] = _thing(entry, path.startswith(KEY), owner)
    return found


def _thing(entry: Entry, on_key: bool, owner: tuple[int, int]) -> Thing:
    kind = entry.kind.value
    mode = 0 if on_key or kind == LINK else entry.mode
    return Thing(kind, mode, (0, 0) if on_key else owner, entry.size, entry.sha256, entry.target)


def above(paths: Iterable[str]) -> set[str]:
    """The folders between the roots and *paths*, the roots left out."""
    found: set[str] = set()
    for path in paths:
        folder = parent(path)
        while folder and folder not in ROOTS and folder not in found:
            found.add(folder)
            folder = parent(folder)
    return found


def plan(want: Mapping[str, Thing], gone: Collection[str], disk: Disk, owner: tuple[int, int]) -> Changes:
    """Make *disk* into *want*, without the paths *gone*. Raises Refused when something is in the way that is nobody's
    to remove: a device, or a folder with other things in it where a file belongs."""
    changes = {path: Change(path, disk.things.get(path), thing) for path, thing in want.items()}
    for folder in above(want) - set(want):
        there = disk.things.get(folder)
        if there is None or there.kind != DIR:
            key = folder.startswith(KEY)
            plain = Thing(DIR, 0 if key else FOLDER_MODE, (0, 0) if key else owner)
            changes[folder] = Change(folder, there, plain)
    kept = _removals(set(gone) - set(want), disk, changes)
    found = [change for change in changes.values() if change.before != change.after]
    for change in found:
        _refuse_blocked(change, disk, changes)
    return Changes(tuple(ordered(found)), tuple(sorted(kept)))


def _removals(gone: Collection[str], disk: Disk, changes: dict[str, Change]) -> list[str]:
    """Add the removals to *changes*, what is deepest first; the folders that have to stay."""
    kept = []
    for path in sorted(gone, reverse=True):
        there = disk.things.get(path)
        if there is None:
            continue
        if there.kind == DIR and not _empty(path, disk, changes):
            kept.append(path)
        else:
            changes[path] = Change(path, there, None)
    return kept


def _empty(folder: str, disk: Disk, changes: Mapping[str, Change]) -> bool:
    """Whether a folder is empty once the changes so far are made."""
    left = (changes.get(child(folder, name)) for name in disk.names.get(folder, ()))
    return all(change is not None and change.after is None for change in left)


def _refuse_blocked(change: Change, disk: Disk, changes: Mapping[str, Change]) -> None:
    before, after = change.before, change.after
    if before is None:
        return
    if before.kind not in (FILE, DIR, LINK):
        raise Refused(f"{change.path} is neither file, folder nor link; nothing was changed", "see what it is for")
    if before.kind == DIR and after is not None and after.kind != DIR and not _empty(change.path, disk, changes):
        raise Refused(
            f"{change.path} is a folder with things in it, and gzbits has a {after.kind} there; nothing was changed",
            "see what is in it, and move it away",
        )


def foreign(disk: Disk, folders: Collection[str], ours: Collection[str]) -> tuple[str, ...]:
    """What is in *folders* and is not of *ours*, save what others are known to keep there."""
    others = {f"{folder.below}/{name}" for folder in FOLDERS for name in folder.never}
    there = (child(folder, name) for folder in folders for name in disk.names.get(folder, ()))
    return tuple(sorted(path for path in there if path not in ours and path not in others))


def our_folders(want: Mapping[str, Thing]) -> set[str]:
    """The folders in which nobody else should have anything: those of the manifest, and the tops of those that are
    ours as a whole."""
    tops = {folder.below for folder in FOLDERS if folder.below not in ROOTS and not folder.never}
    both = tops | {KEY + top.partition("/usbkey/")[2].lower() for top in tops}
    return {path for path, thing in want.items() if thing.kind == DIR} | (both & above(want))


def ordered(changes: Iterable[Change]) -> list[Change]:
    """Root after root; in each what makes way first, then what comes, folders before what is in them, then what goes,
    what is in folders before them."""
    found = {change.path: change for change in changes}
    making_way = {
        change.path
        for change in found.values()
        if change.after is None and any(_ends(found.get(folder)) for folder in above([change.path]))
    }

    def place(change: Change) -> tuple[int, int]:
        phase = 0 if change.path in making_way else 1 if change.after is not None else 2
        return ROOTS.index(root_of(change.path)), phase

    coming = sorted(found.values(), key=lambda change: change.path, reverse=True)
    coming.sort(key=lambda change: change.path if change.after is not None else "")
    return sorted(coming, key=place)


def _ends(folder: Optional[Change]) -> bool:
    """Whether a folder becomes something else."""
    return folder is not None and folder.after is not None and folder.after.kind != DIR
