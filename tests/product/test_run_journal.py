"""The journal never claims more than was written, whatever the moment of the crash."""

from __future__ import annotations

import json
import pathlib

import pytest
from product_fakes import FakeClock, Heard, files_in

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.errors import BadInput, StepFailed, StorageError
from sdcupgrade.model import Event
from sdcupgrade.run.journal import Journal, read_state
from sdcupgrade.run.state import Phase

PATH = "/var/tmp/upgrade-foo/journal.jsonl"


@pytest.fixture
def files(tmp_path: pathlib.Path) -> RootedFiles:
    return files_in(tmp_path)


def _journal(files: RootedFiles) -> Journal:
    return Journal(files, PATH, FakeClock())


def _written(files: RootedFiles) -> bytes:
    """A journal of some runs, as bytes."""
    journal = _journal(files)
    with journal.run("upgrade", {"pid": 7}, {"snapshot": True}):
        for name in ("script", "zone"):
            journal.append("intent", service="imgapi", step=f"imgapi.{name}")
            journal.append("waiting", text="waiting for setup_complete")
            journal.append("done", service="imgapi", step=f"imgapi.{name}", seconds=1.5, already=False)
        journal.append("intent", service="imgapi", step="imgapi.check")
        journal.append("failed", service="imgapi", step="imgapi.check", seconds=2, message="no answer")
    return files.read(PATH)


def test_what_was_appended_is_read_again(files: RootedFiles) -> None:
    journal = _journal(files)
    journal.append("intent", service="imgapi", step="imgapi.zone")
    state = read_state(files, PATH)
    assert state.steps["imgapi.zone"].phase is Phase.BEGUN
    assert state == journal.state == _journal(files).state


def test_no_journal_is_an_empty_state(files: RootedFiles) -> None:
    assert read_state(files, PATH).runs == ()
    assert not files.exists(PATH)


def test_a_crash_at_any_byte_is_read_as_what_was_whole(files: RootedFiles) -> None:
    """Every prefix folds, and says the same as the lines that are whole in it."""
    whole = _written(files)
    states = {}
    for end in range(len(whole) + 1):
        files.write(PATH, whole[:end])
        states[end] = read_state(files, PATH)
        last_line = whole.rfind(b"\n", 0, end) + 1
        assert states[end] == states[last_line]
        assert states[end].entries == whole[:end].count(b"\n")


def test_after_a_crash_at_any_byte_writing_goes_on(files: RootedFiles) -> None:
    whole = _written(files)
    for end in range(0, len(whole) + 1, 7):
        files.write(PATH, whole[:end])
        _journal(files).append("intent", service="a", step="a.b")
        state = read_state(files, PATH)
        assert state.entries == whole[:end].count(b"\n") + 1
        assert state.open_step is not None


def test_a_reader_never_changes_the_file(files: RootedFiles) -> None:
    torn = _written(files)[:-5]
    files.write(PATH, torn)
    read_state(files, PATH)
    assert files.read(PATH) == torn


@pytest.mark.parametrize("line", [1, 2, 5])
def test_a_changed_line_is_named(files: RootedFiles, line: int) -> None:
    lines = _written(files).split(b"\n")
    lines[line - 1] = lines[line - 1].replace(b"20", b"21", 1)
    files.write(PATH, b"\n".join(lines))
    with pytest.raises(BadInput, match=f"line {line + 1}: does not follow"):
        read_state(files, PATH)


def test_a_missing_line_is_noticed(files: RootedFiles) -> None:
    lines = _written(files).split(b"\n")
    files.write(PATH, b"\n".join(lines[:2] + lines[3:]))
    with pytest.raises(BadInput, match="line 3: does not follow"):
        _journal(files)


@pytest.mark.parametrize(
    "garbage", [b"\n", b"{}\n", b"[1]\n", b"\xff\n", b'{"v": 1, "v": 1}\n', b'{"v":1,"seq":"x"}\n']
)
def test_garbage_is_refused_with_its_line(files: RootedFiles, garbage: bytes) -> None:
    files.write(PATH, _written(files).split(b"\n")[0] + b"\n" + garbage)
    with pytest.raises(BadInput, match="line 2"):
        read_state(files, PATH)


def test_another_version_is_refused(files: RootedFiles) -> None:
    files.write(PATH, json.dumps({"v": 2}).encode() + b"\n")
    with pytest.raises(BadInput, match="another version"):
        read_state(files, PATH)


def test_a_line_that_cannot_be_written_is_not_remembered(files: RootedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = _journal(files)

    def full(path: str, line: bytes) -> None:
        raise StorageError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(files, "append", full)
        with pytest.raises(StorageError):
            journal.append("intent", service="a", step="a.b")
    journal.append("intent", service="a", step="a.c")
    assert list(read_state(files, PATH).steps) == ["a.c"]


def test_a_run_that_ends_well(files: RootedFiles) -> None:
    with _journal(files).run("upgrade", {"pid": 7, "user": "root"}, {"snapshot": True}):
        running = read_state(files, PATH).last_run
    ended = read_state(files, PATH)
    assert running is not None
    assert (running.command, running.who["user"], running.options["snapshot"], running.verdict) == (
        "upgrade", "root", True, "",
    )
    assert ended.runs[0].verdict == "done"
    assert ended.unfinished is None


def test_a_run_that_fails_says_why(files: RootedFiles) -> None:
    with pytest.raises(StepFailed), _journal(files).run("upgrade", {}, {}):
        raise StepFailed("imgapi: no answer")
    unfinished = read_state(files, PATH).unfinished
    assert unfinished is not None
    assert (unfinished.verdict, unfinished.message) == ("step-failed", "imgapi: no answer")


def test_a_run_that_is_interrupted(files: RootedFiles) -> None:
    with pytest.raises(KeyboardInterrupt), _journal(files).run("upgrade", {}, {}):
        raise KeyboardInterrupt
    unfinished = read_state(files, PATH).unfinished
    assert unfinished is not None
    assert unfinished.verdict == "interrupted"


def test_a_bug_leaves_a_run_without_end(files: RootedFiles) -> None:
    with pytest.raises(ZeroDivisionError), _journal(files).run("upgrade", {}, {}):
        raise ZeroDivisionError
    unfinished = read_state(files, PATH).unfinished
    assert unfinished is not None
    assert unfinished.verdict == ""


def test_a_full_disk_does_not_hide_why_the_run_failed(files: RootedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = _journal(files)

    def full(path: str, line: bytes) -> None:
        raise StorageError("no space")

    with pytest.raises(StepFailed, match="the reason"), journal.run("upgrade", {}, {}):
        monkeypatch.setattr(files, "append", full)
        raise StepFailed("the reason")


def test_a_new_wait_is_noted_once(files: RootedFiles) -> None:
    journal, heard = _journal(files), Heard()
    emit = journal.noting(heard)
    journal.append("intent", service="imgapi", step="imgapi.wait")
    for text in ("for setup", "for setup", "for DNS"):
        emit(Event("waiting", "imgapi.wait", text))
    assert heard.texts("waiting") == ["for setup", "for setup", "for DNS"]
    assert [entry.fields["text"] for entry in journal.entries if entry.event == "waiting"] == ["for setup", "for DNS"]


def test_a_wait_that_cannot_be_noted_stops_nothing(files: RootedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, heard = _journal(files), Heard()

    def full(path: str, line: bytes) -> None:
        raise StorageError("no space")

    monkeypatch.setattr(files, "append", full)
    journal.noting(heard)(Event("waiting", "x", "for DNS"))
    assert heard.texts("waiting") == ["for DNS"]
