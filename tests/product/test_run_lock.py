"""One at a time, and everybody knows who."""

from __future__ import annotations

import pathlib

import pytest
from product_fakes import files_in

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.errors import LockHeld
from sdcupgrade.jsonvalue import dumps
from sdcupgrade.run.lock import PATH, Holder, held, holder_now

ROOT = Holder(123, "root", "headnode", "2026-01-02T03:04:05.000Z", "upgrade", "foo")
OTHER = Holder(456, "root", "headnode", "2026-01-02T03:05:00.000Z", "rollback", "bar")


@pytest.fixture
def files(tmp_path: pathlib.Path) -> RootedFiles:
    return files_in(tmp_path)


def test_the_second_is_told_who_has_it(files: RootedFiles) -> None:
    with held(files, ROOT), pytest.raises(LockHeld) as caught, held(files, OTHER):
        pass
    assert "pid 123 (root, upgrade foo, since 2026-01-02T03:04:05.000Z)" in caught.value.message
    assert caught.value.hint.endswith("sdcupgrade status foo")


def test_afterwards_it_is_free(files: RootedFiles) -> None:
    with held(files, ROOT) as before:
        assert before is None
        assert holder_now(files) == ROOT
    assert holder_now(files) is None
    with held(files, OTHER) as before:
        assert before is None


def test_an_error_gives_it_back(files: RootedFiles) -> None:
    with pytest.raises(ZeroDivisionError), held(files, ROOT):
        raise ZeroDivisionError
    assert holder_now(files) is None


def test_the_lock_of_a_crashed_holder_is_free_and_names_it(files: RootedFiles) -> None:
    files.write(PATH, dumps(ROOT.__dict__).encode())
    assert holder_now(files) is None
    with held(files, OTHER) as before:
        assert before == ROOT


@pytest.mark.parametrize("garbage", [b"", b"{", b'{"pid": "x"}', b"\xff"])
def test_garbage_in_the_file_is_nobody(files: RootedFiles, garbage: bytes) -> None:
    files.write(PATH, garbage)
    with held(files, OTHER) as before:
        assert before is None


def test_a_holder_that_cannot_be_read_is_another_process(files: RootedFiles) -> None:
    lock = files.lock(PATH, "garbage")
    assert lock is not None
    with pytest.raises(LockHeld, match="held by another process"), held(files, OTHER):
        pass
    lock.release()
