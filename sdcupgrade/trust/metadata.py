"""The four top-level roles' metadata, read and judged for form (specification, 4.3 to 4.6).

Unknown fields are ignored, though they are signed; known ones must be what the specification says. Who signed, and
whether it is the right version at the right time, is :mod:`client`'s matter.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone

from sdcupgrade.errors import Corrupt, Untrusted
from sdcupgrade.jsonvalue import SHOWN, Record
from sdcupgrade.trust import canonical
from sdcupgrade.trust.keys import Authority, Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.jsonvalue import Json

ROOT, TIMESTAMP, SNAPSHOT, TARGETS = "root", "timestamp", "snapshot", "targets"
TOP_LEVEL = (ROOT, TIMESTAMP, SNAPSHOT, TARGETS)
SPEC_VERSION = re.compile(r"1\.[0-9]+(\.[0-9]+)?")
EXPIRES = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", re.ASCII)
DIGESTS = {"sha256": 64, "sha512": 128}
"""Those that are checked, with their hex digits; one of them has to be there."""


@dataclass(frozen=True)
class Signed:
    """One metadata file: who signed what, and the head that all roles share. *expires* is in seconds of the epoch."""

    where: str
    signatures: Mapping[str, str]
    message: bytes
    body: Record
    version: int
    expires: float


def read(data: bytes, role: str, kind: str) -> Signed:
    """The metadata file of *role*, which must be of *kind* (specification, 4.2.1 and 4.3). Raises Untrusted."""
    where = f"{role}.json"
    whole = Record(canonical.parse(data, where), where, Untrusted)
    body = required(whole, "signed")
    if body.text("_type") != kind:
        raise body.fail("_type", f"expected {kind}, got {body.text('_type')[:SHOWN]!r}")
    if not SPEC_VERSION.fullmatch(body.text("spec_version")):
        raise body.fail("spec_version", f"expected 1.x, got {body.text('spec_version')[:SHOWN]!r}")
    return Signed(
        where,
        _signatures(whole),
        canonical.encode(whole.value["signed"], where),
        body,
        number(body, "version"),
        _expires(body),
    )


def _signatures(whole: Record) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in whole.records("signatures"):
        if one.text("keyid") in found:
            raise one.fail("keyid", "a key signs once")
        found[one.text("keyid")] = one.text("sig")
    return found


def _expires(body: Record) -> float:
    text = body.text("expires")
    match = EXPIRES.fullmatch(text)
    try:
        if match:
            year, month, day, hour, minute, second = map(int, match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp()
    except ValueError:
        pass
    raise body.fail("expires", f"expected a time like 2026-01-02T03:04:05Z, got {text[:SHOWN]!r}")


@dataclass(frozen=True)
class Root:
    """Which keys speak for the top-level roles (4.3)."""

    version: int
    expires: float
    consistent_snapshot: bool
    authorities: Mapping[str, Authority]

    @classmethod
    def of(cls, signed: Signed) -> Root:
        """Read *signed*. Raises Untrusted."""
        body = signed.body
        found_keys = keys(required(body, "keys"))
        roles = required(body, "roles")
        return cls(
            signed.version,
            signed.expires,
            _flag(body, "consistent_snapshot"),
            {name: authority(required(roles, name), (name,), found_keys) for name in TOP_LEVEL},
        )


@dataclass(frozen=True)
class FileInfo:
    """What is promised about a file: *version* of metadata, *length* in bytes, hex *hashes* by name; any may be
    missing, but a target has always a length and hashes. *custom* is what the signer says of a target besides."""

    where: str
    length: Optional[int]
    hashes: Mapping[str, str]
    version: int = 0
    custom: Mapping[str, Json] = field(default_factory=dict)

    def check(self, data: bytes) -> None:
        """Raises Corrupt unless *data* is what was promised."""
        check = self.checking()
        check.update(data)
        check.end()

    def checking(self) -> Checking:
        """For bytes that come in pieces. Raises Corrupt when no promised hash is one that we know."""
        return Checking(self)

    @property
    def digest(self) -> str:
        """A promised hash, the prefix of file names in a consistent snapshot (7.3); empty when there is none."""
        return next((self.hashes[name] for name in DIGESTS if name in self.hashes), "")


class Checking:
    """Bytes being compared with what was promised about them, all the promised hashes at once."""

    def __init__(self, info: FileInfo) -> None:
        if info.hashes and not info.digest:
            raise Corrupt(f"{info.where}: has none of the hashes {', '.join(DIGESTS)}")
        self._info = info
        self._hashes = {name: hashlib.new(name) for name in DIGESTS if name in info.hashes}
        self._length = 0

    def update(self, piece: bytes) -> None:
        """Raises Corrupt as soon as there is more than was promised."""
        self._length += len(piece)
        if self._info.length is not None and self._length > self._info.length:
            raise Corrupt(f"{self._info.where}: longer than the promised {self._info.length} bytes")
        for found in self._hashes.values():
            found.update(piece)

    def end(self) -> None:
        """Raises Corrupt when there was less, or something else."""
        if self._info.length is not None and self._length != self._info.length:
            raise Corrupt(f"{self._info.where}: {self._length} bytes, promised were {self._info.length}")
        for name, found in self._hashes.items():
            if found.hexdigest() != self._info.hashes[name]:
                raise Corrupt(f"{self._info.where}: has {name} {found.hexdigest()}, not the promised one")


@dataclass(frozen=True)
class Timestamp:
    """Which snapshot is the newest (4.4)."""

    version: int
    expires: float
    snapshot: FileInfo

    @classmethod
    def of(cls, signed: Signed) -> Timestamp:
        """Read *signed*. Raises Untrusted."""
        meta = required(signed.body, "meta")
        return cls(signed.version, signed.expires, _meta(required(meta, "snapshot.json"), "snapshot.json"))


@dataclass(frozen=True)
class Snapshot:
    """Which version of every targets role goes together (4.5), by file name."""

    version: int
    expires: float
    meta: Mapping[str, FileInfo]

    @classmethod
    def of(cls, signed: Signed) -> Snapshot:
        """Read *signed*. Raises Untrusted."""
        meta = required(signed.body, "meta")
        found = {name: _meta(required(meta, name), name) for name in meta.value}
        if f"{TARGETS}.json" not in found:
            raise meta.fail(f"{TARGETS}.json", "missing")
        return cls(signed.version, signed.expires, found)


def _meta(record: Record, name: str) -> FileInfo:
    length = number(record, "length") if "length" in record.value else None
    found = hashes(record) if "hashes" in record.value else {}
    return FileInfo(name, length, found, number(record, "version"))


def target(record: Record, path: str) -> FileInfo:
    """What is promised about the target *path* (4.6). Raises Untrusted."""
    custom = required(record, "custom").value if "custom" in record.value else {}
    return FileInfo(path, number(record, "length", least=0), hashes(record), custom=custom)


def hashes(record: Record) -> dict[str, str]:
    """Hex digests by algorithm, at least one. Raises Untrusted."""
    found = required(record, "hashes")
    if not found.value:
        raise record.fail("hashes", "empty")
    for name in found.value:
        if name in DIGESTS and not re.fullmatch(f"[0-9a-f]{{{DIGESTS[name]}}}", found.text(name)):
            raise found.fail(name, f"expected {DIGESTS[name]} hex digits")
    return {name: found.text(name) for name in found.value}


def keys(record: Record) -> dict[str, Key]:
    """Public keys by id (4.2.1 and 4.3). Raises Untrusted."""
    found = {}
    for keyid in record.value:
        one = required(record, keyid)
        found[keyid] = Key(one.text("keytype"), one.text("scheme"), required(one, "keyval").text_or("public", "") or "")
    return found


def authority(record: Record, chain: tuple[str, ...], known: Mapping[str, Key]) -> Authority:
    """Key ids and threshold of a role; no id may be there twice. Raises Untrusted."""
    keyids = texts(record, "keyids")
    if len(set(keyids)) != len(keyids):
        raise record.fail("keyids", "an id is there twice")
    return Authority(chain, known, keyids, number(record, "threshold"))


def required(record: Record, key: str) -> Record:
    """A nested object that must be there."""
    if key not in record.value:
        raise record.fail(key, "missing")
    value: Json = record.value[key]
    return Record(value, f"{record.where}.{key}", Untrusted)


def texts(record: Record, key: str) -> tuple[str, ...]:
    """A list of strings that must be there."""
    if not isinstance(record.value.get(key), list):
        raise record.fail(key, "expected a list")
    return record.texts(key)


def number(record: Record, key: str, least: int = 1) -> int:
    """A whole number; nothing that only looks like one."""
    value = record.value.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise record.fail(key, f"expected a whole number of at least {least}")
    return value


def _flag(record: Record, key: str) -> bool:
    value = record.value.get(key, False)
    if not isinstance(value, bool):
        raise record.fail(key, "expected true or false")
    return value
