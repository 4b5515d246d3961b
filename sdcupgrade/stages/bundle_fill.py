"""The bytes that go into a bundle: fetched beside it, or read where they lie, and written member by member.

What was fetched lies in a folder beside the bundle until that is whole, so that the same command goes on where it was
cut off; where the disk has no room for both, each image goes from there as soon as it is in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdcupgrade.errors import StorageError
from sdcupgrade.jsonvalue import pretty
from sdcupgrade.model import Event
from sdcupgrade.updates import bundle_form as form
from sdcupgrade.updates.bundle_index import SPEC
from sdcupgrade.updates.digests import Digests
from sdcupgrade.updates.fetch import SPARE, fetch_all, forget, path_of
from sdcupgrade.updates.source import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdcupgrade.stages.bundle import Chosen
    from sdcupgrade.stages.bundle_trust import Vouched
    from sdcupgrade.stages.site import Site
    from sdcupgrade.updates.bundle_write import Writer
    from sdcupgrade.updates.source import Source


@dataclass(frozen=True)
class Wanted:
    """An image whose bytes go in; a :class:`sdcupgrade.updates.fetch.Wanted`."""

    uuid: str
    name: str
    version: str
    size: int
    sha1: str
    channel: str
    sha256: str = ""


class Filling:
    """Brings the bytes together: those that the source has on this machine are read there, the others are fetched into
    *scratch*."""

    def __init__(self, site: Site, source: Source, chosen: Chosen, proof: Vouched, scratch: str) -> None:
        self._site = site
        self._files = site.doors.files
        self._source = source
        self._chosen = chosen
        self._proof = proof
        self._wanted = [replace(one, sha256=proof.digests.get(one.uuid, "")) for one in chosen.wanted]
        self._scratch = scratch
        self._keep = True
        self._local = {one.uuid: source.local(one.uuid) for one in self._wanted}

    @property
    def _fetched(self) -> list[Wanted]:
        return [one for one in self._wanted if self._local[one.uuid] is None]

    def fetch(self, parallel: int) -> None:
        """Have everything here; what is here from an earlier try is taken."""
        if self._fetched:
            doors = self._site.doors
            fetch_all(self._fetched, self._scratch, self._source, self._files, doors.clock, self._site.emit, parallel)

    def check_room(self, program: int) -> None:
        """Raises StorageError when the file, with a *program* of so many bytes, cannot be written beside what was
        fetched, even if each image leaves as soon as it is in."""
        free = self._files.free(self._scratch)
        total = sum(one.size for one in self._wanted) + program
        own = sum(one.size for one in self._fetched)
        largest = max((one.size for one in self._fetched), default=0)
        self._keep = free >= total + SPARE
        least = total - own + largest + SPARE
        if free < least:
            raise StorageError(
                f"{self._scratch} has {free >> 20} MiB free; writing the bundle needs {least >> 20} MiB",
                "free space there, then type the same command again; what was fetched is kept",
            )

    def write(self, writer: Writer) -> None:
        """All members, the small ones first."""
        self._small(writer, SPEC, pretty(dict(self._chosen.targets)).encode())
        for image in (*self._chosen.images, *self._chosen.gzbits):
            self._small(writer, f"manifests/{image.uuid}.json", pretty(dict(image.manifest)).encode())
        for name, data in sorted(self._proof.metadata.items()):
            self._small(writer, f"trust/{name}", data)
        tools = {image.uuid for image in self._chosen.gzbits}
        done, total = 0, sum(one.size for one in self._wanted)
        for one in self._wanted:
            folder = "gzbits" if one.uuid in tools else "images"
            writer.add(f"{folder}/{one.uuid}", one.size, self._bytes(one))
            done += one.size
            self._site.emit(Event("progress", "bundle", "images into the bundle", done, total))
            if not self._keep:
                forget(self._scratch, one.uuid, self._files)

    def _small(self, writer: Writer, name: str, data: bytes) -> None:
        writer.add(name, len(data), [data])

    def _bytes(self, one: Wanted) -> Iterator[bytes]:
        """The bytes of an image. Those that were fetched have been verified; those in place are now."""
        local = self._local[one.uuid]
        part = local or Part(path_of(self._scratch, one.uuid), 0, one.size)
        found = Digests(one) if local else None
        with self._files.open_read(part.path) as file:
            for piece in form.pieces(file, part.offset, part.size):
                if found is not None:
                    found.update(piece)
                yield piece
        if found is not None:
            found.check()

    def tidy(self) -> None:
        """What was fetched is in the bundle now."""
        for one in self._fetched:
            forget(self._scratch, one.uuid, self._files)
        self._files.rmdir(self._scratch)
