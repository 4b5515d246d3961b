"""A zone's place in DNS around its reprovision.

registrar keeps the zone's address in binder. Killed with its zone it leaves the old address there for up to a minute,
which no look-up can tell from the new one (reference 2.8). Stopped before, it takes the address out in seconds: clients
are not sent to a dead zone, and an address seen afterwards is the new zone's own word.
"""

from __future__ import annotations

from sdcupgrade.dc import zones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Record
    from sdcupgrade.plan.document import Step
    from sdcupgrade.steps.registry import World

REGISTRAR = "registrar"


class Registrar:
    """Switch a zone's registrar off or on; a zone without one is left alone."""

    wanted = True

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.vm = params.text("vm")
        self.node = world.dc.node(params.text("server"))

    def is_done(self) -> bool:
        states = zones.smf_states(self.node, self.vm, REGISTRAR)
        return all((state != "disabled") is self.wanted for state in states)

    def apply(self) -> None:
        zones.smf_switch(self.node, self.vm, REGISTRAR, self.wanted)


class LeaveDns(Registrar):
    """Take the zone's address out of DNS before the zone goes."""

    wanted = False


class JoinDns(Registrar):
    """Let the zone put its address into DNS again, after a reprovision that never came."""
