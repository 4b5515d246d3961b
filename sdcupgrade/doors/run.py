"""The door to other programs.

A program runs in a session of its own: Ctrl-C at the terminal does not reach a vmadm in the middle of a reprovision.
Its output goes to unlinked files rather than pipes, so it goes on unharmed (no SIGPIPE) even when sdcupgrade is killed;
what it did is found out by ``resume``, which looks at reality. Left out: retries, and any opinion about an exit status.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass

from sdcupgrade.errors import CommandFailed, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from subprocess import Popen
    from typing import BinaryIO, Optional, Protocol

    from sdcupgrade.doors.files import RootedFiles
    from sdcupgrade.log import Log

    class Runner(Protocol):
        """Runs one program to its end."""

        def run(
            self,
            argv: Sequence[str],
            *,
            stdin: Optional[str] = None,
            timeout_s: float = 60.0,
            stdout_to: Optional[str] = None,
        ) -> Completed:
            """Run *argv* (a list, never a shell line) and wait for it.

            *stdout_to* is a global-zone path that takes the output as bytes (``zfs send``). A non-zero exit is
            returned, not raised. Raises CommandFailed when the program does not exist or ran out of time.
            """

        def find(self, name: str) -> Optional[str]:
            """Where the program of that name is; None when :meth:`run` would not find it."""


@dataclass(frozen=True)
class Completed:
    """What a program said. Text is decoded as UTF-8 with surrogateescape and capped at 16 MiB."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ending(self) -> str:
        """How it ended, in words: ``exited 1``, ``was killed by SIGKILL``, ``exited 127 (program not found)``."""
        if self.status < 0:
            return f"was killed by {_signal_name(-self.status)}"
        known = {126: " (program not executable)", 127: " (program not found)"}
        return f"exited {self.status}{known.get(self.status, '')}"


OUTPUT_CAP = 16 << 20
SCRATCH = "/tmp"
"""tmpfs on SmartOS (reference 1): a full disk does not keep programs from being run."""

SAFE_PATH = "/opt/smartdc/bin:/smartdc/bin:/usr/bin:/usr/sbin:/sbin:/bin"
AGENT = "SSH_AUTH_SOCK"
GRACE_S = 5.0


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of programs: built from nothing on a headnode; the caller's own where ``SDCUPGRADE_ROOT`` names
    another root, because there it says where the programs and services are. Always ``LC_ALL=C``: output is parsed. The
    operator's ssh-agent may be asked: bundles are signed by it."""
    if environ.get("SDCUPGRADE_ROOT", "/") not in ("", "/"):
        return {**environ, "LC_ALL": "C"}
    agent = {AGENT: environ[AGENT]} if environ.get(AGENT) else {}
    return {"PATH": SAFE_PATH, "HOME": environ.get("HOME", "/root"), "LC_ALL": "C", **agent}


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs, as far as this one may know."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


