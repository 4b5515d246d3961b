"""kill -9 of a running upgrade, at twenty moments: ``resume`` ends well, and no zone is reprovisioned twice.

Real processes over the commands and HTTP of the box. The moments are spread over a whole upgrade by the number of calls
that the box has answered, so that they do not depend on how quick the machine is; which of them a run hits is chance, and
the promise holds for all. The exhaustive proof, at every step, is made in process.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import Box

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = {"imgapi": "4803c1cd-5882-9c48-bc2a-fc81c1429a89", "workflow": "latest", "vmapi": "latest", "adminui": "latest"}
MOMENTS = 20


class Operator:
    """Somebody in the global zone of a box, with a spec."""

    def __init__(self, box: Box, folder: pathlib.Path) -> None:
        self.folder = folder
        self.env = {**os.environ, **box.env, "PYTHONPATH": str(ROOT)}
        (folder / "foo.json").write_text(json.dumps(SPEC), encoding="utf-8")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command, running."""
        argv = [sys.executable, "-m", "sdcupgrade", *words]
        return subprocess.Popen(
            argv, cwd=self.folder, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *words: str) -> str:
        """A command that must end well; what it said."""
        process = self.start(*words)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        return said


@pytest.fixture
def fast_box(new_box: Box) -> Iterator[Box]:
    new_box.up("--scenario", "coal", "--speed", "400")
    yield new_box


def journal_lines(box: Box) -> int:
    """How far the upgrade is."""
    path = box.root / "var/tmp/upgrade-foo/journal.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def killed_at(process: subprocess.Popen[str], box: Box, lines: int) -> bool:
    """Kill the upgrade as soon as its journal has so many lines; False when it ended before."""
    while process.poll() is None:
        if journal_lines(box) >= lines:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
    process.communicate()
    return False


def test_killed_at_twenty_moments_every_zone_is_reprovisioned_once(fast_box: Box, tmp_path: pathlib.Path) -> None:
    operator = Operator(fast_box, tmp_path)
    operator.run("prepare", "foo.json")
    operator.run("download", "foo")
    kills = 0
    process = operator.start("upgrade", "foo", "--yes", "--pause", "never")
    for _ in range(MOMENTS):
        kills += killed_at(process, fast_box, journal_lines(fast_box) + 4)
        process = operator.start("resume", "foo", "--yes", "--pause", "never")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert kills >= MOMENTS // 2
    plan = json.loads((fast_box.root / "var/tmp/upgrade-foo/plan.json").read_text(encoding="utf-8"))
    for service in plan["services"]:
        zone = fast_box.instance(service["alias"])
        assert (zone["image_uuid"], zone["reprovisions"]) == (service["target"]["uuid"], 1), said
