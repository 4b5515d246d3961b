"""In which order metadata is believed (specification, 5): one root after the other, timestamp, snapshot, targets.

A :class:`Trusted` is handed bytes, from the store of earlier runs (``known_*``: a floor that later versions may not
fall below, so expiry does not matter) or from the repository (``new_*``). What comes out of it without an exception may
be stored. A :class:`Search` walks delegations. Fetching and storing happen in :mod:`sdcupgrade.updates.trusted`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import Untrusted
from sdcupgrade.trust.delegations import Targets
from sdcupgrade.trust.metadata import (
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    FileInfo,
    Root,
    Signed,
    Snapshot,
    Timestamp,
    read,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.trust.keys import Authority


@dataclass(frozen=True)
class Limits:
    """What a repository may ask of us: bytes of each kind of file where less is not promised, and numbers."""

    root_bytes: int = 512_000
    timestamp_bytes: int = 16_384
    snapshot_bytes: int = 2_000_000
    targets_bytes: int = 5_000_000
    new_roots: int = 256
    roles_asked: int = 32


CLOCK_SLACK_S = 600.0
"""How far a clock may go back before it is refused: NTP steps are fine."""

CLOCK = "set the clock right; if it was ahead then and is right now, remove the file 'clock' of the trust store"
LATE = "ask the keeper of the updates server to sign anew; if the clock of this machine is ahead, set it right"


class Trusted:
    """What is believed at the time *now* (seconds of the epoch), from the *root* of trust on. *last* is the latest time
    at which all was well before; a clock that is behind it would bring expired metadata back to life."""

    def __init__(self, root: bytes, now: float, last: float = 0.0) -> None:
        """Raises Untrusted for a root that is malformed or not signed by itself, and for a clock set back."""
        if now < last - CLOCK_SLACK_S:
            raise Untrusted(f"the clock is {last - now:.0f} s behind the last time metadata was verified", CLOCK)
        self.now = max(now, last)
        signed = read(root, ROOT, ROOT)
        self.root = Root.of(signed)
        self._check(self.root.authorities[ROOT], signed)
        self.timestamp: Optional[Timestamp] = None
        self.snapshot: Optional[Snapshot] = None
        """Set when it is the one that the timestamp names."""
        self._floor: Mapping[str, FileInfo] = {}

    def new_root(self, data: bytes) -> None:
        """The next root: signed by the one before and by itself, one version further (5.3.4 and 5.3.5)."""
        signed = read(data, ROOT, ROOT)
        self._check(self.root.authorities[ROOT], signed)
        root = Root.of(signed)
        if root.version != self.root.version + 1:
            raise Untrusted(f"root.json: version {root.version} cannot follow version {self.root.version}")
        self._check(root.authorities[ROOT], signed)
        self.root = root

    def last_root(self) -> None:
        """There is no further root; this one must be in force (5.3.10)."""
        self._check_expiry(ROOT, self.root.expires)

    def known_timestamp(self, data: bytes) -> None:
        """The timestamp of an earlier run. Raises Untrusted when the keys have been changed since: forget it then."""
        self.timestamp = self._timestamp(data)

    def new_timestamp(self, data: bytes) -> bool:
        """The repository's timestamp (5.4). False when it is the known version: then that one stays."""
        new, old = self._timestamp(data), self.timestamp
        if old is not None:
            _not_before(TIMESTAMP, new.version, old.version)
            _not_before(SNAPSHOT, new.snapshot.version, old.snapshot.version)
            if new.version == old.version:
                self._check_expiry(TIMESTAMP, old.expires)
                return False
        self._check_expiry(TIMESTAMP, new.expires)
        self.timestamp = new
        return True

    def _timestamp(self, data: bytes) -> Timestamp:
        signed = read(data, TIMESTAMP, TIMESTAMP)
        self._check(self.root.authorities[TIMESTAMP], signed)
        return Timestamp.of(signed)

    def known_snapshot(self, data: bytes) -> None:
        """The snapshot of an earlier run. It is :attr:`snapshot` at once when the timestamp still names it and it is in
        force; what it says of versions counts in any case."""
        known = self._read_snapshot(data)
        self._floor = known.meta
        if known.version == self.promised_snapshot.version:
            self.promised_snapshot.check(data)
            self._believe(known)

    @property
    def promised_snapshot(self) -> FileInfo:
        """What the timestamp says of the snapshot."""
        if self.timestamp is None:
            raise RuntimeError("a snapshot is believed after a timestamp only")
        return self.timestamp.snapshot

    def new_snapshot(self, data: bytes) -> None:
        """The repository's snapshot (5.5): the promised one, and no role in it older or gone."""
        self.promised_snapshot.check(data)
        new = self._read_snapshot(data)
        _exactly(SNAPSHOT, new.version, self.promised_snapshot.version)
        for name, old in self._floor.items():
            if name not in new.meta:
                raise Untrusted(f"snapshot.json: {name} is missing, but was there before")
            _not_before(name, new.meta[name].version, old.version)
        self._believe(new)

    def _read_snapshot(self, data: bytes) -> Snapshot:
        signed = read(data, SNAPSHOT, SNAPSHOT)
        self._check(self.root.authorities[SNAPSHOT], signed)
        return Snapshot.of(signed)

    def _believe(self, snapshot: Snapshot) -> None:
        self._check_expiry(SNAPSHOT, snapshot.expires)
        self.snapshot = snapshot

    @property
    def targets(self) -> Authority:
        """Who speaks for the top-level targets."""
        return self.root.authorities[TARGETS]

    def promised_targets(self, role: str) -> FileInfo:
        """What the snapshot says of a targets role. Raises Untrusted when it says nothing."""
        if self.snapshot is None:
            raise RuntimeError("targets are believed after a snapshot only")
        if f"{role}.json" not in self.snapshot.meta:
            raise Untrusted(f"{role}.json: not in the snapshot")
        return self.snapshot.meta[f"{role}.json"]

    def read_targets(self, authority: Authority, data: bytes) -> Targets:
        """The metadata of a targets role (5.6), believed only by way of this *authority*."""
        promised = self.promised_targets(authority.name)
        promised.check(data)
        signed = read(data, authority.name, TARGETS)
        self._check(authority, signed)
        _exactly(authority.name, signed.version, promised.version)
        self._check_expiry(authority.name, signed.expires)
        return Targets.of(signed, authority.chain)

    @staticmethod
    def _check(authority: Authority, signed: Signed) -> None:
        authority.check(signed.signatures, signed.message, signed.where)

    def _check_expiry(self, role: str, expires: float) -> None:
        if expires <= self.now:
            raise Untrusted(f"{role}.json: expired {(self.now - expires) / 86400:.1f} days ago", LATE)


