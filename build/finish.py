"""The finishing pass over what shiv built: a file that runs from inside the zip, the same bytes wherever it is made.

Takes shiv's archive apart and writes it again: a ``sh`` header that finds a Python, our own ``__main__``, byte code for
several Pythons beside the sources; entries sorted by name, stored, mode 0644, of 1980-01-01. shiv's layout stays
(``site-packages/``, ``_bootstrap/``, ``environment.json``), so that shiv-info reads it and shiv's bootstrap can run it.

Stored, not deflated: two builds of zlib may deflate the same bytes differently, and the start is as quick.
"""

from __future__ import annotations

import os
import pathlib
import stat
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX = 3
"""``create_system``: without it the modes would mean nothing on another system."""


def finish(raw: pathlib.Path, bytecode: pathlib.Path, target: pathlib.Path) -> None:
    """Write *target* from shiv's *raw* and the trees in *bytecode*, one for each Python, whole or not at all."""
    members = shiv_members(raw)
    members["__main__.py"] = (HERE / "inside" / "__main__.py").read_bytes()
    for path in bytecode.rglob("*"):
        if path.is_file():
            members[path.relative_to(bytecode).as_posix()] = path.read_bytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        write(fresh, (HERE / "header.sh").read_bytes(), members)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def shiv_members(raw: pathlib.Path) -> dict[str, bytes]:
    """Everything in shiv's archive."""
    with zipfile.ZipFile(raw) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(place: pathlib.Path, header: bytes, members: dict[str, bytes]) -> None:
    """The file: the header first, so that every offset in the archive counts from the file's beginning."""
    with place.open("xb") as out:
        out.write(header)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(members):
                archive.writestr(entry(name), members[name])
    place.chmod(0o755)


def entry(name: str) -> zipfile.ZipInfo:
    """A member that tells nothing of the machine it was made on."""
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system = UNIX
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info
