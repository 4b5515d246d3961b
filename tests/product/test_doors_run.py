"""Programs are run in a group of their own, with nothing of our environment, and never for longer than allowed."""

from __future__ import annotations

import os
import pathlib
import select
import signal
import subprocess
import sys
import threading
from typing import Optional

import pytest
from product_fakes import files_in

from sdcupgrade.doors.run import Completed, SubprocessRunner, child_environment
from sdcupgrade.errors import CommandFailed
from sdcupgrade.log import NullLog


@pytest.fixture
def runner(tmp_path: pathlib.Path) -> SubprocessRunner:
    return SubprocessRunner(child_environment({"HOME": "/root"}), NullLog(), files_in(tmp_path))


def test_output_and_status_come_back_apart(runner: SubprocessRunner) -> None:
    done = runner.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_stdin_is_empty_unless_given(runner: SubprocessRunner, tmp_path: pathlib.Path) -> None:
    """Also where our own has something in it, as when commands are piped into a shell."""
    (tmp_path / "ours").write_text("not for programs")
    kept, ours = os.dup(0), os.open(tmp_path / "ours", os.O_RDONLY)
    os.dup2(ours, 0)
    try:
        assert runner.run(["cat"]).stdout == ""
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(ours)


def test_stdin_is_what_was_given(runner: SubprocessRunner) -> None:
    assert runner.run(["cat"], stdin='{"quota": 30}').stdout == '{"quota": 30}'


