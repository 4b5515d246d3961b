"""A release built again from its commit: the same bytes, or what differs; who lies about the commit is found out."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from typing import Optional

import pytest
from conftest import TRUSTED

pytest.importorskip("tuf", reason="the tools of releases need python-tuf, which needs a newer python")

from release import verify
from release.failed import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
Changes = Mapping[str, Optional[bytes]]
INSIDE = "site-packages/sdcupgrade"
WHEN = "2026-11-23T10:15:00Z"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A clone of the sources, of one commit."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "tools").mkdir()
    for name in ("sdcupgrade", "build"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "root.json"))
    shutil.copy(ROOT / "tools" / "interpreters.py", folder / "tools")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    dates = {"GIT_AUTHOR_DATE": WHEN, "GIT_COMMITTER_DATE": WHEN, "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    subprocess.run([*git, "commit", "-q", "-m", "all"], check=True, env=dates)
    return folder


@pytest.fixture(scope="module")
def released(source: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The release, built with one Python."""
    target = tmp_path_factory.mktemp("dist") / "sdcupgrade"
    words = [sys.executable, str(source / "build" / "pyz.py"), "-o", str(target), "--pythons", MINOR]
    done = subprocess.run([*words, "--root", str(TRUSTED)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def rewritten(file: pathlib.Path, into: pathlib.Path, changes: Changes) -> pathlib.Path:
    """The archive in *file* with other members; None takes one out."""
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(into / file.name, "w") as new:
        members = {info.filename: old.read(info) for info in old.infolist()}
        for name, data in {**members, **changes}.items():
            if data is not None:
                new.writestr(name, data)
    return into / file.name


def verified(file: pathlib.Path, source: pathlib.Path, *more: str) -> tuple[int, str, str]:
    """The command."""
    words = [sys.executable, str(ROOT / "tools" / "release"), "verify-release", str(file), "--source", str(source)]
    done = subprocess.run([*words, *more], capture_output=True, text=True, cwd="/", check=False)
    return done.returncode, done.stdout, done.stderr


def refused(file: pathlib.Path, source: pathlib.Path) -> str:
    """What it says of a file that is not what it should be."""
    with pytest.raises(Failed) as why:
        verify.verify(file, source)
    return str(why.value)


def test_a_release_is_what_its_commit_makes(released: pathlib.Path, source: pathlib.Path) -> None:
    before = subprocess.run(["git", "-C", str(source), "status", "--porcelain", "--branch"], capture_output=True,
                            check=True).stdout  # fmt: skip
    status, out, err = verified(released, source, "--root", str(TRUSTED))
    assert (status, err) == (0, "")
    assert out.startswith(f"{released}: the same bytes as built from commit ")
    after = subprocess.run(["git", "-C", str(source), "status", "--porcelain", "--branch"], capture_output=True,
                           check=True).stdout  # fmt: skip
    assert before == after


def test_each_member_that_differs_is_named(
    released: pathlib.Path, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    changes = {f"{INSIDE}/errors.py": b"", f"{INSIDE}/log.py": None, "site-packages/planted.py": b""}
    status, out, err = verified(rewritten(released, tmp_path, changes), source)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert f"only in the release: site-packages/planted.py; missing in the release: {INSIDE}/log.py;" in err
    assert f"other bytes: {INSIDE}/errors.py\n" in err


def test_another_header_is_noticed(released: pathlib.Path, source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    changed = tmp_path / "sdcupgrade"
    changed.write_bytes(released.read_bytes().replace(b"-I -S -c", b"-I -E -c", 1))
    assert "the header, or the order of the members" in refused(changed, source)


@pytest.mark.parametrize(("changed", "said"), [
    ((b"-20261123T", b"-20271123T"), "its buildstamp says 20271123T101500Z, and commit"),
    ((b"Z-g", b"Z-gfffffff"), "cannot give commit fffffff"),
    ((b"'\nBYTE", b"-dirty'\nBYTE"), "names no clean commit"),
    ((b"BYTECODE = ['", b"BYTECODE = ['9.9.9', '"), "it has byte code of Python 9.9.9, which is not on this machine"),
    ((b"STAMP = ", b"STAMP = print("), "does not tell which build it is"),
    ((b"STAMP = ", b"STAMP = [].x or "), "does not tell which build it is"),
])  # fmt: skip
def test_who_lies_about_the_build_is_found_out(
    released: pathlib.Path, source: pathlib.Path, tmp_path: pathlib.Path, changed: tuple[bytes, bytes], said: str
) -> None:
    baked = verify.read_members(released)[f"{INSIDE}/_build.py"]
    assert changed[0] in baked
    lie = {f"{INSIDE}/_build.py": baked.replace(*changed)}
    assert said in refused(rewritten(released, tmp_path, lie), source)


def test_the_root_of_trust_inside_must_be_the_one_that_is_named(
    released: pathlib.Path, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    other = tmp_path / "1.root.json"
    other.write_text("{}")
    status, _, err = verified(released, source, "--root", str(other))
    assert (status, err) == (1, f"release: {released}: the root of trust inside is not {other}\n")
