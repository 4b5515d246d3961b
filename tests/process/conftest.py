"""A datacenter in a box as real processes, for the tests here."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Optional

import pytest

sys.path.append(str(pathlib.Path(__file__).parents[1] / "mockdc"))  # replay.py, which knows the recordings
sys.path.append(str(pathlib.Path(__file__).parents[1] / "product"))  # trust_repo.py, the repository side of trust

MOCKDC = pathlib.Path(__file__).resolve().parents[2] / "tools" / "mockdc" / "mockdc"


@dataclasses.dataclass
class Box:
    """A folder for a box, and the ways to use it."""

    root: pathlib.Path
    env: dict[str, str] = dataclasses.field(default_factory=dict)

    def mockdc(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the box's own command with nothing but PATH, from another folder."""
        argv = [sys.executable, "-I", str(MOCKDC), command, "--root", str(self.root), *words]
        env = {"PATH": os.environ["PATH"]}
        return subprocess.run(argv, capture_output=True, text=True, cwd="/", env=env, check=False)

    def must(self, command: str, *words: str) -> str:
        """The same, and it must work."""
        done = self.mockdc(command, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self, *words: str) -> dict[str, Any]:
        """Start it; what it printed."""
        found: dict[str, Any] = json.loads(self.must("up", *words))
        self.env = found["env"]
        return found

    def state(self) -> dict[str, Any]:
        """Everything it holds."""
        found: dict[str, Any] = json.loads(self.must("state"))
        return found

    def instance(self, alias: str) -> dict[str, Any]:
        """One instance from the state."""
        return next(row for row in self.state()["instances"] if row["alias"] == alias)

    def sh(self, line: str, stdin: Optional[str] = None) -> subprocess.CompletedProcess[str]:
        """Run a line in a bash in the fake global zone."""
        return subprocess.run(["bash", "-c", line], input=stdin or "", capture_output=True, text=True, cwd=self.root,
                              env=self.env, check=False)  # fmt: skip

    def says(self, line: str, stdin: Optional[str] = None) -> str:
        """What that line prints; it must work."""
        done = self.sh(line, stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def new_box(tmp_path: pathlib.Path) -> Iterator[Box]:
    """A folder without a box yet; whatever is started there is ended."""
    box = Box(tmp_path / "headnode")
    yield box
    box.mockdc("down")


@pytest.fixture(scope="session")
def coal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """One coal for all tests that leave it as they found it, a thousand times as fast as life."""
    box = Box(tmp_path_factory.mktemp("coal") / "headnode")
    box.up("--scenario", "coal", "--speed", "1000")
    yield box
    box.mockdc("down")


STAMP = "main-20261123T101500Z-g0123abc"
TRUSTED = pathlib.Path(__file__).parent / "root.json"
"""A root of trust whose keys nobody has any more."""


@pytest.fixture(scope="session")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The program as it is shipped, built from this checkout as it is now."""
    place = tmp_path_factory.mktemp("dist") / "sdcupgrade"
    argv = [sys.executable, str(MOCKDC.parents[2] / "build" / "pyz.py"), "-o", str(place), "--stamp", STAMP,
            "--root", str(TRUSTED)]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place
