"""A new version on trial, in every shell at hand: the header watches its first command, and goes back when that fails.

The header is the real one; behind it is no archive but a small script in the place of Python, which does as it is told.
"""

from __future__ import annotations

import os
import pathlib
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

HEADER = pathlib.Path(__file__).resolve().parents[2] / "build" / "header.sh"
KNOWN = (["sh"], ["dash"], ["bash", "--posix"], ["ksh93"], ["mksh"], ["zsh", "--emulate", "sh"], ["busybox", "sh"])
SHELLS = [words for words in KNOWN if shutil.which(words[0])]
NEW, OLD = "/opt/custom/sdcupgrade/2.0.0/sdcupgrade", "/opt/custom/sdcupgrade/1.0.0/sdcupgrade"
PYTHON = """#!{python} -IS
import os, signal, sys, time
words = sys.argv[6:]
trial = os.environ.get("SDCUPGRADE_TRIAL")
print("new", *map(repr, words), "on trial" if trial else "", flush=True)
come_through = lambda: trial and os.rename(trial, os.path.dirname(trial) + "/good")
if words[0] == "read":
    print(sys.stdin.read(), flush=True)
if words[0] == "ask":
    print("answer", repr(input()), sys.stdin.isatty(), flush=True)
if words[0] == "count":
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    signal.alarm(20)
    said = lambda: os.write(1, b"heard %d\\n" % len(heard))  # a handler may not print while something prints
    signal.signal(signal.SIGTERM, lambda *_: (said(), come_through(), os._exit(0)))
    print("ready", os.getpid(), flush=True)
    while True:
        time.sleep(0.01)
if words[0] == "wait":
    signal.signal(signal.SIGINT, lambda *_: (come_through(), sys.exit(130)))
    print("ready", flush=True)
    signal.alarm(20)
    signal.pause()
if words[0] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if words[0] != "crash":
    come_through()
sys.exit(3)
"""
Done = subprocess.CompletedProcess[str]


class Place:
    """A root with an old version, a new one on trial, and the link."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.link = root / "opt/custom/bin/sdcupgrade"
        self.trial = root / "opt/custom/sdcupgrade/trial"
        self.begun = self.trial.with_name("trial.begun")
        self.put(NEW, HEADER.read_text(encoding="utf-8"))
        self.put(OLD, '#!/bin/sh\necho old "$@"\nexit 5\n')
        self.python = root / "python"
        self.python.write_text(PYTHON.format(python=sys.executable), encoding="utf-8")
        self.python.chmod(0o755)
        self.link.parent.mkdir()
        self.link.symlink_to("../sdcupgrade/2.0.0/sdcupgrade")
        self.trial.write_text(f"{NEW}\n{OLD}\n\n", encoding="utf-8")

    def put(self, path: str, text: str) -> None:
        """An executable file."""
        place = pathlib.Path(f"{self.root}{path}")
        place.parent.mkdir(parents=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(0o755)

    def start(self, shell: Sequence[str], *words: str) -> subprocess.Popen[str]:
        """A command by way of the link, in a shell, without a terminal."""
        env = {"PATH": os.environ["PATH"], "SDCUPGRADE_ROOT": str(self.root), "SDCUPGRADE_PYTHON": str(self.python)}
        pipe = subprocess.PIPE
        return subprocess.Popen([*shell, str(self.link), *words], env=env, text=True, stdin=pipe, stdout=pipe,
                                stderr=pipe, start_new_session=True)  # fmt: skip

    def run(self, shell: Sequence[str], *words: str, given: str = "") -> Done:
        """The same, to its end."""
        process = self.start(shell, *words)
        out, err = process.communicate(given)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def leads_to(self) -> str:
        """The version that the link leads to."""
        return os.readlink(self.link).split("/")[2]


@pytest.fixture(params=SHELLS, ids="-".join)
def shell(request: pytest.FixtureRequest) -> Sequence[str]:
    words: Sequence[str] = request.param
    return words


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    return Place(tmp_path)


def test_without_a_trial_the_program_takes_the_shells_place(place: Place, shell: Sequence[str]) -> None:
    place.trial.unlink()
    done = place.run(shell, "go", "x  y", "", "*")
    assert (done.returncode, done.stdout, done.stderr) == (3, "new 'go' 'x  y' '' '*' \n", "")
    assert not place.begun.exists()


def test_what_comes_through_stays(place: Place, shell: Sequence[str]) -> None:
    done = place.run(shell, "go", "x  y", "", "*")
    assert (done.returncode, done.stdout, done.stderr) == (3, "new 'go' 'x  y' '' '*' on trial\n", "")
    assert place.leads_to() == "2.0.0"
    assert place.run(shell, "again").stdout == "new 'again' \n"


def test_it_can_read_what_it_is_given(place: Place, shell: Sequence[str]) -> None:
    assert place.run(shell, "read", given="yes").stdout == "new 'read' on trial\nyes\n"


@pytest.mark.parametrize("how", ["crash", "kill"])
def test_what_fails_is_gone_back_from(place: Place, shell: Sequence[str], how: str) -> None:
    done = place.run(shell, how)
    assert done.returncode == 3 if how == "crash" else done.returncode not in (0, 3)
    assert f"went back to {OLD}; type it again" in done.stderr.splitlines()[-1]
    assert place.leads_to() == "1.0.0"
    assert place.trial.with_name("rejected").read_text(encoding="utf-8").startswith(f"{NEW}\n{OLD}\n")
    assert not place.trial.exists()
    assert not place.begun.exists()
    assert place.run(shell, "status").stdout == "old status\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_is_told_to_stop_has_not_failed(place: Place, shell: Sequence[str], number: int) -> None:
    process = place.start(shell, "wait")
    assert process.stdout is not None
    assert process.stdout.readline() + process.stdout.readline() == "new 'wait' on trial\nready\n"
    process.send_signal(number)
    process.communicate()
    assert process.returncode not in (0, 3)
    assert place.leads_to() == "2.0.0"
    assert place.run(shell, "go").stdout == "new 'go' on trial\n"


def test_interrupt_is_handed_on(place: Place, shell: Sequence[str]) -> None:
    process = place.start(shell, "wait")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert place.leads_to() == "2.0.0"


class Terminal:
    """A command at a terminal of its own, in the foreground there."""

    def __init__(self, place: Place, shell: Sequence[str], *words: str) -> None:
        env = {"PATH": os.environ["PATH"], "SDCUPGRADE_ROOT": str(place.root), "SDCUPGRADE_PYTHON": str(place.python)}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(shell[0], [*shell, str(place.link), *words], env)
        self.seen = ""

    def until(self, word: str) -> str:
        """Read to the end of that word; what came before it."""
        while word not in self.seen:
            self.seen += os.read(self.terminal, 1000).decode()
        before, _, self.seen = self.seen.partition(word)
        return before

    def type(self, keys: bytes) -> None:
        """What somebody types."""
        os.write(self.terminal, keys)

    def end(self) -> int:
        """The exit status."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.terminal)
        return status


