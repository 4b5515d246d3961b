"""A server's global zone, this one or another: run a program there, fetch what it made.

Another server is reached by ``sdc-oneachnode``, which needs rabbitmq and the sdc zone (reference 4.8). It exits 0 even
when the remote program failed, so the status is taken from its JSON. What could not be delivered is Unreachable, naming
the server; then nobody knows whether the program ran. Remote commands are simple shell lines; no files are left there.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from sdcupgrade.doors.run import Completed
from sdcupgrade.errors import BadAnswer, CommandFailed, StorageError, Unreachable
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.ui.words import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Optional, Protocol, Union

    from sdcupgrade.doors import Doors

    class Node(Protocol):
        """A global zone."""

        @property
        def uuid(self) -> str: ...

        @property
        def name(self) -> str:
            """For messages: the hostname where it is known, else the uuid."""

        def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, timeout_s: float = 60.0) -> Completed:
            """Run a program; a non-zero exit is returned. Raises CommandFailed (here) or Unreachable (there)."""

        def exists(self, path: str) -> bool:
            """Whether there is such a path there."""

        def collect(self, folder: str, names: tuple[str, ...], into: str, max_bytes: int) -> int:
            """Pack *names* below *folder* there into the tar.gz *into* here, whole or not at all; missing ones are
            fine. At most *max_bytes* before compression are taken; returns how many bytes were left out."""

        def save_stream(self, argv: Sequence[str], into: str, timeout_s: float) -> None:
            """Run a program there and keep its output as the file *into* here. Raises CommandFailed when it fails."""



class NotDiscovered(Unreachable):
    """A server that was named did not answer sdc-oneachnode; nothing was run on any."""


DISCOVERY_S = 30.0
"""What sdc-oneachnode may need beside the command: it waits for the server to answer first."""

REMOTE_SCRATCH = "/var/tmp"
NOT_DISCOVERED, TRANSPORT_FAILED = 10, 20


@dataclass(frozen=True)
class LocalNode:
    """The headnode that sdcupgrade runs on."""

    uuid: str
    name: str
    doors: Doors

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, timeout_s: float = 60.0) -> Completed:
        """See :class:`Node`."""
        return self.doors.run.run(argv, stdin=stdin, timeout_s=timeout_s)

    def exists(self, path: str) -> bool:
        """See :class:`Node`."""
        return self.doors.files.exists(path)

    def collect(self, folder: str, names: tuple[str, ...], into: str, max_bytes: int) -> int:
        """See :class:`Node`; newest files first."""
        return self.doors.files.archive(folder, names, into, max_bytes)

    def save_stream(self, argv: Sequence[str], into: str, timeout_s: float) -> None:
        """See :class:`Node`."""
        done = self.doors.run.run(argv, timeout_s=timeout_s, stdout_to=into)
        if done.status != 0:
            raise failed(self, done)


@dataclass(frozen=True)
class RemoteNode:
    """Another server, by its uuid; its answers are taken by uuid too, since hostnames change."""

    uuid: str
    name: str
    doors: Doors

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, timeout_s: float = 60.0) -> Completed:
        """See :class:`Node`."""
        line = shlex.join(argv)
        if stdin is not None:
            line = f"printf '%s' {shlex.quote(stdin)} | {line}"
        return self._line(line, tuple(argv), timeout_s)

    def _line(self, line: str, argv: tuple[str, ...], timeout_s: float) -> Completed:
        try:
            answer = run_on(self.doors, (self.uuid,), line, timeout_s)[self.uuid]
        except Unreachable as why:
            answer = why.message
        if isinstance(answer, str):
            raise Unreachable(f"server {self.name} gave no answer: {answer}", RESCUE)
        return Completed(argv, answer.status, answer.stdout, answer.stderr, answer.seconds)

    def exists(self, path: str) -> bool:
        """See :class:`Node`."""
        return self.run(("test", "-e", path)).status == 0

    def collect(self, folder: str, names: tuple[str, ...], into: str, max_bytes: int) -> int:
        """See :class:`Node`; a name that does not fit as a whole is left out, the later ones first."""
        sizes = self._sizes(folder, names)
        taken, left_out = [], 0
        for name in (name for name in names if name in sizes):
            fits = sizes[name] <= max_bytes
            max_bytes -= sizes[name] if fits else 0
            left_out += 0 if fits else sizes[name]
            taken += [name] if fits else []
        temporary = self._temporary(into)
        self._made(("tar", "czf", temporary, "-C", folder, *taken), temporary, into, timeout_s=600.0, lenient=True)
        return left_out

    def _sizes(self, folder: str, names: tuple[str, ...]) -> dict[str, int]:
        done = self.run(("du", "-sk", *(f"{folder}/{name}" for name in names)), timeout_s=300.0)
        sizes: dict[str, int] = {}
        for line in done.stdout.splitlines():
            kib, _, path = line.partition("\t")
            sizes.update((name, int(kib) << 10) for name in names if kib.isdigit() and path.endswith(f"/{name}"))
        return sizes

    def save_stream(self, argv: Sequence[str], into: str, timeout_s: float) -> None:
        """See :class:`Node`."""
        self._made(argv, self._temporary(into), into, timeout_s, to_file=True)

    @staticmethod
    def _temporary(into: str) -> str:
        return f"{REMOTE_SCRATCH}/sdcupgrade-{into.rpartition('/')[2]}"

    def _made(
        self,
        argv: Sequence[str],
        temporary: str,
        into: str,
        timeout_s: float,
        lenient: bool = False,
        to_file: bool = False,
    ) -> None:
        """Let a program make the file *temporary* there, and bring it here.

        *lenient* is for tar, which fails when a log shrinks while it is read, but packs the rest.
        """
        line = shlex.join(argv)
        if to_file:
            line = f"set -o pipefail && {line} | tee {shlex.quote(temporary)} > /dev/null"
        try:
            done = self._line(line, tuple(argv), timeout_s)
            if done.status != 0 and not lenient:
                raise failed(self, done)
            self._bring(temporary, into, timeout_s)
        finally:
            self._forget(temporary)

    def _bring(self, path: str, into: str, timeout_s: float) -> None:
        """``-p`` saves the file here under the server's uuid; what an earlier try left there is in its way."""
        files = self.doors.files
        folder = into.rpartition("/")[0]
        arriving = f"{folder}/{self.uuid}"
        files.mkdir(folder)
        files.remove(arriving)
        argv = (*_oneachnode((self.uuid,), timeout_s), "-p", path, "-d", files.real(folder))
        done = self.doors.run.run(argv, timeout_s=timeout_s + DISCOVERY_S)
        if done.status != 0 or not files.exists(arriving):
            said = done.stderr.strip() or done.stdout.strip()
            raise Unreachable(f"{path} could not be fetched from server {self.name}: {said or done.ending}", RESCUE)
        files.rename(arriving, into)

    def _forget(self, path: str) -> None:
        """Remove a temporary file there. When that fails too, the first error matters more than a file in /var/tmp."""
        try:
            self.run(("rm", "-f", path))
        except (Unreachable, BadAnswer, StorageError):
            return