def test_the_environment_is_built_from_nothing(runner: SubprocessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASH_ENV", "/tmp/evil")
    names = {line.partition("=")[0] for line in runner.run(["env"]).stdout.splitlines()}
    assert names <= {"PATH", "HOME", "LC_ALL", "PWD", "SHLVL", "_"}


def test_another_root_passes_the_callers_environment_on() -> None:
    passed = child_environment({"SDCUPGRADE_ROOT": "/box", "SAPI_URL": "http://x", "LC_ALL": "de_DE"})
    assert (passed["SAPI_URL"], passed["LC_ALL"]) == ("http://x", "C")
    assert "SAPI_URL" not in child_environment({"SDCUPGRADE_ROOT": "/", "SAPI_URL": "http://x"})


def test_programs_may_ask_the_operators_ssh_agent() -> None:
    given = {"SSH_AUTH_SOCK": "/tmp/agent", "LD_PRELOAD": "/tmp/evil.so"}
    assert child_environment(given)["SSH_AUTH_SOCK"] == "/tmp/agent"
    assert "LD_PRELOAD" not in child_environment(given)
    assert "SSH_AUTH_SOCK" not in child_environment({})


def test_bytes_that_are_not_utf8_survive(runner: SubprocessRunner) -> None:
    out = runner.run(["printf", r"caf\351"]).stdout
    assert out.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_a_missing_program_is_named(runner: SubprocessRunner) -> None:
    with pytest.raises(CommandFailed, match="no-such-program: there is no such program") as caught:
        runner.run(["no-such-program"])
    assert "/usr/sbin" in caught.value.hint


def test_a_program_that_may_not_be_run(runner: SubprocessRunner, tmp_path: pathlib.Path) -> None:
    (tmp_path / "tool").write_text("not executable")
    with pytest.raises(CommandFailed, match=r"cannot be run: .*[Pp]ermission"):
        runner.run([str(tmp_path / "tool")])


def test_time_out_stops_the_grandchildren_too(runner: SubprocessRunner, tmp_path: pathlib.Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(CommandFailed, match=r"did not end within 0\.3 s"):
        runner.run(["sh", "-c", f"sleep 600 & echo $! > {pid_file}; wait"], timeout_s=0.3)
    assert _ends(int(pid_file.read_text()))


def _ends(pid: int) -> bool:
    """Whether it is gone, or on its way: the signal was sent, and the kernel may take a moment."""
    if not hasattr(os, "pidfd_open"):
        return not _is_running(pid)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


def _is_running(pid: int) -> bool:
    """A zombie waits for an init that may never come in a container; it does not run."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_a_program_runs_in_a_session_of_its_own(runner: SubprocessRunner) -> None:
    ours = os.getsid(0)
    theirs = int(runner.run(["sh", "-c", "ps -o sid= -p $$ || cut -d' ' -f6 /proc/$$/stat"]).stdout)
    assert theirs != ours


def test_the_signal_that_killed_it_is_named(runner: SubprocessRunner) -> None:
    done = runner.run(["sh", "-c", "kill -KILL $$"])
    assert done.ending == "was killed by SIGKILL"


@pytest.mark.parametrize(
    ("status", "words"), [(1, "exited 1"), (127, "exited 127 (program not found)"), (-99, "was killed by signal 99")]
)
def test_endings_in_words(status: int, words: str) -> None:
    assert Completed((), status, "", "", 0.0).ending == words


def test_output_to_a_file_appears_whole(runner: SubprocessRunner, tmp_path: pathlib.Path) -> None:
    done = runner.run(["printf", "stream"], stdout_to="/var/tmp/zone.zfs")
    assert (tmp_path / "var/tmp/zone.zfs").read_bytes() == b"stream"
    assert done.stdout == ""


def test_a_failed_program_leaves_no_output_file(runner: SubprocessRunner, tmp_path: pathlib.Path) -> None:
    done = runner.run(["sh", "-c", "printf half; exit 1"], stdout_to="/var/tmp/zone.zfs")
    assert done.status == 1
    assert os.listdir(tmp_path / "var/tmp") == []


def test_output_is_capped(runner: SubprocessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcupgrade.doors.run.OUTPUT_CAP", 5)
    assert runner.run(["printf", "123456789"]).stdout == "12345"


class _Thread(threading.Thread):
    """A thread whose first join is interrupted as by Ctrl-C; the program goes on only at the second."""

    joined = 0
    fifo = pathlib.Path()

    def join(self, timeout: Optional[float] = None) -> None:
        _Thread.joined += 1
        if _Thread.joined == 1:
            raise KeyboardInterrupt
        _Thread.fifo.write_text("go")
        super().join(timeout)


def test_ctrl_c_waits_for_the_program_to_end(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    runner = SubprocessRunner(child_environment({}), NullLog(), files_in(tmp_path), said.append)
    monkeypatch.setattr(_Thread, "joined", 0)
    monkeypatch.setattr(_Thread, "fifo", fifo)
    monkeypatch.setattr(threading, "Thread", _Thread)
    with pytest.raises(KeyboardInterrupt):
        runner.run(["sh", "-c", f"read x < {fifo}; echo whole > {tmp_path}/result"])
    assert (tmp_path / "result").read_text() == "whole\n"
    assert "waiting for sh to end" in said[0]


def test_a_vanished_reader_does_not_kill_the_program(tmp_path: pathlib.Path) -> None:
    """What a kill -9 of sdcupgrade leaves: a program that writes to a file, not into a broken pipe."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from sdcupgrade.doors.run import SubprocessRunner, child_environment\n"
        "from sdcupgrade.doors.files import RootedFiles\n"
        "from sdcupgrade.log import NullLog\n"
        "SubprocessRunner(child_environment({}), NullLog(), RootedFiles(sys.argv[2])).run(\n"
        "    ['sh', '-c', 'kill -KILL $PPID; echo a; echo b >&2; echo c; echo whole > ' + sys.argv[2] + '/done'])\n"
    )
    root = str(pathlib.Path(__file__).parents[2])
    os.mkfifo(tmp_path / "done")
    process = subprocess.Popen([sys.executable, "-c", code, root, str(tmp_path)])
    assert (tmp_path / "done").read_text() == "whole\n"
    assert process.wait() == -signal.SIGKILL


def test_a_program_is_found_where_it_would_be_run(tmp_path: pathlib.Path) -> None:
    (tmp_path / "vmadm").touch(0o755)
    (tmp_path / "notes").touch(0o644)
    runner = SubprocessRunner({"PATH": str(tmp_path)}, NullLog(), files_in(tmp_path))
    assert runner.find("vmadm") == str(tmp_path / "vmadm")
    assert (runner.find("notes"), runner.find("sh")) == (None, None)
