"""What is kept about gzbits under ``/var/sdcupgrade/gzbits``, as documents: what is installed, what was before, and
what is being changed right now. Pure: reading and writing JSON.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sdcupgrade.bits.changes import Change, Thing
from sdcupgrade.bits.manifest import Entry, Kind, Manifest
from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.jsonvalue import Json

SCHEMA = 1
HINT = "it was changed by other hands, or written by another version; put it back; nothing was changed"


@dataclass(frozen=True)
class Installed:
    """What is installed. *image* is the uuid of the gzbits image, empty for a file that was named; *sha256* is the
    tarball's; *signed* whether somebody trusted has signed it; *since* is when."""

    manifest: Manifest
    image: str
    sha256: str
    signed: bool
    since: str

    @property
    def name(self) -> str:
        """For people."""
        return f"gzbits {self.manifest.version} ({self.manifest.buildstamp})"

    def to_json(self) -> dict[str, Json]:
        """As it is written: the manifest, which ``sdc-gz-verify`` reads there, and the rest beside it."""
        more: dict[str, Json] = {"image": self.image, "tarball_sha256": self.sha256}
        return {**self.manifest.to_json(), **more, "signed": self.signed, "since": self.since}

    @staticmethod
    def read(value: Json, where: str) -> Installed:
        """Raises BadInput."""
        record = _record(value, where)
        manifest = _manifest(record)
        image, sha256, since = record.text("image"), record.text("tarball_sha256"), record.text("since")
        return Installed(manifest, image, sha256, record.flag("signed"), since)


@dataclass(frozen=True)
class Previous:
    """What the last apply found, for a rollback: what was installed, as it was written (None: nothing that we had put
    there), and every path that it changed. *transaction* is the digest of that apply."""

    transaction: str
    written: Json
    changes: tuple[Change, ...]

    @property
    def installed(self) -> Optional[Installed]:
        """What was installed. Raises BadInput."""
        return None if self.written is None else Installed.read(self.written, "previous.json")

    def to_json(self) -> dict[str, Json]:
        """As it is written."""
        return {
            "schema": SCHEMA,
            "transaction": self.transaction,
            "installed": self.written,
            "changes": _changes_json(self.changes),
        }

    @staticmethod
    def read(value: Json, where: str) -> Previous:
        """Raises BadInput."""
        record = _record(value, where)
        return Previous(record.text("transaction"), record.value.get("installed"), _changes(record))


class Ending(enum.Enum):
    """What a transaction means for what is written about the installation when it ends."""

    APPLIED = "applied"
    """Something else is installed; what was before is kept for a rollback."""
    REPAIRED = "repaired"
    """The same is installed as before, and a rollback goes to where it went before."""
    ROLLED_BACK = "rolled back"
    """What was before is installed again, and there is no more to go back to."""
    CANCELLED = "cancelled"
    """As if the apply that was cut off had never begun."""


@dataclass(frozen=True)
class Transaction:
    """Changes that are made all or none. *installed* is what is installed when it ended well; None for nothing."""

    command: str
    ending: Ending
    installed: Optional[Installed]
    changes: tuple[Change, ...]

    def text(self) -> str:
        """As it is written."""
        value: dict[str, Json] = {
            "schema": SCHEMA,
            "command": self.command,
            "ending": self.ending.value,
            "installed": self.installed.to_json() if self.installed else None,
            "changes": _changes_json(self.changes),
        }
        return dumps(value) + "\n"

    @staticmethod
    def read(text: bytes, where: str) -> Transaction:
        """Raises BadInput."""
        record = _record(loads(text, where, BadInput, HINT), where)
        endings = {ending.value: ending for ending in Ending}
        if record.text("ending") not in endings:
            raise record.fail("ending", "not a word that is known here")
        ending = endings[record.text("ending")]
        return Transaction(record.text("command"), ending, _installed(record), _changes(record))


def before(changes: tuple[Change, ...]) -> tuple[dict[str, Thing], frozenset[str]]:
    """What there was before *changes*, and which of their paths were not there."""
    want = {change.path: change.before for change in changes if change.before is not None}
    return want, frozenset(change.path for change in changes if change.before is None)


def _record(value: Json, where: str) -> Record:
    record = Record(value, where, BadInput, HINT)
    if record.number("schema", 0) != SCHEMA:
        raise record.fail("schema", f"this sdcupgrade reads {SCHEMA}")
    return record


def _manifest(record: Record) -> Manifest:
    """A manifest that was judged when its tarball was, and has been in our keeping since."""
    kinds = {kind.value: kind for kind in Kind}
    entries = []
    for row in record.records("entries"):
        kind, mode = kinds.get(row.text("kind")), row.text("mode")
        if kind is None or not mode or set(mode) - set("01234567"):
            raise row.fail("kind" if kind is None else "mode", "not a word that is known here")
        entries.append(
            Entry(
                row.text("path"),
                kind,
                row.text("destination"),
                row.texts("on"),
                int(mode, 8),
                row.number("size", 0),
                row.text_or("sha256", "") or "",
                row.text_or("target", "") or "",
                row.flag("key"),
            )
        )
    return Manifest(record.text("version"), record.text("buildstamp"), tuple(entries))


def _installed(record: Record) -> Optional[Installed]:
    value = record.value.get("installed")
    return None if value is None else Installed.read(value, f"{record.where}.installed")


def _changes_json(changes: tuple[Change, ...]) -> list[Json]:
    return [{"path": one.path, "before": _thing_json(one.before), "after": _thing_json(one.after)} for one in changes]


def _thing_json(thing: Optional[Thing]) -> Json:
    if thing is None:
        return None
    value: dict[str, Json] = {"kind": thing.kind, "mode": f"{thing.mode:04o}", "owner": list(thing.owner)}
    if thing.sha256:
        value.update(size=thing.size, sha256=thing.sha256)
    if thing.target:
        value["target"] = thing.target
    return value


def _changes(record: Record) -> tuple[Change, ...]:
    rows = record.records("changes")
    return tuple(Change(row.text("path"), _thing(row, "before"), _thing(row, "after")) for row in rows)


def _thing(row: Record, key: str) -> Optional[Thing]:
    if row.value.get(key) is None:
        return None
    thing = row.record(key)
    owner, mode = thing.value.get("owner"), thing.text("mode")
    if not isinstance(owner, list) or len(owner) != 2 or not all(isinstance(one, int) for one in owner):
        raise thing.fail("owner", "expected two numbers")
    if not mode or set(mode) - set("01234567"):
        raise thing.fail("mode", "expected octal digits")
    return Thing(
        thing.text("kind"),
        int(mode, 8),
        (int(str(owner[0])), int(str(owner[1]))),
        thing.number("size", 0),
        thing.text_or("sha256", "") or "",
        thing.text_or("target", "") or "",
    )
