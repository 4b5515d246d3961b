"""Which kind of source the operator's word means."""

from __future__ import annotations

from sdcupgrade.errors import BadInput
from sdcupgrade.updates.source import DEFAULT_URL, UpdatesServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sdcupgrade.dc.imgapi import Imgapi
    from sdcupgrade.doors import Doors
    from sdcupgrade.updates.source import Source

OWN = "imgapi"
"""The word for the datacenter's own IMGAPI."""


def open_source(doors: Doors, text: str, own: Callable[[], Imgapi], strict: bool = False) -> Source:
    """The source that *text* means; the public updates server when it is empty. *own* is asked for the datacenter's
    IMGAPI when that is meant; *strict* wants a bundle signed, where the site says by whom. Raises BadInput for what is
    nowhere, Untrusted for a bundle with a wrong signature, and what a bundle or folder raises."""
    if not text or "://" in text:
        return UpdatesServer(doors.web, text or DEFAULT_URL)
    if text == OWN:
        from sdcupgrade.updates.own import OwnImgapi

        return OwnImgapi(own())
    return _on_this_machine(doors, text, strict)


def _on_this_machine(doors: Doors, text: str, strict: bool) -> Source:
    from sdcupgrade.updates import bundle_sign
    from sdcupgrade.updates.bundle import Bundle, placed

    path = placed(doors.files, text)
    if doors.files.is_dir(path):
        from sdcupgrade.updates.directory import open_directory

        return open_directory(doors.files, path)
    if doors.files.exists(path):
        from sdcupgrade.updates.bundle_source import BundleSource

        bundle = Bundle.open(doors.files, path)
        if doors.files.exists(bundle_sign.ALLOWED):
            bundle_sign.signer(doors, bundle, None, strict)
        return BundleSource(bundle)
    raise BadInput(
        f"--source {text}: not an http(s) URL, and there is no such file or folder; nothing was changed",
        "give an http(s) URL, a bundle, a folder with images, or imgapi; if it moved, say where it is now",
    )
