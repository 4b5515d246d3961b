"""The tables of the operator guide are those of the code."""

from __future__ import annotations

import pathlib
import re

from sdcupgrade.dc.checks import CHECKS
from sdcupgrade.plan.findings import FINDINGS

GUIDE = (pathlib.Path(__file__).parents[2] / "docs" / "operator-guide.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading."""
    return GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> dict[str, str]:
    """The two-column table below a heading."""
    return dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", section(title), re.MULTILINE))


def test_every_health_check_is_in_the_guide() -> None:
    assert rows("Health checks") == {check.id: check.title for check in CHECKS}


def test_every_reason_for_a_refusal_is_in_the_guide() -> None:
    assert rows("What a plan is refused for") == dict(FINDINGS)
