"""The log of a run holds every outside call: what the box was asked is what the log tells, with duration and result."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import urllib.parse
from typing import Any

import pytest
from conftest import Box

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNHEARD = ("bash", "sysinfo")
"""Programs that the box does not always hear of: the machine's own, and one that answers from its cache."""


def run(box: Box, *words: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The log lines of a command that ends well, and the calls that the box answered meanwhile."""
    folder = box.root / "var/log/sdcupgrade"
    before, calls = set(folder.glob("*")), len(box.state()["calls"])
    env = {**os.environ, **box.env, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "sdcupgrade", *words]
    done = subprocess.run(argv, cwd=box.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (log,) = set(folder.glob("*")) - before
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()], box.state()["calls"][calls:]


@pytest.mark.parametrize("words", [("instances",), ("check",), ("avail", "imgapi")])
def test_every_outside_call_is_in_the_log(coal: Box, words: tuple[str, ...]) -> None:
    lines, calls = run(coal, *words)
    logged = [line for line in lines if "face" in line]
    urls = [(line["call"], urllib.parse.urlsplit(line["detail"])) for line in logged if line["face"] == "http"]
    asked = [f"{method} {url.path}" + (f"?{url.query}" if url.query else "") for method, url in urls]
    programs = [line["call"] for line in logged if line["face"] == "command" and line["call"] not in UNHEARD]
    heard = [call["name"] for call in calls if call["face"] == "command" and call["name"] not in UNHEARD]
    assert sorted(asked) == sorted(call["detail"] for call in calls if call["face"] == "http")
    assert sorted(programs) == sorted(heard) and programs


def test_calls_are_logged_with_duration_and_result_for_bunyan(coal: Box) -> None:
    lines, _ = run(coal, "check")
    for line in lines:
        assert {"v", "level", "name", "hostname", "pid", "time", "msg"} <= set(line)
    for line in lines:
        if "face" in line:
            assert 0 <= line["seconds"] < 60 and line["result"] in ("200", "exited 0", 200)
