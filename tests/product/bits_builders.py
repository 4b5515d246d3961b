"""Manifests of gzbits, and tarballs of them, right and wrong in every way."""

from __future__ import annotations

import hashlib

from sdcupgrade.bits.folders import destination_of, folder_of
from sdcupgrade.bits.manifest import Entry, Kind, Manifest


def entry(path: str, kind: Kind = Kind.FILE, data: bytes = b"", **more: object) -> Entry:
    """An entry that is right as it stands; *more* makes it otherwise."""
    folder = folder_of(path)
    mode = {Kind.FILE: 0o644, Kind.DIR: 0o755, Kind.LINK: 0o777}[kind]
    file = kind is Kind.FILE
    values: dict[str, object] = {
        "path": path,
        "kind": kind,
        "destination": destination_of(path) or "/nowhere",
        "on": folder.on if folder else ("hn",),
        "mode": mode,
        "size": len(data) if file else 0,
        "sha256": hashlib.sha256(data).hexdigest() if file else "",
        "key": bool(folder and folder.key),
    }
    return Entry(**{**values, **more})  # type: ignore[arg-type]


def folder(path: str, **more: object) -> Entry:
    """A folder."""
    return entry(path, Kind.DIR, **more)


def link(path: str, target: str, **more: object) -> Entry:
    """A symlink."""
    return entry(path, Kind.LINK, target=target, **more)


def manifest(*entries: Entry) -> Manifest:
    """A manifest of them, in their order."""
    return Manifest("1.2.0", "main-20261123T101500Z-g0123abc", entries)


def small() -> Manifest:
    """One of everything."""
    return manifest(
        entry("gzbits/default/user-script.common", data=b"#!/usr/bin/bash\n", mode=0o755),
        entry("gzbits/scripts/joysetup.sh", data=b"#!/usr/bin/bash\n", mode=0o755),
        folder("gzbits/tools/bin"),
        entry("gzbits/tools/bin/sdc-x", data=b"#!/usr/bin/sh\nexit 0\n", mode=0o755),
        link("gzbits/tools/bin/sdc-y", "sdc-x"),
        folder("gzbits/tools/lib", on=("hn",)),
    )
