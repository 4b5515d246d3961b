"""What is signed of that which goes into a bundle, and the metadata that says so, which travels along."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from sdcupgrade.errors import Corrupt, Untrusted
from sdcupgrade.stages.signed import signed_digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdcupgrade.model import Image
    from sdcupgrade.stages.site import Site
    from sdcupgrade.updates.believed import Believed
    from sdcupgrade.updates.bundle_index import Program
    from sdcupgrade.updates.source import Source

NAME = "sdcupgrade"
"""The name of the program's own image."""


@dataclass(frozen=True)
class Vouched:
    """The signed sha256 by uuid, and the files of metadata by name; both empty where nothing is signed."""

    digests: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, bytes] = field(default_factory=dict)


def vouched(
    site: Site, source: Source, channel: str, images: Mapping[str, Image], program: Program, scratch: str
) -> Vouched:
    """Ask what is signed. What is believed is kept in the folder *scratch* and not afterwards: the machine that makes
    bundles is no site. Raises Untrusted for what is not signed, where the operator wants nothing unsigned."""
    _empty(site, scratch)
    try:
        believed = site.believed(source, channel, scratch)
        digests = signed_digests(site, source, channel, images, believed) if believed else {}
        own = believed is not None and _is_signed(believed, program)
        if digests and not own:
            site.warn(NAME, f"the program {program.version} that goes into the bundle is not signed")
        found = Vouched(digests, believed.metadata()) if believed and (digests or own) else Vouched()
    finally:
        _empty(site, scratch)
    unsigned = [image for image in images.values() if image.uuid not in found.digests]
    if unsigned and site.wanted.require_signed:
        names = ", ".join(f"{image.name} {image.version} ({image.uuid})" for image in unsigned)
        raise Untrusted(f"not signed: {names}", "leave --require-signed out, or use other images; nothing was written")
    return found


def _is_signed(believed: Believed, program: Program) -> bool:
    """Metadata that must not be believed has been told of by then."""
    with suppress(Untrusted, Corrupt):
        return believed.by_digest(NAME, program.sha256, program.size) is not None
    return False


def _empty(site: Site, folder: str) -> None:
    for name in site.doors.files.listdir(folder):
        site.doors.files.remove(f"{folder}/{name}")
    site.doors.files.rmdir(folder)
