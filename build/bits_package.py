"""A gz-tools package, as operators get it from the updates server, read into the items of gzbits (reference 7.1).

Its tools.tar.gz goes into /opt/smartdc, of which compute nodes have what is in its cn_tools.tar.gz too; scripts/ and
default/ have their places. Some builds have copies of the scripts at the top as well: those are passed over.
"""

from __future__ import annotations

import io
import pathlib
import tarfile
from dataclasses import replace
from typing import Optional

from build.bits_pack import Item
from build.bits_tree import NOT_TAKEN, with_setup
from sdcupgrade.bits.folders import COMPUTE_NODE, HEADNODE
from sdcupgrade.bits.manifest import Kind
from sdcupgrade.errors import BadInput

TOP = "gz-tools"
TOOLS, CN_TOOLS = "tools.tar.gz", "cn_tools.tar.gz"
NEEDED = (TOOLS, CN_TOOLS, "scripts", "default")
"""TOOLS-1430."""


def is_package(path: pathlib.Path) -> bool:
    """Whether the file is a gz-tools package."""
    try:
        with tarfile.open(path) as tar:
            first = tar.next()
            return first is not None and first.name.split("/")[0] == TOP
    except (tarfile.TarError, OSError, EOFError):
        return False


def read_package(path: pathlib.Path) -> tuple[list[Item], list[str]]:
    """The items of the package, and the paths in it that have no place in gzbits. Raises BadInput when it is none."""
    with path.open("rb") as file:
        whole = {item.path: item for item in read_tar(file.read(), str(path))}
    missing = [name for name in NEEDED if f"{TOP}/{name}" not in whole]
    if missing:
        raise BadInput(f"{path}: not a gz-tools package: it lacks {', '.join(missing)}", "get it once more")
    items = [
        replace(item, path=name.split("/", 1)[1])
        for name, item in whole.items()
        if name.startswith((f"{TOP}/scripts/", f"{TOP}/default/"))
    ]
    items += [Item(f"key/{name}", Kind.FILE, (HEADNODE,), whole[f"{TOP}/{name}"].data) for name in (TOOLS, CN_TOOLS)]
    taken = {f"{TOP}/{item.path}" for item in items} | {f"{TOP}/{name}" for name in NEEDED} | {TOP}
    copies = {f"{TOP}/{item.path.split('/', 1)[1]}" for item in items if item.path.startswith("scripts/")}
    tools = read_tools(whole[f"{TOP}/{TOOLS}"], whole[f"{TOP}/{CN_TOOLS}"], str(path))
    left_out = sorted(set(whole) - taken - copies - {f"{TOP}/{name}" for name in (TOOLS, CN_TOOLS)})
    return with_setup(items + tools), left_out


def read_tools(tools: Item, cn_tools: Item, where: str) -> list[Item]:
    """What is in the two archives, each path once. Raises BadInput where they differ."""
    here = {item.path: item for item in read_tar(tools.read(), f"{where}: {TOOLS}")}
    there = {item.path: item for item in read_tar(cn_tools.read(), f"{where}: {CN_TOOLS}")}
    items = []
    for path in sorted({*here, *there}):
        mine, other = here.get(path), there.get(path)
        if mine and other and mine != other:
            raise BadInput(f"{where}: {path!r} in {CN_TOOLS} is not the one in {TOOLS}", "get the package once more")
        on = ((HEADNODE,) if mine else ()) + ((COMPUTE_NODE,) if other else ())
        item: Optional[Item] = mine or other
        if item is not None and path.split("/")[0] != "sdc":  # the folder that others put there (reference 1.4)
            items.append(replace(item, path=f"tools/{path}", on=on))
    return items


def read_tar(data: bytes, where: str) -> list[Item]:
    """Files, folders and links of a tar, packed or not, with the folders that it does not name; the last of a name
    counts, as it would when unpacked. Raises BadInput for anything else in it."""
    found: dict[str, Item] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                path = member.name[2:] if member.name.startswith("./") else member.name
                if path not in ("", ".") and path.split("/")[-1] not in NOT_TAKEN:
                    found[path] = _item(tar, member, path, where)
    except (tarfile.TarError, EOFError, OSError) as why:
        raise BadInput(f"{where}: cannot be read: {why}", "get it once more") from why
    for path in list(found):
        for depth in range(1, path.count("/") + 1):
            above = "/".join(path.split("/")[:depth])
            found.setdefault(above, Item(above, Kind.DIR, (HEADNODE,)))
    return list(found.values())


def _item(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, where: str) -> Item:
    if member.isdir():
        return Item(path, Kind.DIR, (HEADNODE,))
    if member.issym():
        return Item(path, Kind.LINK, (HEADNODE,), target=member.linkname)
    file = tar.extractfile(member) if member.isreg() or member.islnk() else None
    if file is None:
        raise BadInput(f"{where}: {path!r} is neither file, folder nor link", "gzbits does not have such things")
    source = tar.getmember(member.linkname) if member.islnk() else member
    return Item(path, Kind.FILE, (HEADNODE,), file.read(), bool(source.mode & 0o111))
