"""What an operator's word means: ``latest``, a version or a uuid becomes one image; an image brings its origins.

Versions are opaque for zone images; only published_at orders them, and only within a channel (reference 2.5).
"""

from __future__ import annotations

import re

from sdcupgrade.errors import BadAnswer, BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional

    from sdcupgrade.model import Image
    from sdcupgrade.updates.source import Source

LATEST = "latest"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DEPTH = 100
"""How long a chain of origins may be; IMGAPI's own limit (reference 2.4)."""


def channel_of(source: Source, asked: Optional[str], datacenter: Optional[str]) -> str:
    """The channel to take images from: the one asked for, else the datacenter's own, else the server's default.

    Raises BadInput when the source does not have it.
    """
    channels = source.channels()
    wanted = asked or datacenter
    if wanted is None:
        return channels[0] if channels else ""
    if channels and wanted not in channels:
        where = "" if asked else " (the update_channel of the sdc application in SAPI)"
        raise BadInput(
            f"there is no channel {wanted!r}{where} on {source.name}", f"it has: {', '.join(sorted(channels))}"
        )
    return wanted


def resolve(source: Source, service: str, names: tuple[str, ...], wanted: str, channel: str) -> Image:
    """The image that *wanted* means for a service whose images may have any of *names*. Raises BadInput if none does.

    A uuid may be in any channel, and its name is the caller's to judge.
    """
    if UUID.fullmatch(wanted):
        found = source.image(wanted)
        if found is None:
            raise BadInput(f"{service}: there is no image {wanted} on {source.name}", "list them: sdcupgrade avail")
        return found
    images = published(source, names, channel)
    if not images:
        raise BadInput(
            f"{service}: channel {channel!r} of {source.name} has no image named {' or '.join(names)}",
            "use another --channel, or name an image by its uuid",
        )
    if wanted == LATEST:
        return images[-1]
    same = [image for image in images if image.version == wanted]
    if not same:
        raise BadInput(f"{service}: channel {channel!r} has no version {wanted!r}", _nearest(wanted, images))
    return same[-1]


def published(source: Source, names: tuple[str, ...], channel: str) -> list[Image]:
    """The images of any of *names* in the channel, newest last."""
    found = [image for name in names for image in source.images(name, channel)]
    return sorted(found, key=lambda image: image.published_at)


def _nearest(wanted: str, images: list[Image]) -> str:
    from difflib import get_close_matches

    versions = list(dict.fromkeys(image.version for image in reversed(images)))
    near = get_close_matches(wanted, versions, n=3, cutoff=0.5) or versions[:3]
    return f"the nearest are: {', '.join(near)}"


def with_origins(source: Source, image: Image, have: Callable[[str], bool]) -> tuple[Image, ...]:
    """*image* and those of its origins that the datacenter lacks, deepest first.

    *have* tells whether the datacenter has an image, with all its origins then. Raises BadAnswer for an origin that is
    nowhere, and for a chain longer than 100, as a loop is.
    """
    chain = [image]
    while chain[-1].origin is not None and not have(chain[-1].origin):
        origin = chain[-1].origin
        if len(chain) > DEPTH:
            raise BadAnswer(f"the origins of image {image.uuid} ({image.name}) make no end: more than {DEPTH} deep")
        found = source.image(origin)
        if found is None:
            child = chain[-1]
            raise BadAnswer(
                f"image {child.uuid} ({child.name} {child.version}) needs origin {origin}, which neither this"
                f" datacenter nor {source.name} has",
                "bring the origin into IMGAPI by hand, or choose another image",
            )
        chain.append(found)
    return tuple(reversed(chain))
