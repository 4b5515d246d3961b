"""What upgrade, rollback and resume share: the journal opened under the lock, and the engine started on its moves."""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import Refused
from sdcupgrade.run.engine import Engine
from sdcupgrade.run.journal import Journal, refuse_lost
from sdcupgrade.steps.registry import World, build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdcupgrade.errors import SdcupgradeError
    from sdcupgrade.jsonvalue import Json, Record
    from sdcupgrade.plan.document import Plan, Step
    from sdcupgrade.run.engine import Outcome
    from sdcupgrade.run.moves import Move
    from sdcupgrade.run.workdir import WorkDir
    from sdcupgrade.stages.site import Site

PAUSES = ("each", "failure", "never")


@dataclass(frozen=True)
class Options:
    """What the operator chose for a run; journalled, so that ``resume`` goes on the same way.

    *ignore* is check id -> the operator's reason. *services* narrows a rollback. *pause* is one of :data:`PAUSES`.
    """

    snapshot: bool = False
    pause: str = "each"
    ignore: tuple[tuple[str, str], ...] = ()
    services: tuple[str, ...] = ()

    @property
    def step_options(self) -> tuple[str, ...]:
        """The options that steps of the plan ask for."""
        return ("snapshot",) if self.snapshot else ()

    def to_json(self) -> dict[str, Json]:
        """For the journal."""
        ignored: dict[str, Json] = dict(self.ignore)
        services: list[Json] = list(self.services)
        return {"snapshot": self.snapshot, "pause": self.pause, "ignore": ignored, "services": services}

    @staticmethod
    def read(record: Record) -> Options:
        """From the journal."""
        ignored = record.record("ignore")
        return Options(
            snapshot=record.flag("snapshot"),
            pause=record.text_or("pause", "each") or "each",
            ignore=tuple((check, ignored.text(check)) for check in ignored.value),
            services=record.texts("services"),
        )


def open_journal(site: Site, work: WorkDir) -> Journal:
    """The journal, for appending; only under the lock. Raises BadInput when it is damaged or gone."""
    refuse_lost(site.doors.files, work.journal)
    return Journal(site.doors.files, work.journal, site.doors.clock)


def refuse_unfinished(journal: Journal, name: str) -> None:
    """Nothing is begun over a run that did not end well: that one is resumed, or all is rolled back. Raises Refused."""
    unfinished = journal.state.unfinished
    if unfinished is not None and journal.state.steps:
        raise Refused(
            f"the {unfinished.command} of {name} that began {unfinished.started} did not end well; nothing was changed",
            f"go on with it: sdcupgrade resume {name}; or go back: sdcupgrade rollback {name}",
        )


def announce(site: Site, plan: Plan, services: Sequence[str], backwards: bool = False) -> None:
    """What will happen, a line a service, before the question."""
    by_name = {service.service: service for service in plan.services}
    for name in services:
        service = by_name[name]
        current = service.current.short if service.current else "no image"
        before, after = (service.target.short, current) if backwards else (current, service.target.short)
        where = f"{service.alias} on {service.hostname}" if service.alias else "in SAPI only"
        site.note(name, f"{name}, {where}: {before} -> {after}")


def carry_out(
    site: Site, plan: Plan, journal: Journal, command: str, moves: Sequence[Move], options: Options
) -> tuple[Outcome, ...]:
    """Run the moves, journalled as one run of *command*. Raises StepFailed or Interrupted."""
    world = World(site.datacenter, site.doors, journal.noting(site.emit))
    world.dc.hostnames.update(plan.servers)

    def between(service: str, left: tuple[str, ...]) -> bool:
        return options.pause != "each" or site.operator.pause(service, left)

    def again(step: Step, error: SdcupgradeError) -> bool:
        return options.pause != "never" and site.operator.again(step.says, error.message)

    engine = Engine(
        build=lambda step: build(step, world),
        journal=journal,
        clock=site.doors.clock,
        emit=site.emit,
        command=command,
        name=plan.name,
        evidence=site.log.path,
        between=between,
        again=again,
    )
    with journal.run(command, who(site), options.to_json()):
        for check, reason in options.ignore:
            journal.append("ignored", check=check, reason=reason)
        return engine.run(moves)


def who(site: Site) -> Mapping[str, Json]:
    """Who runs, for the journal."""
    return {"pid": site.who.pid, "user": site.who.user, "host": site.who.host}
