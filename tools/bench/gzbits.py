"""Putting gzbits in place on a headnode, beside ``tar xzf`` of the same tarball: 2,000 files, 60 MB.

Whole commands, in turn with tar: the first time, when nothing differs, and when one file does; what leads back to
where a round began (a rollback) is not counted. tar does not wait for the disk, leaves files half written when it is
cut off, compares no digest, and keeps nothing to go back to.
"""

from __future__ import annotations

import pathlib
import random
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from bench import box
from bench.measure import PYTHON, ROOT, Broken, Figure, Ran, alone, median, ms, run, sdcupgrade

ROUNDS = 5
FILES, SIZE = 2_000, 30_000
ONE = "tools/lib/module-0000.js"


def figures() -> Iterator[Figure]:
    """First, again, and with one file changed."""
    with box.up("coal") as here:
        tree = here.folder / "tree"
        plant(tree)
        first = built(here, tree, "1.0.0")
        (tree / ONE).write_bytes(b"changed\n")
        second = built(here, tree, "1.0.1")
        back = ("gzbits", "rollback", "--yes", "--headnode-only")
        new = in_turn(here, first, back)
        peak = alone(("-m", "sdcupgrade", *apply(first)), here.env, here.folder).peak_mib
        same = in_turn(here, first, ())
        one = in_turn(here, second, back)
    what = f"gzbits of {FILES:,} files, {FILES * SIZE / 1e6:.0f} MB"
    yield compared(f"{what}: first apply, to tar xzf", new, "<= 1.3x")
    yield compared("... apply again, nothing differs", same, "<= 0.3x")
    yield compared("... apply, one file differs", one, "<= 0.35x")
    yield Figure("... peak memory of the first", f"{peak:.1f} MiB", "< 40 MiB")


def plant(tree: pathlib.Path) -> None:
    """Files that compress as programs do, to a third or so."""
    chance = random.Random(7)
    (tree / ONE).parent.mkdir(parents=True)
    for number in range(FILES):
        data = chance.randbytes(SIZE // 4) + b"function nothing() { return null; }\n" * SIZE
        (tree / ONE).with_name(f"module-{number:04}.js").write_bytes(data[:SIZE])


def built(here: box.Box, tree: pathlib.Path, version: str) -> pathlib.Path:
    """The tarball of a tree. Raises Broken."""
    argv = [PYTHON, str(ROOT / "build" / "gzbits.py"), str(tree), "-o", str(here.folder), "--version", version]
    stamp = ["--stamp", "bench-20261123T101500Z-g0000000"]
    done = subprocess.run([*argv, *stamp], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"build/gzbits.py: {done.stderr.strip()[-2000:]}")
    return here.folder / f"gzbits-{version}.tgz"


def apply(tarball: pathlib.Path) -> tuple[str, ...]:
    """The command, for the folder that it lies in: a path from the root would be one in the box."""
    return ("gzbits", "apply", tarball.name, "--yes", "--headnode-only")


def in_turn(here: box.Box, tarball: pathlib.Path, back: Sequence[str]) -> dict[str, list[Ran]]:
    """Apply and tar, by turns, each once uncounted; *back* undoes an apply."""
    unpacked = here.folder / "unpacked"
    ways = {"apply": sdcupgrade(*apply(tarball)), "tar": ("tar", "xzf", str(tarball), "-C", str(unpacked))}
    found: dict[str, list[Ran]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        unpacked.mkdir()
        for name, argv in ways.items():
            ran = run(argv, here.env, here.folder)
            if number:
                found[name].append(ran)
        shutil.rmtree(unpacked)
        if back:
            run(sdcupgrade(*back), here.env, here.folder)
    return found


def compared(what: str, found: Mapping[str, Sequence[Ran]], aim: str) -> Figure:
    """The median of the pairs."""
    ratio = statistics.median(one.seconds / other.seconds for one, other in zip(found["apply"], found["tar"]))
    return Figure(what, f"{ratio:.2f}x", aim, f"{ms(median(found['apply']))}; tar {ms(median(found['tar']))}")
