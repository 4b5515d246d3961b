"""The same sources give the same bytes: built again elsewhere, under another umask, clock, locale and Python."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from conftest import STAMP, TRUSTED
from interpreters import supported

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILDER = [found.path for minor, found in sorted(supported(needs=()).items()) if minor != sys.version_info[:2]]


def shiv_for(python: pathlib.Path, folder: pathlib.Path) -> str:
    """A PYTHONPATH with shiv, for an interpreter that has none; "" when shiv does not run on it."""
    for name in ("shiv", "click"):
        spec = importlib.util.find_spec(name)
        assert spec and spec.origin
        shutil.copytree(pathlib.Path(spec.origin).parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    asked = [str(python), "-m", "shiv", "--version"]
    done = subprocess.run(asked, env={"PYTHONPATH": str(folder)}, capture_output=True, check=False)
    return "" if done.returncode else str(folder)


def elsewhere(folder: pathlib.Path) -> pathlib.Path:
    """A copy of all that a build needs, in files that nobody else may read."""
    (folder / "tools").mkdir(parents=True)
    for name in ("sdcupgrade", "build"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tools" / "interpreters.py", folder / "tools")
    for path in folder.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    return folder


def test_two_builds_are_the_same_bytes(one_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    there = elsewhere(tmp_path / "an other place")
    python, path = pathlib.Path(sys.executable), ""
    for other in reversed(BUILDER):
        path = shiv_for(other, tmp_path / f"for {other.name}")
        if path:
            python = other
            break
    again = tmp_path / "again"
    argv = [str(python), str(there / "build" / "pyz.py"), "-o", str(again), "--stamp", STAMP]
    argv += ["--root", str(shutil.copy(TRUSTED, there))]
    env = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1", "PYTHONHASHSEED": "7",
           **({"PYTHONPATH": path} if path else {})}  # fmt: skip
    masked = ["sh", "-c", 'umask 077; exec "$@"', "sh", *argv]
    done = subprocess.run(masked, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert again.read_bytes() == one_file.read_bytes()


@pytest.fixture(scope="module")
def members(one_file: pathlib.Path) -> list[zipfile.ZipInfo]:
    """What is in the file."""
    with zipfile.ZipFile(one_file) as archive:
        return archive.infolist()


def test_members_are_in_order_and_tell_nothing_of_the_machine(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    assert names == sorted(names)
    told = {(one.date_time, one.external_attr >> 16, one.create_system, one.extra) for one in members}
    assert told == {((1980, 1, 1, 0, 0, 0), 0o100644, 3, b"")}
    assert {one.compress_type for one in members} == {zipfile.ZIP_STORED}


def test_every_module_is_there_as_source_and_for_every_python(members: list[zipfile.ZipInfo]) -> None:
    names = {member.filename for member in members}
    modules = {path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "sdcupgrade").rglob("*.py")}
    tags = {f"cpython-{major}{minor}" for major, minor in supported(needs=())}
    assert {f"site-packages/{module}.py" for module in modules} <= names
    assert {f"{tag}/{module}.pyc" for tag in tags for module in modules} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_the_root_of_trust_is_beside_the_package_wherever_that_is_imported_from(one_file: pathlib.Path) -> None:
    trees = ["site-packages", *[f"cpython-{major}{minor}" for major, minor in supported(needs=())]]
    with zipfile.ZipFile(one_file) as archive:
        assert {archive.read(f"{tree}/sdcupgrade/_root.json") for tree in trees} == {TRUSTED.read_bytes()}


@pytest.mark.parametrize("change", [(b'"version":', b'"version": 1'), (b"{", b"")])
def test_what_is_no_root_of_trust_is_not_put_in(tmp_path: pathlib.Path, change: tuple[bytes, bytes]) -> None:
    (tmp_path / "root.json").write_bytes(TRUSTED.read_bytes().replace(*change, 1))
    argv = [sys.executable, str(ROOT / "build" / "pyz.py"), "-o", str(tmp_path / "out"), "--stamp", STAMP]
    done = subprocess.run([*argv, "--root", str(tmp_path / "root.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"build: {tmp_path}/root.json: is no root of trust: ")
    assert not (tmp_path / "out").exists()


def test_no_member_names_the_place_of_the_build(one_file: pathlib.Path) -> None:
    assert str(ROOT).encode() not in one_file.read_bytes()
    assert b"sdcupgrade-build-" not in one_file.read_bytes()
