"""The manifest of a gzbits tarball: every path it brings, and where that goes.

Promises that a manifest which was read is safe to act on: each entry has a known destination, its folder is an entry
too, no entry goes through a link, links stay in their folder, and the boot key (pcfs) can hold what goes there. Whether
the bytes are those of the manifest is told by :mod:`sdcupgrade.bits.tarball`.
"""

from __future__ import annotations

import enum
import posixpath
import re
from dataclasses import dataclass

from sdcupgrade.bits.folders import KEY_BELOW, destination_of, folder_of, inside
from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.jsonvalue import Json

NAME = "gzbits.manifest.json"
"""The first member of a tarball."""

FORMAT, SCHEMA = "gzbits", 1
ENTRY_LIMIT = 50_000
MEMBER_LIMIT = 512 << 20
TOTAL_LIMIT = 2 << 30
"""Bytes of one file, and of all files; a real tree has 60 MB."""

HINT = "nothing was unpacked; take another gzbits tarball, or build this one again with build/gzbits.py"
_MODE = re.compile(r"0[0-7]{3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOT_ON_KEY = re.compile(r'["*:<>?|\\]|[. ](/|$)')
"""What FAT allows in no name."""


class Kind(enum.Enum):
    """What an entry is."""

    FILE = "file"
    DIR = "dir"
    LINK = "link"


@dataclass(frozen=True)
class Entry:
    """One path. *path* is its name in the tarball, *destination* the absolute path in the global zone, *on* the kinds
    of servers that have it (``hn``, ``cn``), *key* whether the boot key has it too. *size* is in bytes. Of a link,
    *target* is relative, and *mode* says nothing. Owner and group are root always."""

    path: str
    kind: Kind
    destination: str
    on: tuple[str, ...]
    mode: int
    size: int = 0
    sha256: str = ""
    target: str = ""
    key: bool = False

    @property
    def key_path(self) -> str:
        """Its path on the boot key, below the mount point; only where *key* is true."""
        return self.destination[len(KEY_BELOW) :]

    def to_json(self) -> dict[str, Json]:
        """As it is written; what does not apply to the kind is left out."""
        value: dict[str, Json] = {"path": self.path, "kind": self.kind.value, "mode": f"{self.mode:04o}"}
        if self.kind is Kind.FILE:
            value.update(size=self.size, sha256=self.sha256)
        if self.kind is Kind.LINK:
            value["target"] = self.target
        return {**value, "destination": self.destination, "on": list(self.on), "key": self.key}


@dataclass(frozen=True)
class Manifest:
    """All entries, sorted by path."""

    version: str
    buildstamp: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    def on(self, kind: str) -> tuple[Entry, ...]:
        """The entries that a headnode (``hn``) or a compute node (``cn``) has."""
        return tuple(entry for entry in self.entries if kind in entry.on)

    def to_json(self) -> dict[str, Json]:
        """As it is written."""
        entries: list[Json] = [entry.to_json() for entry in self.entries]
        head: dict[str, Json] = {"format": FORMAT, "schema": SCHEMA, "version": self.version}
        return {**head, "buildstamp": self.buildstamp, "entries": entries}

    def text(self) -> str:
        """The member of the tarball: one entry a line, for people and for line tools."""
        head = dumps({**self.to_json(), "entries": []})
        lines = ",\n".join(dumps(entry.to_json()) for entry in self.entries)
        return head.replace('"entries":[]', f'"entries":[\n{lines}\n]', 1) + "\n"


def parse_manifest(text: str | bytes, where: str) -> Manifest:
    """The manifest in *text*; *where* names it in messages. Raises BadInput for the first thing that is wrong."""
    return manifest_of(loads(text, where, BadInput, HINT), where)


