"""The finishing pass over a small archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from build.finish import finish


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """What shiv would leave, members in disorder and deflated."""
    place = tmp_path / "raw"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("site-packages/b.py", "environment.json", "__main__.py", "_bootstrap/__init__.py"):
            archive.writestr(name, f"shiv's {name}" * 100)
    return place


@pytest.fixture
def bytecode(tmp_path: Path) -> Path:
    """Byte code of one module."""
    place = tmp_path / "bytecode"
    (place / "cpython-39").mkdir(parents=True)
    (place / "cpython-39" / "b.pyc").write_bytes(b"code")
    return place


def test_all_of_shiv_stays_but_its_main(raw: Path, bytecode: Path, tmp_path: Path) -> None:
    finish(raw, bytecode, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out") as archive:
        names = ["__main__.py", "_bootstrap/__init__.py", "cpython-39/b.pyc", "environment.json", "site-packages/b.py"]
        assert archive.namelist() == names
        assert archive.read("environment.json") == b"shiv's environment.json" * 100
        assert b"sdcupgrade_boot" in archive.read("__main__.py")


def test_offsets_count_from_the_beginning_of_the_file(raw: Path, bytecode: Path, tmp_path: Path) -> None:
    finish(raw, bytecode, tmp_path / "out")
    whole = (tmp_path / "out").read_bytes()
    with zipfile.ZipFile(tmp_path / "out") as archive:
        offset = archive.infolist()[0].header_offset
    assert whole.startswith(b"#!/bin/sh\n")
    assert whole[offset - 8 : offset + 4] == b"exit 69\nPK\3\4"


def test_an_older_file_is_replaced_and_nothing_left_beside(raw: Path, bytecode: Path, tmp_path: Path) -> None:
    target = tmp_path / "dist" / "out"
    finish(raw, bytecode, target)
    first = target.stat().st_ino
    finish(raw, bytecode, target)
    assert target.stat().st_ino != first
    assert target.stat().st_mode & 0o777 == 0o755
    assert list(target.parent.iterdir()) == [target]


def test_a_build_that_fails_leaves_the_older_file(
    raw: Path, bytecode: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "dist" / "out"
    finish(raw, bytecode, target)
    before = target.read_bytes()
    monkeypatch.setattr("build.finish.entry", lambda name: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        finish(raw, bytecode, target)
    assert target.read_bytes() == before
    assert list(target.parent.iterdir()) == [target]
