"""The log is read by bunyan, keeps secrets, and never stands in the way."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import shutil
import subprocess
from typing import Any

import pytest
from product_fakes import FakeClock, files_in

from sdcupgrade.errors import StorageError
from sdcupgrade.log import FOLDER, Log, NullLog, masked


@pytest.fixture
def log(tmp_path: pathlib.Path) -> Log:
    return Log(files_in(tmp_path), FakeClock(), "upgrade")


def _lines(log: Log, folder: pathlib.Path) -> list[dict[str, Any]]:
    log.close()
    return [json.loads(line) for line in (folder / log.path[1:]).read_text().splitlines()]


def test_a_line_has_what_bunyan_wants(log: Log, tmp_path: pathlib.Path) -> None:
    log.info("upgrade imgapi", step="imgapi.reprovision")
    (line,) = _lines(log, tmp_path)
    assert set(line) == {"name", "hostname", "pid", "level", "msg", "time", "v", "step"}
    assert (line["name"], line["level"], line["v"], line["time"]) == ("sdcupgrade", 30, 0, "2023-11-14T22:13:20.000Z")


def test_the_real_bunyan_reads_it(log: Log, tmp_path: pathlib.Path) -> None:
    bin_folder = pathlib.Path(__file__).parents[2] / ".scratch/node/node_modules/.bin"
    program = shutil.which("bunyan", path=f"{bin_folder}:{os.environ['PATH']}")
    if program is None or shutil.which("node") is None:
        pytest.skip("the bunyan program, or node, is not installed")
    log.call("command", "vmadm", ["vmadm", "list"], 0.25, "exited 0")
    log.close()
    said = subprocess.run([program, "--no-color", str(tmp_path / log.path[1:])], capture_output=True, text=True)
    assert "command vmadm: exited 0" in said.stdout


def test_a_call_says_what_how_long_and_what_came_of_it(log: Log, tmp_path: pathlib.Path) -> None:
    log.call("http", "GET", "http://sapi/services", 0.12345, "200", bytes=17)
    (line,) = _lines(log, tmp_path)
    found = {key: line[key] for key in ("face", "call", "detail", "seconds", "result", "bytes")}
    assert found == {
        "face": "http", "call": "GET", "detail": "http://sapi/services", "seconds": 0.123, "result": "200", "bytes": 17,
    }


def test_levels(log: Log, tmp_path: pathlib.Path) -> None:
    for say in (log.debug, log.info, log.warn, log.error):
        say("x")
    assert [line["level"] for line in _lines(log, tmp_path)] == [20, 30, 40, 50]


def test_a_run_that_says_nothing_leaves_no_file(log: Log, tmp_path: pathlib.Path) -> None:
    log.close()
    assert not (tmp_path / FOLDER[1:]).exists()


def test_the_name_tells_when_who_and_what(log: Log) -> None:
    assert log.path.startswith("/var/log/sdcupgrade/20231114T221320Z-")
    assert log.path.endswith("-upgrade.log")


def test_only_the_newest_stay(log: Log, tmp_path: pathlib.Path) -> None:
    files = files_in(tmp_path)
    for number in range(120):
        files.write(f"{FOLDER}/20200101T000000Z-{number:03d}-check.log", b"")
    files.write(f"{FOLDER}/notes.txt", b"of the operator")
    log.info("x")
    names = files.listdir(FOLDER)
    assert len([name for name in names if name.endswith(".log")]) == 100
    assert "20200101T000000Z-020-check.log" not in names
    assert "20200101T000000Z-021-check.log" in names
    assert "notes.txt" in names


class _Awkward:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("field", [float("nan"), _Awkward(), {(1, 2): 3}])
def test_what_cannot_be_logged_hides_nothing_else(field: object, log: Log, tmp_path: pathlib.Path) -> None:
    log.error("the real error", field=field)
    log.info("and on")
    first, second = _lines(log, tmp_path)
    assert first["msg"].startswith("the real error (with fields that cannot be logged")
    assert second["msg"] == "and on"


def test_odd_objects_and_bytes_are_written_as_they_look(log: Log, tmp_path: pathlib.Path) -> None:
    log.info("x", path=pathlib.PurePosixPath("/a"), text="caf\udce9")
    (line,) = _lines(log, tmp_path)
    assert (line["path"], line["text"]) == ("PurePosixPath('/a')", "caf\udce9")


def test_a_full_disk_silences_the_log_and_nothing_else(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sdcupgrade.doors.files.os.mkdir", full)
    log.info("x")
    log.info("y")
    assert "cannot be written" in log.trouble
    assert "no space left" in log.trouble


def test_a_disk_that_fills_up_later(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.info("x")
    assert log._file is not None

    class _Full:
        def __exit__(self, *_: object) -> None:
            raise StorageError("/var/log: cannot be written: no space left on device")

    monkeypatch.setattr(log, "_context", _Full())
    log.close()
    assert "no space left" in log.trouble


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ({"ufds_ldap_root_pw": "s3cret", "name": "x"}, {"ufds_ldap_root_pw": "***", "name": "x"}),
        ({"headers": [{"Authorization": "Basic x"}]}, {"headers": [{"Authorization": "***"}]}),
        ('{"adminui_admin_pw": "s3cret", "a": 1}', '{"adminui_admin_pw": "***", "a": 1}'),
        ("root_password='s3cret' a=b", "root_password='***' a=b"),
        ("http://x/?password=s3cret&a=b", "http://x/?password=***&a=b"),
        (["vmadm", "list"], ["vmadm", "list"]),
        (7, 7),
    ],
)
def test_secrets_are_masked(value: object, clean: object) -> None:
    assert masked(value) == clean


def test_secrets_in_messages_and_fields_are_masked(log: Log, tmp_path: pathlib.Path) -> None:
    log.info("password=s3cret", stdout='{"zk_pw": "s3cret"}')
    log.close()
    assert "s3cret" not in (tmp_path / log.path[1:]).read_text()


def test_the_null_log_takes_everything() -> None:
    log = NullLog()
    log.info("x", a=1)
    log.call("command", "x", [], 0.0, "exited 0")
    log.close()
    assert (log.path, log.trouble) == ("", "")


def test_a_very_long_word_takes_no_time_to_search() -> None:
    assert masked(["x" * 200_000, "ufds_pw=" + "x" * 200_000]) == ["x" * 200_000, "ufds_pw=***"]
