"""Which gzbits the operator means, and their tarball, verified, on this machine.

A word is ``latest``, the uuid of a gzbits image, or the path of a tarball. An image's bytes have to be those of its
manifest, and those that somebody trusted has signed, where one has. A file is looked for among what is signed when the
operator names a root of trust or metadata, or wants nothing unsigned.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sdcupgrade.bits.tarball import Tarball
from sdcupgrade.errors import BadInput, NoInput, SdcupgradeError, Untrusted
from sdcupgrade.run.bits_state import FOLDER
from sdcupgrade.stages.signed import signed_digests
from sdcupgrade.updates.channel import LATEST, UUID, channel_of, resolve
from sdcupgrade.updates.digests import check_in_place
from sdcupgrade.updates.fetch import fetch_all, forget, path_of
from sdcupgrade.updates.source import Part, Reading, file_channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from sdcupgrade.model import Image
    from sdcupgrade.stages.site import Site
    from sdcupgrade.updates.source import Source

NAME = "gzbits"
"""Of the images."""

DOWNLOADS = f"{FOLDER}/download"
SIZE_LIMIT = 1 << 30
"""Bytes of a tarball; a real one has 20 MB."""


@dataclass(frozen=True)
class Found:
    """A tarball on this machine. *image* is empty for a file; *name* is for messages."""

    name: str
    part: Part
    image: str
    sha256: str
    signed: bool


@dataclass(frozen=True)
class _Wanted:
    """See :class:`sdcupgrade.updates.fetch.Wanted`."""

    uuid: str
    name: str
    version: str
    size: int
    sha1: str
    sha256: str
    channel: str


def find(site: Site, word: str, channel: Optional[str] = None) -> Found:
    """Have the tarball that *word* means. Raises BadInput, NoInput, Untrusted, Corrupt, and what a source raises."""
    if word == LATEST or UUID.fullmatch(word):
        return _image(site, word, channel)
    files = site.doors.files
    if not files.exists(word):
        raise NoInput(f"{word}: there is no such file, nor is it {LATEST} or the uuid of an image", _USE)
    if files.is_dir(word) or files.size(word) > SIZE_LIMIT:
        raise BadInput(f"{word}: not a gzbits tarball", _USE)
    part = Part(word, 0, files.size(word))
    digest = _sha256(site, part)
    return Found(word, part, "", digest, _signed_file(site, word, part, digest, channel))


_USE = "name a gzbits-VERSION.tgz, or the uuid of a gzbits image, or latest; nothing was changed"


@contextmanager
def opened(site: Site, found: Found) -> Iterator[Tarball]:
    """The tarball, its manifest read. Raises BadInput or Corrupt."""
    with site.doors.files.open_read(found.part.path) as file:
        file.seek(found.part.offset)
        yield Tarball(Reading(file, found.part.size), found.name)


def as_file(site: Site, found: Found) -> str:
    """The path of a file with nothing else in it: one that is inside a bundle is copied."""
    part, files = found.part, site.doors.files
    if part.offset == 0 and files.size(part.path) == part.size:
        return part.path
    path = f"{DOWNLOADS}/{found.image or 'gzbits'}.image"
    files.mkdir(DOWNLOADS)
    with files.open_read(part.path) as file:
        file.seek(part.offset)
        reading = Reading(file, part.size)
        files.put(path, iter(lambda: reading.read(1 << 20), b""), 0o600, files.owner)
    return path


def forget_downloads(site: Site) -> None:
    """Remove what was fetched: it is installed now."""
    files = site.doors.files
    for uuid in {name.partition(".")[0] for name in files.listdir(DOWNLOADS)}:
        forget(DOWNLOADS, uuid, files)


def _image(site: Site, word: str, asked: Optional[str]) -> Found:
    source = site.source()
    channel = channel_of(source, asked, None if asked else _update_channel(site))
    image = resolve(source, NAME, (NAME,), word, channel)
    if image.file is None:
        raise BadInput(f"{NAME} image {image.uuid} has no file", "tell the keeper of the updates server")
    sha256 = signed_digests(site, source, channel, {image.uuid: image}).get(image.uuid, "")
    if not sha256:
        _unsigned(site, f"{NAME} {image.version} ({image.uuid})")
    one = _Wanted(
        image.uuid, NAME, image.version, image.file.size, image.file.sha1, sha256, file_channel(image, channel)
    )
    part = _fetched(site, source, image, one)
    return Found(f"{NAME} {image.version}", part, image.uuid, sha256 or _sha256(site, part), bool(sha256))


def _fetched(site: Site, source: Source, image: Image, one: _Wanted) -> Part:
    part = source.local(image.uuid)
    if part is not None:
        check_in_place([(one, part)], site.doors.files, site.emit)
        return part
    fetch_all([one], DOWNLOADS, source, site.doors.files, site.doors.clock, site.emit, 1)
    return Part(path_of(DOWNLOADS, image.uuid), 0, one.size)


def _update_channel(site: Site) -> Optional[str]:
    """The datacenter's own channel; with the stack down nobody can tell, and the source's default has to do."""
    try:
        channel = site.datacenter.sapi.application("sdc").metadata.get("update_channel")
    except SdcupgradeError as why:
        site.note(NAME, f"sapi does not tell the datacenter's channel ({why.message}); --channel names one")
        return None
    return channel if isinstance(channel, str) else None


def _signed_file(site: Site, word: str, part: Part, digest: str, asked: Optional[str]) -> bool:
    if site.wanted.strict:
        source = site.source()
        channel = "" if site.wanted.metadata else channel_of(source, asked, _update_channel(site))
        believed = site.believed(source, channel)
        if believed is not None and believed.by_digest(NAME, digest, part.size) is not None:
            return True
    _unsigned(site, word)
    return False


def _unsigned(site: Site, what: str) -> None:
    """Raises Untrusted where nothing unsigned is wanted."""
    if site.wanted.require_signed:
        raise Untrusted(f"{what} is unsigned", "nothing was changed; --require-signed asks for a signed one")
    site.note(NAME, f"{what} is unsigned: its bytes are what its manifest says, and nobody vouches for that")


def _sha256(site: Site, part: Part) -> str:
    found, left = hashlib.sha256(), part.size
    with suppress(EOFError), site.doors.files.open_read(part.path) as file:
        file.seek(part.offset)
        while left > 0 and (piece := file.read(min(1 << 20, left))):
            found.update(piece)
            left -= len(piece)
    return found.hexdigest()
