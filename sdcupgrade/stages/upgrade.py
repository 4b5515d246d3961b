"""Carry out the plan, service by service, bottom of the stack first."""

from __future__ import annotations

from sdcupgrade.run.moves import changed, pending_upgrade
from sdcupgrade.stages.execute import announce, carry_out, open_journal, refuse_unfinished
from sdcupgrade.stages.gate import health, read, refuse_altered_inputs, refuse_moved_facts, refuse_unhealthy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.plan.document import Plan
    from sdcupgrade.run.engine import Outcome
    from sdcupgrade.run.journal import Journal
    from sdcupgrade.run.moves import Move
    from sdcupgrade.stages.execute import Options
    from sdcupgrade.stages.site import Site


def upgrade(site: Site, text: str, options: Options) -> tuple[Outcome, ...]:
    """Upgrade what the plan of *text* names; nothing is left out and nothing is done twice.

    Raises Refused, PlanMoved, Unhealthy or Declined before anything is changed, StepFailed or Interrupted after.
    """
    work, plan = site.prepared(text)
    work.refuse_edited_spec(site.doors.files)
    with site.locked("upgrade", work.name):
        journal = open_journal(site, work)
        refuse_unfinished(journal, work.name)
        return begin(site, plan, journal, options)


def begin(site: Site, plan: Plan, journal: Journal, options: Options) -> tuple[Outcome, ...]:
    """Start it, under the lock: the gates, the question, the moves."""
    moves = pending_upgrade(plan, journal.state, options.step_options)
    if not moves:
        site.note(plan.name, "every service of the plan is upgraded already; nothing was changed")
        return ()
    services = in_order(moves)
    refuse_altered_inputs(site, plan)
    inventory = read(site, services, options.ignore)
    refuse_moved_facts(plan, inventory, changed(plan, journal.state))
    refuse_unhealthy(site, health(site, inventory, plan), options.ignore)
    announce(site, plan, services)
    site.confirm(f"Upgrade {', '.join(services)} in {plan.datacenter}, in this order?")
    return carry_out(site, plan, journal, "upgrade", moves, options)


def in_order(moves: tuple[Move, ...]) -> tuple[str, ...]:
    """The services of the moves, each once, in the order in which they come."""
    return tuple(dict.fromkeys(move.service.service for move in moves))
