"""What is signed, for those who only want to know that: a root of trust, metadata from somewhere, and a question.

An image is the target ``<name>/<uuid>``; the signer's own words about it (version, buildstamp) are its ``custom``. The
metadata of a release travels with it: below a URL, as the image ``sdcupgrade-trust`` of an updates server, inside a
bundle or a folder. How it is judged is :mod:`sdcupgrade.updates.trusted`'s and :mod:`sdcupgrade.trust`'s.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from sdcupgrade.errors import BadInput, Corrupt, NoInput, Untrusted
from sdcupgrade.trust.client import Trusted
from sdcupgrade.trust.metadata import ROOT
from sdcupgrade.updates.trusted import Absent, FolderFetch, HttpFetch, TrustedUpdates, TrustStore, stream_target
from sdcupgrade.version import baked_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from sdcupgrade.doors import Doors
    from sdcupgrade.doors.files import Files
    from sdcupgrade.model import Image
    from sdcupgrade.trust.metadata import FileInfo
    from sdcupgrade.updates.source import Source
    from sdcupgrade.updates.trusted import Fetch

SITE_ROOT = "/var/sdcupgrade/trust-root.json"
"""A site's own root of trust, which replaces the one inside."""

ANOTHER_ROOT = "get it anew from who signs for you (a file named N.root.json), or do without it"

STORES = "/var/sdcupgrade/trust"
ROOT_LIMIT = 512_000
TRUST_IMAGE = "sdcupgrade-trust"
ARCHIVE_LIMIT = 8 << 20
"""Bytes of a ``sdcupgrade-trust`` image; a repository of 1,000 targets has about 100,000."""

KEEPER = "tell its keeper; or say where the metadata is: --metadata WHERE; nothing was changed"
NO_ROOT = "name the root of trust that you were given: --trust-root FILE; or keep it as " + SITE_ROOT


def root_of_trust(files: Files, named: Optional[str] = None) -> bytes:
    """Whom to believe in the end: the file *named*, else the site's own, else what is inside this program.

    Raises Untrusted when there is none of them, NoInput when the named file is not there, BadInput for a file that is
    no root of trust: whoever put one there does not want another to count.
    """
    if named:
        return _proven(files.read(named, ROOT_LIMIT), named)
    with suppress(NoInput):
        return _proven(files.read(SITE_ROOT, ROOT_LIMIT), SITE_ROOT)
    root = baked_root()
    if root is None:
        raise Untrusted("this sdcupgrade has no root of trust inside, so nothing signed can be verified", NO_ROOT)
    return root


def _proven(root: bytes, path: str) -> bytes:
    """*root*, which verifies itself; whether it is in force is asked when it is used."""
    try:
        Trusted(root, now=0.0)
    except Untrusted as why:
        raise BadInput(f"{path}: is no root of trust: {why.message}; nothing was changed", ANOTHER_ROOT) from why
    return root


def metadata_of(doors: Doors, source: Source, channel: str, named: str = "") -> Optional[Fetch]:
    """Where the metadata for *source* is: what was *named* (a URL, a folder, a file), else what the source itself
    carries, else the newest ``sdcupgrade-trust`` image of the channel. None when there is none of them.

    Raises NoInput when what was named is not there, and what a source raises.
    """
    if named.startswith(("http://", "https://")):
        return HttpFetch(doors.web, named)
    if named:
        return _local_metadata(doors.files, named)
    own = source.metadata()
    if own is not None:
        return own
    published = source.images(TRUST_IMAGE, channel)
    return _image_metadata(source, published[-1], channel) if published else None


def _local_metadata(files: Files, path: str) -> Fetch:
    from sdcupgrade.updates.trust_archive import HeldFetch, read_archive

    if files.is_dir(path):
        return FolderFetch(files, path)
    if not files.exists(path):
        hint = "name a URL, a folder or a .tgz: --metadata WHERE; nothing was changed"
        raise NoInput(f"{path}: there is no such file, nor a folder with metadata", hint)
    return HeldFetch(read_archive(files.read(path, ARCHIVE_LIMIT), path))


