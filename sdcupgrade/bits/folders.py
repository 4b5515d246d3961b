"""Where the folders of a gzbits tarball land in the global zone, and what never comes from one.

The one table of destinations (reference 1.2, 1.4, 7.5). The manifest is held against it, the builder fills the manifest
from it.
"""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

PAYLOAD = "gzbits"
"""The folder of a tarball that holds its members."""

HEADNODE, COMPUTE_NODE = "hn", "cn"


@dataclass(frozen=True)
class Folder:
    """One folder of the payload. *below* is where its content goes, *on* the kinds of servers that may have it, *key*
    whether the boot key has the same. *only*: the names it may hold, empty for any. *never*: paths in it that belong to
    somebody else, with all that is below them; links may lead into those of *foreign*."""

    name: str
    below: str
    on: tuple[str, ...] = (HEADNODE,)
    key: bool = False
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


FOLDERS = (
    # the sdc zone's link, sdcadm, agents and their configuration are put there by others; man pages of commands that
    # live in the sdc zone are links through the first (reference 1.4)
    Folder(
        "tools",
        "/opt/smartdc",
        (HEADNODE, COMPUTE_NODE),
        never=("agents", "config", "sdc", "sdcadm"),
        foreign=("sdc",),
    ),
    Folder("default", "/usbkey/default", key=True),
    Folder("scripts", "/usbkey/scripts", key=True),
    # agents come with agentsshar, node.config has the site's passwords, cn_tools.tar.gz is made of what goes to compute
    # nodes (reference 1.2)
    Folder("zones", "/usbkey/extra", never=("agents", "joysetup/node.config", "joysetup/cn_tools.tar.gz")),
    # not services/: in the key's own ones its maker wrote which images the key has
    Folder("config", "/usbkey", key=True, only=("config.inc", "sapi")),
    # what a first boot from the key unpacks (reference 1.2)
    Folder("key", "/usbkey", key=True, only=("cn_tools.tar.gz", "tools.tar.gz")),
)
"""All else below /usbkey is the site's own: config, private, os, ... (reference 1.2)."""

KEY_BELOW = "/usbkey/"
"""What a destination on the boot key begins with in the global zone; the rest is its path on the key."""


def folder_of(path: str) -> Optional[Folder]:
    """The folder that a member ``gzbits/tools/bin/x`` is in; None when it is in none."""
    parts = path.split("/")
    if parts[0] != PAYLOAD or len(parts) < 3:
        return None
    return next((folder for folder in FOLDERS if folder.name == parts[1]), None)


def inside(path: str) -> str:
    """The path of a member below its folder: ``bin/x``."""
    return path.split("/", 2)[2]


def destination_of(path: str) -> Optional[str]:
    """Where a member belongs in the global zone; None when its name gives it no place there."""
    folder = folder_of(path)
    if folder is None:
        return None
    name = inside(path)
    if folder.only and name.split("/")[0] not in folder.only:
        return None
    if any(name == other or name.startswith(other + "/") for other in folder.never):
        return None
    return f"{folder.below}/{name}"
