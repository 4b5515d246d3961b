"""A whole datacenter in process, and sdcupgrade run on it as a function; virtual time."""

from __future__ import annotations

import io
import json
import pathlib
from dataclasses import dataclass
from typing import Optional, TextIO, Union

from mockdc.core import faults, scenario
from mockdc.core.clock import VirtualClock
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc, Store
from mockdc.faces import inprocess, tree

from sdcupgrade.cli.main import run
from sdcupgrade.doors import Doors
from sdcupgrade.plan.stack import STACK

CUSTOMERS = {"imgapi": "4803c1cd-5882-9c48-bc2a-fc81c1429a89", "adminui": "latest"}


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    def ok(self) -> Ran:
        """Itself, if it ended well."""
        assert self.status == 0, self.err + self.out
        return self


class Site:
    """A datacenter, its doors, and the operator's folder."""

    def __init__(self, folder: pathlib.Path, name: Union[str, Doc]) -> None:
        self.ops = folder / "ops"
        self.ops.mkdir()
        self.gz = folder / "gz"
        self.gz.mkdir()
        spec = scenario.read(name)
        self.dc = Datacenter(Store(), VirtualClock(scenario.start(spec)), self.gz)
        scenario.load(self.dc, spec)
        tree.build(self.dc)
        self.doors: Doors = inprocess.doors(self.dc)

    def spec(self, name: str = "foo", **services: str) -> None:
        """Write a spec into the operator's folder; the customer's own when nothing is said."""
        (self.ops / f"{name}.json").write_text(json.dumps(services or CUSTOMERS), encoding="utf-8")

    def ordinary(self) -> dict[str, str]:
        """A spec of every service with an instance that the ordinary procedure upgrades."""
        names = [entry.name for entry in STACK if not entry.special and not entry.retired]
        return {name: "latest" for name in names if self.dc.instances_of(name)}

    def run(self, line: str, doors: Optional[Doors] = None, stdin: Optional[TextIO] = None) -> Ran:
        """One command line; nobody at the terminal, unless *stdin* is one."""
        out, err = io.StringIO(), io.StringIO()
        environ = {"SDCUPGRADE_ROOT": str(self.gz), "USER": "root"}
        source = stdin or io.StringIO()
        status = run(line.split(), environ=environ, doors=doors or self.doors, stdin=source, stdout=out, stderr=err)
        return Ran(status, out.getvalue(), err.getvalue())

    def ready(self, name: str = "foo") -> None:
        """Prepare and download."""
        self.run(f"prepare {name}.json").ok()
        self.run(f"download {name}").ok()

    def upgrade(self, name: str = "foo") -> Ran:
        """Upgrade without being asked."""
        return self.run(f"upgrade {name} --yes --pause never")

    def fault(self, rule: str) -> None:
        """Add a fault to the box."""
        faults.add(self.dc, rule)

    def vm(self, service: str) -> Doc:
        """The one zone of a service, as vmadm tells it."""
        (vm,) = self.dc.instances_of(service)
        return vm

    def sapi(self, service: str) -> Doc:
        """The SAPI record of a service."""
        (found,) = [one for one in self.dc.store.all("sapi_service") if one["name"] == service]
        return found

    def reprovisions(self, service: str) -> int:
        """How often the zone of a service was reprovisioned."""
        zone = self.dc.store.get("zone", self.vm(service)["uuid"])
        assert zone is not None
        return len(zone["history"])

    def plan(self, name: str = "foo") -> Doc:
        """The plan on disk."""
        text = (self.gz / f"var/tmp/upgrade-{name}/plan.json").read_text(encoding="utf-8")
        plan: Doc = json.loads(text)
        return plan
