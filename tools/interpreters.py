"""Run the in-process tests on the oldest and the newest supported python that this machine has.

Looks for ``python3.N`` on the PATH and among pyenv's versions. Each gets a virtual environment of its own below
``.scratch/``, made once. A machine that has only one interpreter is told so: ``make unit`` has covered that one already.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOOR = (3, 9)
IN_PROCESS = ["tests/product", "tests/mockdc", "tests/pipeline"]

Version = tuple[int, int]


def candidates() -> list[pathlib.Path]:
    """Every file that is called python3.N in the places where interpreters live."""
    folders = [pathlib.Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    folders += sorted(pyenv.glob("versions/*/bin"))
    return [path for folder in folders for path in sorted(folder.glob("python3.*"))
            if re.fullmatch(r"python3\.\d+", path.name)]


def version_of(python: pathlib.Path) -> Version | None:
    """What the interpreter says of itself; None when it does not run (a pyenv shim without a version, say)."""
    script = "import sys, venv, sqlite3; print(*sys.version_info[:2])"
    done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return (int(words[0]), int(words[1])) if done.returncode == 0 and len(words) == 2 else None


def supported() -> dict[Version, pathlib.Path]:
    """One working interpreter of each supported version."""
    found: dict[Version, pathlib.Path] = {}
    for path in candidates():
        version = version_of(path)
        if version and version >= FLOOR:
            found.setdefault(version, path)
    return found


def prepare(version: Version, python: pathlib.Path) -> pathlib.Path:
    """A virtual environment with pytest for that interpreter; made once."""
    folder = ROOT / ".scratch" / f"python-{version[0]}.{version[1]}"
    mine, ready = folder / "bin" / "python", folder / ".installed"
    if not ready.exists():
        subprocess.run([str(python), "-m", "venv", str(folder)], check=True)
        install = [str(mine), "-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest"]
        subprocess.run(install, check=True)
        ready.touch()
    return mine


def main() -> int:
    """Exit status of the first run that failed, else 0."""
    found = supported()
    others = {version for version in (min(found, default=None), max(found, default=None)) if version}
    others.discard(sys.version_info[:2])
    if not others:
        print(f"interpreters: only python {sys.version_info[0]}.{sys.version_info[1]} here, nothing more to run")
    for version in sorted(others):
        print(f"interpreters: python {version[0]}.{version[1]} ({found[version]})", flush=True)
        run = [str(prepare(version, found[version])), "-m", "pytest", *IN_PROCESS]
        status = subprocess.run(run, cwd=ROOT, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
