"""Bringing what is trusted up to date: fetch, judge, store, in the order of the specification (TUF 1.0, 5).

The rules are :mod:`sdcupgrade.trust`'s; here is what they are fed with. Metadata comes from anything that gives bytes
by name (:class:`Fetch`): HTTP, a folder, a bundle. Nothing is read beyond the length that was promised or allowed.
Every file is stored as soon as it is believed, whole or not at all, so a crash leaves a store that is right, if not
newest. Two at once do no harm either: whatever is read from the store is verified again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from sdcupgrade.dc.api import quote
from sdcupgrade.errors import BadAnswer, Corrupt, NoInput, Unreachable, Untrusted
from sdcupgrade.jsonvalue import whole_number
from sdcupgrade.trust.client import Limits, Search, Trusted
from sdcupgrade.trust.metadata import ROOT, SNAPSHOT, TIMESTAMP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional, Protocol

    from sdcupgrade.doors.files import Files
    from sdcupgrade.doors.http import Http
    from sdcupgrade.trust.delegations import Targets
    from sdcupgrade.trust.keys import Authority
    from sdcupgrade.trust.metadata import FileInfo

    class Fetch(Protocol):
        """A place that metadata comes from."""

        def __call__(self, name: str, limit: int) -> Optional[bytes]:
            """The file of that name, None when there is none. Raises Corrupt when it has more than *limit* bytes, and
            Unreachable when it cannot be told."""


PIECE = 64 << 10
ABSENT = (403, 404)
"""What a store of files answers for one that it does not have; object stores that do not list say 403."""

STALL_S = 30.0
CLOCK = "clock"
"""The file with the latest time at which all was well; it is no metadata, so its name does not end in .json."""


KEEPER = "tell the keeper of the updates server"


class Absent(Unreachable):
    """There is no such file where it ought to be."""


class TrustStore:
    """The folder of metadata that is believed: the bytes as they were received, one file a role."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self.folder = folder

    def begin(self, root: bytes) -> None:
        """Put the root of trust in, unless there is one already, which may be newer."""
        if not self._files.exists(self._path(ROOT)):
            self.write(ROOT, root)

    def read(self, role: str, limit: int) -> Optional[bytes]:
        """What was stored for *role*, None when nothing was. Raises StorageError."""
        try:
            return self._files.read(self._path(role), limit)
        except NoInput:
            return None

    def write(self, role: str, data: bytes) -> None:
        """Replace what is stored for *role*, whole or not at all. Raises StorageError."""
        self._files.write(self._path(role), data)

    def last(self) -> float:
        """The latest time at which all was well, in seconds of the epoch; 0 when there was none."""
        try:
            text = self._files.read(f"{self.folder}/{CLOCK}", 32)
        except NoInput:
            return 0.0
        return float(text) if text.isdigit() else 0.0

    def was_well(self, now: float) -> None:
        """Keep *now*, unless a later time is kept."""
        if now >= self.last() + 1:
            self._files.write(f"{self.folder}/{CLOCK}", str(int(now)).encode())

    def _path(self, role: str) -> str:
        return f"{self.folder}/{quote(role)}.json"


@dataclass(frozen=True)
class HttpFetch:
    """Metadata from below *url*."""

    http: Http
    url: str

    def __call__(self, name: str, limit: int) -> Optional[bytes]:
        """See :class:`Fetch`."""
        try:
            return b"".join(pieces(self.http, f"{self.url.rstrip('/')}/{name}", limit))
        except Absent:
            return None


@dataclass(frozen=True)
class FolderFetch:
    """Metadata that lies in a *folder*."""

    files: Files
    folder: str

    def __call__(self, name: str, limit: int) -> Optional[bytes]:
        """See :class:`Fetch`."""
        path = f"{self.folder}/{name}"
        try:
            if self.files.size(path) > limit:
                raise Corrupt(f"{path}: longer than the {limit} bytes that are allowed")
            return self.files.read(path, limit)
        except NoInput:
            return None


def pieces(http: Http, url: str, limit: int) -> Iterator[bytes]:
    """The body of *url*, of which no more than *limit* bytes and one are read. Raises Absent when there is no such
    file, Corrupt when it is longer, Unreachable when it is cut off, BadAnswer on other HTTP errors."""
    with http.stream(url, headers={"Accept": "*/*"}, timeout_s=STALL_S) as stream:
        if stream.status in ABSENT:
            raise Absent(f"GET {url}: there is no such file", KEEPER)
        if stream.status != 200:
            error = Unreachable if stream.status >= 500 else BadAnswer
            raise error(f"GET {url}: HTTP status {stream.status}")
        told = whole_number(stream.headers.get("content-length", ""))
        if told is not None and told > limit:
            raise _too_long(url, limit)
        got = 0
        while piece := stream.read(min(PIECE, limit + 1 - got)):
            got += len(piece)
            if got > limit:
                raise _too_long(url, limit)
            yield piece
        if told is not None and got < told:
            raise Unreachable(f"GET {url}: the answer was cut off after {got} of {told} bytes")


def _too_long(url: str, limit: int) -> Corrupt:
    return Corrupt(f"GET {url}: longer than the {limit} bytes that are allowed")


