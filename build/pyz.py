"""Build the one file: ``make pyz``, or ``.venv/bin/python build/pyz.py [-o FILE] [--root FILE] [--stamp STAMP] ...``.

Stage, shiv, finishing pass. The bytes depend on the sources, the root of trust, the stamp, the version of shiv and the
interpreters that compile; not on the folder, the umask, the time zone, the clock or the Python that runs this.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from interpreters import Interpreter, supported  # noqa: E402  (the path comes first)

from build.finish import finish  # noqa: E402
from build.stamp import NoStamp, stamp_of, time_of  # noqa: E402

PACKAGE = ROOT / "sdcupgrade"
BAKED = '"""Which build this is; written when the one file was made."""\n\nSTAMP = {stamp!r}\nBYTECODE = {bytecode!r}\n'


class Failed(Exception):
    """A program that the build needs did not do its part; what it said."""


def compilers(wanted: str) -> list[Interpreter]:
    """The interpreters at hand that make byte code, oldest first; *wanted* ("3.9,3.11") names which. Raises Failed."""
    found = supported(needs=())
    versions = [tuple(map(int, name.split("."))) for name in wanted.split(",")] if wanted else sorted(found)
    missing = [version for version in versions if version not in found]
    if missing:
        raise Failed(f"no interpreter here for {missing}; there are {sorted(found)}")
    return [python for version, python in sorted(found.items()) if version in versions]


def stage(folder: pathlib.Path, stamp: str, pythons: list[Interpreter]) -> None:
    """The package and nothing else, with its identity baked in. Never pip: it writes absolute paths into metadata."""
    shutil.copytree(PACKAGE, folder / "sdcupgrade", ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"))
    baked = BAKED.format(stamp=stamp, bytecode=[python.full for python in pythons])
    shutil.copy(ROOT / "build" / "inside" / "sdcupgrade_boot.py", folder)
    (folder / "sdcupgrade" / "_build.py").write_text(baked, encoding="utf-8")


def run(argv: list[str], env: dict[str, str]) -> None:
    """Run a program to its end. Raises Failed."""
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(argv[:4])} ...: exit status {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")


def shiv(staged: pathlib.Path, raw: pathlib.Path, stamp: str) -> None:
    """Let shiv make its archive of the stage. Raises Failed."""
    argv = [sys.executable, "-m", "shiv", "--reproducible", "--uncompressed", "--site-packages", str(staged)]
    epoch = {"SOURCE_DATE_EPOCH": str(time_of(stamp))}
    run([*argv, "-e", "sdcupgrade.__main__:main", "-o", str(raw)], {**os.environ, **epoch})


def compile_all(staged: pathlib.Path, target: pathlib.Path, pythons: list[Interpreter]) -> None:
    """Byte code by each interpreter, in an environment built from nothing: sets of constants follow the hash seed."""
    for python in pythons:
        script = ROOT / "build" / "compile_tree.py"
        argv = [str(python.path), "-s", "-S", "-B", str(script), str(staged), str(target)]
        run(argv, {"PYTHONHASHSEED": "0", "LC_ALL": "C"})


def read_root(named: Optional[pathlib.Path]) -> Optional[bytes]:
    """The root of trust in the file *named*, else in ``build/root.json`` if there is one.

    Raises Failed for one that does not verify itself. One that has expired is fine: it hands over to the next (TUF
    5.3.10), and an old release must be built again as it was.
    """
    path = named or ROOT / "build" / "root.json"
    if named is None and not path.exists():
        return None
    from sdcupgrade.errors import Untrusted
    from sdcupgrade.trust.client import Trusted

    try:
        data = path.read_bytes()
        Trusted(data, now=0.0)
    except (OSError, Untrusted) as why:
        raise Failed(f"{path}: is no root of trust: {why}; nothing was built") from why
    return data


def place_root(data: bytes, staged: pathlib.Path, bytecode: pathlib.Path) -> None:
    """Beside the package wherever it may be imported from: the sources, and the byte code of each Python."""
    for tree in (staged, *bytecode.iterdir()):
        (tree / "sdcupgrade" / "_root.json").write_bytes(data)


def build(target: pathlib.Path, stamp: str, pythons: list[Interpreter], root: Optional[bytes]) -> None:
    """All of it, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-build-") as place:
        folder = pathlib.Path(place)
        staged, raw, bytecode = folder / "stage", folder / "raw", folder / "bytecode"
        staged.mkdir()
        bytecode.mkdir()
        stage(staged, stamp, pythons)
        compile_all(staged, bytecode, pythons)
        if root is not None:
            place_root(root, staged, bytecode)
        shiv(staged, raw, stamp)
        finish(raw, bytecode, target)


def main() -> int:
    """1 when something that the build needs is not there."""
    parser = argparse.ArgumentParser(description="Build sdcupgrade as one file.", allow_abbrev=False)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "dist" / "sdcupgrade", metavar="FILE")
    parser.add_argument("--stamp", help="the buildstamp, where git cannot tell it")
    parser.add_argument("--pythons", default="", metavar="3.N,...", help="byte code for these only (default: all here)")
    parser.add_argument("--root", type=pathlib.Path, metavar="FILE",
                        help="the root of trust to put in (default: build/root.json, if that exists)")  # fmt: skip
    options = parser.parse_args()
    try:
        root = read_root(options.root)
        stamp, pythons = options.stamp or stamp_of(ROOT), compilers(options.pythons)
        build(options.output, stamp, pythons, root)
    except (Failed, NoStamp) as why:
        print(f"build: {why}", file=sys.stderr)
        return 1
    digest = hashlib.sha256(options.output.read_bytes()).hexdigest()
    size = options.output.stat().st_size / 1024
    print(f"{options.output}: {stamp}, {size:.0f} KiB, byte code of {', '.join(one.full for one in pythons) or 'none'}")
    print(f"sha256 {digest}")
    print(f"root of trust: {'none' if root is None else 'sha256 ' + hashlib.sha256(root).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
