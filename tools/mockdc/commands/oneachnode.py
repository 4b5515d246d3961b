"""``sdc-oneachnode``: run a command on nodes through rabbitmq and their ur agents (reference 4.8).

Exit status: 0 every node answered, whatever its command's own status; 1 trouble; 2 wrong options; 10 a node that was
asked for was not found, and nothing ran; 20 a node timed out or could not be served. Output is in
``oneachnode_output.py``.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from mockdc.commands import oneachnode_output as output
from mockdc.commands.options import Options, UsageError, parse
from mockdc.commands.remote import TooLate, run_script, start

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.commands.remote import Running
    from mockdc.core.store import Doc

__all__ = ["run_script", "sdc_oneachnode"]

DISCOVERY_S = 4.0
EXECUTION_S = 60.0
ANSWER_S = 0.3
"""What a node that is there takes to say so."""
AT_ONCE = 16
"""Nodes served at a time: a thousand nodes share one machine here."""
LONG = (("all", "a"), ("computeonly", "c"), ("nodes", "n"), ("putfile", "p"), ("getfile", "g"), ("dir", "d"),
        ("clobber", "X"), ("discovery-timeout", "t"), ("exectimeout", "T"), ("json", "j"), ("jsonstream", "J"),
        ("immediate", "I"), ("oneline", "N"), ("quiet", "q"), ("verbose", "v"), ("listonly", "l"), ("help", "h"))


class Stop(Exception):
    """The end, with an exit status and its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Asked:
    """The command line, understood."""

    nodes: Optional[list[str]]
    compute_only: bool
    command: str
    get: str
    put: str
    folder: str
    discovery_s: float
    execution_s: float
    found: Options


def sdc_oneachnode(call: Call) -> int:
    """The program."""
    try:
        asked = understand(call)
        if asked is None:
            return 0
        if not call.dc.listens("rabbitmq"):
            raise Stop(1, "failed to connect to AMQP broker: connect ECONNREFUSED")
        nodes = discover(call, asked)
        if "v" in asked.found:
            call.err(f"sdc-oneachnode: {len(nodes)} nodes discovered")
        if "l" in asked.found:
            output.listing(call, asked.found, nodes)
            return 0
        results = work(call, asked, nodes)
    except UsageError as why:
        return usage(call, str(why))
    except Stop as why:
        if why.status == 2:
            return usage(call, str(why))
        call.err(f"sdc-oneachnode: {why}")
        return why.status
    output.show(call, asked.found, results, bool(asked.get or asked.put))
    return 20 if any("error" in result for result in results) else 0


def usage(call: Call, why: str) -> int:
    """Say what is wrong and how it is used."""
    call.err(f"sdc-oneachnode: {why}")
    call.err("usage: sdc-oneachnode [-X] [-t SECONDS] [-T SECONDS] [-jJINqv] -a | -c | -n NODE[,NODE...] COMMAND")
    call.err("       sdc-oneachnode ... -g FILE -d DIR | -p FILE -d DIR | -l")
    return 2


def understand(call: Call) -> Optional[Asked]:
    """The command line; None when only help was wanted. Raises UsageError, Stop."""
    found = parse(call.argv, "acXjJINqvlh", "npgdtT", LONG, mixed=False)
    if "h" in found:
        usage(call, "runs a command on nodes")
        return None
    if sum(letter in found for letter in "acn") != 1:
        raise Stop(2, "exactly one of -a, -c and -n must be given")
    nodes = found.columns("n", "") if "n" in found else None
    if nodes is not None and len(set(nodes)) != len(nodes):
        raise Stop(2, f"duplicate nodes in -n: {','.join(nodes)}")
    moving = [letter for letter in "gp" if letter in found]
    if len(moving) > 1 or (moving and "d" not in found):
        raise Stop(2, "one of -g and -p, together with -d, must be given")
    wanted = 0 if moving or "l" in found else 1
    if len(found.words) != wanted:
        raise Stop(2, "the command must be one argument" if wanted else "no command is taken with -g, -p or -l")
    return Asked(nodes, "c" in found, "".join(found.words), found.last("g"), found.last("p"), found.last("d"),
                 seconds(found, "t", DISCOVERY_S), seconds(found, "T", EXECUTION_S), found)  # fmt: skip


