"""What commands print: the plan, the closing table, the status, the findings."""

from __future__ import annotations

from sdcupgrade.model import Verdict
from sdcupgrade.plan.document import Change
from sdcupgrade.plan.summary import download_bytes
from sdcupgrade.ui import words
from sdcupgrade.ui.report import Line, closing
from sdcupgrade.ui.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Optional

    from sdcupgrade.model import Finding
    from sdcupgrade.plan.document import ImageRef, Plan
    from sdcupgrade.plan.planner import Draft
    from sdcupgrade.plan.summary import Row
    from sdcupgrade.run.engine import Outcome
    from sdcupgrade.stages.status import Status

PLAN_COLUMNS = ("service", "instance", "server", "from", "to", "download", "change")
_CHANGES = {
    Change.UPGRADE: "upgrade",
    Change.SAPI_ONLY: "SAPI only",
    Change.NONE: "nothing to do",
    None: "REFUSED",
}


def version(image: Optional[ImageRef]) -> str:
    """An image in a cell of a table; of an unknown one its uuid, said to be unknown."""
    if image is None:
        return "-"
    return image.short if image.version else f"{image.uuid} (unknown)"


def _table(columns: tuple[str, ...], rows: Sequence[dict[str, str]], narrow: bool) -> str:
    """On a narrow terminal without the instance (the service and a 0, as a rule) and the branch of versions."""
    if not narrow:
        return Table(columns, columns, rows).render()
    stamps = [{**row, "from": stamp(row["from"]), "to": stamp(row["to"])} for row in rows]
    return Table(columns, tuple(name for name in columns if name != "instance"), stamps).render()


def stamp(text: str) -> str:
    """The time in a version without its branch, where there is one."""
    last = text.rpartition("-")[2]
    return last if len(last) == len("20240118T001122Z") and last.endswith("Z") else text


def plan_table(draft: Draft, narrow: bool = False) -> str:
    """The plan for review: a row a service, then what it downloads, what cannot be undone and what else is to know."""
    table = _table(PLAN_COLUMNS, [_plan_row(row) for row in draft.rows], narrow)
    return table + "".join(f"{line}\n" for line in _plan_lines(draft))


def _plan_row(row: Row) -> dict[str, str]:
    return {
        "service": row.service,
        "instance": row.instance or "-",
        "server": row.server or "-",
        "from": version(row.current),
        "to": version(row.target),
        "download": words.size(row.size) if row.size else "-",
        "change": _CHANGES[row.change],
    }


def _plan_lines(draft: Draft) -> Iterator[str]:
    if draft.plan is not None:
        missing = sum(not one.present for one in draft.plan.downloads)
        size = words.size(download_bytes(draft.plan))
        yield f"Download: {words.plural(missing, 'image')}, {size}, from {draft.plan.source}"
        for service in draft.plan.services:
            for step in service.steps:
                if step.irreversible:
                    yield f"Cannot be undone: {service.service}: {step.says}: {step.irreversible}"
    for about, finding in _grouped(draft.notes):
        yield f"Note: {about}: {finding.evidence}"


def refusal_lines(draft: Draft) -> Iterator[str]:
    """Every reason why not, with its remedy."""
    for about, finding in _grouped(draft.refusals):
        remedy = f"\n    {finding.remedy}" if finding.remedy else ""
        yield f"Refused: {about}: {finding.evidence} [{finding.id}]{remedy}"


def _grouped(findings: Sequence[Finding]) -> Iterator[tuple[str, Finding]]:
    """The same sentence about several services is said once, with their names before it."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.id, finding.evidence, finding.remedy), []).append(finding)
    for same in groups.values():
        yield ", ".join(finding.subject for finding in same), same[0]


def closing_table(plan: Plan, command: str, outcomes: Sequence[Outcome], narrow: bool = False) -> str:
    """What a run did, a row a service."""
    services = {service.service: service for service in plan.services}
    lines = []
    for outcome in outcomes:
        service = services[outcome.service]
        before, after = version(service.current), version(service.target)
        if narrow:
            before, after = stamp(before), stamp(after)
        if command == "rollback":
            before, after = after, before
        lines.append(Line(outcome.service, service.alias or "-", before, after, outcome.verdict, outcome.seconds))
    return closing(lines, sum(outcome.seconds for outcome in outcomes))


def status_text(status: Status, narrow: bool = False) -> str:
    """The status for people."""
    columns = ("service", "instance", "from", "to", "state", "duration")
    rows = [
        {
            "service": service.service,
            "instance": service.alias or "-",
            "from": service.current or "-",
            "to": service.target,
            "state": service.standing,
            "duration": words.duration(service.seconds) if service.seconds else "-",
        }
        for service in status.services
    ]
    table = _table(columns, rows, narrow)
    return f"Upgrade {status.name}: {status.phase}\n" + "".join(_doing(status)) + table + f"Next: {status.next}\n"


def _doing(status: Status) -> Iterator[str]:
    if status.holder:
        yield f"Running: {status.running}, {status.holder}\n"
    if status.step:
        verb = "Now" if status.holder else "Cut off at"
        yield f"{verb}: {status.step} (since {status.since})\n"
    if status.waiting:
        yield f"    {status.waiting}\n"
    for service in status.services:
        early = status.phase == "failed" and service.standing == "untouched"  # it failed before anything was changed
        if service.message and (early or service.standing == "failed"):
            yield f"Failed: {service.service}: {words.one_line(service.message)}\n"


def findings_table(findings: Sequence[Finding]) -> Table:
    """The health checks."""
    columns = ("check", "result", "subject", "evidence", "remedy")
    rows = [
        {
            "check": finding.id,
            "result": "ok" if finding.ok else Verdict.FAILED.value,
            "subject": finding.subject,
            "evidence": finding.evidence,
            "remedy": "" if finding.ok else finding.remedy,
        }
        for finding in findings
    ]
    return Table(columns, columns[:-1], rows)


def remedy_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """What to do about the checks that failed."""
    for finding in findings:
        if not finding.ok and finding.remedy:
            yield f"{finding.id}: {finding.remedy}"