class SubprocessRunner:
    """The real runner. *notice* tells the operator why Ctrl-C does not end at once."""

    def __init__(
        self,
        env: Mapping[str, str],
        log: Log,
        files: RootedFiles,
        notice: Optional[Callable[[str], None]] = None,
    ) -> None:
        self._env = dict(env)
        self._log = log
        self._files = files
        self._notice = notice

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[str] = None,
        timeout_s: float = 60.0,
        stdout_to: Optional[str] = None,
    ) -> Completed:
        """See :class:`Runner`. With *stdout_to* the file appears only when the program exited 0."""
        started = time.monotonic()
        try:
            done = self._run(tuple(argv), stdin, timeout_s, stdout_to, started)
        except (CommandFailed, StorageError) as error:
            self._log.call("command", argv[0], list(argv), time.monotonic() - started, error.message)
            raise
        more = {"stderr": done.stderr[-2000:]} if done.stderr else {}
        if done.status and done.stdout:
            more["stdout"] = done.stdout[-2000:]
        self._log.call("command", argv[0], list(argv), done.seconds, done.ending, **more)
        return done

    def find(self, name: str) -> Optional[str]:
        """See :class:`Runner`."""
        import shutil

        return shutil.which(name, path=self._env.get("PATH", ""))

    def _run(
        self, argv: tuple[str, ...], stdin: Optional[str], timeout_s: float, stdout_to: Optional[str], started: float
    ) -> Completed:
        with ExitStack() as stack:
            given = stack.enter_context(_scratch()) if stdin is not None else None
            if given is not None and stdin is not None:
                given.write(stdin.encode("utf-8", "surrogateescape"))
                given.seek(0)
            out, err = stack.enter_context(_scratch()), stack.enter_context(_scratch())
            status = 0
            if stdout_to is None:
                status = self._wait(self._start(argv, given, out, err), argv, timeout_s)
            else:
                with self._files.replacing(stdout_to) as target:
                    status = self._wait(self._start(argv, given, target.file, err), argv, timeout_s)
                    target.keep = status == 0
            return Completed(argv, status, _text(out), _text(err), round(time.monotonic() - started, 3))

    def _start(
        self, argv: tuple[str, ...], stdin: Optional[BinaryIO], stdout: BinaryIO, stderr: BinaryIO
    ) -> Popen[bytes]:
        import subprocess

        try:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._env,
                start_new_session=True,
                pass_fds=self._inherited(),
            )
        except FileNotFoundError as why:
            hint = f"run this in the headnode's global zone; searched: {self._env.get('PATH', '')}"
            raise CommandFailed(f"{argv[0]}: there is no such program", hint) from why
        except (OSError, ValueError) as why:
            raise CommandFailed(f"{argv[0]}: cannot be run: {why}") from why

    def _inherited(self) -> tuple[int, ...]:
        """The lock, while it is held (see :attr:`RootedFiles.held`)."""
        return (self._files.held,) if self._files.held is not None else ()

    def _wait(self, process: Popen[bytes], argv: tuple[str, ...], timeout_s: float) -> int:
        """Wait in a thread (Popen's own wait with a time-out polls); stop the whole group when time is up."""
        import threading

        waiter = threading.Thread(target=process.wait, daemon=True)
        waiter.start()
        try:
            waiter.join(timeout_s)
        except KeyboardInterrupt:
            self._finish(waiter, argv[0], timeout_s)
            raise
        if not waiter.is_alive():
            return int(process.returncode)
        _stop_group(process.pid, waiter)
        raise CommandFailed(
            f"{argv[0]} did not end within {timeout_s:g} s and was stopped: {' '.join(argv)}",
            "see what keeps it, then type the same sdcupgrade command again",
        )

    def _finish(self, waiter: threading.Thread, name: str, timeout_s: float) -> None:
        """After Ctrl-C: let the program end, for half a reprovision is worse than a wait. A second Ctrl-C leaves it."""
        if waiter.is_alive():
            text = f"waiting for {name} to end, so that nothing is left half done (Ctrl-C again leaves it running)"
            self._log.warn(text)
            if self._notice is not None:
                self._notice(text)
            waiter.join(timeout_s)


def _scratch() -> BinaryIO:
    """An unlinked file that programs read from or write to."""
    path = f"{SCRATCH}/.sdcupgrade-{os.getpid()}-{os.urandom(6).hex()}"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.unlink(path)
    except OSError as why:
        raise StorageError(f"{path}: cannot be written: {why.strerror}", f"make room in {SCRATCH}") from why
    return os.fdopen(descriptor, "r+b", buffering=0)


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read(min(OUTPUT_CAP, os.fstat(file.fileno()).st_size)).decode("utf-8", "surrogateescape")


def _stop_group(group: int, waiter: threading.Thread) -> None:
    """TERM, a grace, then KILL, to the whole group: a killed child alone leaves its children (stdlib traps)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group, number)
        except OSError:
            return
        waiter.join(GRACE_S)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