def seconds(found: Options, letter: str, default: float) -> float:
    """A time-out. Raises Stop."""
    text = found.last(letter, str(default))
    if not text.replace(".", "", 1).isdigit():
        raise Stop(2, f"invalid time-out for -{letter}: {text}")
    return float(text)


def discover(call: Call, asked: Asked) -> list[Doc]:
    """The nodes that answered and are meant. Raises Stop with 10 when one that was named did not."""
    answering = [node for node in call.dc.store.all("server") if call.dc.alive(node["uuid"]) and has_ur(call, node)]
    if asked.nodes is None:
        call.dc.wait(asked.discovery_s)
        return [node for node in answering if not (asked.compute_only and node["headnode"])]
    chosen = [node for name in asked.nodes for node in answering if name in (node["uuid"], node["hostname"])]
    missing = [name for name in asked.nodes if not any(name in (node["uuid"], node["hostname"]) for node in chosen)]
    call.dc.wait(asked.discovery_s if missing else ANSWER_S)
    if missing:
        raise Stop(10, f"nodes not found: {', '.join(missing)}")
    if len({node["uuid"] for node in chosen}) != len(chosen):
        raise Stop(2, "the same node was named twice")
    return chosen


def has_ur(call: Call, node: Doc) -> bool:
    """Whether somebody has switched the node's ur agent off."""
    changed = call.dc.store.meta(f"gz_smf/{node['uuid']}", {})
    return not any("agent/ur:" in fmri and state == "disabled" for fmri, state in changed.items())


# --- the work ---------------------------------------------------------------------------------------------------------
def work(call: Call, asked: Asked, nodes: list[Doc]) -> list[Doc]:
    """An answer for each node."""
    if asked.get:
        return [carried(node, lambda node=node: give(call, asked, node)) for node in nodes]  # type: ignore[misc]
    if asked.put:
        return [carried(node, lambda node=node: take(call, asked, node)) for node in nodes]  # type: ignore[misc]
    results = []
    for first in range(0, len(nodes), AT_ONCE):
        begun = [(node, start(call.dc, node["uuid"], asked.command)) for node in nodes[first : first + AT_ONCE]]
        results += [outcome(node, script, asked.execution_s) for node, script in begun]
    return results


def outcome(node: Doc, script: Running, limit_s: float) -> Doc:
    """What came of one node's script."""
    try:
        ran = script.result(limit_s)
    except TooLate:
        message = f"timed out after {limit_s:g} seconds"
        return answer(node, error={"message": message, "name": "TimeoutError", "code": "ETIMEDOUT"})
    told = {"exit_status": ran.status, "stdout": text(ran.stdout), "stderr": text(ran.stderr)}
    return answer(node, result=told)


def text(data: bytes) -> str:
    """Output as JSON carries it."""
    return data.decode("utf-8", "replace")


def answer(node: Doc, **told: Any) -> Doc:
    """An element of the output."""
    return {"uuid": node["uuid"], "hostname": node["hostname"], **told}


def carried(node: Doc, carry: Callable[[], None]) -> Doc:
    """The answer about a file that was to be carried."""
    try:
        carry()
    except OSError as why:
        return answer(node, error={"message": str(why.strerror or why), "name": "TransferError", "code": "EIO"})
    return answer(node, result={"exit_status": 0, "stdout": "", "stderr": ""})


def give(call: Call, asked: Asked, node: Doc) -> None:
    """``-g``: the node gets a file; one that is there stays unless ``-X``. Raises OSError."""
    source = pathlib.Path(call.real(asked.get))
    target = call.dc.root(node["uuid"]) / asked.folder.lstrip("/") / source.name
    if target.exists() and "X" not in asked.found:
        raise FileExistsError(17, f"destination file already exists: {asked.folder}/{source.name}")
    if not target.parent.is_dir() and asked.folder.strip("/") in {"tmp", "var/tmp"}:
        target.parent.mkdir(parents=True)
    replace(target, source.read_bytes())


def take(call: Call, asked: Asked, node: Doc) -> None:
    """``-p``: the node puts a file here, under its uuid. Raises OSError."""
    data = (call.dc.root(node["uuid"]) / asked.put.lstrip("/")).read_bytes()
    folder = pathlib.Path(call.real(asked.folder))
    replace(folder / str(node["uuid"]), data)


def replace(target: pathlib.Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises OSError."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(target)
