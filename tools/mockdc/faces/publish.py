"""Publishing on the box's updates server, as a build does on the real one."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from mockdc.apis.imgapi.options import NOBODY, Options
from mockdc.core import bits

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

ZONE_SIZE = 65536
MAGIC = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz"}
NOT_ZONES = {"sdcadm", "gz-tools", "agentsshar", "platform", "sdcupgrade", "sdcupgrade-trust", "gzbits"}


class Refused(ValueError):
    """What cannot be published; says why."""


@dataclass(frozen=True)
class Image:
    """What is to be published. Without *file* its bytes are made up, *size* of them and a little more for gzip."""

    name: str
    version: Optional[str] = None
    channel: Optional[str] = None
    origin: Optional[str] = None
    size: Optional[int] = None
    file: Optional[pathlib.Path] = None
    uuid: Optional[str] = None
    tags: dict[str, str] = field(default_factory=dict)


def publish(dc: Datacenter, image: Image) -> Doc:
    """Put the image on the updates server and give its manifest. Raises Refused."""
    options = Options.of(dc, "updates")
    channel = image.channel or options.default_channel
    if channel not in options.channel_names:
        raise Refused(f"unknown channel: {channel} (there are: {', '.join(options.channel_names)})")
    if image.origin and dc.store.get("image", f"updates/{image.origin}") is None:
        raise Refused(f"origin image {image.origin} is not on the updates server: publish it first")
    number = image.uuid or str(uuid.uuid4())
    if dc.store.get("image", f"updates/{number}"):
        raise Refused(f"image {number} is on the updates server already")
    manifest = {**described(dc, image), "uuid": number, "files": [put_file(dc, number, image)], "channels": [channel]}
    with dc.store.transaction():
        dc.store.put("image", f"updates/{number}", manifest)
    return manifest


def described(dc: Datacenter, image: Image) -> Doc:
    """The manifest without file and uuid (reference 3.2, 3.3)."""
    now = dc.now()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    zone = image.name not in NOT_ZONES
    manifest: Doc = {
        "v": 2, "uuid": "", "owner": NOBODY, "name": image.name,
        "version": image.version or f"master-{stamp}-g{hashlib.sha1(f'{image.name}{now}'.encode()).hexdigest()[:7]}",
        "state": "active", "disabled": False, "public": False, "published_at": dc.iso(now),
        "type": "zone-dataset" if zone else "other", "os": "smartos" if zone else "other", "files": [], "acl": [],
        "requirements": {"min_platform": {"7.0": "20210826T002459Z"}} if zone else {},
        "tags": {**({"smartdc_service": "true"} if zone else {"buildstamp": f"master-{stamp}"}), **image.tags},
        "description": f"{image.name} image",
    }  # fmt: skip
    return {**manifest, "origin": image.origin} if image.origin else manifest


def put_file(dc: Datacenter, number: str, image: Image) -> Doc:
    """Let the image have its bytes; the entry for its manifest."""
    if image.file is None:
        return bits.promise(dc, "updates", number, ZONE_SIZE if image.size is None else image.size)
    try:
        shutil.copyfile(image.file, dc.image_path("updates", number))
    except OSError as why:
        raise Refused(f"cannot read {image.file}: {why.strerror}") from why
    digest = hashlib.sha1()
    with image.file.open("rb") as source:
        start = source.read(2)
        digest.update(start)
        for piece in iter(lambda: source.read(1 << 20), b""):
            digest.update(piece)
        size = source.tell()
    return {"sha1": digest.hexdigest(), "size": size, "compression": MAGIC.get(start, "none")}