class Search:
    """The walk to what is said about one path: depth first, in the order of delegation, no role twice (5.6.7)."""

    def __init__(self, path: str, first: Authority, most: int) -> None:
        self._path = path
        self._most = most
        self._to_ask = [first]
        self._asked: set[str] = set()

    def next(self) -> Optional[Authority]:
        """The role to ask now; None when all have been. Raises Untrusted when there are too many."""
        while self._to_ask:
            role = self._to_ask.pop()
            if role.name not in self._asked:
                if len(self._asked) >= self._most:
                    raise Untrusted(f"{self._path}: more than {self._most} roles would have to be asked about it")
                self._asked.add(role.name)
                return role
        return None

    def answer(self, targets: Targets) -> Optional[FileInfo]:
        """What the role asked says of the path; None makes those it delegates to the next ones."""
        found = targets.target(self._path)
        if found is None:
            roles, last_word = targets.roles_for(self._path)
            self._to_ask = [*([] if last_word else self._to_ask), *reversed(roles)]
        return found


def _not_before(name: str, new: int, old: int) -> None:
    if new < old:
        raise Untrusted(f"{name}: version {new} is older than {old}, which was seen before")


def _exactly(name: str, version: int, promised: int) -> None:
    if version != promised:
        raise Untrusted(f"{name}: version {version}, promised was {promised}")
