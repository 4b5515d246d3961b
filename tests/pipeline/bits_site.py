"""A headnode for gzbits: tarballs to put in place there, and what lies on it, seen with nobody's eyes but our own."""

from __future__ import annotations

import os
import pathlib
import posixpath
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Optional, Union

from mockdc.core import scenario
from site_in_a_box import Site

sys.path.append(str(pathlib.Path(__file__).parents[1] / "product"))

import bits_builders as builders

from sdcupgrade.bits.manifest import NAME, Entry, Kind, Manifest

CORE = ("sdc", "sapi", "binder", "imgapi")
Snapshot = dict[str, tuple[str, int, Union[str, bytes]]]
"""By path in the global zone (``key:`` for the boot key's): kind, mode, and bytes or target."""


@dataclass(frozen=True)
class File:
    """Content of a tarball."""

    data: str
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    """A symlink."""

    target: str


Tree = Mapping[str, Union[File, Link]]

OLD: Tree = {
    "tools/bin/sdc-one": File("#!/bin/sh\necho one\n", 0o755),
    "tools/bin/sdc-two": Link("sdc-one"),
    "tools/bin/sdc-gone": File("gone\n", 0o755),
    "tools/bin/turns-link": File("a file\n"),
    "tools/bin/turns-file": Link("sdc-one"),
    "tools/lib/modes.js": File("modes\n", 0o644),
    "tools/lib/same.js": File("same\n"),
    "tools/lib/deep/er/old.js": File("old\n"),
    "default/user-script.common": File("#!/usr/bin/bash\n# ours\n", 0o755),
    "scripts/joysetup.sh": File("#!/usr/bin/bash\n# joysetup 1\n", 0o755),
    "scripts/Update-Things.sh": File("things 1\n", 0o755),
    "scripts/leaves.sh": File("leaves\n"),
    "zones/imgapi/setup": File("setup\n", 0o755),
}

NEW: Tree = {
    "tools/bin/sdc-one": File("#!/bin/sh\necho one more\n", 0o755),
    "tools/bin/sdc-two": Link("sdc-three"),
    "tools/bin/sdc-three": File("three\n", 0o755),
    "tools/bin/turns-link": Link("sdc-one"),
    "tools/bin/turns-file": File("now a file\n"),
    "tools/lib/modes.js": File("modes\n", 0o600),
    "tools/lib/same.js": File("same\n"),
    "tools/share/new/place.txt": File("place\n"),
    "tools/share/new/empty": File(""),
    "default/user-script.common": File("#!/usr/bin/bash\n# ours, newer\n", 0o755),
    "scripts/joysetup.sh": File("#!/usr/bin/bash\n# joysetup 2\n", 0o755),
    "scripts/Update-Things.sh": File("things 2\n", 0o755),
    "zones/imgapi/setup": File("setup\n", 0o755),
    "zones/imgapi/configure": File("setup\n", 0o755),
}


def manifest_of(tree: Tree, version: str) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of a tree, folders included, and its bytes by path."""
    entries: dict[str, Entry] = {}
    data: dict[str, bytes] = {}
    for name, what in tree.items():
        path = f"gzbits/{name}"
        above = posixpath.dirname(path)
        while above.count("/") > 1:
            entries[above] = builders.folder(above)
            above = posixpath.dirname(above)
        if isinstance(what, Link):
            entries[path] = builders.link(path, what.target)
        else:
            data[path] = what.data.encode()
            entries[path] = builders.entry(path, Kind.FILE, data[path], mode=what.mode)
    ordered = tuple(entries[path] for path in sorted(entries))
    return Manifest(version, f"test-20261123T101500Z-{version}", ordered), data


def pack(tree: Tree, version: str) -> bytes:
    """A tarball of it."""
    manifest, data = manifest_of(tree, version)
    head = builders.member(NAME, manifest.text().encode())
    return builders.tarball(manifest, [head, *builders.members_of(manifest, data)][1:])


def headnode(folder: pathlib.Path) -> Site:
    """A headnode with little on it, and two tarballs in the operator's folder."""
    spec = scenario.read("coal")
    spec["services"] = {name: row for name, row in spec["services"].items() if name in CORE}
    site = Site(folder, spec)
    for name, tree in (("old", OLD), ("new", NEW)):
        (site.ops / f"{name}.tgz").write_bytes(pack(tree, {"old": "1.0", "new": "2.0"}[name]))
    return site


def snapshot(site: Site, folders: Optional[Mapping[str, str]] = None) -> Snapshot:
    """Everything below /opt/smartdc, /usbkey and on the key, save what waits in staging."""
    found: Snapshot = {}
    tops = folders or {"/opt/smartdc": "opt/smartdc", "/usbkey": "usbkey", "key:": ".mockdc/key"}
    for shown, top in tops.items():
        found.update(_below(site.gz / top, shown))
    return found


def _below(top: pathlib.Path, shown: str) -> Iterator[tuple[str, tuple[str, int, Union[str, bytes]]]]:
    for place, folders, files in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".gzbits")]
        for name in (*folders, *files):
            path = pathlib.Path(place, name)
            said = f"{shown}{'' if shown.endswith(':') else '/'}{path.relative_to(top)}"
            mode = stat.S_IMODE(path.lstat().st_mode)
            if path.is_symlink():
                yield said, ("link", 0, os.readlink(path))
            elif path.is_dir():
                yield said, ("dir", mode, "")
            else:
                yield said, ("file", mode, path.read_bytes())


def staging(site: Site) -> list[str]:
    """What is left of staging anywhere."""
    tops = (site.gz / "opt/smartdc", site.gz / "usbkey", site.gz / ".mockdc/key")
    return [str(path) for top in tops for path in top.glob(".gzbits*")]


def key_is_mounted(site: Site) -> bool:
    """Whether somebody left the key mounted."""
    return (site.gz / "mnt/usbkey").is_symlink()


def differences(one: Snapshot, other: Snapshot) -> list[str]:
    """The paths that differ."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


