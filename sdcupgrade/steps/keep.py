"""What is kept of a zone before its root is destroyed: its logs always, the whole of it when asked.

A reprovision destroys the old root with its logs and snapshots (reference 6.2). Both files are written under a
temporary name and renamed, so one that is there is whole.
"""

from __future__ import annotations

from sdcupgrade.dc import zones
from sdcupgrade.model import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Record
    from sdcupgrade.plan.document import Step
    from sdcupgrade.steps.registry import World

LOGS = ("var/svc/setup.log", "var/svc/log", "var/log/sdc")


class SaveLogs:
    """Pack the zone's SMF logs, its own logs and its set-up log, newest first, up to a bound."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.world = world
        self.step = step
        self.vm = params.text("vm")
        self.into = params.text("into")
        self.max_bytes = params.number("max_bytes")
        self.node = world.dc.node(params.text("server"))

    def is_done(self) -> bool:
        """Never taken for granted: a file that is there may be of an upgrade before, of the same plan."""
        return False

    def apply(self) -> None:
        _keep_aside(self.world, self.into)
        left_out = self.node.collect(f"/zones/{self.vm}/root", LOGS, self.into, self.max_bytes)
        kept = f"logs kept in {self.into}"
        if left_out:
            kept += f" (the oldest {left_out >> 20} MiB did not fit and will be lost)"
        self.world.emit(Event("note", self.step.id, kept))


class Snapshot:
    """Snapshot the zone's root and send it to a file; the snapshot itself would not outlive the reprovision."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.world = world
        self.step = step
        self.vm = params.text("vm")
        self.name = params.text("name")
        self.into = params.text("into")
        self.node = world.dc.node(params.text("server"))

    def is_done(self) -> bool:
        """Never taken for granted: a file that is there may be of an upgrade before, of the same plan."""
        return False

    def apply(self) -> None:
        _keep_aside(self.world, self.into)
        zones.send_snapshot(self.node, self.vm, self.name, self.into, self.step.timeout_s)
        self.world.emit(Event("note", self.step.id, f"old root kept in {self.into}"))


def _keep_aside(world: World, path: str) -> None:
    """What was kept before stays, under a number."""
    files = world.doors.files
    if files.exists(path):
        number = 1
        while files.exists(f"{path}.{number}"):
            number += 1
        files.rename(path, f"{path}.{number}")
