"""Run the in-process tests on the oldest and the newest supported python that this machine has.

Looks for ``python3.N`` on the PATH and among pyenv's versions. Each gets a virtual environment of its own below
``.scratch/``, made once. A machine that has only one interpreter is told so: ``make unit`` has covered that one.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOOR = (3, 9)
IN_PROCESS = ["tests/product", "tests/mockdc", "tests/pipeline"]

Version = tuple[int, int]


@dataclass(frozen=True)
class Interpreter:
    """A python: the file itself (not a shim in front of it), and its full version."""

    path: pathlib.Path
    version: tuple[int, int, int]

    @property
    def minor(self) -> Version:
        """3.9, for 3.9.18."""
        return self.version[:2]

    @property
    def full(self) -> str:
        """For people."""
        return ".".join(map(str, self.version))


def candidates() -> list[pathlib.Path]:
    """Every file that is called python3.N in the places where interpreters live."""
    folders = [pathlib.Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    folders += sorted(pyenv.glob("versions/*/bin"))
    return [path for folder in folders for path in sorted(folder.glob("python3.*"))
            if re.fullmatch(r"python3\.\d+", path.name)]


def ask(path: pathlib.Path, needs: Sequence[str]) -> Optional[Interpreter]:
    """What a python says of itself; None when it does not run (a pyenv shim without a version, say), lacks one of the
    modules in *needs*, is no CPython or no final release."""
    script = (
        f"import {', '.join(['sys', *needs])}; final = sys.version_info.releaselevel == 'final'\n"
        "print(*sys.version_info[:3], sys.executable) if final and sys.implementation.name == 'cpython' else None"
    )
    done = subprocess.run([str(path), "-c", script], capture_output=True, text=True, check=False)
    words = done.stdout.strip().split(" ", 3)
    if done.returncode or len(words) != 4:
        return None
    return Interpreter(pathlib.Path(words[3]), (int(words[0]), int(words[1]), int(words[2])))


def supported(needs: Sequence[str] = ("venv", "sqlite3")) -> dict[Version, Interpreter]:
    """One working interpreter of each supported version: of several the one of the newest patch release."""
    found: dict[Version, Interpreter] = {}
    for path in candidates():
        python = ask(path, needs)
        if python and python.version >= FLOOR:
            other = found.get(python.minor)
            found[python.minor] = python if other is None or python.version > other.version else other
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
    runs = [(found[version], _start(version, found[version])) for version in sorted(others)]
    return max((_end(python, run) for python, run in runs), default=0)


def _start(version: Version, python: Interpreter) -> subprocess.Popen[str]:
    """The tests on that interpreter, side by side with the others: each takes one processor."""
    words = [str(prepare(version, python.path)), "-m", "pytest", *IN_PROCESS, f"--basetemp={_temporary(version)}"]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _temporary(version: Version) -> pathlib.Path:
    """In memory where that is possible: the tests make many small files, and none is to last."""
    memory = pathlib.Path("/dev/shm")
    folder = memory if os.access(memory, os.W_OK) else ROOT / ".scratch"
    return folder / f"sdcupgrade-tests-{os.getpid()}-{version[0]}.{version[1]}"


def _end(python: Interpreter, run: subprocess.Popen[str]) -> int:
    """Wait for it and show what it said."""
    said = run.communicate()[0]
    shutil.rmtree(_temporary(python.minor), ignore_errors=True)
    print(f"interpreters: python {python.full} ({python.path})\n{said}", flush=True)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
