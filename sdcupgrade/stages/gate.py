"""The gates in front of an upgrade: the plan's facts still hold, and the datacenter is well.

Facts are read again, never remembered: a plan is refused when an instance, image, user-script or SAPI record of a
service that was not begun yet is not what it was planned from (omicron#10392: a planner that acted on a stale
inventory).
"""

from __future__ import annotations

from dataclasses import replace

from sdcupgrade.errors import BadInput, PlanMoved, SdcupgradeError, Unhealthy
from sdcupgrade.jsonvalue import Record
from sdcupgrade.plan.document import Change
from sdcupgrade.plan.facts import check_facts
from sdcupgrade.steps.setup import saved_text
from sdcupgrade.ui import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from sdcupgrade.model import Finding, Inventory
    from sdcupgrade.plan.document import Plan
    from sdcupgrade.stages.site import Site


def refuse_moved_facts(plan: Plan, inventory: Inventory, begun: Collection[str]) -> None:
    """Compare the datacenter with the plan, services in *begun* left out. Raises PlanMoved naming every difference."""
    differences = check_facts(plan, inventory, set(begun))
    if differences:
        raise PlanMoved(
            "the datacenter is not what the plan was made from: " + "; ".join(differences) + "; nothing was changed",
            f"prepare again: sdcupgrade prepare {plan.name}.json --fresh",
        )


def refuse_altered_inputs(site: Site, plan: Plan) -> None:
    """That every text which ``prepare`` saved, for the way up and the way back, is as it was. Raises PlanMoved."""
    for service in plan.services:
        for step in (*service.steps, *service.rollback):
            if "file" in step.params:
                saved_text(site.doors.files, Record(dict(step.params), f"plan: step {step.id}", BadInput))


def read(site: Site, services: Collection[str], ignore: tuple[tuple[str, str], ...]) -> Inventory:
    """The datacenter as it is now, for *services*.

    Where it cannot be read there is nothing to compare the plan with, and no upgrade: then the health checks tell first
    what is down. Raises what :func:`~sdcupgrade.dc.inventory.take` raises.
    """
    from sdcupgrade.dc.checks import run_checks, scope_here
    from sdcupgrade.dc.inventory import take

    try:
        return take(site.datacenter, services)
    except SdcupgradeError as why:
        findings = run_checks(site.datacenter, scope_here(site.datacenter, why))
        _standing(site, tuple(findings), ignore)
        lost = "the upgrade cannot go on, since the plan cannot be compared with the datacenter"
        why.message = f"{lost}: {why.message}; nothing was changed"
        raise


def checkup(site: Site) -> tuple[Finding, ...]:
    """Every named check on every core zone, or on this headnode's where the datacenter cannot be read."""
    from sdcupgrade.dc.checks import run_checks, scope_here, scope_of
    from sdcupgrade.dc.inventory import take

    try:
        scope = scope_of(take(site.datacenter))
    except SdcupgradeError as why:
        scope = scope_here(site.datacenter, why)
    return tuple(run_checks(site.datacenter, scope))


def health(site: Site, inventory: Inventory, plan: Plan) -> tuple[Finding, ...]:
    """Every named check on every core zone, also whether the plan's images are where they will be needed."""
    from sdcupgrade.dc.checks import run_checks, scope_of

    scope = scope_of(inventory)
    wanted = {one.facts.instance: one.target.uuid for one in plan.services if one.change is Change.UPGRADE}
    subjects = tuple(replace(one, image=wanted.get(one.vm, "")) for one in scope.subjects)
    return tuple(run_checks(site.datacenter, replace(scope, subjects=subjects)))


def refuse_unhealthy(site: Site, findings: tuple[Finding, ...], ignore: tuple[tuple[str, str], ...]) -> None:
    """Raises Unhealthy unless every failed check is ignored with a reason."""
    standing = _standing(site, findings, ignore)
    if standing:
        ids = sorted({finding.id for finding in standing})
        raise Unhealthy(
            f"{words.plural(len(ids), 'health check')} failed ({', '.join(ids)}); nothing was changed",
            f"mend them, or go on all the same with --ignore {ids[0]}='why it does not matter'",
        )


def _standing(site: Site, findings: tuple[Finding, ...], ignore: tuple[tuple[str, str], ...]) -> list[Finding]:
    """The failed checks that nobody ignores; they are said aloud, and so are the ignored ones with their reasons.

    Raises BadInput for a reason that is given for no check.
    """
    known = {finding.id for finding in findings}
    reasons = dict(ignore)
    for check in reasons:
        if check not in known:
            raise BadInput(f"--ignore {check}: there is no such check", "sdcupgrade check lists them")
    failed = [finding for finding in findings if not finding.ok]
    for finding in failed:
        if finding.id in reasons:
            site.warn(finding.id, f"ignored ({reasons[finding.id]}): {_said(finding)}")
    standing = [finding for finding in failed if finding.id not in reasons]
    for finding in standing:
        site.warn(finding.id, _said(finding) + (f"; {finding.remedy}" if finding.remedy else ""))
    return standing


def _said(finding: Finding) -> str:
    return ": ".join(part for part in (finding.id, finding.subject, finding.evidence) if part)
