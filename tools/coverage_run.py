"""Run every test under coverage, the processes that tests start included, and hold the floor of ``setup.cfg``."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = str(ROOT / "setup.cfg")


def run(*words: str) -> int:
    """Run a module of this interpreter from the root of the checkout."""
    environment = dict(os.environ, COVERAGE_PROCESS_START=CONFIG)
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Exit status: that of the tests, or of the coverage floor."""
    (ROOT / ".scratch").mkdir(exist_ok=True)
    run("coverage", "erase", f"--rcfile={CONFIG}")
    status = run("coverage", "run", f"--rcfile={CONFIG}", "--parallel-mode", "-m", "pytest", *sys.argv[1:])
    run("coverage", "combine", f"--rcfile={CONFIG}", "-q")
    return status or run("coverage", "report", f"--rcfile={CONFIG}", "--skip-covered", "--show-missing")


if __name__ == "__main__":
    sys.exit(main())
