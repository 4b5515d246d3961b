"""Run every test under coverage, the processes that tests start included, and hold the floor of ``setup.cfg``."""

from __future__ import annotations

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = f"--rcfile={ROOT / 'setup.cfg'}"


def coverage(command: str, *words: str) -> int:
    """Run one command of coverage from the root of the checkout."""
    return subprocess.run([sys.executable, "-m", "coverage", command, CONFIG, *words], cwd=ROOT, check=False).returncode


def main() -> int:
    """Exit status: that of the tests, or of the coverage floor."""
    (ROOT / ".scratch").mkdir(exist_ok=True)
    coverage("erase")
    status = coverage("run", "-m", "pytest", *sys.argv[1:])
    coverage("combine", "-q")
    return status or coverage("report", "--skip-covered", "--show-missing")


if __name__ == "__main__":
    sys.exit(main())
