"""Go on with a run that was interrupted, killed or stopped by a failure, with the options it was begun with.

Steps that the journal calls done are not looked at again; the one that was announced and has no result is compared
with reality; services not begun yet must still be what they were planned from.
"""

from __future__ import annotations

from sdcupgrade.dc.inventory import take
from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record
from sdcupgrade.run.moves import changed, pending_rollback, pending_upgrade
from sdcupgrade.stages.execute import Options, announce, carry_out, open_journal
from sdcupgrade.stages.gate import refuse_moved_facts
from sdcupgrade.stages.upgrade import begin, in_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.plan.document import Plan
    from sdcupgrade.run.engine import Outcome
    from sdcupgrade.run.moves import Move
    from sdcupgrade.run.state import Run, State
    from sdcupgrade.stages.site import Site


def resume(site: Site, text: str, pause: Optional[str] = None) -> tuple[str, tuple[Outcome, ...]]:
    """Which command went on, and how it went. *pause* replaces the journalled choice."""
    work, plan = site.prepared(text)
    with site.locked("resume", work.name):
        journal = open_journal(site, work)
        run = journal.state.unfinished
        if not journal.state.runs:
            # killed before its first line, or never begun: from the beginning, through the gates
            site.note(work.name, "the upgrade had not begun; beginning it")
            return "upgrade", begin(site, plan, journal, Options(pause=pause or "each"))
        if run is None:
            site.note(work.name, "nothing to resume: no run of this upgrade was cut off; nothing was changed")
            return "resume", ()
        options = Options.read(Record(dict(run.options), f"{journal.path}: run {run.seq}", BadInput))
        if pause is not None:
            options = Options(options.snapshot, pause, options.ignore, options.services)
        moves = _pending(plan, journal.state, run, options)
        if run.command == "upgrade":
            begun = changed(plan, journal.state)
            left = [service.service for service in plan.services if service.service not in begun]
            if left:
                # what was being replaced may be half-way, and is mended by going on
                refuse_moved_facts(plan, take(site.datacenter, down=begun), begun)
        services = in_order(moves)
        announce(site, plan, services, backwards=run.command == "rollback")
        site.confirm(f"Go on with the {run.command} of {', '.join(services) or work.name} in {plan.datacenter}?")
        return run.command, carry_out(site, plan, journal, run.command, moves, options)


def _pending(plan: Plan, state: State, run: Run, options: Options) -> tuple[Move, ...]:
    if run.command == "rollback":
        return pending_rollback(plan, state, options.services)
    return pending_upgrade(plan, state, options.step_options)
