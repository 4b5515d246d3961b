"""Put back what an upgrade changed: backwards, all services or the named ones, through the same gates.

Only what the journal says was begun is undone, from what ``prepare`` saved before the change; so a rollback may follow
any run, also one that failed, and one that failed for one service may go on with others. No health gate stands
in front, because what is being put back may be what is ill; every service passes the same waits and checks after its
turn.
"""

from __future__ import annotations

from sdcupgrade.run.moves import pending_rollback
from sdcupgrade.stages.execute import announce, carry_out, open_journal, who
from sdcupgrade.stages.upgrade import in_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.run.engine import Outcome
    from sdcupgrade.run.journal import Journal
    from sdcupgrade.stages.execute import Options
    from sdcupgrade.stages.site import Site


def rollback(site: Site, text: str, options: Options) -> tuple[Outcome, ...]:
    """Roll back. Raises BadInput for a service that is not of the plan, Declined before anything is changed."""
    work, plan = site.prepared(text)
    with site.locked("rollback", work.name):
        journal = open_journal(site, work)
        moves = pending_rollback(plan, journal.state, options.services)
        if not moves:
            which = ", ".join(options.services) or "what this upgrade changed, if anything,"
            text = f"nothing to roll back: {which} is as it was before the upgrade; nothing was changed"
            site.note(work.name, text)
            _close(site, journal, options)
            return ()
        services = in_order(moves)
        announce(site, plan, services, backwards=True)
        site.confirm(f"Roll back {', '.join(services)} in {plan.datacenter}, in this order?")
        return carry_out(site, plan, journal, "rollback", moves, options)


def _close(site: Site, journal: Journal, options: Options) -> None:
    """A run that failed before it changed anything has nothing left to resume, once somebody asked to go back."""
    if journal.state.unfinished is not None and not options.services:
        with journal.run("rollback", who(site), options.to_json()):
            pass
