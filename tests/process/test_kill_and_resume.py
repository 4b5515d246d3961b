"""kill -9 of a running upgrade, at twenty random moments: ``resume`` ends well, and no zone is reprovisioned twice.

Real processes over the commands and HTTP of the box; half of the times the whole process group goes. A moment is so
many lines of the journal later and then a little more, some of them before the first line; which moments a run hits is
chance, and the promise holds for all. The exhaustive proof, at every call, is made in process.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import Box

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = {
    "imgapi": "4803c1cd-5882-9c48-bc2a-fc81c1429a89",
    **dict.fromkeys(("rabbitmq", "workflow", "papi", "cnapi", "vmapi", "adminui", "sdc", "sapi"), "latest"),
}
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
            argv, cwd=self.folder, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def run(self, *words: str) -> str:
        """A command that must end well; what it said."""
        process = self.start(*words)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        return said


@pytest.fixture
def fast_box(new_box: Box) -> Iterator[Box]:
    new_box.up("--scenario", "coal", "--speed", "200")
    yield new_box


def journal_lines(box: Box) -> int:
    """How far the upgrade is."""
    path = box.root / "var/tmp/upgrade-foo/journal.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def killed_at(process: subprocess.Popen[str], box: Box, lines: int, more_s: float, group: bool) -> bool:
    """Kill the upgrade once its journal has so many lines and a little more; False when it ended before."""
    while journal_lines(box) < lines and process.poll() is None:
        pass
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(more_s)
    if process.poll() is None:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def test_killed_at_twenty_moments_every_zone_is_reprovisioned_once(fast_box: Box, tmp_path: pathlib.Path) -> None:
    operator, chance = Operator(fast_box, tmp_path), random.Random(MOMENTS)
    operator.run("prepare", "foo.json")
    operator.run("download", "foo")
    process = operator.start("upgrade", "foo", "--yes", "--pause", "never")
    kills = 0
    for number in range(MOMENTS):
        lines = journal_lines(fast_box) + chance.randint(0, 6)
        kills += killed_at(process, fast_box, lines, chance.uniform(0, 0.1), group=bool(number % 2))
        process = operator.start("resume", "foo", "--yes", "--pause", "never")
    said = process.communicate(timeout=240)[0]
    assert (process.returncode, kills) == (0, MOMENTS), said
    plan = json.loads((fast_box.root / "var/tmp/upgrade-foo/plan.json").read_text(encoding="utf-8"))
    for service in plan["services"]:
        zone = fast_box.instance(service["alias"])
        assert (zone["image_uuid"], zone["reprovisions"]) == (service["target"]["uuid"], 1), said
