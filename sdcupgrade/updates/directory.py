"""A folder with images as the place that images come from: manifests, each with its file beside it.

A manifest is any ``*.imgmanifest``, ``*.manifest`` or ``*.json`` that is a v2 manifest; its file has the same stem, or
the image's uuid, and another ending (``.imgfile``, ``.file``, ``.zfs.gz``, ``.tgz``, ...), as `imgadm`, the boot key
and our own tools name them. Signed metadata lies in ``trust/`` below it. There are no channels.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass

from sdcupgrade.errors import BadInput, SdcupgradeError
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.model import Image
from sdcupgrade.updates.source import Body, Part, Reading, absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Optional

    from sdcupgrade.doors.files import Files
    from sdcupgrade.updates.trusted import Fetch

MANIFESTS = (".imgmanifest", ".manifest", ".json")
MANIFEST_LIMIT = 4 << 20
TRUST = "trust"


@dataclass(frozen=True)
class Directory:
    """See :class:`sdcupgrade.updates.source.Source`; *held* is manifest and file by uuid, oldest first."""

    files: Files
    path: str
    held: Mapping[str, tuple[Image, Optional[Part]]]

    @property
    def name(self) -> str:
        """The path of the folder, from anywhere."""
        return absolute(self.files, self.path)

    def channels(self) -> tuple[str, ...]:
        """None."""
        return ()

    def images(self, name: str, channel: str) -> tuple[Image, ...]:
        """Those of that name, newest last."""
        return tuple(image for image, _ in self.held.values() if image.name == name)

    def image(self, uuid: str) -> Optional[Image]:
        """See :class:`sdcupgrade.updates.source.Source`."""
        return self.held[uuid][0] if uuid in self.held else None

    def local(self, uuid: str) -> Optional[Part]:
        """Where its file lies."""
        return self.held[uuid][1] if uuid in self.held else None

    def metadata(self) -> Optional[Fetch]:
        """What is in ``trust/``."""
        from sdcupgrade.updates.trusted import FolderFetch

        folder = f"{self.path}/{TRUST}"
        return FolderFetch(self.files, folder) if self.files.is_dir(folder) else None

    @contextmanager
    def open(self, uuid: str, channel: str, offset: int = 0, etag: str = "") -> Iterator[Body]:
        """Raises BadInput for an image without a file."""
        part = self.local(uuid)
        if part is None:
            raise BadInput(f"{self.path}: the file of image {uuid} is not there", "put it beside its manifest")
        with self.files.open_read(part.path) as file:
            file.seek(part.offset + offset)
            yield Body(Reading(file, part.size - offset), offset, part.size, "", ended=offset > part.size)


def open_directory(files: Files, path: str) -> Directory:
    """Read the manifests in the folder *path*. Raises BadInput when there is none, and for two of the same image."""
    path = path.rstrip("/") or "/"
    names = files.listdir(path)
    found: dict[str, tuple[Image, Optional[Part]]] = {}
    for name in names:
        image = _manifest(files, path, name)
        if image is None:
            continue
        if image.uuid in found:
            raise BadInput(f"{path}/{name}: a second manifest of image {image.uuid}", "take one of the two away")
        found[image.uuid] = (image, _file(files, path, name, image, names))
    if not found:
        raise BadInput(f"{path}: there is no image manifest in it", "a manifest ends in .imgmanifest or .json")
    return Directory(files, path, dict(sorted(found.items(), key=lambda item: item[1][0].published_at)))


def _manifest(files: Files, path: str, name: str) -> Optional[Image]:
    """The manifest in a file; None for a .json that is something else. Raises BadInput for one that is broken."""
    where = f"{path}/{name}"
    if not name.endswith(MANIFESTS):
        return None
    try:
        record = Record(loads(files.read(where, MANIFEST_LIMIT), where, BadInput), where, BadInput)
        return Image.read(record) if "v" in record.value and "uuid" in record.value else None
    except SdcupgradeError:
        if name.endswith(".json"):
            return None  # anybody's
        raise


def _file(files: Files, path: str, manifest: str, image: Image, names: list[str]) -> Optional[Part]:
    """The file beside a manifest. Raises BadInput when it might be one of several."""
    stem = next(manifest[: -len(ending)] for ending in MANIFESTS if manifest.endswith(ending))
    beside = [
        name
        for name in names
        if name.startswith((f"{stem}.", f"{image.uuid}.")) and not name.endswith((*MANIFESTS, ".part"))
    ]
    if len(beside) > 1:
        beside = [name for name in beside if image.file and files.size(f"{path}/{name}") == image.file.size]
    if len(beside) > 1 and image.file:
        beside = [name for name in beside if _sha1(files, f"{path}/{name}") == image.file.sha1]
    if len(beside) > 1:
        raise BadInput(f"{path}: {' and '.join(beside)} could both be the file of {manifest}", "take one away")
    return Part(f"{path}/{beside[0]}", 0, files.size(f"{path}/{beside[0]}")) if beside else None


def _sha1(files: Files, path: str) -> str:
    found = hashlib.sha1(usedforsecurity=False)
    with files.open_read(path) as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()
