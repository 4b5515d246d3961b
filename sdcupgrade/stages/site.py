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
from sdcupgrade.errors import Declined, PlanMoved, Untrusted
from sdcupgrade.model import Event

ORPHAN_LIMIT_S = 420.0
"""Longer than a zone's stop (60 s) and provision (300 s) together (reference 6.1)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional, Protocol

    from sdcupgrade.dc.access import Datacenter
    from sdcupgrade.doors import Doors
    from sdcupgrade.log import Log
    from sdcupgrade.model import Emit
    from sdcupgrade.plan.document import Plan
    from sdcupgrade.run.workdir import WorkDir
    from sdcupgrade.updates.believed import Believed
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


@dataclass(frozen=True)
class SourceOptions:
    """Where bits come from and whom to believe, as the operator said: *source* a URL, a path or ``imgapi``,
    *trust_root* a file, *metadata* a URL or path; all empty for the usual ones. *require_signed* refuses images that
    nobody has signed."""

    source: str = ""
    trust_root: str = ""
    metadata: str = ""
    require_signed: bool = False

    @property
    def strict(self) -> bool:
        """Whether what cannot be verified ends it: who named a root or metadata wants them to count."""
        return bool(self.require_signed or self.trust_root or self.metadata)


class Site:
    """One datacenter, seen from its headnode by one run of sdcupgrade."""

    def __init__(
        self, doors: Doors, log: Log, emit: Emit, operator: Operator, who: Who, wanted: Optional[SourceOptions] = None
    ) -> None:
        self.doors = doors
        self.log = log
        self.emit = emit
        self.operator = operator
        self.who = who
        self.wanted = wanted or SourceOptions()

    @cached_property
    def datacenter(self) -> Datacenter:
        """The clients of the datacenter, made at the first use. Raises NotHere anywhere but on a headnode."""
        from sdcupgrade.dc.access import open_datacenter

        return open_datacenter(self.doors)

    def source(self, url: str = "") -> Source:
        """Where images come from: what the operator said first, else *url* (a plan's), else the public server."""
        from sdcupgrade.updates.sources import open_source

        wanted = self.wanted
        return open_source(self.doors, wanted.source or url, lambda: self.datacenter.imgapi, wanted.require_signed)

    def believed(self, source: Source, channel: str, store: str = "") -> Optional[Believed]:
        """What is signed of the images of *source*; None without a root of trust, and without metadata. *store* is the
        folder of what is believed already, the site's own when empty.

        Raises Untrusted instead of None when the operator named either, or wants nothing unsigned.
        """
        from sdcupgrade.updates.believed import KEEPER, Believed, metadata_of, root_of_trust

        wanted = self.wanted
        try:
            root = root_of_trust(self.doors.files, wanted.trust_root)
        except Untrusted:
            if wanted.strict:
                raise
            return None
        fetch = metadata_of(self.doors, source, channel, wanted.metadata)
        if fetch is None:
            if wanted.strict:
                raise Untrusted(f"{source.name} has no signed metadata, so nothing there can be verified", KEEPER)
            return None
        now, where = self.doors.clock.time(), wanted.metadata or source.name
        return Believed(self.doors.files, root, fetch, now, store, where)

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
        """Hold the datacenter's lock. Whoever has come so far is no longer on trial: nothing may go back to another
        version in the middle of a change. Raises LockHeld."""
        from sdcupgrade.run import installed, lock

        self._outwait_orphans(command)
        started = iso(self.doors.clock.time())
        holder = lock.Holder(self.who.pid, self.who.user, self.who.host, started, command, name)
        with lock.held(self.doors.files, holder) as crashed:
            if crashed is not None:
                self.note(command, f"the last run did not end by itself: {crashed}")
            installed.come_through(self.doors.files, self.doors.process.file)
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
