"""Scripts that a node's agent runs: what sdc-oneachnode and CNAPI's execute have in common.

A script is its own life: when its time is up only the one who asked stops waiting, the script goes on. In process the
mini shell runs it (or bash, where that knows too little), at once and to its end, and the datacenter's time tells
whether it was too late. As a process the machine's bash runs it, with the node's programs first in PATH; its limit is
never less than LEAST_S real seconds, because a slow machine is no slow datacenter.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from mockdc.core.clock import RealClock, TimeUp, VirtualClock

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

LEAST_S = 5.0
GOES_ON_S = 900.0
"""In process a script that never ends is cut so long after its time was up."""


class TooLate(Exception):
    """The script has not ended in the time it was given."""


@dataclass(frozen=True)
class Ran:
    """How a script ended."""

    status: int
    stdout: bytes
    stderr: bytes


class Running(Protocol):
    """A script on its way."""

    def result(self, timeout_s: float) -> Ran:
        """Wait for its end, at most *timeout_s* of the datacenter's time. Raises TooLate."""


def run_script(dc: Datacenter, server: str, script: str, timeout_s: float = 3600.0) -> tuple[int, bytes, bytes]:
    """Run a script on a node and wait: exit status, stdout, stderr. Raises TooLate."""
    ran = start(dc, server, script).result(timeout_s)
    return ran.status, ran.stdout, ran.stderr


def start(dc: Datacenter, server: str, script: str) -> Running:
    """Begin a script on a node."""
    return Process(dc, server, script, dc.clock) if isinstance(dc.clock, RealClock) else Function(dc, server, script)


class Function:
    """The script in the mini shell."""

    def __init__(self, dc: Datacenter, server: str, script: str) -> None:
        self.dc = dc
        self.server = server
        self.script = script

    def result(self, timeout_s: float) -> Ran:
        """See Running. The caller's own limit is not that of another machine's script."""
        from mockdc.commands import realbash
        from mockdc.commands.minishell import Shell, ShellError

        for folder in ("var/tmp", "tmp", "root"):
            (self.dc.root(self.server) / folder).mkdir(parents=True, exist_ok=True)
        clock = self.dc.clock
        assert isinstance(clock, VirtualClock)
        started = clock.now()
        try:
            with clock.limit(timeout_s + GOES_ON_S, inherit=False):
                if realbash.needed(self.script):
                    done = Ran(*realbash.run(self.dc, self.server, self.script))
                else:
                    said = Shell(self.dc, self.server).run(self.script)
                    done = Ran(said.status, said.stdout, said.stderr)
        except ShellError as why:
            return Ran(2, b"", f"bash: {why}\n".encode())
        except TimeUp:
            raise TooLate from None
        if clock.now() - started > timeout_s:
            raise TooLate
        return done


class Process:
    """The script in the machine's bash, in a session of its own; its output goes to files, so that nobody must read."""

    def __init__(self, dc: Datacenter, server: str, script: str, clock: RealClock) -> None:
        from mockdc.faces import tree

        self.clock = clock
        self.root = str(dc.root(server))
        environment = {**tree.environment(dc, server), "HOME": f"{self.root}/root"}
        for folder in ("var/tmp", "tmp", "root"):
            os.makedirs(f"{self.root}/{folder}", exist_ok=True)
        self.files: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 (outlive this)
        self.process = subprocess.Popen(
            [shutil.which("bash", path=dc.store.meta("machine_path")) or "/bin/bash", "-c", moved(script, self.root)],
            stdin=subprocess.DEVNULL, stdout=self.files[0], stderr=self.files[1], env=environment,
            cwd=f"{self.root}/root", start_new_session=True,
        )  # fmt: skip
        self.started = time.monotonic()

    def result(self, timeout_s: float) -> Ran:
        """See Running."""
        limit = max(timeout_s / self.clock.speed, LEAST_S)
        try:
            status = self.process.wait(max(0.1, self.started + limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TooLate from None
        out, err = (self.said(file) for file in self.files)
        return Ran(status if status >= 0 else 128 - status, out, err)

    def said(self, file: IO[bytes]) -> bytes:
        """What the script wrote, with the node's own paths."""
        with file:
            file.seek(0)
            return file.read().replace(self.root.encode() + b"/", b"/")


REDIRECTED = re.compile(r"""((?:^|[^<>&\\])[<>]{1,2}\s*)(['"]?)(/[^\s;|&<>]+)""", re.MULTILINE)


def moved(script: str, root: str) -> str:
    """The script with the files of its redirections below *root*; all other paths the node's bash finds by itself."""

    def below(found: re.Match[str]) -> str:
        before, quote, path = found.groups()
        return found.group() if path.startswith(("/dev/", root)) else f"{before}{quote}{root}{path}"

    return REDIRECTED.sub(below, script)
