"""Which images are signed, and by which digest they are known then."""

from __future__ import annotations

from sdcupgrade.errors import Corrupt, SdcupgradeError, Untrusted
from sdcupgrade.updates.trusted import Absent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.model import Image
    from sdcupgrade.stages.site import Site
    from sdcupgrade.trust.metadata import FileInfo
    from sdcupgrade.updates.believed import Believed
    from sdcupgrade.updates.source import Source


def signed_digests(
    site: Site, source: Source, channel: str, images: Mapping[str, Image], believed: Optional[Believed] = None
) -> dict[str, str]:
    """The signed sha256 of those of *images* that are signed, by uuid; by what is *believed*, which the site knows.

    Metadata that must not be believed makes all of them unsigned, which is said aloud; where the operator wants nothing
    unsigned, that is the error. Raises Untrusted, Corrupt, Absent, and what a source raises.
    """
    try:
        believed = believed or site.believed(source, channel)
        if believed is None:
            return {}
        found = {uuid: believed.find(image.name, uuid) for uuid, image in images.items()}
        for uuid, info in found.items():
            _refuse_renamed(info, images[uuid], source.name)
    except (Untrusted, Corrupt, Absent) as why:
        if site.wanted.strict:
            raise
        site.warn("signatures", f"all images count as unsigned: {_said(why)}")
        return {}
    return {uuid: info.hashes["sha256"] for uuid, info in found.items() if info is not None and "sha256" in info.hashes}


def _refuse_renamed(info: Optional[FileInfo], image: Image, source: str) -> None:
    """No manifest is signed: a source could show an old image, signed in its day, as the newest. Raises Untrusted."""
    signed = image.version if info is None else info.custom.get("version", image.version)
    if signed != image.version:
        raise Untrusted(f"{source} calls {image.name} {image.uuid} version {image.version}, its signer {signed}")


def _said(why: SdcupgradeError) -> str:
    return f"{why.message}; {why.hint or why.advice}"
