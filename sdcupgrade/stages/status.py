"""What an upgrade has done, is doing and has left, from the plan and the journal alone.

Takes no lock and asks no service, so it answers from another terminal, while the run goes on, and with the stack
down.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.doors.run import is_alive
from sdcupgrade.plan.document import Change
from sdcupgrade.run import lock
from sdcupgrade.run.journal import read_state, refuse_lost
from sdcupgrade.run.moves import Standing, standing
from sdcupgrade.run.state import Phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.plan.document import Plan, ServicePlan
    from sdcupgrade.run.lock import Holder
    from sdcupgrade.run.state import State, StepState
    from sdcupgrade.stages.site import Site


@dataclass(frozen=True)
class ServiceStatus:
    """One service: where it stands, the seconds its steps took, and the message of a step that failed."""

    service: str
    alias: str
    current: str
    target: str
    standing: str
    seconds: float
    message: str


@dataclass(frozen=True)
class Status:
    """The whole upgrade. *running* is the command at work now, empty when none is; *step* what it does, or did when it
    was cut off; *waiting* what that step waits for, *since* when."""

    name: str
    phase: str
    running: str
    holder: Optional[Holder]
    step: str
    waiting: str
    since: str
    services: tuple[ServiceStatus, ...]
    next: str

    def to_json(self) -> dict[str, Json]:
        """For ``-j``."""
        rows: list[Json] = [dict(vars(service)) for service in self.services]
        holder: Json = dict(vars(self.holder)) if self.holder else None
        return {**vars(self), "holder": holder, "services": rows}


def status(site: Site, text: str) -> Status:
    """Read it. Raises NoInput when there is no such upgrade."""
    work, plan = site.prepared(text)
    refuse_lost(site.doors.files, work.journal)
    state = read_state(site.doors.files, work.journal)
    holder = lock.holder_now(site.doors.files)
    mine = holder if holder is not None and holder.name == work.name and is_alive(holder.pid) else None
    step = state.open_step if mine or state.unfinished else None
    services = tuple(_service(service, state) for service in plan.services)
    phase = _phase(services, state, mine)
    return Status(
        name=work.name,
        phase=phase,
        running=mine.command if mine else "",
        holder=mine,
        step=_says(plan, step) if step else "",
        waiting=step.waiting if step else "",
        since=(step.waiting_since or step.since) if step else "",
        services=services,
        next=_next(work.name, phase),
    )


def _service(service: ServicePlan, state: State) -> ServiceStatus:
    steps = [state.steps[step.id] for step in (*service.steps, *service.rollback) if step.id in state.steps]
    failed = [step.message for step in steps if step.phase is Phase.FAILED]
    where = "nothing to do" if service.change is Change.NONE else standing(service, state).value
    return ServiceStatus(
        service=service.service,
        alias=service.alias,
        current=service.current.short if service.current else "",
        target=service.target.short,
        standing="failed" if failed and where == Standing.PARTLY.value else where,
        seconds=round(sum(step.seconds for step in steps), 1),
        message=failed[-1] if failed else "",
    )


def _phase(services: tuple[ServiceStatus, ...], state: State, holder: Optional[Holder]) -> str:
    if holder is not None:
        return "running"
    if state.unfinished is not None:
        return "failed" if state.unfinished.verdict in ("step-failed", "timed-out") else "interrupted"
    standings = {service.standing for service in services} - {"nothing to do"}
    if standings <= {Standing.UNTOUCHED.value}:
        return "downloaded" if state.downloaded else "prepared"
    if standings == {Standing.UPGRADED.value}:
        return "upgraded"
    back = standings <= {Standing.UNTOUCHED.value, Standing.ROLLED_BACK.value}
    return "rolled back" if back else "partly upgraded"


def _says(plan: Plan, step: StepState) -> str:
    for service in plan.services:
        for planned in (*service.steps, *service.rollback):
            if planned.id == step.step:
                return f"{service.service}: {planned.says}"
    return step.step


_NEXT = {
    "prepared": "sdcupgrade download {0}, then sdcupgrade upgrade {0}",
    "downloaded": "sdcupgrade upgrade {0}",
    "failed": "sdcupgrade resume {0}, or sdcupgrade rollback {0}",
    "interrupted": "sdcupgrade resume {0}",
    "upgraded": "nothing is left to do; to go back: sdcupgrade rollback {0}",
    "rolled back": "to try again: sdcupgrade upgrade {0}",
    "partly upgraded": "sdcupgrade upgrade {0} for the rest, or sdcupgrade rollback {0}",
    "running": "wait, or look again: sdcupgrade status {0}",
}


def _next(name: str, phase: str) -> str:
    return _NEXT[phase].format(name)
