"""Which class carries out which kind of step, and what a step may touch.

A step class takes a :class:`~sdcupgrade.plan.document.Step` and a :class:`World`, and answers two questions: does
reality already show me done (``is_done``), and how am I done (``apply``). Both may be asked again after a crash. Its
inverse is another step, written in the plan. Ordering, retries and prompts are not a step's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record
from sdcupgrade.steps import keep, settle, setup, zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from sdcupgrade.dc.access import Datacenter
    from sdcupgrade.doors import Doors
    from sdcupgrade.model import Emit
    from sdcupgrade.plan.document import Step

    class Action(Protocol):
        """One step, ready to be carried out; both may be asked again after a crash, and raise SdcupgradeError."""

        def is_done(self) -> bool:
            """Whether reality already shows it done."""

        def apply(self) -> None:
            """Do it, and return when it is done."""

    Maker = Callable[[Record, Step, "World"], Action]


@dataclass(frozen=True)
class World:
    """What steps reach: the datacenter's clients, the doors below them, and somebody who listens."""

    dc: Datacenter
    doors: Doors
    emit: Emit


KINDS: Mapping[str, Maker] = {
    "save-logs": keep.SaveLogs,
    "snapshot": keep.Snapshot,
    "user-script": setup.UserScript,
    "service-user-script": setup.ServiceUserScript,
    "quota": setup.Quota,
    "service-image": setup.ServiceImage,
    "reprovision": zone.Reprovision,
    "join-dns": zone.JoinDns,
    "wait-setup": settle.WaitSetup,
    "wait-smf": settle.WaitSmf,
    "wait-ping": settle.WaitPing,
    "wait-dns": settle.WaitDns,
    "wait-transport": settle.WaitTransport,
    "verify": settle.Verify,
}


def build(step: Step, world: World) -> Action:
    """The action for a step of the plan. Raises BadInput for a kind this version does not know."""
    maker = KINDS.get(step.kind)
    if maker is None:
        raise BadInput(
            f"the plan has a step of kind {step.kind!r}, which this sdcupgrade does not know",
            "nothing was changed by it; use the version that wrote the plan",
        )
    return maker(Record(dict(step.params), f"plan: step {step.id}", BadInput), step, world)
