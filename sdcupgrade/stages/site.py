"""What every stage works on: the doors, the datacenter behind them, somebody who listens, and the documents on disk.

Stages say what happens in which order; nothing here decides anything. Plan, work dir and lock are imported where they
are used: commands that only look pay for every module.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from sdcupgrade.doors.clock import iso
from sdcupgrade.doors.run import is_alive
from sdcupgrade.errors import Declined, PlanMoved
from sdcupgrade.model import Event

ORPHAN_LIMIT_S = 420.0
"""Longer than a zone's stop (60 s) and provision (300 s) together (reference 6.1)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from sdcupgrade.dc.access import Datacenter
    from sdcupgrade.doors import Doors
    from sdcupgrade.log import Log
    from sdcupgrade.model import Emit
    from sdcupgrade.plan.document import Plan
    from sdcupgrade.run.workdir import WorkDir
    from sdcupgrade.updates.source import Source

    class Operator(Protocol):
        """The person at the terminal, or the options that stand for one."""

        def ask(self, question: str) -> bool:
            """Yes or no. Raises Declined when nobody is there."""

        def pause(self, after: str, left: tuple[str, ...]) -> bool:
            """After a service: whether to go on with those left."""

        def again(self, what: str, why: str) -> bool:
            """After a failure: whether to try the same once more."""


@dataclass(frozen=True)
class Who:
    """The process that runs, as locks and journals name it."""

    pid: int
    user: str
    host: str


class Site:
    """One datacenter, seen from its headnode by one run of sdcupgrade."""

    def __init__(self, doors: Doors, log: Log, emit: Emit, operator: Operator, who: Who, updates_url: str = "") -> None:
        self.doors = doors
        self.log = log
        self.emit = emit
        self.operator = operator
        self.who = who
        self.updates_url = updates_url

    @cached_property
    def datacenter(self) -> Datacenter:
        """The clients of the datacenter, made at the first use. Raises NotHere anywhere but on a headnode."""
        from sdcupgrade.dc.access import open_datacenter

        return open_datacenter(self.doors)

    def source(self, url: str = "") -> Source:
        """Where images come from: the environment's updates server first, else *url*, else the public one."""
        from sdcupgrade import version
        from sdcupgrade.updates.bundle import Bundle, inside, placed
        from sdcupgrade.updates.bundle_source import BundleSource
        from sdcupgrade.updates.source import DEFAULT_URL, UpdatesServer

        where = self.updates_url or url
        own = inside(self.doors.files, version.archive()) if not where else None
        if own is not None:
            return BundleSource(own)
        where = where or DEFAULT_URL
        if "://" not in where:
            return BundleSource(Bundle.open(self.doors.files, placed(self.doors.files, where)))
        return UpdatesServer(self.doors.web, where)

    def note(self, what: str, text: str) -> None:
        """Tell the operator something that is worth a line."""
        self.emit(Event("note", what, text))

    def warn(self, what: str, text: str) -> None:
        """Tell the operator something that is worth a second look."""
        self.emit(Event("warning", what, text))

    def confirm(self, question: str) -> None:
        """Go on only after a yes. Raises Declined."""
        if not self.operator.ask(question):
            raise Declined("stopped at the question; nothing was changed", "type the command again when it is time")

    @contextmanager
    def locked(self, command: str, name: str) -> Iterator[None]:
        """Hold the datacenter's lock. Raises LockHeld."""
        from sdcupgrade.run import lock

        self._outwait_orphans(command)
        started = iso(self.doors.clock.time())
        holder = lock.Holder(self.who.pid, self.who.user, self.who.host, started, command, name)
        with lock.held(self.doors.files, holder) as crashed:
            if crashed is not None:
                self.note(command, f"the last run did not end by itself: {crashed}")
            yield

    def _outwait_orphans(self, command: str) -> None:
        """A program that a killed run started goes on, and holds that run's lock: wait for its end, never double it."""
        from sdcupgrade.run import lock

        began = self.doors.clock.monotonic()
        while (holder := lock.holder_now(self.doors.files)) is not None and not is_alive(holder.pid):
            waited = self.doors.clock.monotonic() - began
            if waited > ORPHAN_LIMIT_S:
                return
            text = f"a program that {holder} started, before it was killed, is still at work; waiting for its end"
            self.emit(Event("waiting", command, text, seconds=waited))
            self.doors.clock.sleep(max(0.1, waited / 50))

    def prepared(self, text: str) -> tuple[WorkDir, Plan]:
        """The work dir and the plan of the upgrade that the operator named. Raises NoInput, Refused or PlanMoved."""
        from sdcupgrade.jsonvalue import loads
        from sdcupgrade.plan import document
        from sdcupgrade.run.workdir import Named, WorkDir

        named = Named.of(text)
        work = WorkDir(named.name)
        work.check(self.doors.files, named)
        raw = self.doors.files.read(work.plan)
        plan = document.from_json(loads(raw, work.plan, PlanMoved, "prepare again with --fresh"), work.plan)
        if plan.name != work.name:
            raise PlanMoved(
                f"{work.plan} is the plan of upgrade {plan.name}", "put the right plan back, or prepare anew"
            )
        return work, plan
