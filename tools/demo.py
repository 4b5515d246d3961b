"""The product at work, from nothing: ``make demo``.

Brings up a datacenter in a box and upgrades it twice with ``sdcupgrade`` as an operator would, each command a process
of its own over real commands and HTTP: first the customer's own example spec, then one that names every service that
needs no special procedure. Then one service is rolled back. Everything happens below a temporary folder; nothing is
installed. Ended early (Ctrl-C, SIGTERM, SIGHUP) it takes the box down and removes the folder, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOCKDC = str(ROOT / "tools" / "mockdc" / "mockdc")
CUSTOMERS_SPEC = {"imgapi": "4803c1cd-5882-9c48-bc2a-fc81c1429a89", "adminui": "latest"}
ROLLED_BACK = "vmapi"
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
PATIENCE_S = 5.0


class Failed(Exception):
    """A command of the demonstration ended badly."""


class Stopped(BaseException):
    """Somebody wants the demonstration to end: the number of the signal. No ``Exception``, so that all gives way."""


class Ending:
    """Turns the first of the signals that end the demonstration into Stopped; those that follow, while things are put
    away, are not heard. While a process is being started it waits: that process would be forgotten."""

    def __init__(self) -> None:
        self.held = False
        self.late = 0

    def listen(self) -> None:
        """From now on."""
        for each in SIGNALS:
            signal.signal(each, self.heard)

    def heard(self, number: int, frame: object) -> None:
        """The handler."""
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if not self.held:
            raise Stopped(number)
        self.late = number

    def run(self, words: list[str], **how: Any) -> tuple[int, str, str]:
        """Run a program to its end: exit status, stdout and stderr where *how* asks for them. It dies with us."""
        self.held = True
        with subprocess.Popen(words, text=True, **how) as child:
            try:
                self.held = False
                if self.late:
                    raise Stopped(self.late)
                out, err = child.communicate()
            except Stopped:
                self.late = 0
                child.kill()
                raise
        return child.returncode, out, err


ENDING = Ending()


def mockdc(*words: str) -> str:
    """Run the box's own command and give what it printed."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    status, out, err = ENDING.run([sys.executable, MOCKDC, *words], **pipes)
    if status:
        raise Failed(f"mockdc {words[0]}: {err.strip()}")
    return out


def sdcupgrade(environment: dict[str, str], folder: pathlib.Path, line: str) -> None:
    """Show the command, then run it as an operator's shell would."""
    print(f"\n\033[1m$ sdcupgrade {line}\033[0m" if sys.stdout.isatty() else f"\n$ sdcupgrade {line}", flush=True)
    words = [sys.executable, "-m", "sdcupgrade", *shlex.split(line)]
    status, _, _ = ENDING.run(words, cwd=folder, env=dict(environment, PYTHONPATH=str(ROOT)))
    if status:
        raise Failed(f"sdcupgrade {line}: exit status {status}")


def whole_spec(state: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    """Every service of the datacenter that the product upgrades by the ordinary procedure, at its latest image."""
    sys.path.insert(0, str(ROOT))
    from sdcupgrade.plan.stack import STACK

    present = {service["name"] for service in state["services"]} | {zone["service"] for zone in state["instances"]}
    ordinary = (entry for entry in STACK if not entry.special and not entry.retired)
    return {entry.name: "latest" for entry in ordinary if entry.name in present}


def session(folder: pathlib.Path, speed: str) -> None:
    """The whole demonstration in a box below *folder*."""
    box = folder / "headnode"
    print(f"$ tools/mockdc/mockdc up --root {box} --scenario coal --speed {speed}", flush=True)
    try:
        up = json.loads(mockdc("up", "--root", str(box), "--scenario", "coal", "--speed", speed))
        environment = dict(os.environ, **up["env"])
        specs = {"foo": CUSTOMERS_SPEC, "everything": whole_spec(json.loads(mockdc("state", "--root", str(box))))}
        for name, spec in specs.items():
            (folder / f"{name}.json").write_text(json.dumps(spec, indent=4) + "\n", encoding="utf-8")
            print(f"\n$ cat {name}.json\n{json.dumps(spec, indent=4)}", flush=True)
            for line in (f"prepare {name}.json", f"download {name}", f"upgrade {name} --yes --pause never"):
                sdcupgrade(environment, folder, line)
        sdcupgrade(environment, folder, f"rollback everything {ROLLED_BACK} --yes --pause never")
        sdcupgrade(environment, folder, "status everything")
        sdcupgrade(environment, folder, "instances")
    finally:
        put_away(box)


def put_away(box: pathlib.Path) -> None:
    """Take the box down when the programs in it have ended: they go on when the one who called them is killed."""
    deadline = time.monotonic() + PATIENCE_S
    with contextlib.suppress(Failed):  # there may be no box yet
        while time.monotonic() < deadline and any(
                call["result"] == "..." for call in json.loads(mockdc("state", "--root", str(box)))["calls"]):
            time.sleep(0.1)
    mockdc("down", "--root", str(box))


@contextlib.contextmanager
def scratch() -> Iterator[pathlib.Path]:
    """A temporary folder, removed at the end even when somebody still writes there for a moment."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sdcupgrade-demo-"))
    try:
        yield folder
    finally:
        deadline = time.monotonic() + PATIENCE_S
        while folder.exists() and time.monotonic() < deadline:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Exit status 0 when every command of the session ended well, 128 and a signal's number when that ended it."""
    parser = argparse.ArgumentParser(description="Show sdcupgrade at work on a datacenter in a box.")
    parser.add_argument("--speed", default="150", help="how much faster than life the datacenter runs")
    options = parser.parse_args()
    began = time.monotonic()
    ENDING.listen()
    try:
        with scratch() as folder:
            session(folder, options.speed)
    except Failed as why:
        print(f"demo: {why}", file=sys.stderr)
        return 1
    except Stopped as why:
        return 128 + int(why.args[0])
    print(f"\nAll of it in {time.monotonic() - began:.0f} s. Your machine is as it was: the box is gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
