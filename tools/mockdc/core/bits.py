"""The bytes of a scenario's images: seeded pseudo-random, gzip, the same on every run, so that digests mean something.

They are made when first asked for; until then a seed document stands for them. The deflate level is 0: random bytes
do not shrink, and making a gigabyte must be quick.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import random
import threading
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

PIECE = 1 << 20


def stream(seed: str, size: int) -> Iterator[bytes]:
    """A gzip file around *size* pseudo-random bytes."""
    source = random.Random(seed)
    packer = zlib.compressobj(0, zlib.DEFLATED, 31)
    for start in range(0, size, PIECE):
        yield packer.compress(source.randbytes(min(PIECE, size - start)))
    yield packer.flush()


@functools.lru_cache(maxsize=4096)
def measure(seed: str, size: int) -> tuple[str, int]:
    """sha1 and length of that file."""
    digest, length = hashlib.sha1(), 0
    for piece in stream(seed, size):
        digest.update(piece)
        length += len(piece)
    return digest.hexdigest(), length


def promise(dc: Datacenter, store: str, uuid: str, size: int) -> Doc:
    """Let the image have a file of about *size* bytes; returns the entry for its manifest's ``files``."""
    dc.store.put("image_seed", f"{store}/{uuid}", {"seed": uuid, "size": size})
    sha1, length = measure(uuid, size)
    return {"sha1": sha1, "size": length, "compression": "gzip"}


def path(dc: Datacenter, store: str, uuid: str) -> pathlib.Path:
    """See :meth:`Datacenter.image_path`."""
    place = dc.folder / ".mockdc" / "images" / store / f"{uuid}.file"
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    seed, image = dc.store.get("image_seed", f"{store}/{uuid}"), dc.store.get("image", f"{store}/{uuid}")
    if seed and image and image.get("files"):
        part = place.with_name(f"{uuid}.{os.getpid()}.{threading.get_ident()}.part")
        with part.open("wb") as out:
            out.writelines(stream(seed["seed"], seed["size"]))
        part.replace(place)
    return place
