"""What a tree holds for gzbits: our own ``gzbits/``, any tree of that layout, or a checkout of a Triton headnode's.

A checkout's ``proto/opt/smartdc``, if it was built, is taken for its tools: links and man pages are made there.
"""

from __future__ import annotations

import os
import pathlib
import stat
from typing import Optional

from build.bits_pack import Item
from sdcupgrade.bits.folders import COMPUTE_NODE, FOLDERS, HEADNODE, PAYLOAD, destination_of
from sdcupgrade.bits.manifest import Kind
from sdcupgrade.errors import BadInput

ON_COMPUTE_NODES = (
    *("bin/sdc-gz-verify", "man/man1/sdc-gz-verify.1", "share/bash-completion/sdc-gz-verify"),
    *("bin/sdc-sbcreate", "bin/sdc-usbkey", "cmd", "lib/bootpool.js", "lib/common.js", "lib/oscmds.js"),
    *("lib/usbkey.js", "man/man1/sdc-sbcreate.1", "share/usbkey", "node_modules", "etc"),
)
"""What of tools/ compute nodes have too, with all that is below: our own, and what cn_tools has (reference 7.1)."""

READMES = tuple(f"{folder.name}/README.md" for folder in FOLDERS)
"""These are about the folders, for who reads the tree."""

SETUP = ("joysetup.sh", "agentsetup.sh")
"""Scripts that compute nodes fetch when they are set up: they lie below /usbkey/extra too (reference 7.2)."""

ARCHIVES = ("tools.tar.gz", "cn_tools.tar.gz")
NOT_TAKEN = (".git", "__pycache__", ".DS_Store")
USE_SAPI = b'USE_SAPI="true"\n'
"""The line without which a headnode sets itself up without SAPI; the key's maker adds it, trees lack it."""


def read_tree(tree: pathlib.Path) -> tuple[list[Item], list[str]]:
    """The items of *tree*, and the paths in its folders that have no place in gzbits. Raises BadInput when it holds
    nothing, or something that is neither file, folder nor link."""
    items: list[Item] = []
    left_out: list[str] = []
    for folder in FOLDERS:
        place = tree / folder.name
        if folder.name == "tools" and (tree / "proto/opt/smartdc/bin").is_dir():
            place = tree / "proto/opt/smartdc"
        if folder.name != "key" and place.is_dir():
            walk(place, folder.name, items, left_out)
    items += [Item(f"key/{name}", Kind.FILE, (HEADNODE,), tree / name) for name in ARCHIVES if (tree / name).is_file()]
    if not items:
        names = ", ".join(f"{folder.name}/" for folder in FOLDERS if folder.name != "key")
        raise BadInput(f"{tree}: there is nothing for gzbits in it", f"name a folder that has {names} or some of them")
    return with_setup([with_sapi(item) for item in items]), left_out


def walk(place: pathlib.Path, name: str, items: list[Item], left_out: list[str]) -> None:
    """Everything below *place*, which is *name* in the payload."""
    for path in sorted(place.iterdir()):
        below = f"{name}/{path.name}"
        if path.name in NOT_TAKEN or below in READMES:
            continue
        if not has_place(below, path):
            left_out.append(below)
            continue
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            items.append(Item(below, Kind.LINK, on_of(below), target=os.readlink(path)))
        elif stat.S_ISDIR(status.st_mode):
            items.append(Item(below, Kind.DIR, on_of(below)))
            walk(path, below, items, left_out)
        elif stat.S_ISREG(status.st_mode):
            items.append(Item(below, Kind.FILE, on_of(below), path, bool(status.st_mode & 0o111)))
        else:
            raise BadInput(f"{path}: is neither file, folder nor link", "take it away")


def has_place(below: str, path: pathlib.Path) -> bool:
    """Whether gzbits may bring what is *below* the payload; of zones/, whose folders are roles, folders only."""
    if destination_of(f"{PAYLOAD}/{below}") is None:
        return False
    return not below.startswith("zones/") or below.count("/") > 1 or path.is_dir()


def on_of(below: str) -> tuple[str, ...]:
    """The servers that have it: the headnode, and compute nodes what is in the list, with the folders on the way."""
    folder, _, path = below.partition("/")
    there = [f"{name}/" for name in ON_COMPUTE_NODES]
    both = folder == "tools" and any(f"{path}/".startswith(name) or name.startswith(f"{path}/") for name in there)
    return (HEADNODE, COMPUTE_NODE) if both else (HEADNODE,)


def with_sapi(item: Item) -> Item:
    """The defaults, with the line that the key's maker adds."""
    data = item.read() if item.path == "config/config.inc/generic" else USE_SAPI
    return item if USE_SAPI in data else Item(item.path, item.kind, item.on, data.rstrip(b"\n") + b"\n" + USE_SAPI)


def with_setup(items: list[Item]) -> list[Item]:
    """With the copies of the scripts that compute nodes fetch, unless the tree has those itself."""
    by_path = {item.path: item for item in items}
    for name in SETUP:
        script: Optional[Item] = by_path.get(f"scripts/{name}")
        copy = f"zones/joysetup/{name}"
        if script is not None and copy not in by_path:
            by_path.setdefault("zones/joysetup", Item("zones/joysetup", Kind.DIR, (HEADNODE,)))
            by_path[copy] = Item(copy, script.kind, (HEADNODE,), script.data, script.executable)
    return list(by_path.values())