def test_at_a_terminal_it_asks_and_is_answered(place: Place, shell: Sequence[str]) -> None:
    terminal = Terminal(place, shell, "ask")
    terminal.until("trial")
    terminal.type(b"yes\n")
    terminal.until("answer 'yes' True")
    assert terminal.end() == 3
    assert place.leads_to() == "2.0.0"


def test_at_a_terminal_ctrl_c_is_heard_once(place: Place, shell: Sequence[str]) -> None:
    terminal = Terminal(place, shell, "count")
    terminal.until("ready ")
    child = int(terminal.until("\n"))
    terminal.type(b"\x03")
    terminal.until("^C")
    os.kill(child, signal.SIGTERM)
    terminal.until("heard ")
    assert terminal.until("\n").strip() == "1"
    assert terminal.end() == 0


def dead() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_a_first_command_that_was_cut_off_is_gone_back_from(place: Place, shell: Sequence[str]) -> None:
    place.begun.write_text(f"{os.getpid()} {NEW}\n{dead()} {NEW}\n", encoding="utf-8")
    done = place.run(shell, "status", "x  y", given="input")
    assert (done.returncode, done.stdout) == (5, "old status x  y\n")
    assert "was cut off in its first command: went back" in done.stderr
    assert place.leads_to() == "1.0.0"


def test_others_beside_it_and_other_trials_do_not_count(place: Place, shell: Sequence[str]) -> None:
    place.begun.write_text(f"{os.getpid()} {NEW}\n{dead()} {OLD}\n", encoding="utf-8")
    assert place.run(shell, "go").stdout == "new 'go' on trial\n"
    assert place.leads_to() == "2.0.0"


def test_the_trial_of_another_file_is_none_of_its_business(place: Place, shell: Sequence[str]) -> None:
    place.trial.write_text(f"{OLD}\n{NEW}\n\n", encoding="utf-8")
    assert place.run(shell, "crash").stdout == "new 'crash' \n"
    assert place.leads_to() == "2.0.0"


def test_without_a_way_back_it_says_so(place: Place, shell: Sequence[str]) -> None:
    if os.geteuid() == 0 and not shutil.which("unshare"):
        pytest.skip("root may write everywhere")
    shutil.rmtree(place.link.parent)
    direct = pathlib.Path(f"{place.root}{NEW}")
    place.link = direct
    done = place.run(shell, "crash")
    assert done.returncode == 73
    assert "there is no way back" in done.stderr.splitlines()[-1]
