"""``zfs send`` and ``receive``: a first line that says what it is, then the files of the file system as a tar archive.

The same files give the same bytes. A snapshot of the box keeps no files of its own: what is sent is what is there now.
"""

from __future__ import annotations

import io
import json
import pathlib
import shutil
import tarfile
from typing import TYPE_CHECKING

from mockdc.core import datasets
from mockdc.core.datasets import ZfsError

if TYPE_CHECKING:
    from mockdc.commands.call import Call

MAGIC = b"ZFS stream of the datacenter in a box\n"


def send(call: Call, name: str) -> None:
    """Write the stream of a snapshot to stdout."""
    doc = datasets.get(call.dc, call.server, name) or {}
    kept = {"name": name, "origin": doc.get("origin", "-"), "used": doc.get("used", 0)}
    call.stdout.write(MAGIC + json.dumps(kept, sort_keys=True).encode() + b"\n")
    folder = datasets.folder(call.dc, call.server, name.partition("@")[0])
    with tarfile.open(fileobj=call.stdout, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for place in sorted(folder.rglob("*")) if folder.is_dir() else []:
            entry = archive.gettarinfo(place, str(place.relative_to(folder)))
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
            if entry.isfile():
                with place.open("rb") as source:
                    archive.addfile(entry, source)
            else:
                archive.addfile(entry)


def receive(call: Call, name: str, force: bool) -> None:
    """Make the dataset *name* (or the snapshot's file system) from the stream on stdin. Raises ZfsError."""
    data = call.stdin()
    if not data.startswith(MAGIC):
        raise ZfsError("cannot receive: invalid stream (bad magic number)")
    line, _, body = data[len(MAGIC):].partition(b"\n")
    kept = json.loads(line)
    target, _, short = name.partition("@")
    if datasets.get(call.dc, call.server, target):
        if not force:
            raise ZfsError(f"cannot receive new filesystem stream: destination '{target}' exists\n"
                           "must specify -F to overwrite it")  # fmt: skip
        datasets.destroy(call.dc, call.server, target, recursive=True)
    folder = datasets.folder(call.dc, call.server, target)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    datasets.create(call.dc, call.server, target, used=kept["used"])
    datasets.snapshot(call.dc, call.server, f"{target}@{short or kept['name'].partition('@')[2]}")
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
            for entry in archive:
                _unpack(archive, entry, folder / entry.name)
    except tarfile.TarError as why:
        raise ZfsError("cannot receive new filesystem stream: incomplete stream") from why


def _unpack(archive: tarfile.TarFile, entry: tarfile.TarInfo, place: pathlib.Path) -> None:
    """One file of our own stream."""
    if entry.isdir():
        place.mkdir(parents=True, exist_ok=True)
    elif entry.issym():
        place.symlink_to(entry.linkname)
    else:
        source = archive.extractfile(entry)
        place.write_bytes(source.read() if source else b"")
        place.chmod(entry.mode)
