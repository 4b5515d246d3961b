"""Whether a release is what its sources make: built again from the commit that it names, and compared byte by byte.

Nothing of the file is run. The build is the project's own of that commit, with the Pythons that made the byte code.
"""

from __future__ import annotations

import ast
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile
from typing import Any, Optional

from interpreters import supported

from release.failed import Failed

PACKAGE = "site-packages/sdcupgrade"


def verify(file: pathlib.Path, source: pathlib.Path, root: Optional[pathlib.Path] = None) -> str:
    """What to say when they are the same. Raises Failed naming what differs."""
    members = read_members(file)
    stamp, pythons = _baked(file, members)
    found = re.search(r"-g([0-9a-f]{7,40})$", stamp)
    if not found:
        raise Failed(f"{file}: its buildstamp {stamp!r} names no clean commit, so nobody can build it again")
    inside = members.get(f"{PACKAGE}/_root.json")
    if root is not None and inside != root.read_bytes():
        raise Failed(f"{file}: the root of trust inside is not {root}")
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-verify-") as scratch:
        place = pathlib.Path(scratch)
        checkout(source, found[1], place / "source")
        if inside is not None:
            (place / "root.json").write_bytes(inside)
        built = build(place, stamp, pythons, inside is not None)
        if built.read_bytes() == file.read_bytes():
            digest = hashlib.sha256(built.read_bytes()).hexdigest()
            return f"{file}: the same bytes as built from commit {found[1]}\nsha256 {digest}"
        raise Failed(f"{file}: differs from what commit {found[1]} makes: {difference(members, read_members(built))}")


def read_members(file: pathlib.Path) -> dict[str, bytes]:
    """What is in the archive. Raises Failed."""
    try:
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile) as why:
        raise Failed(f"{file}: is not sdcupgrade as one file: {why}") from why


def _baked(file: pathlib.Path, members: dict[str, bytes]) -> tuple[str, list[str]]:
    """The buildstamp and the Pythons that compiled."""
    try:
        tree = ast.parse(members[f"{PACKAGE}/_build.py"])
    except (KeyError, SyntaxError, ValueError) as why:
        raise Failed(f"{file}: does not tell which build it is") from why
    values: dict[str, Any] = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return str(values.get("STAMP", "")), [str(one) for one in values.get("BYTECODE", [])]


def checkout(source: pathlib.Path, commit: str, into: pathlib.Path) -> None:
    """A clone of *source* at that commit. Raises Failed."""
    for words in (
        ["git", "clone", "-q", "--no-checkout", str(source.resolve()), str(into)],
        ["git", "-C", str(into), "checkout", "-q", "--detach", commit],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"{source}: cannot give commit {commit}: {done.stderr.strip().splitlines()[-1:] or words}")


def build(place: pathlib.Path, stamp: str, pythons: list[str], rooted: bool) -> pathlib.Path:
    """Build it as it was built. Raises Failed, also when a Python that is needed is not here."""
    here = {python.full for python in supported(needs=()).values()}
    missing = [one for one in pythons if one not in here]
    if missing:
        raise Failed(f"it has byte code of Python {', '.join(missing)}, which is not on this machine")
    target = place / "built"
    minors = ",".join(one.rpartition(".")[0] for one in pythons)
    words = [sys.executable, str(place / "source" / "build" / "pyz.py"), "-o", str(target), "--stamp", stamp]
    words += ["--pythons", minors] if minors else []
    words += ["--root", str(place / "root.json")] if rooted else []
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"its commit cannot be built here: {(done.stderr or done.stdout).strip()[-500:]}")
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
