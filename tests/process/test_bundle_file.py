"""A bundle as an operator meets it: made by the one file from an updates server, carried, and run by any Python."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import Box
from interpreters import supported

PYTHONS = [found.path for _, found in sorted(supported(needs=()).items())]
ENDS = sorted({PYTHONS[0], PYTHONS[-1]})
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def bundle(one_file: pathlib.Path, coal: Box, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Made where there is no headnode, from the box's updates server."""
    folder = tmp_path_factory.mktemp("connected")
    (folder / "foo.json").write_text('{"imgapi": "latest", "adminui": "latest"}', encoding="utf-8")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "SDCUPGRADE_UPDATES_URL": coal.env["SDCUPGRADE_UPDATES_URL"],
           "SDCUPGRADE_PYTHON": sys.executable}  # fmt: skip
    argv = [str(one_file), "bundle", "create", "foo.json"]
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(place.name for place in folder.iterdir() if place.name[0] != ".") == ["foo.json", "foo.sdcupgrade"]
    return folder / "foo.sdcupgrade"


def ran(place: pathlib.Path, python: pathlib.Path, *words: str, by_hand: bool = False) -> Done:
    """Run it as ``sh FILE``, or as ``python3 FILE``."""
    env = {"PATH": "/usr/bin:/bin", "HOME": os.devnull, "SDCUPGRADE_PYTHON": str(python)}
    argv = [str(python) if by_hand else "sh", place.name, *words]
    return subprocess.run(argv, cwd=place.parent, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("python", ENDS, ids=lambda path: path.parents[1].name)
def test_it_verifies_and_lists_itself(bundle: pathlib.Path, python: pathlib.Path) -> None:
    for by_hand in (False, True):
        done = ran(bundle, python, "verify", by_hand=by_hand)
        assert done.returncode == 0, done.stderr
        assert "whole" in done.stdout and "not signed" in done.stdout
    found = json.loads(ran(bundle, python, "list", "-j").stdout)
    assert list(found["spec"]) == ["imgapi", "adminui"]
    assert {one["name"] for one in found["images"] if one["services"]} == {"imgapi", "adminui"}
    assert all(one["inside"] for one in found["images"])


def test_the_program_in_it_is_the_released_one(bundle: pathlib.Path, one_file: pathlib.Path) -> None:
    assert bundle.read_bytes().endswith(one_file.read_bytes())
    assert subprocess.run([str(bundle), "--version"], capture_output=True, check=True).stdout == subprocess.run(
        [str(one_file), "--version"], capture_output=True, check=True
    ).stdout


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
def test_a_signed_one_is_believed_by_who_knows_the_key(bundle: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for name in ("mine", "other"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(argv, check=True, capture_output=True)
        key = (tmp_path / f"{name}.pub").read_text(encoding="utf-8")
        (tmp_path / f"allowed-{name}").write_text(f"{name}@example.com {key}", encoding="utf-8")
    place = pathlib.Path(shutil.copy(bundle, tmp_path))
    (tmp_path / "foo.json").write_text('{"imgapi": "latest"}', encoding="utf-8")
    words = ("foo.json", "-o", "signed.sdcupgrade", "--sign-key", "mine")
    assert ran(place, PYTHONS[-1], "bundle", "create", *words).returncode == 0
    signed = tmp_path / "signed.sdcupgrade"
    done = ran(signed, PYTHONS[0], "verify", "--require-signed", "--allowed-signers", "allowed-mine")
    assert done.returncode == 0 and "signed by mine@example.com" in done.stdout, done.stderr
    done = ran(signed, PYTHONS[0], "verify", "--allowed-signers", "allowed-other")
    assert done.returncode == 78 and "not signed by one of allowed-other" in done.stderr
    done = ran(place, PYTHONS[0], "verify", "--require-signed", "--allowed-signers", "allowed-mine")
    assert done.returncode == 78 and "it is not signed" in done.stderr


def spoilt(bundle: pathlib.Path, folder: pathlib.Path, at: int) -> pathlib.Path:
    """A copy with one byte changed; *at* counts from the end when it is negative."""
    data = bytearray(bundle.read_bytes())
    data[at] ^= 1
    place = folder / "foo.sdcupgrade"
    place.write_bytes(data)
    place.chmod(0o755)
    return place


def refused(done: Done) -> str:
    """One line, and the status of what is corrupt."""
    assert (done.returncode, done.stdout) == (79, ""), done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parents[1].name)
def test_a_damaged_program_is_told_before_any_of_it_runs(
    bundle: pathlib.Path, one_file: pathlib.Path, tmp_path: pathlib.Path, python: pathlib.Path
) -> None:
    size = one_file.stat().st_size
    for at in (-size, -size // 2, -1):  # its header, some module, the end of its directory
        place = spoilt(bundle, tmp_path, at)
        assert "damaged or cut off" in refused(ran(place, python, "version", "-j"))
    # python3 FILE gets as far as the first module, which hands it to the header
    assert "damaged or cut off" in refused(ran(spoilt(bundle, tmp_path, -size // 2), python, "verify", by_hand=True))


def test_one_that_is_cut_off_is_told(bundle: pathlib.Path, tmp_path: pathlib.Path) -> None:
    data = bundle.read_bytes()
    for size in (len(data) - 1, len(data) // 2, 8000):
        place = tmp_path / "foo.sdcupgrade"
        place.write_bytes(data[:size])
        assert "damaged or cut off" in refused(ran(place, PYTHONS[-1], "run"))


def test_a_damaged_member_is_named(bundle: pathlib.Path, tmp_path: pathlib.Path) -> None:
    member = json.loads(ran(bundle, PYTHONS[-1], "list", "-j").stdout)["members"][-1]
    done = ran(spoilt(bundle, tmp_path, member["offset"]), PYTHONS[-1], "verify")
    assert done.returncode == 79 and f"damaged: {member['name']}" in done.stderr and "Traceback" not in done.stderr
    index = bundle.read_bytes().index(b'"format": "sdcupgrade-bundle"')
    done = ran(spoilt(bundle, tmp_path, index), PYTHONS[-1], "list")
    assert done.returncode == 79 and "index.json is damaged" in done.stderr


def test_the_one_file_itself_is_told_too_when_it_is_cut_off(one_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    place = tmp_path / "sdcupgrade"
    place.write_bytes(one_file.read_bytes()[:-1000])
    assert "damaged or cut off" in refused(ran(place, PYTHONS[-1], "--version"))
    for command in ("verify", "list"):
        done = ran(one_file, PYTHONS[-1], command)
        assert done.returncode == 2 and "is not in a bundle" in done.stderr
