"""The datacenter's own IMGAPI as the place that images come from: for images that somebody imported by hand.

Nothing needs to be fetched from it. Where it has channels they are its own; *latest* is what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.dc.imgapi import listed
from sdcupgrade.errors import BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Optional

    from sdcupgrade.dc.imgapi import Imgapi
    from sdcupgrade.model import Image
    from sdcupgrade.updates.source import Body, Part
    from sdcupgrade.updates.trusted import Fetch


@dataclass(frozen=True)
class OwnImgapi:
    """See :class:`sdcupgrade.updates.source.Source`."""

    imgapi: Imgapi

    @property
    def name(self) -> str:
        """The operator's word for it, by which a plan finds it again."""
        return "imgapi"

    def channels(self) -> tuple[str, ...]:
        """None: whatever channel an image came by, it is here."""
        return ()

    def images(self, name: str, channel: str) -> tuple[Image, ...]:
        """The active ones of that name, newest last."""
        return tuple(one for one in listed(self.imgapi.api, {"name": name, "state": "active"}) if one.name == name)

    def image(self, uuid: str) -> Optional[Image]:
        """See :class:`sdcupgrade.updates.source.Source`."""
        return self.imgapi.image(uuid)

    def local(self, uuid: str) -> Optional[Part]:
        """None: the bytes are in IMGAPI, where they are wanted."""
        return None

    def metadata(self) -> Optional[Fetch]:
        """None of its own."""
        return None

    def open(self, uuid: str, channel: str, offset: int = 0, etag: str = "") -> AbstractContextManager[Body]:
        """Its images are active in it already; one that has to be fetched vanished meanwhile."""
        raise BadInput(f"image {uuid} is not active in this datacenter's IMGAPI", "import it, or use another --source")
