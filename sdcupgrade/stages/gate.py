"""The gates in front of an upgrade: the plan's facts still hold, and the datacenter is well.

Facts are read again, never remembered: a plan is refused when an instance, image, user-script or SAPI record of a
service that was not begun yet is not what it was planned from (omicron#10392: a planner that acted on a stale inventory).
"""

from __future__ import annotations

from sdcupgrade.errors import BadInput, PlanMoved, Unhealthy
from sdcupgrade.plan.planner import check_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Optional

    from sdcupgrade.model import Finding
    from sdcupgrade.plan.document import Plan
    from sdcupgrade.stages.site import Site


def refuse_moved_facts(site: Site, plan: Plan, begun: Collection[str]) -> None:
    """Compare the datacenter with the plan, services in *begun* left out. Raises PlanMoved naming every difference."""
    from sdcupgrade.dc.inventory import take

    services = [service.service for service in plan.services if service.service not in begun]
    if not services:
        return
    differences = check_facts(plan, take(site.datacenter, services), set(begun))
    if differences:
        raise PlanMoved(
            "the datacenter is not what the plan was made from: " + "; ".join(differences) + "; nothing was changed",
            f"prepare again: sdcupgrade prepare {plan.name}.json --fresh",
        )


def health(site: Site, plan: Optional[Plan]) -> tuple[Finding, ...]:
    """Every named check, for the whole datacenter or for what a plan touches."""
    from sdcupgrade.dc.checks import run_checks

    return tuple(run_checks(site.datacenter, plan))


def refuse_unhealthy(site: Site, findings: tuple[Finding, ...], ignore: tuple[tuple[str, str], ...]) -> None:
    """Raises Unhealthy unless every failed check is ignored with a reason; what is ignored is said aloud."""
    known = {finding.id for finding in findings}
    reasons = dict(ignore)
    for check in reasons:
        if check not in known:
            raise BadInput(f"--ignore {check}: there is no such check", "sdcupgrade check lists them")
    failed = [finding for finding in findings if not finding.ok]
    for finding in failed:
        if finding.id in reasons:
            site.warn(finding.id, f"ignored ({reasons[finding.id]}): {finding.subject}: {finding.evidence}")
    standing = [finding for finding in failed if finding.id not in reasons]
    for finding in standing:
        site.warn(finding.id, f"{finding.subject}: {finding.evidence}; {finding.remedy}")
    if standing:
        ids = sorted({finding.id for finding in standing})
        raise Unhealthy(
            f"{len(standing)} health checks failed ({', '.join(ids)}); nothing was changed",
            f"mend them, or go on all the same with --ignore {ids[0]}='why it does not matter'",
        )
