"""The product at work, from nothing: ``make demo``.

Brings up a datacenter in a box and upgrades it twice with ``sdcupgrade`` as an operator would, each command a process
of its own over real commands and HTTP: first the customer's own example spec, then one that names every service that
needs no special procedure. Then one service is rolled back. Everything happens below a temporary folder; nothing is
installed.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOCKDC = str(ROOT / "tools" / "mockdc" / "mockdc")
CUSTOMERS_SPEC = {"imgapi": "4803c1cd-5882-9c48-bc2a-fc81c1429a89", "adminui": "latest"}
ROLLED_BACK = "vmapi"


class Failed(Exception):
    """A command of the demonstration ended badly."""


def mockdc(*words: str) -> str:
    """Run the box's own command and give what it printed."""
    done = subprocess.run([sys.executable, MOCKDC, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"mockdc {words[0]}: {done.stderr.strip()}")
    return done.stdout


def sdcupgrade(environment: dict[str, str], folder: pathlib.Path, line: str) -> None:
    """Show the command, then run it as an operator's shell would."""
    print(f"\n\033[1m$ sdcupgrade {line}\033[0m" if sys.stdout.isatty() else f"\n$ sdcupgrade {line}", flush=True)
    words = [sys.executable, "-m", "sdcupgrade", *shlex.split(line)]
    done = subprocess.run(words, cwd=folder, env=dict(environment, PYTHONPATH=str(ROOT)), check=False)
    if done.returncode:
        raise Failed(f"sdcupgrade {line}: exit status {done.returncode}")


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
    up = json.loads(mockdc("up", "--root", str(box), "--scenario", "coal", "--speed", speed))
    environment = dict(os.environ, **up["env"])
    try:
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
        mockdc("down", "--root", str(box))


def main() -> int:
    """Exit status 0 when every command of the session ended well."""
    parser = argparse.ArgumentParser(description="Show sdcupgrade at work on a datacenter in a box.")
    parser.add_argument("--speed", default="150", help="how much faster than life the datacenter runs")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-demo-") as folder:
        try:
            session(pathlib.Path(folder), options.speed)
        except Failed as why:
            print(f"demo: {why}", file=sys.stderr)
            return 1
    print(f"\nAll of it in {time.monotonic() - began:.0f} s. Your machine is as it was: the box is gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
