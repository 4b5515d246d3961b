"""The closing table of an upgrade or rollback."""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.model import Verdict
from sdcupgrade.ui import words
from sdcupgrade.ui.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("service", "instance", "from", "to", "verdict", "duration")


@dataclass(frozen=True)
class Line:
    """One service: from which version to which, how it ended, and how long it took."""

    service: str
    instance: str
    before: str
    after: str
    verdict: Verdict
    seconds: float = 0.0


def closing(lines: Sequence[Line], seconds: float) -> str:
    """The table, and below it one line with the sum."""
    rows = [
        {
            "service": line.service,
            "instance": line.instance,
            "from": line.before,
            "to": line.after,
            "verdict": line.verdict.value,
            "duration": words.duration(line.seconds) if line.seconds else "",
        }
        for line in lines
    ]
    counts = [
        f"{count} {verdict.value}" for verdict in Verdict if (count := sum(line.verdict is verdict for line in lines))
    ]
    services = words.plural(len(lines), "service")
    total = f"{services}: {', '.join(counts) or 'nothing to do'}, in {words.duration(seconds)}"
    return Table(COLUMNS, COLUMNS, rows).render() + total + "\n"
