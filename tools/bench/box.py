"""Datacenters in a box to measure on: as processes, and in this process on virtual time."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from bench.measure import PYTHON, ROOT, Broken, product_env

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

    from sdcupgrade.doors import Doors

MOCKDC = str(ROOT / "tools" / "mockdc" / "mockdc")
SCENARIOS = ROOT / "tools" / "mockdc" / "scenarios"
Scenario = dict[str, Any]


def scenario(name: str) -> Scenario:
    """A scenario of the box, to be changed."""
    found: Scenario = json.loads((SCENARIOS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def nodes(count: int) -> Scenario:
    """``big`` with so many compute nodes."""
    found = scenario("big")
    found["generate"]["count"] = count
    return found


@dataclass(frozen=True)
class Box:
    """A box that is up: *folder* is the operator's, *root* the headnode's."""

    folder: pathlib.Path
    root: pathlib.Path
    env: Mapping[str, str]

    def spec(self, name: str, services: Mapping[str, str]) -> None:
        """Write a spec into the operator's folder."""
        (self.folder / f"{name}.json").write_text(json.dumps(services), encoding="utf-8")

    def fault(self, rule: str) -> None:
        """Add a fault to the box."""
        _mockdc("fault", "--root", str(self.root), rule)

    def reset_faults(self) -> None:
        """Nothing goes wrong any more."""
        _mockdc("reset-faults", "--root", str(self.root))

    def calls(self, command: str) -> list[Mapping[str, Any]]:
        """Every outside call of the last run of a command, from its log."""
        logs = (self.root / "var/log/sdcupgrade").glob(f"*-{command}.log")
        last = max(logs, key=lambda log: log.stat().st_mtime_ns)
        lines = [json.loads(line) for line in last.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if "call" in line]


@contextlib.contextmanager
def up(name: str, changed: Optional[Scenario] = None, speed: int = 50) -> Iterator[Box]:
    """A box as processes, in a temporary folder that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-bench-") as place:
        folder = pathlib.Path(place)
        given = name
        if changed is not None:
            given = str(folder / f"{name}.scenario")
            pathlib.Path(given).write_text(json.dumps(changed), encoding="utf-8")
        told = _mockdc("up", "--root", str(folder / "gz"), "--scenario", given, "--speed", str(speed))
        try:
            yield Box(folder, folder / "gz", product_env(json.loads(told)["env"]))
        finally:
            _mockdc("down", "--root", str(folder / "gz"))


def _mockdc(*words: str) -> str:
    done = subprocess.run([PYTHON, MOCKDC, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"mockdc {words[0]}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Inside:
    """A datacenter in this process, and the product as a function on it."""

    folder: pathlib.Path
    dc: Datacenter
    doors: Doors

    def spec(self, name: str, services: Mapping[str, str]) -> pathlib.Path:
        """Write a spec; where it is."""
        place = self.folder / f"{name}.json"
        place.write_text(json.dumps(services), encoding="utf-8")
        return place

    def run(self, *words: str) -> str:
        """One command line; what it printed. Raises Broken."""
        from sdcupgrade.cli.main import run

        out, err = io.StringIO(), io.StringIO()
        environ = {"SDCUPGRADE_ROOT": str(self.dc.folder), "USER": "root"}
        status = run(words, environ=environ, doors=self.doors, stdin=io.StringIO(), stdout=out, stderr=err)
        if status:
            raise Broken(f"{' '.join(words)}: exit status {status}: {err.getvalue()[-2000:]}{out.getvalue()[-2000:]}")
        return out.getvalue()


@contextlib.contextmanager
def inside(name: str, changed: Optional[Scenario] = None) -> Iterator[Inside]:
    """A datacenter in process."""
    from mockdc.core import scenario as scenarios
    from mockdc.core.clock import VirtualClock
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Store
    from mockdc.faces import inprocess, tree

    with tempfile.TemporaryDirectory(prefix="sdcupgrade-bench-") as place:
        folder = pathlib.Path(place)
        (folder / "gz").mkdir()
        spec = changed or scenarios.read(name)
        dc = Datacenter(Store(), VirtualClock(scenarios.start(spec)), folder / "gz")
        scenarios.load(dc, spec)
        tree.build(dc)
        yield Inside(folder, dc, inprocess.doors(dc))


def ordinary(instances: Mapping[str, int]) -> dict[str, str]:
    """A spec of every service that the ordinary procedure upgrades, at its latest image, of those that have exactly
    one instance."""
    from sdcupgrade.plan.stack import STACK

    names = [entry.name for entry in STACK if not entry.special and not entry.retired]
    return {name: "latest" for name in names if instances.get(name) == 1}


def placed(found: Scenario) -> dict[str, int]:
    """How many instances each service of a scenario has; one that has died (``stale_instances``) counts too."""
    stale: list[str] = found.get("stale_instances", [])
    return {name: len(row.get("on", [""])) + stale.count(name) for name, row in found["services"].items()}
