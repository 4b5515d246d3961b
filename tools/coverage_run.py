"""Run every test under coverage, the processes that tests start included, and hold the floor of ``setup.cfg``."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = f"--rcfile={ROOT / 'setup.cfg'}"


def coverage(command: str, *words: str) -> int:
    """Run one command of coverage from the root of the checkout."""
    return subprocess.run([sys.executable, "-m", "coverage", command, CONFIG, *words], cwd=ROOT, check=False).returncode


def _memory() -> Optional[str]:
    """A folder in memory where there is one: the tests make many small files, and none is to last."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    """Exit status: that of the tests, or of the coverage floor."""
    (ROOT / ".scratch").mkdir(exist_ok=True)
    coverage("erase")
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-tests-", dir=_memory()) as folder:
        # a file at a time to each processor: what a file builds for its tests is built once
        side_by_side = ["-n", str(os.cpu_count() or 1), "--dist", "loadfile"]
        status = coverage("run", "-m", "pytest", *side_by_side, f"--basetemp={folder}/tests", *sys.argv[1:])
    coverage("combine", "-q")
    return status or coverage("report", "--skip-covered", "--show-missing")


if __name__ == "__main__":
    sys.exit(main())
