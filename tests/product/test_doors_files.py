"""Files are replaced whole or not at all, below one root, and every failure is a sentence."""

from __future__ import annotations

import errno
import os
import pathlib
import subprocess
import sys

import pytest
from product_fakes import files_in

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.errors import NoInput, StorageError


@pytest.fixture
def files(tmp_path: pathlib.Path) -> RootedFiles:
    return files_in(tmp_path)


def _names(folder: pathlib.Path) -> list[str]:
    return sorted(os.listdir(folder))


def _failing(number: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"sdcupgrade.doors.files.os.{name}", fail)


def test_paths_are_below_the_root(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    assert files.real("/var/tmp/x") == f"{tmp_path}/var/tmp/x"


def test_a_path_below_the_root_already_stays(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    assert files.real(f"{tmp_path}/var/tmp/x") == f"{tmp_path}/var/tmp/x"


def test_a_relative_path_is_the_operators_own(files: RootedFiles) -> None:
    assert files.real("dir/foo.json") == "dir/foo.json"


def test_the_real_root_changes_nothing() -> None:
    assert RootedFiles("/").real("/var/tmp/x") == "/var/tmp/x"


def test_write_makes_private_parents_and_leaves_nothing_else(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    files.write("/var/tmp/upgrade-foo/plan.json", b"{}")
    assert _names(tmp_path / "var/tmp/upgrade-foo") == ["plan.json"]
    assert (tmp_path / "var/tmp/upgrade-foo").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "var/tmp/upgrade-foo/plan.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("broken", ["fsync", "replace", "fchmod"])
def test_a_write_that_fails_leaves_the_old_file(broken: str, tmp_path: pathlib.Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    files = RootedFiles(str(tmp_path))
    files.write("/plan.json", b"old")
    with monkeypatch.context() as patched:
        _failing(errno.ENOSPC, broken, patched)
        with pytest.raises(StorageError):
            files.write("/plan.json", b"new")
    assert files.read("/plan.json") == b"old"
    assert _names(tmp_path) == ["plan.json"]


@pytest.mark.parametrize(
    ("number", "reason", "remedy"),
    [
        (errno.ENOSPC, "no space left on device", "free space"),
        (errno.EROFS, "read-only file system", "zfs get readonly"),
        (errno.EACCES, "permission denied", "run as root"),
    ],
)
def test_failures_name_path_reason_and_remedy(files: RootedFiles, number: int, reason: str, remedy: str,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    _failing(number, "open", monkeypatch)
    with pytest.raises(StorageError) as caught:
        files.append("/journal.jsonl", b"x\n")
    assert caught.value.message == f"/journal.jsonl: cannot be written: {reason}"
    assert remedy in caught.value.hint


def test_an_append_that_does_not_fit_is_taken_back(files: RootedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.append("/journal.jsonl", b"whole\n")
    real_write = os.write
    with monkeypatch.context() as patched:
        patched.setattr("sdcupgrade.doors.files.os.write", lambda fd, data: real_write(fd, data[:3]))
        with pytest.raises(StorageError, match="no space left"):
            files.append("/journal.jsonl", b"another\n")
    assert files.read("/journal.jsonl") == b"whole\n"


def test_what_is_written_is_synced_with_its_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("sdcupgrade.doors.files.os.fsync", synced.append)
    RootedFiles(str(tmp_path)).write("/plan.json", b"{}")
    assert len(synced) == 2


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written_anew(
    files: RootedFiles, tmp_path: pathlib.Path
) -> None:
    dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
    dead.wait()
    kept = (f".a.{os.getpid()}.01234567", f".b.{dead.pid}.01234567", f".a.x.{dead.pid}.01234567", ".a.swp")
    for name in (*kept, f".a.{dead.pid}.01234567"):
        (tmp_path / name).touch()
    files.write("/a", b"new")
    assert _names(tmp_path) == sorted([*kept, "a"])


def test_reading_what_is_not_there(files: RootedFiles) -> None:
    with pytest.raises(NoInput, match=r"/spec\.json: there is no such file"):
        files.read("/spec.json")


def test_reading_more_than_the_limit_is_refused(files: RootedFiles) -> None:
    files.write("/big", b"12345")
    assert files.read("/big", limit=5) == b"12345"
    with pytest.raises(StorageError, match="longer than the 4 bytes"):
        files.read("/big", limit=4)


def test_reading_a_folder_is_a_storage_error(files: RootedFiles) -> None:
    files.mkdir("/dir")
    with pytest.raises(StorageError, match="is a directory"):
        files.read("/dir")


def test_listing_nothing(files: RootedFiles) -> None:
    assert files.listdir("/nowhere") == []


def test_listing_is_sorted(files: RootedFiles) -> None:
    files.write("/d/b", b"")
    files.write("/d/a", b"")
    assert files.listdir("/d") == ["a", "b"]


def test_mkdir_where_a_file_is(files: RootedFiles) -> None:
    files.write("/file", b"")
    with pytest.raises(StorageError, match="/file: cannot be made: file exists"):
        files.mkdir("/file")


def test_remove_of_nothing_is_fine(files: RootedFiles) -> None:
    files.write("/file", b"")
    files.remove("/file")
    files.remove("/file")
    assert not files.exists("/file")


def test_rename_makes_the_new_parents(files: RootedFiles) -> None:
    files.write("/old", b"x")
    files.rename("/old", "/new/place")
    assert files.read("/new/place") == b"x"


def test_truncate_and_size(files: RootedFiles) -> None:
    files.write("/file", b"123456")
    files.truncate("/file", 2)
    assert (files.size("/file"), files.read("/file")) == (2, b"12")


def test_open_append_goes_on_where_it_ended(files: RootedFiles) -> None:
    for piece in (b"one", b"two"):
        with files.open_append("/part") as file:
            file.write(piece)
    assert files.read("/part") == b"onetwo"


def test_a_dangling_symlink_exists(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert files.exists("/link")
    assert not files.is_dir("/link")


def test_free_space_of_a_place_that_is_not_there_yet(files: RootedFiles) -> None:
    assert files.free("/not/yet/there") > 0


def test_a_lock_is_held_once(files: RootedFiles) -> None:
    first = files.lock("/var/lock", "me")
    assert first is not None
    assert files.lock("/var/lock", "you") is None
    assert files.read("/var/lock") == b"me"
    first.release()
    second = files.lock("/var/lock", "you")
    assert second is not None
    second.release()


def test_a_released_lock_names_nobody(files: RootedFiles) -> None:
    lock = files.lock("/lock", "me")
    assert lock is not None
    assert files.locked("/lock")
    lock.release()
    lock.release()
    assert (files.locked("/lock"), files.read("/lock")) == (False, b"")


def test_asking_about_a_lock_makes_none(files: RootedFiles) -> None:
    assert not files.locked("/lock")
    assert not files.exists("/lock")


def test_a_killed_holder_leaves_a_free_lock_with_its_name(files: RootedFiles, tmp_path: pathlib.Path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from sdcupgrade.doors.files import RootedFiles\n"
        "RootedFiles(sys.argv[2]).lock('/lock', 'the dead'); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(pathlib.Path(__file__).parents[2]), str(tmp_path)], check=False)
    assert files.read("/lock") == b"the dead"
    assert not files.locked("/lock")


def test_writable_looks_at_the_nearest_that_is_there(tmp_path: pathlib.Path) -> None:
    files = RootedFiles(str(tmp_path))
    (tmp_path / "file").touch(0o600)
    assert (files.writable("/"), files.writable("/var/not/yet")) == (True, True)
    assert not files.writable("/file/below")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
