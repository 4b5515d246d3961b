"""The folder of metadata: the newest of each role, and the next versions written beside the old ones.

``N.root.json``, ``N.targets.json``, ``N.snapshot.json`` and ``timestamp.json``: what a client is served. Files are
never changed but for the timestamp, which is written last, so a client sees the old release or the new one, and what
was cut off between two files is found by :meth:`Repository.behind` and made good. A root that lacks signatures waits as
``pending.root.json``.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError, SerializationError
from tuf.api.serialization.json import JSONSerializer

from release.failed import Failed

ROLES = ("root", "timestamp", "snapshot", "targets")
PENDING = "pending.root.json"
DAYS = {"root": 730, "targets": 365, "snapshot": 180, "timestamp": 180}
"""How long metadata is in force. Long beside what a web site has: bundles are carried by hand to sites that nobody can
reach, and what is in them must still be believed then."""

Keys = Mapping[str, CryptoSigner]


def in_days(days: int) -> datetime:
    """So many days from now, in whole seconds."""
    return (datetime.now(timezone.utc) + timedelta(days=days)).replace(microsecond=0)


class Repository:
    """The metadata in *folder*. Every change is in memory until :meth:`save`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._changed: dict[str, Metadata[Any]] = {}
        self._read: dict[str, Metadata[Any]] = {}

    @classmethod
    def begin(cls, folder: pathlib.Path) -> Repository:
        """A new one. Raises Failed when there is one."""
        found = cls(folder)
        if folder.exists() and found.versions("root"):
            raise Failed(f"{folder}: there is a repository already; nothing was changed")
        return found

    def versions(self, role: str) -> list[int]:
        """Which versions of a role there are, oldest first."""
        matches = (re.fullmatch(rf"([1-9][0-9]*)\.{role}\.json", path.name) for path in self.folder.glob("*.json"))
        return sorted(int(match[1]) for match in matches if match)

    def metadata(self, role: str) -> Metadata[Any]:
        """The newest of a role. Raises Failed when there is none."""
        if role in self._changed:
            return self._changed[role]
        if role not in self._read:
            self._read[role] = self._load(self._newest(role), role)
        return self._read[role]

    def _newest(self, role: str) -> pathlib.Path:
        if role == "timestamp":
            return self.folder / "timestamp.json"
        versions = self.versions(role)
        if not versions:
            raise Failed(f"{self.folder}: has no {role} metadata; `keys` begins a repository")
        return self.folder / f"{versions[-1]}.{role}.json"

    def _load(self, path: pathlib.Path, role: str) -> Metadata[Any]:
        try:
            found: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
        except FileNotFoundError as why:
            raise Failed(f"{path}: is missing, though the repository needs it") from why
        except (DeserializationError, RepositoryError, ValueError) as why:
            raise Failed(f"{path}: cannot be read as metadata: {why}") from why
        if found.signed.type != role:
            raise Failed(f"{path}: is metadata of {found.signed.type}, not of {role}")
        return found

    @property
    def root(self) -> Root:
        """Who speaks for which role now."""
        return cast(Root, self.metadata("root").signed)

    @property
    def targets(self) -> Targets:
        """What is signed."""
        return cast(Targets, self.metadata("targets").signed)

    def pending(self) -> Metadata[Root] | None:
        """The root that waits for signatures."""
        path = self.folder / PENDING
        return self._load(path, "root") if path.exists() else None

    def behind(self, role: str) -> str:
        """Why a role's metadata has to be signed anew; "" when it need not."""
        metadata = self.metadata(role)
        if not self.root.get_verification_result(role, metadata.signed_bytes, metadata.signatures).verified:
            return "not signed as the root asks"
        if role == "snapshot" and metadata.signed.meta["targets.json"].version != self.targets.version:
            return f"does not name version {self.targets.version} of targets"
        if role == "timestamp" and metadata.signed.snapshot_meta.version != self.metadata("snapshot").signed.version:
            return "does not name the newest snapshot"
        return ""

    def can_sign(self, role: str, keys: Keys) -> bool:
        """Whether enough of its keys are at hand."""
        entry = self.root.roles[role]
        return len(set(entry.keyids) & set(keys)) >= entry.threshold

    def in_force(self) -> list[str]:
        """The files that count now, and every root: what a client needs. Raises Failed."""
        named = [f"{number}.root.json" for number in self.versions("root")]
        snapshot = self.metadata("timestamp").signed.snapshot_meta.version
        meta = cast(Snapshot, self._load(self.folder / f"{snapshot}.snapshot.json", "snapshot").signed).meta
        named += [f"{one.version}.{name}" for name, one in sorted(meta.items())]
        return [*named, f"{snapshot}.snapshot.json", "timestamp.json"]

    # --- changes ------------------------------------------------------------------------------------------------------
    def put(self, role: str, metadata: Metadata[Any]) -> None:
        """The next state of a role."""
        self._changed[role] = metadata

    def next(self, role: str, days: int, keys: Keys) -> None:
        """Sign the next version of a role, to be in force so long. Raises Failed without enough of its keys."""
        metadata = self.metadata(role)
        if role not in self._changed:
            metadata.signed.version += 1
        metadata.signed.expires = in_days(days)
        self.put(role, sign(metadata, self.keys_of(role, keys), role))

    def keys_of(self, role: str, keys: Keys) -> list[Signer]:
        """Those of *keys* that speak for a role. Raises Failed when they are too few."""
        entry = self.root.roles[role]
        there: list[Signer] = [keys[keyid] for keyid in entry.keyids if keyid in keys]
        if not self.can_sign(role, keys):
            raise Failed(
                f"{role}: {len(there)} of its keys are at hand, and {entry.threshold} have to sign; nothing was changed"
            )
        return there

    def publish(self, keys: Keys, days: Mapping[str, int]) -> None:
        """Snapshot and timestamp of what was changed, signed."""
        snapshot = cast(Snapshot, self.metadata("snapshot").signed)
        snapshot.meta["targets.json"] = MetaFile(self.targets.version)
        self.next("snapshot", days["snapshot"], keys)
        data = encoded(self.metadata("snapshot"))
        timestamp = cast(Timestamp, self.metadata("timestamp").signed)
        timestamp.snapshot_meta = MetaFile.from_data(snapshot.version, data, ["sha256"])
        self.next("timestamp", days["timestamp"], keys)

    def save(self) -> None:
        """Write what was changed, the timestamp last. Raises Failed, also when somebody else did so meanwhile."""
        for role in [role for role in ("root", "targets", "snapshot", "timestamp") if role in self._changed]:
            metadata = self._changed[role]
            name = "timestamp.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
            if role != "timestamp" and (self.folder / name).exists():
                raise Failed(f"{self.folder / name}: another command has made it meanwhile; the same again goes on")
            write(self.folder / name, encoded(metadata))
        self._changed.clear()
        self._read.clear()

    def add_target(self, path: str, file: pathlib.Path, custom: Mapping[str, str]) -> bool:
        """Say what *file* is, under that path. False when that was said before. Raises Failed for other bytes there."""
        with file.open("rb") as data:
            found = TargetFile.from_data(path, data, ["sha256", "sha512"])
        found.unrecognized_fields["custom"] = dict(custom)
        old = self.targets.targets.get(path)
        if old is not None and old != found:
            raise Failed(f"{path} is signed already, with other bytes or words; give the image another uuid")
        self.targets.targets[path] = found
        return old is None

    def remove_target(self, path: str) -> None:
        """Say nothing more of it. Raises Failed when nothing was said."""
        if self.targets.targets.pop(path, None) is None:
            raise Failed(f"{path}: is not signed in {self.folder}; nothing was changed")


def sign(metadata: Metadata[Any], signers: list[Signer], what: str) -> Metadata[Any]:
    """Signed by all of *signers*, and by nobody else."""
    metadata.signatures.clear()
    try:
        for signer in signers:
            metadata.sign(signer, append=True)
    except UnsignedMetadataError as why:
        raise Failed(f"{what}: cannot be signed: {why}") from why
    return metadata


def encoded(metadata: Metadata[Any]) -> bytes:
    """The bytes of the file."""
    try:
        return metadata.to_bytes(JSONSerializer(compact=False))
    except SerializationError as why:
        raise Failed(f"metadata cannot be written: {why}") from why


def write(path: pathlib.Path, data: bytes) -> None:
    """Whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
