"""A compute node as a folder, and the machine's bash running the nodes' script in it.

Every outside program goes through a small stub, which counts, and can be told to end it all at one of the calls.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from typing import Any, Optional

from bits_builders import entry, folder, link

from sdcupgrade.bits.manifest import Entry, Kind, Manifest
from sdcupgrade.bits.node import Package, apply_line, digest_of, list_of, manifest_for, rollback_line, verify_line

COUNTED = ("cp", "ln", "rm", "mv", "mkdir", "rmdir", "chmod", "perl", "tar", "curl", "sync", "cat", "readlink", "uname",
           "sdc-usbkey")  # fmt: skip
"""All that change something; of those that run side by side in a pipe, one."""

OTHERS = ("stat", "openssl", "df", "sort", "gzip", "sed", "cut", "tr", "awk", "tail")

STUB = """#!/bin/sh
read n < "$COUNT"; n=$((n + 1)); echo $n > "$COUNT"
[ $n = "$DIE" ] && kill -s KILL -- "-$TOP"
{body}
"""
BODIES = {
    "uname": "echo ${SYSTEM:-SunOS}",
    "sdc-usbkey": '[ -z "${KEY:-}" ] || { echo "$KEY" >&2; exit 1; }; echo "$@" >> "$COUNT.key"',
    "sync": ":",
    "df": 'echo Filesystem 1024-blocks Used Available; echo x 0 0 "${FREE:-99999999}" 0 /',
    "curl": 'for word; do last=$word; [ "$before" = -o ] && into=$word; before=$word; done; /bin/cp "$last" "$into"',
}


@dataclass(frozen=True)
class Bits:
    """A set of bits: what compute nodes have of it, and the package of it."""

    text: str
    path: pathlib.Path
    package: Package

    @property
    def digest(self) -> str:
        """Its name."""
        return self.package.digest


def bits(where: pathlib.Path, files: dict[str, Any]) -> Bits:
    """A set of what goes to /opt/smartdc: bytes for a file (executable when it is below bin), text for a link, None
    for a folder; folders above them come by themselves."""
    entries: dict[str, Entry] = {}
    data: dict[str, bytes] = {}
    for name, what in files.items():
        path = f"gzbits/tools/{name}"
        for depth in range(1, name.count("/") + 1):
            above = "gzbits/tools/" + "/".join(name.split("/")[:depth])
            entries.setdefault(above, folder(above))
        if what is None:
            entries[path] = folder(path)
        elif isinstance(what, str):
            entries[path] = link(path, what)
        else:
            entries[path] = entry(path, Kind.FILE, what, mode=0o755 if name.startswith("bin/") else 0o644)
            data[entries[path].sha256] = what
    manifest = Manifest("1", "1", tuple(sorted(entries.values(), key=lambda one: one.path)))
    text, kept = list_of(manifest), manifest_for(manifest, "the-image")
    members = {"list": text.encode(), "manifest": kept.encode()}
    digest = digest_of(text)
    path_of = where / f"{digest[:16]}.tgz"
    with tarfile.open(path_of, "w:gz") as tar:
        for name, content in {**members, **{f"files/{sha}": one for sha, one in data.items()}}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    packed = path_of.read_bytes()
    sha256 = hashlib.sha256(packed).hexdigest()
    return Bits(text, path_of, Package(path_of.name, digest, sha256, len(packed), 1000))


class Node:
    """The node: its root is ``root`` below *where*."""

    def __init__(self, where: pathlib.Path) -> None:
        self.root = where / "root"
        self.home = self.root / "opt/custom/gzbits"
        self.stubs = where / "stubs"
        self.count = where / "count"
        self.smartdc = self.root / "opt/smartdc"
        for place in (self.smartdc, self.stubs):
            place.mkdir(parents=True, exist_ok=True)
        for name in COUNTED + OTHERS:
            body = BODIES.get(name, f'exec {shutil.which(name) or "/nowhere"} "$@"')
            text = (STUB if name in COUNTED else "#!/bin/sh\n{body}\n").replace("{body}", body)
            (self.stubs / name).write_text(text, encoding="utf-8")
            (self.stubs / name).chmod(0o755)

    def run(self, line: str, die: int = 0, **environ: str) -> Optional[dict[str, Any]]:
        """Run a line; what it said, None when it was killed."""
        self.count.write_text("0", encoding="utf-8")
        env = {"PATH": str(self.stubs), "SDCUPGRADE_ROOT": str(self.root), "COUNT": str(self.count), "DIE": str(die)}
        argv = [str(shutil.which("bash")), "-c", f"export TOP=$$\n{line}"]
        done = subprocess.run(
            argv, env={**env, **environ}, capture_output=True, text=True, start_new_session=True, check=False
        )
        if done.returncode == -9:
            return None
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return {**said, "stderr": done.stderr}

    @property
    def calls(self) -> int:
        """How many outside programs the last run called."""
        return int(self.count.read_text(encoding="utf-8"))

    def apply(self, what: Bits, die: int = 0, **environ: str) -> Optional[dict[str, Any]]:
        """Put a set in place."""
        return self.run(apply_line(what.package, str(what.path)), die, **environ)

    def rollback(self, what: Bits, die: int = 0, **environ: str) -> Optional[dict[str, Any]]:
        """Take it back."""
        return self.run(rollback_line(what.digest), die, **environ)

    def verify(self) -> dict[str, Any]:
        """Look."""
        said = self.run(verify_line())
        assert said is not None
        return said

    def tree(self) -> dict[str, tuple[int, str]]:
        """What is below /opt/smartdc: mode, and content or target, by path."""
        found = {}
        for place in sorted(self.smartdc.rglob("*")):
            mode = place.lstat().st_mode
            what = os.readlink(place) if place.is_symlink() else "" if place.is_dir() else place.read_text()
            found[str(place.relative_to(self.smartdc))] = (mode, what)
        return found