class TrustedUpdates:
    """What a repository says, and is believed to say, at the time *now* (seconds of the epoch).

    Raises Untrusted and Corrupt for what must not be believed, Unreachable and BadAnswer of *fetch*, StorageError. The
    *store* needs a root (:meth:`TrustStore.begin`).
    """

    def __init__(self, fetch: Fetch, store: TrustStore, now: float, limits: Limits = Limits()) -> None:  # noqa: B008
        self._fetch = fetch
        self._store = store
        self._limits = limits
        root = store.read(ROOT, limits.root_bytes)
        if root is None:
            raise Untrusted(f"{store.folder}: no root of trust in it", "name one with --trust-root")
        self.trusted = Trusted(root, now, store.last())
        self._believed: dict[tuple[str, ...], Targets] = {}

    def refresh(self) -> None:
        """Bring the four top-level roles up to date (5.3 to 5.6). Once: what was believed before would mix in."""
        if self._believed:
            raise RuntimeError("refreshed already; to look again, make another of these")
        self._refresh_root()
        self._refresh_timestamp()
        self._refresh_snapshot()
        self._targets(self.trusted.targets)
        self._store.was_well(self.trusted.now)

    def find(self, path: str) -> Optional[FileInfo]:
        """What is promised about the target *path*, after :meth:`refresh`; None when nobody speaks of it (5.6.7)."""
        search = Search(path, self.trusted.targets, self._limits.roles_asked)
        while (role := search.next()) is not None:
            found = search.answer(self._targets(role))
            if found is not None:
                return found
        return None

    def paths(self) -> Iterator[str]:
        """The targets that any role speaks of, after :meth:`refresh`; roles that divide all paths among them left out.
        Whether one is believed, only :meth:`find` can tell. Raises Untrusted when there are too many roles."""
        left, seen = [self.trusted.targets], 0
        while left:
            seen += 1
            if seen > self._limits.roles_asked:
                raise Untrusted(f"more than {self._limits.roles_asked} roles would have to be asked")
            found = self._targets(left.pop())
            yield from found.targets.value
            left += [one.authority for one in found.delegations if one.authority.name not in one.authority.chain[:-1]]

    def file_of(self, info: FileInfo) -> str:
        """The name under which a repository keeps a target, encoded for a URL (5.7.3)."""
        folder, slash, name = info.where.rpartition("/")
        prefix = f"{info.digest}." if self.trusted.root.consistent_snapshot and info.digest else ""
        return "/".join(map(quote, (folder + slash + prefix + name).split("/")))

    def _refresh_root(self) -> None:
        left = self._limits.new_roots
        while (data := self._fetch(f"{self.trusted.root.version + 1}.root.json", self._limits.root_bytes)) is not None:
            if not left:
                raise Untrusted(f"root.json: more than {self._limits.new_roots} new versions at once")
            left -= 1
            self.trusted.new_root(data)
            self._store.write(ROOT, data)
        self.trusted.last_root()

    def _refresh_timestamp(self) -> None:
        limit = self._limits.timestamp_bytes
        data = self._demand(f"{TIMESTAMP}.json", limit)
        known = self._store.read(TIMESTAMP, limit)
        with suppress(Untrusted):
            if known is not None and known != data:
                self.trusted.known_timestamp(known)
        if self.trusted.new_timestamp(data) and data != known:
            self._store.write(TIMESTAMP, data)

    def _refresh_snapshot(self) -> None:
        known = self._store.read(SNAPSHOT, self._limits.snapshot_bytes)
        with suppress(Untrusted, Corrupt):
            if known is not None:
                self.trusted.known_snapshot(known)
        if self.trusted.snapshot is None:
            data = self._promised(SNAPSHOT, self.trusted.promised_snapshot, self._limits.snapshot_bytes)
            self.trusted.new_snapshot(data)
            self._store.write(SNAPSHOT, data)

    def _targets(self, role: Authority) -> Targets:
        """The metadata of a targets role as it is believed by way of this very chain of delegations."""
        if role.chain not in self._believed:
            self._believed[role.chain] = self._known_targets(role) or self._new_targets(role)
        return self._believed[role.chain]

    def _known_targets(self, role: Authority) -> Optional[Targets]:
        data = self._store.read(role.name, self._limits.targets_bytes)
        with suppress(Untrusted, Corrupt):
            return None if data is None else self.trusted.read_targets(role, data)
        return None

    def _new_targets(self, role: Authority) -> Targets:
        promised = self.trusted.promised_targets(role.name)
        data = self._promised(role.name, promised, self._limits.targets_bytes)
        found = self.trusted.read_targets(role, data)
        self._store.write(role.name, data)
        return found

    def _promised(self, role: str, info: FileInfo, most: int) -> bytes:
        limit = most if info.length is None else min(most, info.length)
        version = f"{info.version}." if self.trusted.root.consistent_snapshot else ""
        return self._demand(f"{version}{quote(role)}.json", limit)

    def _demand(self, name: str, limit: int) -> bytes:
        data = self._fetch(name, limit)
        if data is None:
            raise Absent(f"{name}: there is no such metadata", KEEPER)
        return data


def download(http: Http, url: str, info: FileInfo, files: Files, into: str) -> bool:
    """Have the target as the file *into*; False when it was there. It gets that name when it is whole and the promised
    one, and not a byte more is read (5.7). Raises Corrupt, Unreachable, BadAnswer, StorageError."""
    if _have(info, files, into):
        return False
    stream_target(pieces(http, url, info.length or 0), info, files, into)
    return True


def stream_target(source: Iterator[bytes], info: FileInfo, files: Files, into: str) -> None:
    """Write what comes to the file *into*, which gets that name when it is whole and what *info* promises. Raises
    Corrupt as soon as there is too much, StorageError, and what *source* raises."""
    part = f"{into}.part"
    files.remove(part)
    check = info.checking()
    try:
        with files.open_append(part) as file:
            for piece in source:
                check.update(piece)
                file.write(piece)
        check.end()
        files.rename(part, into)
    finally:
        files.remove(part)


def _have(info: FileInfo, files: Files, path: str) -> bool:
    if not files.exists(path):
        return False
    check = info.checking()
    try:
        with files.open_read(path) as file:
            while piece := file.read(PIECE):
                check.update(piece)
        check.end()
    except Corrupt:
        return False
    return True
