"""Small bundles: a program of a few files, images of a few bytes."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.updates.bundle import Bundle
from sdcupgrade.updates.bundle_index import Index, Member, Program
from sdcupgrade.updates.bundle_write import Carrier, Writer, carrier
from sdcupgrade.updates.source import Part

HEADER = pathlib.Path(__file__).parents[2] / "build" / "header.sh"
ORIGIN = "00000000-0000-4000-8000-000000000001"
IMGAPI = "00000000-0000-4000-8000-000000000002"
TOOLS = "00000000-0000-4000-8000-000000000003"
DATA = {ORIGIN: b"origin" * 50, IMGAPI: b"imgapi" * 50, TOOLS: b"tools" * 50}
Describe = Callable[[Index], Index]


def one_file(folder: pathlib.Path, version: str = "1.2.3") -> pathlib.Path:
    """What looks like the one file, and has nothing in it."""
    place = folder / f"sdcupgrade-{version}"
    with place.open("wb") as file:
        file.write(HEADER.read_bytes())
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("site-packages/sdcupgrade/__init__.py", f'__version__ = "{version}"\n')
            archive.writestr("site-packages/sdcupgrade/_build.py", "STAMP = 'main-20261123T101500Z-g0123abc'\n")
    return place


def manifest(uuid: str, name: str, data: bytes, origin: str = "") -> bytes:
    """As an updates server gives it."""
    file = {"sha1": hashlib.sha1(data).hexdigest(), "size": len(data), "compression": "gzip"}
    given = {"v": 2, "uuid": uuid, "name": name, "version": f"{name}-1", "type": "zone-dataset", "files": [file]}
    given["published_at"] = "2024-05-23T09:41:00.000Z"
    return json.dumps({**given, "origin": origin} if origin else given).encode()


def parts() -> dict[str, bytes]:
    """The members of a bundle that upgrades imgapi, with gzbits and metadata."""
    return {
        "spec.json": json.dumps({"imgapi": IMGAPI}).encode(),
        f"manifests/{ORIGIN}.json": manifest(ORIGIN, "triton-origin", DATA[ORIGIN]),
        f"manifests/{IMGAPI}.json": manifest(IMGAPI, "imgapi", DATA[IMGAPI], ORIGIN),
        f"manifests/{TOOLS}.json": manifest(TOOLS, "gzbits", DATA[TOOLS]),
        "trust/timestamp.json": b'{"signed": {"expires": "2026-12-24T00:00:00Z"}}',
        f"images/{ORIGIN}": DATA[ORIGIN],
        f"images/{IMGAPI}": DATA[IMGAPI],
        f"gzbits/{TOOLS}": DATA[TOOLS],
    }


@dataclass
class Maker:
    """Writes bundles into *folder*; what it is given to change, it changes."""

    folder: pathlib.Path
    files: RootedFiles = field(default_factory=lambda: RootedFiles("/", fsync=False))

    def program(self) -> Carrier:
        """The program that goes in."""
        place = one_file(self.folder)
        return carrier(self.files, Part(str(place), 0, place.stat().st_size))

    def write(
        self,
        name: str = "foo",
        members: Sequence[tuple[str, bytes]] = (),
        change: Describe = lambda index: index,
        signature: Callable[[bytes], bytes] = lambda raw: b"",
    ) -> pathlib.Path:
        """A bundle with those members (:func:`parts`), its index changed by *change*."""
        place = self.folder / f"{name}.sdcupgrade"
        with self.files.replacing(str(place), 0o755) as target, Writer(target.file, self.program(), name) as writer:
            for member, data in members or list(parts().items()):
                writer.add(member, len(data), [data])
            writer.finish(self.files, lambda *found: change(described(name, *found)), signature)
        return place

    def open(self, place: pathlib.Path) -> Bundle:
        """Open it."""
        return Bundle.open(self.files, str(place))


def described(name: str, header: Member, program: Program, members: tuple[Member, ...]) -> Index:
    """The index of it."""
    images = tuple(uuid for uuid in (ORIGIN, IMGAPI) if f"manifests/{uuid}.json" in {one.name for one in members})
    tools = TOOLS if f"gzbits/{TOOLS}" in {one.name for one in members} else ""
    return Index(name, "2026-11-25T12:00:00.000Z", "dev", "https://updates.example.com", "", images, tools,
                 header, program, members)  # fmt: skip


def listed(change: Callable[[list[Member]], list[Member]]) -> Describe:
    """Changes the members that an index names."""
    return lambda index: replace(index, members=tuple(change(list(index.members))))


def whole(bundle: Bundle) -> None:
    """Verify, with nobody listening."""
    bundle.verify(lambda event: None)


def flipped(data: bytes, at: int) -> bytes:
    """One bit of it is another."""
    spoilt = io.BytesIO(data)
    spoilt.seek(at)
    spoilt.write(bytes([data[at] ^ 4]))
    return spoilt.getvalue()
