"""Whether a release is what its sources make: built again from the commit that it names, and compared byte by byte.

Nothing of the file is run. The build is the project's own of that commit, with the Pythons that made the byte code. Of
the buildstamp the time is compared as well, for it says which release is newer; its branch is only a name.
"""

from __future__ import annotations

import ast
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from datetime import datetime, timezone
from typing import Any, Optional

from interpreters import supported

from release.failed import Failed

PACKAGE = "site-packages/sdcupgrade"
STAMP = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*-(?P<time>\d{8}T\d{6}Z)-g(?P<commit>[0-9a-f]{7,40})")


def verify(file: pathlib.Path, source: pathlib.Path, root: Optional[pathlib.Path] = None) -> str:
    """What to say when they are the same. Raises Failed naming what differs."""
    members = read_members(file)
    stamp, pythons = _baked(file, members)
    found = STAMP.fullmatch(stamp)
    if not found:
        raise Failed(f"{file}: its buildstamp {stamp!r} names no clean commit, so nobody can build it again")
    inside = members.get(f"{PACKAGE}/_root.json")
    if root is not None and inside != root.read_bytes():
        raise Failed(f"{file}: the root of trust inside is {'not ' + str(root) if inside else 'missing'}")
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-verify-") as scratch:
        place = pathlib.Path(scratch)
        made = checkout(source, found["commit"], place / "source")
        if made != found["time"]:
            raise Failed(f"{file}: its buildstamp says {found['time']}, and commit {found['commit']} is of {made}")
        if inside is not None:
            (place / "root.json").write_bytes(inside)
        built = build(place, stamp, pythons, inside is not None)
        if built.read_bytes() == file.read_bytes():
            digest = hashlib.sha256(built.read_bytes()).hexdigest()
            return f"{file}: the same bytes as built from commit {found['commit']}\nsha256 {digest}"
        told = difference(members, read_members(built))
        raise Failed(f"{file}: differs from what commit {found['commit']} makes: {told}")


def read_members(file: pathlib.Path) -> dict[str, bytes]:
    """What is in the archive. Raises Failed."""
    try:
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as why:
        raise Failed(f"{file}: is not sdcupgrade as one file: {why}") from why


def _baked(file: pathlib.Path, members: dict[str, bytes]) -> tuple[str, list[str]]:
    """The buildstamp and the Pythons that compiled."""
    try:
        tree = ast.parse(members[f"{PACKAGE}/_build.py"])
        values: dict[str, Any] = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        return str(values["STAMP"]), [str(one) for one in values["BYTECODE"]]
    except (KeyError, SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as why:
        raise Failed(f"{file}: does not tell which build it is") from why


def checkout(source: pathlib.Path, commit: str, into: pathlib.Path) -> str:
    """A clone of *source* at that commit; when that was made, as in a buildstamp. Raises Failed."""
    git = ["git", "-C", str(into)]
    for words in (
        ["git", "clone", "-q", "--no-checkout", "--", str(source.resolve()), str(into)],
        [*git, "checkout", "-q", "--detach", f"{commit}^{{commit}}"],
        [*git, "-c", "log.showSignature=false", "log", "-1", "--format=%ct"],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=_plain())
        if done.returncode:
            raise Failed(f"{source}: cannot give commit {commit}: {_last(done)}")
    when = datetime.fromtimestamp(int(done.stdout), timezone.utc)
    return f"{when:%Y%m%dT%H%M%SZ}"


def _plain() -> dict[str, str]:
    """The environment without what would lead git to another repository."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a program said."""
    return ((done.stderr.strip() or done.stdout.strip()).splitlines() or [f"exit status {done.returncode}"])[-1]


def build(place: pathlib.Path, stamp: str, pythons: list[str], rooted: bool) -> pathlib.Path:
    """Build it as it was built. Raises Failed, also when a Python that is needed is not here."""
    here = {python.full for python in supported(needs=()).values()}
    missing = [one for one in pythons if one not in here]
    if missing:
        raise Failed(f"it has byte code of Python {', '.join(missing)}, which is not on this machine")
    target = place / "built"
    minors = ",".join(one.rpartition(".")[0] for one in pythons)
    words = [sys.executable, str(place / "source" / "build" / "pyz.py"), "-o", str(target), "--stamp", stamp]
    words += [f"--pythons={minors}"] if minors else []
    words += ["--root", str(place / "root.json")] if rooted else []
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=_plain())
    if done.returncode:
        raise Failed(f"its commit cannot be built here: {_last(done)}")
    return target


def difference(one: dict[str, bytes], other: dict[str, bytes]) -> str:
    """Which members differ, in words."""
    parts = [
        ("only in the release", sorted(set(one) - set(other))),
        ("missing in the release", sorted(set(other) - set(one))),
        ("other bytes", sorted(name for name in set(one) & set(other) if one[name] != other[name])),
    ]
    told = [f"{what}: {', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
            for what, names in parts if names]  # fmt: skip
    return "; ".join(told) or "the header, or the order of the members"
