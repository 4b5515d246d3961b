"""gzbits as real processes, with the box's own ``sdc-usbkey`` and ``vmadm``: kill -9 in the midst of it, and another
program's opinion of the outcome, our own ``sdc-gz-verify``, which needs no Python."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import Box

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from build.gzbits import build  # noqa: E402  (the path comes first)

STAMP = "test-20261123T101500Z-g0123abc"
STATE = "var/sdcupgrade/gzbits"
FILES = 160
APPLY = ("gzbits", "apply", "gzbits-2.0.tgz", "--yes", "--headnode-only")


class Operator:
    """Somebody on a headnode, with our own gzbits and a version of them that has many more files."""

    def __init__(self, box: Box, folder: pathlib.Path) -> None:
        self.box = box
        self.folder = folder
        self.env = {**os.environ, **box.env, "PYTHONPATH": str(ROOT)}
        tree = folder / "tree"
        shutil.copytree(ROOT / "gzbits", tree, symlinks=True)
        build(tree, folder, "1.0", STAMP)
        for number in range(FILES):
            place = tree / ("scripts" if number % 8 == 0 else f"tools/lib/many{number % 7}") / f"f{number}.js"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{number}\n" * 500, encoding="utf-8")
        build(tree, folder, "2.0", STAMP)

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

    def killed_when(self, phase: str, placed: int) -> bool:
        """Kill an apply of the many when its journal says so, and so many of the files are in place."""
        process = self.start(*APPLY)
        journal, folder = self.box.root / STATE / "journal.jsonl", self.box.root / "opt/smartdc/lib"
        before = journal.read_text(encoding="utf-8").count(phase)
        while process.poll() is None:
            begun = journal.read_text(encoding="utf-8").count(phase) > before
            if begun and len(list(folder.glob("many*/*"))) >= placed:
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def version(self) -> str:
        """What counts as installed."""
        found: str = json.loads(self.run("gzbits", "status", "-j"))["version"]
        return found

    def agreed(self) -> None:
        """Everything is as installed, in the eyes of both."""
        self.run("gzbits", "verify", "--headnode-only")
        key = self.box.says("sdc-usbkey mount")
        said = self.box.sh(f"bash {ROOT}/gzbits/tools/bin/sdc-gz-verify -n hn -k '{self.box.root}{key}'")
        self.box.says("sdc-usbkey unmount")
        assert said.returncode == 0, said.stdout + said.stderr


@pytest.fixture
def operator(new_box: Box, tmp_path: pathlib.Path) -> Iterator[Operator]:
    new_box.up("--scenario", "coal", "--speed", "1000")
    made = Operator(new_box, tmp_path)
    made.run("gzbits", "apply", "gzbits-1.0.tgz", "--yes", "--headnode-only")
    yield made


def test_killed_while_staging_or_swapping_it_is_completed_or_undone(operator: Operator) -> None:
    for phase, placed, then in (("begin", 0, "resume"), ("swapping", 60, "rollback"), ("swapping", 1, "resume")):
        killed = operator.killed_when(f'"event":"{phase}"', placed)
        operator.run("gzbits", *([then] if then == "resume" else [then, "--yes", "--headnode-only"]))
        version = operator.version()
        if killed and then == "rollback":
            assert version == "1.0"
        if version == "1.0":
            assert list(operator.box.root.glob("opt/smartdc/lib/many*")) == []
        elif placed == 0:
            operator.run("gzbits", "rollback", "--yes", "--headnode-only")
    operator.agreed()
