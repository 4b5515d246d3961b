"""A bundle as the place that images come from: nothing is fetched, and the bytes are read where they lie."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

from sdcupgrade.errors import BadInput, Corrupt
from sdcupgrade.updates.source import Body, Reading, absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from sdcupgrade.model import Image
    from sdcupgrade.updates.bundle import Bundle
    from sdcupgrade.updates.source import Part
    from sdcupgrade.updates.trusted import Fetch


@dataclass(frozen=True)
class BundleSource:
    """See :class:`sdcupgrade.updates.source.Source`. It has no channels: all that is inside was chosen when it was
    made."""

    bundle: Bundle

    @property
    def name(self) -> str:
        """The path of the file, from anywhere."""
        return absolute(self.bundle.files, self.bundle.path)

    def channels(self) -> tuple[str, ...]:
        """None."""
        return ()

    def images(self, name: str, channel: str) -> tuple[Image, ...]:
        """Those of that name, whatever the channel."""
        index = self.bundle.index
        found = [self.bundle.image(uuid) for uuid in (*index.images, *filter(None, [index.gzbits]))]
        there = [image for image in found if image is not None and image.name == name]
        return tuple(sorted(there, key=lambda image: image.published_at))

    def image(self, uuid: str) -> Optional[Image]:
        """Also one whose bytes were left out."""
        return self.bundle.image(uuid)

    def local(self, uuid: str) -> Optional[Part]:
        """Where the bytes lie."""
        return self.bundle.file_of(uuid)

    def metadata(self) -> Optional[Fetch]:
        """What is below ``trust/``, when there is any."""
        there = any(member.name.startswith("trust/") for member in self.bundle.index.members)
        return BundledMetadata(self.bundle) if there else None

    @contextmanager
    def open(self, uuid: str, channel: str, offset: int = 0, etag: str = "") -> Iterator[Body]:
        """Raises BadInput for an image whose bytes were left out."""
        part = self.bundle.file_of(uuid)
        if part is None:
            raise BadInput(
                f"{self.name}: the bytes of image {uuid} are not inside: it was made for a site that has them"
                f" ({self.bundle.index.base or 'no base'})",
                "make the bundle anew with --base of this datacenter's own inventory, or without --base",
            )
        with self.bundle.files.open_read(part.path) as file:
            file.seek(part.offset + offset)
            yield Body(Reading(file, part.size - offset), offset, part.size, "", ended=offset > part.size)


@dataclass(frozen=True)
class BundledMetadata:
    """A :class:`sdcupgrade.updates.trusted.Fetch` of what travels in a bundle."""

    bundle: Bundle

    def __call__(self, name: str, limit: int) -> Optional[bytes]:
        """See there."""
        member = self.bundle.index.find(f"trust/{name}")
        if member is None:
            return None
        if member.size > limit:
            raise Corrupt(f"{self.bundle.path}: {member.name}: longer than the {limit} bytes that are allowed")
        return self.bundle.read(member.name)
