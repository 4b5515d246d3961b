"""ZFS datasets and snapshots of the nodes' pools, each a document beside a real folder where there is one.

Kind ``dataset``, id ``<server>:<name>``: name, type (filesystem or snapshot), used and available (bytes), quota (bytes,
0 for none), mountpoint, origin, zoned (on or off), creation (seconds), props (anything that was set).
The functions raise :class:`ZfsError` with the words that zfs prints.
"""

from __future__ import annotations

import pathlib
import shutil
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

GIB = 1 << 30


class ZfsError(Exception):
    """What zfs prints on stderr."""


def get(dc: Datacenter, server: str, name: str) -> Optional[Doc]:
    """The dataset or snapshot, or None."""
    return dc.store.get("dataset", f"{server}:{name}")


def folder(dc: Datacenter, server: str, name: str) -> pathlib.Path:
    """Where a file system is mounted on this machine."""
    return dc.root(server) / name


def tree(dc: Datacenter, server: str, name: str) -> list[Doc]:
    """The dataset with everything below it: children and snapshots."""
    below = dc.store.all("dataset", f"{server}:{name}")
    return [doc for doc in below if doc["name"] == name or doc["name"][len(name)] in "/@"]


def create(dc: Datacenter, server: str, name: str, **props: Any) -> Doc:
    """Make one; raises ZfsError when it exists."""
    if get(dc, server, name):
        raise ZfsError(f"cannot create '{name}': dataset already exists")
    doc: Doc = {
        "name": name,
        "type": "snapshot" if "@" in name else "filesystem",
        "used": 0,
        "available": None,
        "quota": 0,
        "mountpoint": "-" if "@" in name else f"/{name}",
        "origin": "-",
        "zoned": "off",
        "creation": dc.now(),
        "props": {},
        **props,
    }
    dc.store.put("dataset", f"{server}:{name}", doc)
    return doc


def snapshot(dc: Datacenter, server: str, name: str) -> Doc:
    """Make the snapshot ``dataset@name``."""
    parent = get(dc, server, name.partition("@")[0])
    if parent is None:
        raise ZfsError(f"cannot open '{name.partition('@')[0]}': dataset does not exist")
    if get(dc, server, name):
        raise ZfsError(f"cannot create snapshot '{name}': dataset already exists")
    return create(dc, server, name, referenced=parent["used"])


def destroy(dc: Datacenter, server: str, name: str, recursive: bool = False) -> None:
    """Destroy it and its folder; with children or snapshots only when *recursive*."""
    found = tree(dc, server, name)
    if not get(dc, server, name):
        raise ZfsError(f"cannot open '{name}': dataset does not exist")
    if len(found) > 1 and not recursive:
        raise ZfsError(f"cannot destroy '{name}': filesystem has children\nuse '-r' to destroy the following datasets:")
    if "@" not in name:
        shutil.rmtree(folder(dc, server, name), ignore_errors=True)
    with dc.store.transaction():
        for doc in found:
            dc.store.delete("dataset", f"{server}:{doc['name']}")


def rename(dc: Datacenter, server: str, old: str, new: str) -> None:
    """Rename it with all below, and its folder."""
    if not get(dc, server, old):
        raise ZfsError(f"cannot open '{old}': dataset does not exist")
    if get(dc, server, new):
        raise ZfsError(f"cannot rename '{old}': dataset already exists")
    source, target = folder(dc, server, old), folder(dc, server, new)
    if "@" not in old and source.is_dir() and not target.exists():
        source.rename(target)
    with dc.store.transaction():
        for doc in tree(dc, server, old):
            dc.store.delete("dataset", f"{server}:{doc['name']}")
            doc["name"] = new + doc["name"][len(old):]
            if doc["mountpoint"] != "-":
                doc["mountpoint"] = f"/{doc['name']}"
            dc.store.put("dataset", f"{server}:{doc['name']}", doc)


def install(dc: Datacenter, server: str, manifest: Doc, source: str) -> None:
    """Put an image into a node's pool: the record that imgadm keeps, ``zones/<uuid>`` and its ``@final``."""
    uuid = manifest["uuid"]
    size = sum(entry["size"] for entry in manifest.get("files", []))
    with dc.store.transaction():
        record = {"manifest": manifest, "zpool": "zones", "source": source}
        dc.store.put("installed", f"{server}/{uuid}", record)
        origin = f"zones/{manifest['origin']}@final" if manifest.get("origin") else "-"
        for name in (f"zones/{uuid}", f"zones/{uuid}@final"):
            if not get(dc, server, name):
                create(dc, server, name, used=size * 3, origin=origin if "@" not in name else "-")


def uninstall(dc: Datacenter, server: str, image_uuid: str) -> bool:
    """Take an image out of a node's pool; whether it was there."""
    with dc.store.transaction():
        for doc in tree(dc, server, f"zones/{image_uuid}"):
            dc.store.delete("dataset", f"{server}:{doc['name']}")
        return dc.store.delete("installed", f"{server}/{image_uuid}")
