"""The manifest of a gzbits tarball: every path it brings, and where that goes.

Promises that a manifest which was read is safe to act on: each entry has a known destination, its folder is an entry
too, no entry goes through a link, links stay in their folder, and the boot key (pcfs) can hold what goes there. Whether
the bytes are those of the manifest is told by :mod:`sdcupgrade.bits.tarball`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from sdcupgrade.bits import rules
from sdcupgrade.bits.folders import KEY_BELOW
from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Json

NAME = "gzbits.manifest.json"
"""The first member of a tarball."""

FORMAT, SCHEMA = "gzbits", 1
ENTRY_LIMIT = 50_000
"""A real tree has 2,000."""

HINT = "nothing was unpacked; take another gzbits tarball, or build this one again with build/gzbits.py"
_MODE = re.compile(r"0[0-7]{3}")


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
    found = rules.together(manifest)
    if found is not None:
        raise _bad(f"{where}.entries[{found.index}]", entries[found.index].path, found.problem)
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
    problem = rules.alone(entry)
    if problem:
        raise _bad(row.where, path, problem)
    return entry


def _bad(place: str, path: str, problem: str) -> BadInput:
    """The error: one line, however odd the name."""
    return BadInput(f"{place}: {path[:200]!r}: {problem}", HINT)
