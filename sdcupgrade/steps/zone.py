"""upgrade-zone: give a zone a new root by ``vmadm reprovision``, on whichever server it lives.

The one disruptive step. It uses nothing but the node's own platform: no API, no DNS, no wrapper (reference 5.2), so
it works while the rest of the stack is being replaced, or is down.
"""

from __future__ import annotations

from sdcupgrade.dc import zones
from sdcupgrade.errors import CommandFailed
from sdcupgrade.steps.settle import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.jsonvalue import Record
    from sdcupgrade.plan.document import Step
    from sdcupgrade.steps.registry import World

PROVISION_LIMIT_S = 330.0
"""vmadm gives a provision 300 s and then calls the VM failed (reference 6.1 step 5); a little longer is never wrong."""


class Reprovision:
    """Replace a zone's root by a clone of an image."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.world = world
        self.step = step
        self.vm = params.text("vm")
        self.alias = params.text("alias")
        self.image = params.text("image")
        self.node = world.dc.node(params.text("server"))

    def is_done(self) -> bool:
        """Whether the zone runs the image. A vmadm that outlived a killed run is waited for, never doubled."""
        until(self.world, self.step.id, f"vmadm to finish with {self.alias}", PROVISION_LIMIT_S, self._still_at_work)
        zone = zones.get(self.node, self.vm)
        return zone.image_uuid == self.image and zone.state == "running" and not zones.leftovers(self.node, self.vm)

    def apply(self) -> None:
        """Reprovision; then look, because vmadm's exit status was wrong before OS-3133."""
        if zones.leftovers(self.node, self.vm):
            zones.repair_leftovers(self.node, self.vm)
        zones.reprovision(self.node, self.vm, self.image, self.step.timeout_s)
        zone = zones.get(self.node, self.vm)
        if zone.image_uuid != self.image or zone.state != "running":
            raise CommandFailed(
                f"vmadm reprovision of {self.alias} said it succeeded, but the zone is {zone.state} on image"
                f" {zone.image_uuid}, not running on {self.image}",
                f"look at vmadm get {self.vm} and /var/log/vm on that server",
            )

    def _still_at_work(self) -> Optional[str]:
        state = zones.get(self.node, self.vm).state
        return f"it is {state}" if state in ("provisioning", "stopping") else None
