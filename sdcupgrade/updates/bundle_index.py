"""The index of a bundle: what is in the file, where, and with which digest.

A bundle is ``[header][payload: a zip archive, stored][the program, verbatim]``; ``index.json`` is the archive's last
member (before its signature, if it has one) and names every other one. Everything wrong with it is an error here, so
that who has an :class:`Index` need not ask again: names are of the known kinds and there once, every image has its
manifest, the pieces lie one after another. Reads no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdcupgrade.errors import BadInput, Corrupt
from sdcupgrade.jsonvalue import Record, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.jsonvalue import Json

FORMAT = "sdcupgrade-bundle"
SCHEMA = 1
SPEC_SCHEMA = 1
"""Which kind of spec is inside: services of a Triton stack, each with one image."""

INDEX = "index.json"
SIGNATURE = "index.json.sig"
SPEC = "spec.json"
INDEX_LIMIT = 16 << 20
"""Bytes; an index of 60 images has about 20,000."""

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
NAMES = re.compile(rf"spec\.json|manifests/{UUID}\.json|(?:images|gzbits)/{UUID}|trust/[A-Za-z0-9._%~-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
REMEDY = "copy the bundle again, or make it anew; nothing was touched"


@dataclass(frozen=True)
class Member:
    """A piece of the file: *size* bytes from *offset* on, counted from the beginning of the file."""

    name: str
    offset: int
    size: int
    sha256: str

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + self.size

    def to_json(self) -> dict[str, Json]:
        """For the index."""
        return {"name": self.name, "offset": self.offset, "size": self.size, "sha256": self.sha256}


@dataclass(frozen=True)
class Program:
    """The program at the end of the file; the digest is that of the released one file."""

    size: int
    sha256: str
    version: str
    buildstamp: str

    def to_json(self) -> dict[str, Json]:
        """For the index."""
        return {"size": self.size, "sha256": self.sha256, "version": self.version, "buildstamp": self.buildstamp}


@dataclass(frozen=True)
class Index:
    """*images* are the uuids that the upgrade needs, in the order of the spec, an origin before what is built on it;
    those without a member ``images/UUID`` were left out, because *base* said that the site has them. *gzbits* is the
    uuid of the image with the tools of the global zone, empty when there is none."""

    name: str
    created_at: str
    channel: str
    source: str
    base: str
    images: tuple[str, ...]
    gzbits: str
    header: Member
    program: Program
    members: tuple[Member, ...]

    def find(self, name: str) -> Optional[Member]:
        """The member of that name."""
        return next((member for member in self.members if member.name == name), None)

    def left_out(self) -> tuple[str, ...]:
        """The images whose bytes are not inside."""
        there = {member.name for member in self.members}
        return tuple(uuid for uuid in self.images if f"images/{uuid}" not in there)

    def to_json(self) -> dict[str, Json]:
        """What is written; its form is read by :func:`parse_index`."""
        return {
            "format": FORMAT,
            "schema": SCHEMA,
            "spec_schema": SPEC_SCHEMA,
            "name": self.name,
            "created_at": self.created_at,
            "channel": self.channel,
            "source": self.source,
            "base": self.base,
            "images": list(self.images),
            "gzbits": self.gzbits,
            "header": self.header.to_json(),
            "program": self.program.to_json(),
            "members": [member.to_json() for member in self.members],
        }


def parse_index(data: bytes, where: str) -> Index:
    """The index in *data*. Raises BadInput for another schema, Corrupt for anything that does not fit together."""
    record = Record(loads(data, where, Corrupt, REMEDY, whole=True), where, Corrupt, REMEDY)
    _check_schema(record, where)
    index = Index(
        name=record.text("name"),
        created_at=record.text("created_at"),
        channel=record.text("channel"),
        source=record.text("source"),
        base=record.text("base"),
        images=record.texts("images"),
        gzbits=record.text("gzbits"),
        header=_member(record.record("header")),
        program=_program(record.record("program")),
        members=tuple(_member(one) for one in record.records("members")),
    )
    _check(index, where)
    return index


def _check_schema(record: Record, where: str) -> None:
    if record.text("format") != FORMAT:
        raise record.fail("format", f"expected {FORMAT!r}")
    for key, known in (("schema", SCHEMA), ("spec_schema", SPEC_SCHEMA)):
        if record.number(key) != known:
            raise BadInput(
                f"{where}: {key} {record.number(key)}, and this sdcupgrade knows {known} only",
                "run the bundle itself (sh BUNDLE verify), which has the right program in it; nothing was touched",
            )


def _member(record: Record) -> Member:
    return Member(record.text("name"), record.number("offset"), record.number("size"), _sha256(record))


def _program(record: Record) -> Program:
    return Program(record.number("size"), _sha256(record), record.text("version"), record.text("buildstamp"))


def _sha256(record: Record) -> str:
    text = record.text("sha256")
    if not _SHA256.fullmatch(text):
        raise record.fail("sha256", "expected 64 hex digits")
    return text


def _check(index: Index, where: str) -> None:
    names: set[str] = set()
    end = index.header.end
    for member in index.members:
        if not NAMES.fullmatch(member.name):
            raise Corrupt(f"{where}: {member.name!r} is no member that a bundle has", REMEDY)
        if member.name in names:
            raise Corrupt(f"{where}: {member.name} is there twice", REMEDY)
        if member.offset < end or member.size < 0:
            raise Corrupt(f"{where}: {member.name} lies where another member is", REMEDY)
        names.add(member.name)
        end = member.end
    if index.header.offset != 0 or index.program.size <= 0:
        raise Corrupt(f"{where}: header or program lie where they cannot", REMEDY)
    _check_complete(index, names, where)


def _check_complete(index: Index, names: set[str], where: str) -> None:
    wanted = {SPEC, *(f"manifests/{uuid}.json" for uuid in index.images)}
    if index.gzbits:
        wanted |= {f"manifests/{index.gzbits}.json", f"gzbits/{index.gzbits}"}
    for name in sorted(wanted - names):
        raise Corrupt(f"{where}: {name} is missing", REMEDY)
    optional = {f"images/{uuid}" for uuid in index.images} | {name for name in names if name.startswith("trust/")}
    for name in sorted(names - wanted - optional):
        raise Corrupt(f"{where}: {name} is surplus: nothing in this bundle needs it", REMEDY)
