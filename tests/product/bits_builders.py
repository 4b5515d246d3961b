"""Manifests of gzbits, and tarballs of them, right and wrong in every way."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import Optional

from sdcupgrade.bits.folders import destination_of, folder_of
from sdcupgrade.bits.manifest import NAME, Entry, Kind, Manifest


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


SMALL_DATA = {
    "gzbits/default/user-script.common": b"#!/usr/bin/bash\n",
    "gzbits/scripts/joysetup.sh": b"#!/usr/bin/bash\n",
    "gzbits/tools/bin/sdc-x": b"#!/usr/bin/sh\nexit 0\n",
}

KINDS = {Kind.FILE: tarfile.REGTYPE, Kind.DIR: tarfile.DIRTYPE, Kind.LINK: tarfile.SYMTYPE}

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, mode: int = 0o644, target: str = "") -> Member:
    """A member of a tar, of any kind."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, target, len(data)
    return info, data


def members_of(one: Manifest, data: dict[str, bytes]) -> list[Member]:
    """What the manifest says."""
    return [
        member(item.path, data.get(item.path, b""), KINDS[item.kind], item.mode, item.target) for item in one.entries
    ]


def tar_of(members: list[Member]) -> bytes:
    """A tar, whatever they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tarball(one: Manifest, members: Optional[list[Member]] = None) -> bytes:
    """A gzbits tarball of *members*, by default those that the manifest of :func:`small` promises."""
    head = member(NAME, one.text().encode())
    return gzip.compress(tar_of([head, *(members_of(one, SMALL_DATA) if members is None else members)]), 6, mtime=0)
