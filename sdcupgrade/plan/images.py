"""What a plan needs to know of images: their age, their origins, and what has to be downloaded in which order.

Nothing is fetched here; manifests are given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdcupgrade.plan.document import Download, ImageRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Optional

    from sdcupgrade.model import Image, Inventory

DEPTH_LIMIT = 100
"""IMGAPI's own limit of origins below one image (reference 2.4)."""

_STAMP = re.compile(r"\d{8}T\d{6}Z")


def stamp(image: Image) -> str:
    """When the image was built, as ``20240118T143155Z``: the last stamp in its version (a branch may hold dashes and
    dates, reference 3.2), else when it was published, else empty."""
    stamps = _STAMP.findall(image.version)
    return stamps[-1] if stamps else compact(image.published_at)


def compact(iso: str) -> str:
    """``2024-01-18T14:31:55.113Z`` as ``20240118T143155Z``; empty stays empty."""
    digits = re.sub(r"\D", "", iso)
    return f"{digits[:8]}T{digits[8:14]}Z" if len(digits) >= 14 else ""


def reference(uuid: str, image: Optional[Image]) -> ImageRef:
    """The image as the plan shows it; one that nobody knows has its uuid only (TOOLS-2110)."""
    return ImageRef(uuid, image.version, image.published_at) if image else ImageRef(uuid, "", "")


@dataclass(frozen=True)
class Chain:
    """The images that IMGAPI lacks below one target, deepest origin first, the target last. *lacking* is the uuid of
    an origin whose manifest nobody has, or that is its own origin."""

    images: tuple[Image, ...]
    lacking: str = ""


def chain(target: Image, images: Mapping[str, Image], held: Collection[str]) -> Chain:
    """Walk down from *target* until an image that IMGAPI *held* already: that one has its own origins there."""
    found: list[Image] = []
    image: Optional[Image] = target
    while image is not None and image.uuid not in held:
        found.insert(0, image)
        if image.origin is None or image.origin in held:
            break
        origin = image.origin
        image = None if origin in {item.uuid for item in found} else images.get(origin)
        if image is None or len(found) > DEPTH_LIMIT:
            return Chain(tuple(found), origin)
    return Chain(tuple(found))


@dataclass(frozen=True)
class Wanted:
    """A target and the servers whose pools need it."""

    image: Image
    servers: tuple[str, ...]


def downloads_for(
    wanted: Collection[Wanted],
    images: Mapping[str, Image],
    inventory: Inventory,
    channel: str,
    signed: Mapping[str, str] = {},
) -> tuple[Download, ...]:
    """Targets and missing origins, each once, origins before what stands on them. *signed* is sha256 by uuid."""
    places: dict[str, set[str]] = {}
    generation: dict[str, int] = {}
    manifests: dict[str, Image] = {}
    for want in wanted:
        links = chain(want.image, images, inventory.imgapi_images).images or (want.image,)
        for depth, image in enumerate(links):
            manifests[image.uuid] = image
            generation[image.uuid] = depth
            lack = {server for server in want.servers if image.uuid not in inventory.installed.get(server, ())}
            places.setdefault(image.uuid, set()).update(lack)
    ordered = sorted(manifests.values(), key=lambda image: (generation[image.uuid], image.name, image.uuid))
    return tuple(
        Download(
            uuid=image.uuid,
            name=image.name,
            version=image.version,
            size=image.file.size if image.file else 0,
            sha1=image.file.sha1 if image.file else "",
            generation=generation[image.uuid],
            present=image.uuid in inventory.imgapi_images,
            channel=file_channel(image, channel),
            servers=tuple(sorted(places[image.uuid])),
            manifest=image.manifest,
            signed=image.uuid in signed,
            sha256=signed.get(image.uuid, ""),
        )
        for image in ordered
    )


def file_channel(image: Image, channel: str) -> str:
    """The channel to ask the file from: one that the image is in, for that endpoint refuses ``*`` (reference 2.4)."""
    return channel if channel in image.channels or not image.channels else image.channels[0]