def _image_metadata(source: Source, image: Image, channel: str) -> Fetch:
    from sdcupgrade.updates.source import file_channel
    from sdcupgrade.updates.trust_archive import HeldFetch, read_archive

    where = f"{image.name} {image.version} on {source.name}"
    data = bytearray()
    with source.open(image.uuid, file_channel(image, channel)) as body:
        while len(data) <= ARCHIVE_LIMIT and (piece := body.stream.read(64 << 10)):
            data += piece
    return HeldFetch(read_archive(bytes(data), where))


class Believed:
    """What the signers say of images. Metadata is brought up to date at the first question, once; *where* it comes from
    is said when it must not be believed.

    Every method raises Untrusted or Corrupt for metadata that must not be believed, Unreachable and BadAnswer where it
    cannot be had, StorageError.
    """

    def __init__(
        self, files: Files, root: bytes, fetch: Fetch, now: float, folder: str = "", where: str = ""
    ) -> None:
        self._where = f"signed metadata from {where}" if where else "signed metadata"
        self._store = TrustStore(files, folder or store_of(files, root))
        self._root = root
        self._fetch = _Remembering(fetch)
        self._now = now
        self._updates: Optional[TrustedUpdates] = None

    def find(self, name: str, uuid: str) -> Optional[FileInfo]:
        """What is signed of the image; None when nobody speaks of it."""
        found = self._refreshed().find(f"{name}/{uuid}")
        if found is not None and (found.custom.get("name", name), found.custom.get("uuid", uuid)) != (name, uuid):
            raise Untrusted(f"{found.where}: the signer calls it {found.custom.get('name')} {found.custom.get('uuid')}")
        return found

    def by_digest(self, name: str, sha256: str, length: int) -> Optional[FileInfo]:
        """What is signed of a file with these bytes, as an image of that name."""
        updates = self._refreshed()
        for path in updates.paths():
            if path.startswith(f"{name}/"):
                found = updates.find(path)
                if found is not None and found.length == length and found.hashes.get("sha256") == sha256:
                    return found
        return None

    def metadata(self) -> dict[str, bytes]:
        """Every file that the answers so far rest on, and all roots there are: what has to travel with the images.
        Where a store in *folder* knew some of it before, that is not among them."""
        for version in range(1, self._refreshed().trusted.root.version + 1):
            self._fetch(f"{version}.root.json", ROOT_LIMIT)
        return dict(self._fetch.seen)

    def refresh(self) -> TrustedUpdates:
        """Bring the metadata up to date now."""
        return self._refreshed()

    def _refreshed(self) -> TrustedUpdates:
        if self._updates is None:
            self._store.begin(self._root)
            try:
                updates = TrustedUpdates(self._fetch, self._store, self._now)
                updates.refresh()
            except (Untrusted, Corrupt, Absent) as why:
                why.message = f"{self._where}: {why.message}"
                why.state = (f"what was believed before still is, and is kept in {self._store.folder}",)
                raise
            self._updates = updates
        return self._updates


class _Remembering:
    """A fetch that knows what it has brought."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.seen: dict[str, bytes] = {}

    def __call__(self, name: str, limit: int) -> Optional[bytes]:
        data = self._fetch(name, limit)
        if data is not None:
            self.seen[name] = data
        return data


def store_of(files: Files, root: bytes) -> str:
    """The folder of what is believed on the strength of this root. A stranger begins anew; one that an older root has
    led to already, as the root in a newer program does, goes on with what was seen by then."""
    own = f"{STORES}/{hashlib.sha256(root).hexdigest()[:16]}"
    if not files.exists(f"{own}/{ROOT}.json"):
        for name in files.listdir(STORES):
            with suppress(NoInput):
                if files.read(f"{STORES}/{name}/{ROOT}.json", ROOT_LIMIT) == root:
                    return f"{STORES}/{name}"
    return own


def fetch_signed(source: Source, image: Image, channel: str, info: FileInfo, files: Files, into: str) -> None:
    """Have the image's file as *into*: it gets that name when it is whole and the signed one, and not a byte more is
    read. It is left as a file that nobody can execute.

    Raises Corrupt, Unreachable, BadAnswer, StorageError.
    """
    from sdcupgrade.updates.source import file_channel

    def pieces() -> Iterator[bytes]:
        with source.open(image.uuid, file_channel(image, channel)) as body:
            limit = info.length or 0
            got = 0
            while piece := body.stream.read(min(1 << 20, limit + 1 - got)):
                got += len(piece)
                yield piece

    stream_target(pieces(), info, files, into)
