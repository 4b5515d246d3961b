"""What an entry of a manifest may be: by itself, and beside the others.

Problems are words, empty when there is none; :mod:`sdcupgrade.bits.manifest` makes errors of them.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field

from sdcupgrade.bits.folders import destination_of, folder_of, inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.bits.manifest import Entry, Manifest

FILE, DIR, LINK = "file", "dir", "link"

MEMBER_LIMIT = 512 << 20
TOTAL_LIMIT = 2 << 30
"""Bytes of one file, and of all files; a real tree has 60 MB."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOT_ON_KEY = re.compile(r'["*:<>?|\\]|[. ](/|$)')
"""What FAT allows in no name."""


@dataclass(frozen=True)
class Found:
    """The entry of that *index* is wrong."""

    index: int
    problem: str


def alone(entry: Entry) -> str:
    """What is wrong with the entry by itself; empty when nothing is."""
    if not plain(entry.path):
        return "its name is not a plain relative path"
    folder, destination = folder_of(entry.path), destination_of(entry.path)
    if folder is None or destination is None:
        return "gzbits may not bring anything there"
    if entry.destination != destination:
        return f"its destination is {entry.destination[:200]!r}, and what has that name belongs at {destination}"
    if not entry.on or list(entry.on) != [kind for kind in folder.on if kind in entry.on]:
        return f"it is for {', '.join(entry.on) or 'no server'}, and what is there may be for {', '.join(folder.on)}"
    if entry.key != folder.key:
        return f"{folder.name}/ is {'' if folder.key else 'not '}on the boot key"
    if entry.kind.value != LINK and entry.mode & 0o002:
        return f"everybody could write it (mode {entry.mode:04o})"
    if entry.kind.value == FILE and not _SHA256.fullmatch(entry.sha256):
        return "its sha256 is none"
    if not 0 <= entry.size <= MEMBER_LIMIT:
        return f"its size is {entry.size} bytes, and at most {MEMBER_LIMIT} are allowed"
    return _key_problem(entry) if entry.key else ""


def _key_problem(entry: Entry) -> str:
    """What the boot key cannot hold: it is a FAT file system (reference 1.2)."""
    if entry.kind.value == LINK:
        return "it is a link, and the boot key holds none"
    if not entry.key_path.isascii() or _NOT_ON_KEY.search(entry.key_path):
        return "the boot key cannot hold a file of that name"
    return ""


def plain(path: str) -> bool:
    """Whether a path is relative, without ``.``, ``..`` or empty parts, and of characters that can be shown."""
    parts = path.split("/")
    return path.isprintable() and len(path) <= 512 and not any(part in ("", ".", "..") for part in parts)


def together(manifest: Manifest) -> Optional[Found]:
    """The first thing wrong that can be told of the entries only side by side."""
    by_path: dict[str, Entry] = {}
    seen = Seen(by_path)
    for index, entry in enumerate(manifest.entries):
        problem = seen.problem(entry)
        if problem:
            return Found(index, problem)
        by_path[entry.path] = entry
    for index, entry in enumerate(manifest.entries):
        problem = _link_problem(entry, by_path) if entry.kind.value == LINK else ""
        if problem:
            return Found(index, problem)
    return None


@dataclass
class Seen:
    """The entries so far."""

    by_path: dict[str, Entry]
    last: str = ""
    total: int = 0
    folded: dict[str, str] = field(default_factory=dict)

    def problem(self, entry: Entry) -> str:
        """What is wrong with *entry* as the next one; empty when nothing is."""
        if entry.path in self.by_path:
            return "it is there twice"
        if entry.path < self.last:
            return f"it comes after {self.last!r}, and entries are sorted by path"
        self.last = entry.path
        self.total += entry.size
        if self.total > TOTAL_LIMIT:
            return f"with it there are more than the {TOTAL_LIMIT} bytes that are allowed"
        if entry.key:
            other = self.folded.setdefault(entry.path.lower(), entry.path)
            if other != entry.path:
                return f"on the boot key, where case does not count, it is also {other!r}"
        return _parent_problem(entry, self.by_path)


def _parent_problem(entry: Entry, by_path: dict[str, Entry]) -> str:
    """The folder of an entry is an entry before it, on at least the same servers, and no link."""
    above = posixpath.dirname(entry.path)
    if above.count("/") < 2:
        return ""
    parent = by_path.get(above)
    if parent is None:
        return "its folder is not in the manifest"
    if parent.kind.value != DIR:
        return f"its folder is a {parent.kind.value}"
    return "" if set(entry.on) <= set(parent.on) else "its folder is not on all of the servers that it is for"


def resolve(entry: Entry) -> Optional[str]:
    """The path in the tarball that a link names; None when that is absolute or outside its folder of the payload."""
    names = entry.path.split("/")[:-1]
    if entry.target.startswith("/") or not entry.target or not entry.target.isprintable():
        return None
    for part in entry.target.split("/"):
        if part == "..":
            names.pop()
        elif part not in ("", "."):
            names.append(part)
        if len(names) < 2:
            return None
    return "/".join(names)


def leads_away(path: str) -> bool:
    """Whether what has that path in the payload is put there by others, and links may name it."""
    folder = folder_of(path)
    return folder is not None and inside(path).split("/")[0] in folder.foreign


def _link_problem(entry: Entry, by_path: dict[str, Entry]) -> str:
    """A link names another entry of its folder, by folders that are none themselves."""
    found = resolve(entry)
    shown = f"it is a link to {entry.target[:200]!r}"
    if found is None or found.split("/")[:2] != entry.path.split("/")[:2]:
        return f"{shown}, outside of its folder"
    names = posixpath.dirname(entry.path).split("/")
    for part in entry.target.split("/"):
        step = by_path.get("/".join(names))
        if step is not None and step.kind.value != DIR:
            return f"{shown}, through another link or a file"
        names = names[:-1] if part == ".." else names if part in ("", ".") else [*names, part]
    end = by_path.get(found)
    if end is None and leads_away(found):
        return ""
    if end is None or end is entry:
        return f"{shown}, which is not in the manifest"
    return "" if set(entry.on) <= set(end.on) else f"{shown}, which is not on all of the servers that it is for"
