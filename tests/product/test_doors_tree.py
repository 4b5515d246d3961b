"""The door to trees: what a path is, whole files put aside, and renames."""

from __future__ import annotations

import os
import pathlib

import pytest

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.doors.tree import Seen
from sdcupgrade.errors import StorageError

ME = (os.geteuid(), os.getegid())


@pytest.fixture
def files(tmp_path: pathlib.Path) -> RootedFiles:
    """Files below a folder, synced as on a headnode."""
    return RootedFiles(str(tmp_path))


def test_what_a_path_is(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    files.put("/file", [b"ab", b"c"], 0o640, ME)
    files.put_folder("/dir", 0o750, ME)
    files.put_link("/link", "file", ME)
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert files.look("/file") == Seen("file", 0o640, ME, 3)
    assert files.look("/dir") == Seen("dir", 0o750, ME)
    link, fifo = files.look("/link"), files.look("/fifo")
    assert link is not None and (link.kind, link.target) == ("link", "file")
    assert fifo is not None and fifo.kind == "other"
    assert (files.look("/none"), files.look("/file/below")) == (None, None)
    assert (files.scan("/none"), files.scan("/file")) == ({}, {})
    assert {name: one.kind for name, one in files.scan("/").items()} == {
        "file": "file", "dir": "dir", "link": "link", "fifo": "other",
    }  # fmt: skip


def test_a_digest_is_of_the_file_and_of_nothing_behind_a_link(files: RootedFiles) -> None:
    files.put("/file", [b"abc"], 0o600, ME)
    files.put_link("/link", "file", ME)
    assert files.digest("/file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(StorageError, match="/link"):
        files.digest("/link")


def test_put_writes_over_what_a_crash_left_and_never_through_a_link(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    files.put("/half", [b"half of a long file"], 0o600, ME)
    files.put("/half", [b"new"], 0o644, ME)
    assert ((tmp_path / "half").read_bytes(), files.look("/half")) == (b"new", Seen("file", 0o644, ME, 3))
    files.put_link("/link", "elsewhere", ME)
    with pytest.raises(StorageError):
        files.put("/link", [b"x"], 0o644, ME)
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"


def test_swapping_in_replaces_files_and_links(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    files.put("/old", [b"old"], 0o600, ME)
    files.put_link("/new", "somewhere", ME)
    files.swap_in("/new", "/old")
    assert os.readlink(tmp_path / "old") == "somewhere"
    assert not files.exists("/new")


def test_a_folder_gets_its_mode_and_goes_only_when_it_is_empty(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    files.put_folder("/dir", 0o700, ME)
    files.put("/dir/file", [b""], 0o600, ME)
    files.put_folder("/dir", 0o755, ME)
    assert files.look("/dir") == Seen("dir", 0o755, ME)
    assert not files.drop_folder("/dir")
    files.remove("/dir/file")
    assert files.drop_folder("/dir")
    assert files.drop_folder("/dir")  # it is gone


def test_without_a_mode_the_file_system_has_its_own(files: RootedFiles) -> None:
    files.put("/file", [b"x"], None, (12345, 12345))
    files.put_folder("/dir", None, (12345, 12345))
    seen = files.look("/file")
    assert seen is not None and seen.owner == ME


def test_syncing_waits_for_files_and_folders(files: RootedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.put("/file", [b"x"], 0o600, ME)
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append("file"))
    monkeypatch.setattr(os, "sync", lambda: synced.append("all"))
    files.sync(["/file", "/"])
    assert synced == ["file", "file", "all"]

    def cannot(descriptor: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", cannot)
    files.sync(["/"])

    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StorageError, match="input/output error"):
        files.sync(["/file"])
