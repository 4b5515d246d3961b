"""The logs of a zone are packed newest first, within a size, and nothing outside the zone gets in."""

from __future__ import annotations

import io
import os
import pathlib
import tarfile

import pytest
from product_fakes import files_in

from sdcupgrade.doors import archive


def _log(folder: pathlib.Path, name: str, text: str, mtime: int = 0) -> pathlib.Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (mtime, mtime))
    return path


def _packed(folder: pathlib.Path, names: tuple[str, ...], most: int = 1000) -> tuple[dict[str, bytes], int]:
    left_out = files_in(folder).archive("/zone", names, "/out.tar.gz", most)
    with tarfile.open(folder / "out.tar.gz") as tar:
        members = {item.name: tar.extractfile(item) for item in tar}
        return {name: file.read() if file else b"" for name, file in members.items()}, left_out


def test_folders_and_files_are_packed(tmp_path: pathlib.Path) -> None:
    _log(tmp_path, "zone/var/svc/log/a.log", "a")
    _log(tmp_path, "zone/var/svc/setup.log", "s")
    _log(tmp_path, "zone/etc/passwd", "not asked for")
    packed, left_out = _packed(tmp_path, ("var/svc/log", "var/svc/setup.log", "var/missing"))
    assert packed == {"var/svc/log/a.log": b"a", "var/svc/setup.log": b"s"}
    assert left_out == 0


def test_the_newest_come_first_and_the_rest_is_counted(tmp_path: pathlib.Path) -> None:
    _log(tmp_path, "zone/log/old", "12345", mtime=1)
    _log(tmp_path, "zone/log/new", "12345", mtime=3)
    _log(tmp_path, "zone/log/mid", "12345", mtime=2)
    packed, left_out = _packed(tmp_path, ("log",), most=12)
    assert list(packed) == ["log/new", "log/mid"]
    assert left_out == 5


def test_symlinks_sockets_and_fifos_are_left_out(tmp_path: pathlib.Path) -> None:
    secret = _log(tmp_path, "secret", "of the global zone")
    _log(tmp_path, "zone/log/real", "r")
    (tmp_path / "zone/log/link").symlink_to(secret)
    os.mkfifo(tmp_path / "zone/log/fifo")
    assert list(_packed(tmp_path, ("log",))[0]) == ["log/real"]


def test_a_symlink_on_the_way_is_not_followed(tmp_path: pathlib.Path) -> None:
    _log(tmp_path, "outside/log/secret", "of the global zone")
    (tmp_path / "zone").mkdir()
    (tmp_path / "zone/var").symlink_to(tmp_path / "outside")
    assert _packed(tmp_path, ("var/log",)) == ({}, 0)


def test_a_file_that_shrinks_meanwhile_is_filled_up(tmp_path: pathlib.Path) -> None:
    path = _log(tmp_path, "log", "12345")
    item = archive._Found(0.0, "log", 5)
    path.write_text("12")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        archive._add(tar, str(tmp_path), item)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        member = tar.extractfile("log")
        assert member is not None
        assert member.read() == b"12\0\0\0"


def test_a_file_that_vanishes_is_passed_over(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _log(tmp_path, "zone/log/stays", "s")
    walk = archive._walk
    ghost = archive._Found(9.0, "log/gone", 1)
    monkeypatch.setattr(archive, "_walk", lambda folder, name: [ghost, *walk(folder, name)])
    assert list(_packed(tmp_path, ("log",))[0]) == ["log/stays"]
