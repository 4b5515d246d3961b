"""Which steps of a plan are still to be carried out, seeing what the journal says. Pure.

An upgrade step stands when it was done after everything that a rollback of its service began; a rollback step is wanted
when a step that it undoes was begun after it was last done. So upgrade, rollback, upgrade again and any of them resumed
in the middle all come out of the same two comparisons of line numbers.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sdcupgrade.errors import BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Optional

    from sdcupgrade.plan.document import Plan, ServicePlan, Step
    from sdcupgrade.run.state import State


@dataclass(frozen=True)
class Move:
    """One step of one service, to be carried out."""

    service: ServicePlan
    step: Step


class Standing(enum.Enum):
    """Where a service stands in an upgrade. It is untouched until a step is begun that a rollback would undo."""

    UNTOUCHED = "untouched"
    PARTLY = "partly"
    UPGRADED = "upgraded"
    ROLLED_BACK = "rolled back"


def pending_upgrade(plan: Plan, state: State, options: Collection[str] = ()) -> tuple[Move, ...]:
    """The upgrade steps that do not stand yet, in the order of the plan. *options* are the run options asked for
    (``snapshot``): steps of other options are left out."""
    return tuple(
        Move(service, step)
        for service in plan.services
        for step in service.steps
        if (not step.option or step.option in options) and not _stands(service, step, state)
    )


def pending_rollback(plan: Plan, state: State, services: Optional[Sequence[str]] = None) -> tuple[Move, ...]:
    """The rollback steps that are wanted, services backwards; only those named, when *services* is given and not empty.

    Raises BadInput when one of *services* is not in the plan.
    """
    known = [service.service for service in plan.services]
    unknown = [name for name in services or () if name not in known]
    if unknown:
        hint = "name services of the upgrade, or none for all of them; nothing was changed"
        raise BadInput(f"{', '.join(unknown)}: not part of upgrade {plan.name}, which has: {', '.join(known)}", hint)
    return tuple(
        Move(service, step)
        for service in reversed(plan.services)
        if not services or service.service in services
        for step in service.rollback
        if _wanted(step, state)
    )


def standing(service: ServicePlan, state: State, options: Collection[str] = ()) -> Standing:
    """Where *service* stands now."""
    changes = {undone for step in service.rollback for undone in step.undoes}
    if not any(state.begun(step) for step in changes):
        return Standing.UNTOUCHED
    if any(state.begun(step.id) for step in service.rollback):
        latest = max(state.begun(step.id) for step in service.steps)
        if latest < _rolled_back(service, state) and not any(_wanted(step, state) for step in service.rollback):
            return Standing.ROLLED_BACK
    wanted = [step for step in service.steps if not step.option or step.option in options]
    return Standing.UPGRADED if all(_stands(service, step, state) for step in wanted) else Standing.PARTLY


def changed(plan: Plan, state: State) -> set[str]:
    """The services that this plan has changed and not put back: they are no longer what they were planned from."""
    there = (Standing.PARTLY, Standing.UPGRADED)
    return {service.service for service in plan.services if standing(service, state) in there}


def _stands(service: ServicePlan, step: Step, state: State) -> bool:
    return state.done(step.id) > _rolled_back(service, state)


def _wanted(step: Step, state: State) -> bool:
    begun = max((state.begun(undone) for undone in step.undoes), default=0)
    return state.done(step.id) < begun


def _rolled_back(service: ServicePlan, state: State) -> int:
    """The number of the latest line by which a rollback of the service began a step."""
    return max((state.begun(step.id) for step in service.rollback), default=0)