def manifest_of(value: Json, where: str) -> Manifest:
    """The same of JSON that was read already; keys that it does not know are passed over. Raises BadInput."""
    record = Record(value, where, BadInput, HINT)
    if record.value.get("format") != FORMAT:
        raise record.fail("format", f'not a manifest of gzbits, whose format is "{FORMAT}"')
    if record.number("schema") != SCHEMA:
        raise record.fail("schema", f"{record.number('schema')}, and this sdcupgrade reads {SCHEMA}: update it first")
    if not isinstance(record.value.get("entries"), list):
        raise record.fail("entries", "expected a list")
    rows = record.records("entries")
    if not rows or len(rows) > ENTRY_LIMIT:
        raise record.fail("entries", f"there are {len(rows)}; at least 1 and at most {ENTRY_LIMIT} are allowed")
    entries = tuple(_entry(row) for row in rows)
    manifest = Manifest(record.text("version"), record.text("buildstamp"), entries)
    for key, word in (("version", manifest.version), ("buildstamp", manifest.buildstamp)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", word):
            raise record.fail(key, f"{word[:40]!r} is no version")
    _check_together(manifest, where)
    return manifest


def _entry(row: Record) -> Entry:
    """One entry, with what can be told of it alone."""
    path = row.text("path")
    kinds = {kind.value: kind for kind in Kind}
    kind = kinds.get(row.text("kind"))
    mode = row.text("mode")
    if kind is None:
        raise _bad(row.where, path, f"{row.text('kind')!r} is not one of {', '.join(kinds)}")
    if not _MODE.fullmatch(mode):
        raise _bad(row.where, path, f"its mode is {mode[:10]!r}: setuid, setgid and sticky are not allowed")
    file, link = kind is Kind.FILE, kind is Kind.LINK
    entry = Entry(
        path,
        kind,
        row.text("destination"),
        row.texts("on"),
        int(mode, 8),
        row.number("size") if file else 0,
        row.text("sha256") if file else "",
        row.text("target") if link else "",
        row.value.get("key") is True,
    )
    problem = _problem(entry)
    if problem:
        raise _bad(row.where, path, problem)
    return entry


def _problem(entry: Entry) -> str:
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
    if entry.kind is not Kind.LINK and entry.mode & 0o002:
        return f"everybody could write it (mode {entry.mode:04o})"
    if entry.kind is Kind.FILE and not _SHA256.fullmatch(entry.sha256):
        return "its sha256 is none"
    if not 0 <= entry.size <= MEMBER_LIMIT:
        return f"its size is {entry.size} bytes, and at most {MEMBER_LIMIT} are allowed"
    return _key_problem(entry) if entry.key else ""


def _key_problem(entry: Entry) -> str:
    """What the boot key cannot hold: it is a FAT file system (reference 1.2)."""
    if entry.kind is Kind.LINK:
        return "it is a link, and the boot key holds none"
    if not entry.key_path.isascii() or _NOT_ON_KEY.search(entry.key_path):
        return "the boot key cannot hold a file of that name"
    return ""


def plain(path: str) -> bool:
    """Whether a path is relative, without ``.``, ``..`` or empty parts, and of characters that can be shown."""
    parts = path.split("/")
    return path.isprintable() and len(path) <= 512 and not any(part in ("", ".", "..") for part in parts)


def _check_together(manifest: Manifest, where: str) -> None:
    """What can be told of the entries only side by side."""
    by_path: dict[str, Entry] = {}
    folded: dict[str, str] = {}
    last, total = "", 0
    for index, entry in enumerate(manifest.entries):
        place = f"{where}.entries[{index}]"
        if entry.path in by_path:
            raise _bad(place, entry.path, "it is there twice")
        if entry.path < last:
            raise _bad(place, entry.path, f"it comes after {last!r}, and entries are sorted by path")
        last, total = entry.path, total + entry.size
        if total > TOTAL_LIMIT:
            raise _bad(place, entry.path, f"with it there are more than the {TOTAL_LIMIT} bytes that are allowed")
        if entry.key:
            other = folded.setdefault(entry.path.lower(), entry.path)
            if other != entry.path:
                raise _bad(place, entry.path, f"on the boot key, where case does not count, it is also {other!r}")
        problem = _parent_problem(entry, by_path)
        if problem:
            raise _bad(place, entry.path, problem)
        by_path[entry.path] = entry
    for index, entry in enumerate(manifest.entries):
        problem = _link_problem(entry, by_path) if entry.kind is Kind.LINK else ""
        if problem:
            raise _bad(f"{where}.entries[{index}]", entry.path, problem)


def _parent_problem(entry: Entry, by_path: dict[str, Entry]) -> str:
    """The folder of an entry is an entry before it, on at least the same servers, and no link."""
    above = posixpath.dirname(entry.path)
    if above.count("/") < 2:
        return ""
    parent = by_path.get(above)
    if parent is None:
        return "its folder is not in the manifest"
    if parent.kind is not Kind.DIR:
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
        if step is not None and step.kind is not Kind.DIR:
            return f"{shown}, through another link or a file"
        names = names[:-1] if part == ".." else names if part in ("", ".") else [*names, part]
    end = by_path.get(found)
    if end is None and leads_away(found):
        return ""
    if end is None or end is entry:
        return f"{shown}, which is not in the manifest"
    return "" if set(entry.on) <= set(end.on) else f"{shown}, which is not on all of the servers that it is for"


def _bad(place: str, path: str, problem: str) -> BadInput:
    """The error: one line, however odd the name."""
    return BadInput(f"{place}: {path[:200]!r}: {problem}", HINT)
