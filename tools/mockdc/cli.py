"""The box's own command, ``tools/mockdc/mockdc``; described in docs/mockdc.md.

Exit status: 0 done, 1 what was asked for cannot be done (one line on stderr says why), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shlex
import sqlite3
import sys
from typing import Callable

from mockdc.faces import box
from mockdc.faces.box import Problem

Command = Callable[[argparse.Namespace], int]


def up(options: argparse.Namespace) -> int:
    """Make a box, or start the servers of one that is there."""
    print(box.summary(box.up(options.root, options.scenario, options.speed)))
    return 0


def env(options: argparse.Namespace) -> int:
    """The environment as lines for a shell."""
    for name, value in box.environment(box.find(options.root)).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def state(options: argparse.Namespace) -> int:
    """Everything as JSON."""
    from mockdc.faces import dump

    print(json.dumps(dump.state(box.find(options.root)), indent=2))
    return 0


def publish(options: argparse.Namespace) -> int:
    """Put an image on the updates server."""
    from mockdc.faces import publish as updates

    tags = dict(word.partition("=")[::2] for word in options.tag)
    image = updates.Image(options.name, options.version, options.channel, options.origin, options.size, options.file,
                          options.uuid, tags)  # fmt: skip
    try:
        manifest = updates.publish(box.find(options.root), image)
    except updates.Refused as why:
        raise Problem(str(why)) from why
    print(json.dumps(manifest, indent=2))
    return 0


def fault(options: argparse.Namespace) -> int:
    """Let something go wrong."""
    from mockdc.core import faults
    from mockdc.faces import tree

    dc = box.find(options.root)
    try:
        understood = faults.add(dc, options.rule[0] if len(options.rule) == 1 else shlex.join(options.rule))
    except (ValueError, KeyError, TypeError, AttributeError) as why:
        raise Problem(f"fault not understood: {why}") from why
    tree.faulty(dc).touch()
    print(json.dumps(understood, indent=2))
    return 0


def reset_faults(options: argparse.Namespace) -> int:
    """Nothing goes wrong any more."""
    from mockdc.core import faults
    from mockdc.faces import tree

    dc = box.find(options.root)
    faults.reset(dc)
    tree.faulty(dc).unlink(missing_ok=True)
    return 0


def down(options: argparse.Namespace) -> int:
    """End the server; the state stays."""
    pid = box.down(options.root)
    print(f"server {pid} ended; the state stays in {options.root}" if pid else f"nothing serves {options.root}")
    return 0


def shell(options: argparse.Namespace) -> int:
    """A bash in a fake global zone."""
    from mockdc.faces import tree

    dc = box.find(options.root)
    box.environment(dc)
    nodes = {node["hostname"]: node["uuid"] for node in dc.store.all("server")}
    server = nodes.get(options.node, options.node) if options.node else dc.headnode
    if server not in nodes.values():
        raise Problem(f"no server {options.node}; there are: {', '.join(sorted(nodes)[:12])}")
    environment = {**os.environ, **tree.environment(dc, server)}
    bash = str(dc.root(server) / "usr" / "bin" / "bash")
    sys.stdout.flush()
    os.execve(bash, [bash, "-c", options.c] if options.c is not None else [bash], environment)


def serve(options: argparse.Namespace) -> int:
    """The server itself; ``up`` starts it."""
    from mockdc.faces import server

    return server.serve(options.root, options.ready)


# --- arguments --------------------------------------------------------------------------------------------------------
def folder(text: str) -> pathlib.Path:
    """The folder of a box, absolute."""
    return pathlib.Path(text).resolve()


def positive(text: str) -> float:
    """A speed."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def amount(text: str) -> int:
    """A number of bytes."""
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="mockdc", description="A Triton datacenter in a box: docs/mockdc.md.",
                                  allow_abbrev=False)  # fmt: skip
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Command, about: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, description=run.__doc__, allow_abbrev=False, help=about)
        found.add_argument("--root", required=True, type=folder, metavar="DIR", help="the folder of the box")
        found.set_defaults(run=run)
        return found

    sub = command("up", up, "make a datacenter below DIR and start its servers")
    sub.add_argument("--scenario", metavar="NAME|FILE", help="what to furnish it from (coal)")
    sub.add_argument("--speed", type=positive, metavar="N", help="how much faster than life it runs (1)")
    command("env", env, "print the environment as export lines")
    command("state", state, "print everything as JSON")
    sub = command("publish", publish, "publish an image on the updates server")
    sub.add_argument("--name", required=True, metavar="NAME")
    sub.add_argument("--version", metavar="V", help="(master-<now>-g<hex>)")
    sub.add_argument("--channel", metavar="C", help="(the server's default)")
    sub.add_argument("--origin", metavar="UUID")
    sub.add_argument("--uuid", metavar="UUID", help="(a new one)")
    sub.add_argument("--tag", action="append", default=[], metavar="K=V", help="may be repeated")
    bytes_of = sub.add_mutually_exclusive_group()
    bytes_of.add_argument("--size", type=amount, metavar="BYTES", help="made-up bytes (65536)")
    bytes_of.add_argument("--file", type=pathlib.Path, metavar="FILE", help="these bytes")
    sub = command("fault", fault, "let something go wrong")
    sub.add_argument("rule", nargs="+", metavar="RULE", help="as in: 'vmadm reprovision fail #2'")
    command("reset-faults", reset_faults, "forget every fault")
    command("down", down, "end the server; the state stays")
    sub = command("shell", shell, "a bash in the fake global zone")
    sub.add_argument("-c", metavar="CMD", help="run this line only")
    sub.add_argument("--node", metavar="HOSTNAME|UUID", help="another node than the headnode")
    sub = command("serve", serve, "what `up` starts in the background")
    sub.add_argument("--ready", type=int, required=True)
    return top


def main() -> int:
    """Run the command line; see the module for the exit status."""
    options = parser().parse_args()
    try:
        return int(options.run(options))
    except Problem as why:
        print(f"mockdc: error: {why}", file=sys.stderr)
    except (OSError, sqlite3.Error) as why:
        print(f"mockdc: error: {options.root}: {why}", file=sys.stderr)
    return 1
