"""What is installed: the link, the pairs of versions, the way back, and the end of a trial."""

from __future__ import annotations

import os
import pathlib

import pytest
from product_fakes import files_in

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.doors.unwritten import Unwritten
from sdcupgrade.errors import BadAnswer
from sdcupgrade.run import installed
from sdcupgrade.run.installed import GOOD, TRIAL, Pair, path_of, read_pair, write_pair

A, B, C = (path_of(version) for version in ("1.0.0", "1.1.0", "1.2.0"))


@pytest.fixture
def files(tmp_path: pathlib.Path) -> RootedFiles:
    """Three versions, none of them in use."""
    made = files_in(tmp_path)
    for path in (A, B, C):
        made.write(path, b"a version", 0o555)
    return made


def test_the_link_is_relative_and_flips(files: RootedFiles) -> None:
    assert installed.current(files) is None
    for path in (A, B):
        installed.flip(files, path)
        assert installed.current(files) == path
    assert files.leads_to(installed.LINK) == "../sdcupgrade/1.1.0/sdcupgrade"
    with pytest.raises(BadAnswer):
        installed.flip(files, "/etc/passwd")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "../sdcupgrade/../../etc/passwd"])
def test_a_link_to_somewhere_else_is_no_installation(files: RootedFiles, target: str) -> None:
    files.mkdir(installed.BIN)
    files.link(installed.LINK, target)
    assert installed.current(files) is None


@pytest.mark.parametrize("text", [b"", b"\n\n\n", b"one line", b"a\nb", b"\xff\n\xff\n\xff\n"])
def test_garbage_is_no_pair(files: RootedFiles, text: bytes) -> None:
    files.write(TRIAL, text)
    assert read_pair(files, TRIAL) is None
    installed.come_through(files, "/x")
    assert files.exists(TRIAL)


def test_the_way_back(files: RootedFiles) -> None:
    installed.flip(files, B)
    assert installed.previous(files) is None
    write_pair(files, TRIAL, Pair(B, A))
    assert installed.previous(files) == A
    write_pair(files, TRIAL, Pair(C, B))  # written, and the link never flipped
    assert installed.previous(files) is None
    write_pair(files, GOOD, Pair(B, A))
    assert installed.previous(files) == A
    installed.flip(files, A)
    assert installed.previous(files) == B
    files.remove(B)
    assert installed.previous(files) is None


def test_what_there_is_a_way_back_to_is_kept(files: RootedFiles) -> None:
    installed.flip(files, C)
    write_pair(files, GOOD, Pair(B, A))
    write_pair(files, TRIAL, Pair(C, B))
    assert installed.kept(files) == {A, B, C}
    files.remove(TRIAL)
    files.remove(GOOD)
    assert installed.kept(files) == {C}


def test_a_trial_ends_for_the_file_that_is_on_trial_alone(files: RootedFiles) -> None:
    write_pair(files, TRIAL, Pair(B, A, "stamp"))
    files.write(installed.BEGUN, b"1 x\n")
    for other in (None, files.resolved(A)):
        installed.come_through(files, other)
        assert files.exists(TRIAL)
    installed.come_through(files, files.resolved(B))
    assert read_pair(files, GOOD) == Pair(B, A, "stamp")
    assert not files.exists(TRIAL)
    assert not files.exists(installed.BEGUN)


def test_a_trial_that_cannot_be_ended_is_told(
    files: RootedFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(files, TRIAL, Pair(B, A))
    files.mkdir(f"{GOOD}/in-the-way")
    monkeypatch.setenv("SDCUPGRADE_ROOT", files.real("/").rstrip("/"))
    installed.end_trial(files.resolved(B))
    assert "so the new version is still on trial" in capsys.readouterr().err
    assert files.exists(TRIAL)
    os.rmdir(files.real(f"{GOOD}/in-the-way"))
    os.rmdir(files.real(GOOD))
    installed.end_trial(files.resolved(B))
    assert not files.exists(TRIAL)


def test_what_is_only_looked_at_is_not_written(files: RootedFiles) -> None:
    unwritten = Unwritten(files)
    unwritten.write(A, b"other")
    unwritten.write("/new", b"new")
    assert (unwritten.read(A), unwritten.read("/new"), unwritten.exists("/new")) == (b"other", b"new", True)
    assert (files.read(A), files.exists("/new"), unwritten.read(B)) == (b"a version", False, b"a version")


def test_a_file_in_use_is_known(files: RootedFiles) -> None:
    import fcntl

    assert not files.in_use("/nowhere")
    with pathlib.Path(files.real(A)).open("rb") as running:
        assert not files.in_use(A)
        fcntl.flock(running, fcntl.LOCK_SH)
        assert files.in_use(A)
    assert not files.in_use(A)
