"""A datacenter in a box, in this process, behind the product's clients."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Any

from mockdc.core import faults, scenario
from mockdc.core.datacenter import Datacenter as Box
from mockdc.faces import inprocess

from sdcupgrade.dc.access import Datacenter, open_datacenter
from sdcupgrade.doors import Doors
from sdcupgrade.updates.source import UpdatesServer


@dataclass(frozen=True)
class Boxed:
    """*box* is the truth, *dc* what the product sees of it."""

    box: Box
    doors: Doors
    dc: Datacenter

    def vm(self, alias: str) -> dict[str, Any]:
        """The VM with that alias."""
        found = self.box.vm_by_alias(alias)
        assert found is not None, alias
        return found

    def fault(self, rule: str) -> None:
        """Let something go wrong."""
        faults.add(self.box, rule)

    def calls(self, face: str) -> list[str]:
        """What was asked so far: programs, or requests."""
        return [f"{call['name']} {call['detail']}" for call in self.box.store.calls() if call["face"] == face]

    def updates(self) -> UpdatesServer:
        """The updates server."""
        return UpdatesServer(self.doors.web)


def boxed(folder: pathlib.Path, name: str = "coal") -> Boxed:
    """The scenario *name*, made in *folder*."""
    box = Box.empty(folder)
    scenario.load(box, name)
    doors = inprocess.doors(box)
    return Boxed(box, doors, open_datacenter(doors))
