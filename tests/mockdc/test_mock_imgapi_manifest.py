"""Manifests get the verdict that the npm package imgmanifest gave them."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from mockdc.apis.imgapi.manifest import Thrown, problems

RECORDED = pathlib.Path(__file__).parent / "recordings" / "imgmanifest.jsonl"
ENTRIES: list[dict[str, Any]] = [json.loads(line) for line in RECORDED.read_text().splitlines()]


def key(problem: dict[str, str]) -> tuple[str, str, str]:
    return problem["field"], problem["code"], problem.get("message", "")


@pytest.mark.parametrize("mode", ["minimal", "dc", "public", "private", "private+channels"])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["name"])[:60])
def test_a_manifest_has_the_recorded_problems(entry: dict[str, Any], mode: str) -> None:
    wanted = entry["verdicts"][mode]
    try:
        found: Any = sorted(key(one) for one in problems(entry["manifest"], mode.partition("+")[0], "+" in mode))
    except Thrown as why:
        found = f"THROWS: {why}"
    assert found == (wanted if isinstance(wanted, str) else sorted(key(one) for one in wanted))
