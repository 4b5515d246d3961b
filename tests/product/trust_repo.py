"""A TUF repository in memory, kept with python-tuf and signed with ``cryptography``; it can publish anything wrong."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Optional
from urllib.parse import quote

import pytest

pytest.importorskip("tuf", reason="python-tuf is the repository side, and needs a newer python")

from product_fakes import files_in
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner, Signature, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from sdcupgrade.errors import Corrupt
from sdcupgrade.trust.client import Limits
from sdcupgrade.updates.trusted import TrustedUpdates, TrustStore

NOW = 1_700_000_000.0
DAY = 86400.0
TOP = ("root", "timestamp", "snapshot", "targets")

Change = Callable[[dict[str, Any]], object]


def day(number: float) -> datetime:
    """So many days after NOW."""
    return datetime.fromtimestamp(NOW, timezone.utc) + timedelta(days=number)


def enclose(body: dict[str, Any], signers: list[Signer]) -> dict[str, Any]:
    """Metadata of that body, signed."""
    message = encode_canonical(body).encode()
    return {"signatures": [_sign(signer, message).to_dict() for signer in signers], "signed": body}


def _sign(signer: Signer, message: bytes) -> Signature:
    return signer.sign(message)


class Repository:
    """Its metadata as python-tuf's objects, to be changed at will, and :attr:`files` as they were published."""

    def __init__(self, consistent: bool = True) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.hashed = False
        later = {"expires": day(30)}
        self.root = Root(**later, consistent_snapshot=consistent)
        self.snapshot = Snapshot(**later)
        self.timestamp = Timestamp(**later)
        self.targets = Targets(**later)
        self.roles: dict[str, Signed] = {
            "root": self.root,
            "timestamp": self.timestamp,
            "snapshot": self.snapshot,
            "targets": self.targets,
        }
        self.signers: dict[str, list[Signer]] = {}
        for role in TOP:
            self.add_key(role)
        for signed in self.roles.values():
            signed.version = 0
        self.publish(*TOP)
        self.first_root = self.files["1.root.json"]

    def __call__(self, name: str, limit: int) -> Optional[bytes]:
        """As :class:`sdcupgrade.updates.trusted.Fetch`."""
        self.asked.append((name, limit))
        data = self.files.get(name)
        if data is not None and len(data) > limit:
            raise Corrupt(f"{name}: too long")
        return data

    def add_key(self, role: str, signer: Optional[Signer] = None) -> Signer:
        """One more key of a top-level role, which signs from now on."""
        signer = signer or CryptoSigner.generate_ed25519()
        self.root.add_key(signer.public_key, role)
        self.signers.setdefault(role, []).append(signer)
        return signer

    def rotate(self, role: str) -> None:
        """Another key instead of those that the role has."""
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        self.signers[role] = []
        self.add_key(role)

    def delegate(
        self, by: str, role: str, paths: Optional[list[str]], terminating: bool = False, **more: Any
    ) -> CryptoSigner:
        """Hand paths to a role of its own key; it must be published then."""
        parent = self.roles[by]
        assert isinstance(parent, Targets)
        if parent.delegations is None:
            parent.delegations = Delegations({}, {})
        assert parent.delegations.roles is not None
        parent.delegations.roles[role] = DelegatedRole(role, [], 1, terminating, paths, **more)
        signer = CryptoSigner.generate_ed25519()
        parent.add_key(signer.public_key, role)
        self.signers.setdefault(role, []).append(signer)
        if role not in self.roles:
            self.roles[role] = Targets(expires=day(30))
            self.roles[role].version = 0
        return signer

    def add_target(self, role: str, path: str, data: bytes = b"data") -> None:
        """A target that the role speaks of."""
        signed = self.roles[role]
        assert isinstance(signed, Targets)
        signed.targets[path] = TargetFile.from_data(path, data)

    def publish(self, *roles: str, change: Optional[Change] = None) -> None:
        """Publish the next version of those roles, in the order given; *change* is made to what is signed."""
        for role in roles:
            signed = self.roles[role]
            signed.version += 1
            self.put(role, change)

    def publish_targets(self, *roles: str) -> None:
        """Publish targets roles, and what names them."""
        self.publish(*roles, "snapshot", "timestamp")

    def put(self, role: str, change: Optional[Change] = None) -> None:
        """Publish the role as it is."""
        body = self.roles[role].to_dict()
        if change is not None:
            change(body)
        self.file(role, json.dumps(enclose(body, self.signers[role])).encode())

    def file(self, role: str, data: bytes) -> None:
        """Publish those bytes as the role's present version, and make those above name it."""
        version = self.roles[role].version
        self.files[self.name(role)] = data
        meta = MetaFile.from_data(version, data, ["sha256"]) if self.hashed else MetaFile(version)
        if role == "snapshot":
            self.timestamp.snapshot_meta = meta
        elif role not in TOP or role == "targets":
            self.snapshot.meta[f"{role}.json"] = meta

    def name(self, role: str) -> str:
        """The file of a role's present version."""
        numbered = role == "root" or (self.root.consistent_snapshot and role != "timestamp")
        return f"{self.roles[role].version}.{quote(role, '')}.json" if numbered else f"{role}.json"


class Client:
    """sdcupgrade with its store in *folder*."""

    def __init__(self, repository: Repository, folder: pathlib.Path) -> None:
        self.repository = repository
        self.folder = folder
        self.store = TrustStore(files_in(folder), "/trust")
        self.store.begin(repository.first_root)

    def updates(self, now: float = NOW, limits: Optional[Limits] = None) -> TrustedUpdates:
        """As a new process would make it."""
        return TrustedUpdates(self.repository, self.store, now, limits or Limits())

    def refresh(self, now: float = NOW, limits: Optional[Limits] = None) -> TrustedUpdates:
        """Refresh; what was asked for is in ``repository.asked``."""
        self.repository.asked.clear()
        updates = self.updates(now, limits)
        updates.refresh()
        return updates

    def asked(self) -> list[str]:
        """The names of what was asked for last."""
        return [name for name, _ in self.repository.asked]

    def version(self, role: str) -> int:
        """What is stored; 0 when nothing is."""
        path = self.folder / "trust" / f"{quote(role, '')}.json"
        return int(json.loads(path.read_bytes())["signed"]["version"]) if path.exists() else 0

    def versions(self) -> tuple[int, ...]:
        """Of root, timestamp, snapshot and targets."""
        return tuple(self.version(role) for role in TOP)