RESCUE = "sdc-oneachnode needs the sdc zone, rabbitmq and the server's ur agent: see that they run, then try again"


def failed(node: Node, done: Completed) -> CommandFailed:
    """The error for a program that exited non-zero on *node*, in the program's own words."""
    said = one_line(done.stderr) or one_line(done.stdout) or "it said nothing"
    return CommandFailed(f"{' '.join(done.argv[:4])} on {node.name} {done.ending}: {said[-1000:]}")


def _oneachnode(uuids: Collection[str], timeout_s: float) -> tuple[str, ...]:
    return ("sdc-oneachnode", "-n", ",".join(uuids), "-T", str(int(timeout_s)))


def run_on(doors: Doors, uuids: Collection[str], line: str, timeout_s: float) -> dict[str, Union[Completed, str]]:
    """Run one shell line on several servers at once; by server uuid what it said there, or why it could not be run.

    Raises NotDiscovered when one of them is not there, Unreachable when nothing could be asked at all.
    """
    argv = (*_oneachnode(uuids, timeout_s), "-J", line)
    try:
        done = doors.run.run(argv, timeout_s=timeout_s + DISCOVERY_S)
    except CommandFailed as why:
        raise Unreachable(why.message, RESCUE) from why
    if done.status not in (0, TRANSPORT_FAILED):
        said = one_line(done.stderr) or one_line(done.stdout) or f"it {done.ending}"
        error = NotDiscovered if done.status == NOT_DISCOVERED else Unreachable
        raise error(f"sdc-oneachnode: {said.removeprefix('sdc-oneachnode: ')}", RESCUE)
    answers: dict[str, Union[Completed, str]] = {}
    for text in done.stdout.splitlines():
        if text.strip():
            record = Record(loads(text, "sdc-oneachnode -J"), "sdc-oneachnode -J")
            answers[record.text("uuid")] = _answer(record, done.seconds)
    for uuid in uuids:
        answers.setdefault(uuid, "it did not answer in time")
    return answers


def _answer(record: Record, seconds: float) -> Union[Completed, str]:
    if record.value.get("result") is None:
        return record.record("error").text_or("message", None) or "the transport failed without a reason"
    result = record.record("result")
    return Completed(
        (),
        result.number("exit_status"),
        result.text_or("stdout", "") or "",
        result.text_or("stderr", "") or "",
        seconds,
    )


def make_node(doors: Doors, headnode_uuid: str, server_uuid: str, names: Mapping[str, str]) -> Node:
    """The node of a server; *names* holds hostnames by uuid."""
    name = names.get(server_uuid, server_uuid)
    if server_uuid == headnode_uuid:
        return LocalNode(server_uuid, name, doors)
    return RemoteNode(server_uuid, name, doors)
