"""upgrade-zone: give a zone a new root by ``vmadm reprovision``, on whichever server it lives.

The one disruptive step. It uses nothing but the node's own platform: no API, no DNS, no wrapper (reference 5.2), so
it works while the rest of the stack is being replaced, or is down.
"""

from __future__ import annotations

from sdcupgrade.dc import zones
from sdcupgrade.errors import CommandFailed, Interrupted, SdcupgradeError
from sdcupgrade.steps.settle import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.dc.nodes import Node
    from sdcupgrade.jsonvalue import Record
    from sdcupgrade.plan.document import Step
    from sdcupgrade.steps.registry import World

PROVISION_LIMIT_S = 330.0
"""vmadm gives a provision 300 s and then calls the VM failed (reference 6.1 step 5); a little longer is never wrong."""

REGISTRAR = "registrar"


class Reprovision:
    """Replace a zone's root by a clone of an image."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.world = world
        self.step = step
        self.vm = params.text("vm")
        self.alias = params.text("alias")
        self.image = params.text("image")
        self.in_dns = params.flag("in_dns")
        self.node = world.dc.node(params.text("server"))

    def is_done(self) -> bool:
        """Whether the zone runs the image. A vmadm that outlived a killed run is waited for, never doubled."""
        until(self.world, self.step.id, f"vmadm to finish with {self.alias}", PROVISION_LIMIT_S, self._still_at_work)
        zone = zones.get(self.node, self.vm)
        return zone.image_uuid == self.image and zone.state == "running" and not zones.leftovers(self.node, self.vm)

    def apply(self) -> None:
        """Out of DNS, reprovision, look. A zone that vmadm left on its old root goes back into DNS before this fails.

        registrar killed with its zone leaves the old address in binder for up to a minute, which no look-up can tell
        from the new one (reference 2.8). Stopped before, it takes the address out in seconds: clients are not sent to
        a dead zone, and an address seen afterwards is the new zone's own word.
        """
        if zones.leftovers(self.node, self.vm):
            zones.repair_leftovers(self.node, self.vm)
        try:
            if self.in_dns and zones.get(self.node, self.vm).state == "running":
                switch_registrar(self.node, self.vm, on=False)
            zones.reprovision(self.node, self.vm, self.image, self.step.timeout_s)
            self._look()
        except SdcupgradeError as error:
            raise self._put_back(error) from error
        except KeyboardInterrupt:
            self._put_back(Interrupted("interrupted"))
            raise

    def _look(self) -> None:
        """vmadm's exit status was wrong before OS-3133."""
        zone = zones.get(self.node, self.vm)
        if zone.image_uuid != self.image or zone.state != "running":
            raise CommandFailed(
                f"vmadm reprovision of {self.alias} said it succeeded, but the zone is {zone.state} on image"
                f" {zone.image_uuid}, not running on {self.image}",
                f"look at vmadm get {self.vm} and /var/log/vm on that server",
            )

    def _put_back(self, error: SdcupgradeError) -> SdcupgradeError:
        """The error, with what became of the zone."""
        try:
            zone = zones.get(self.node, self.vm)
            if zone.state != "running" or zone.image_uuid == self.image:
                return error
            if self.in_dns:
                switch_registrar(self.node, self.vm, on=True)
        except SdcupgradeError as why:
            return CommandFailed(f"{error.message}; {self.alias} is still out of DNS: {why.message}", error.hint)
        return CommandFailed(f"{error.message}; {self.alias} runs its old image, and is in DNS", error.hint)

    def _still_at_work(self) -> Optional[str]:
        state = zones.get(self.node, self.vm).state
        return f"it is {state}" if state in ("provisioning", "stopping") else None


class JoinDns:
    """Let a zone into DNS again that was taken out for a reprovision which never came."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.vm = params.text("vm")
        self.node = world.dc.node(params.text("server"))

    def is_done(self) -> bool:
        return "disabled" not in zones.smf_states(self.node, self.vm, REGISTRAR)

    def apply(self) -> None:
        switch_registrar(self.node, self.vm, on=True)


def switch_registrar(node: Node, vm: str, on: bool) -> None:
    """Switch a zone's registrar, which keeps its address in DNS; a zone without one is left alone."""
    if zones.smf_states(node, vm, REGISTRAR):
        zones.smf_switch(node, vm, REGISTRAR, on)
