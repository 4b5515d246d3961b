"""What the gzbits commands have in common about compute nodes: their options, and how the outcome is shown."""

from __future__ import annotations

from sdcupgrade.bits.waves import BUDGET, WAVES
from sdcupgrade.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from sdcupgrade.cli.session import Session
    from sdcupgrade.stages.gznodes import Fanned, NodeOptions

SHOWN = 40
"""Nodes that are listed one by one; of more only those about which there is something to say."""


def node_arguments(parser: ArgumentParser) -> None:
    """The options of every command that goes to compute nodes."""
    usual = WAVES.replace("%", "%%")
    parser.add_argument("--waves", default=WAVES, metavar="N,...", help=f"nodes in each wave ({usual})")
    parser.add_argument(
        "--max-fail", default=BUDGET, metavar="N", help=f"nodes, or %%, that may fail before it stops ({BUDGET})"
    )
    parser.add_argument("--at-once", type=int, default=25, metavar="N", help="nodes asked together (25)")
    parser.add_argument(
        "--node-timeout", type=int, default=600, metavar="SECONDS", help="how long each node may take (600)"
    )


def node_options(options: Namespace, image: str = "") -> NodeOptions:
    """Raises UsageError, BadInput."""
    from sdcupgrade.bits.waves import parse_budget, parse_waves
    from sdcupgrade.stages.gznodes import NodeOptions

    if not 1 <= options.at_once <= 500:
        raise UsageError(f"--at-once {options.at_once}: give a number from 1 to 500")
    if not 10 <= options.node_timeout <= 86400:
        raise UsageError(f"--node-timeout {options.node_timeout}: give seconds, from 10 to 86400")
    waves, budget = parse_waves(options.waves), parse_budget(options.max_fail)
    return NodeOptions(waves, budget, options.at_once, float(options.node_timeout), image)


def show_nodes(session: Session, fanned: Fanned) -> None:
    """The outcome as a table and a line of counts. Raises StepFailed when a node failed or was left."""
    from sdcupgrade.stages.gznodes import Fate, refuse_failed
    from sdcupgrade.ui import words
    from sdcupgrade.ui.table import Table

    listed = fanned.results if len(fanned.results) <= SHOWN else fanned.those(Fate.DOWN, Fate.FAILED)
    rows = [{"node": one.hostname, "outcome": one.fate.value, "why": one.why, "server": one.uuid} for one in listed]
    session.say(
        Table(("node", "outcome", "why", "server"), ("node", "outcome", "why"), list(rows)).render("", "", True, False)
    )
    counts = [(len(fanned.those(fate)), fate.value) for fate in Fate]
    told = ", ".join(f"{count} {word}" for count, word in counts if count)
    session.say(f"Compute nodes, {fanned.did}: {told or 'none'} of {words.plural(len(fanned.results), 'node')}.")
    refuse_failed(fanned)
