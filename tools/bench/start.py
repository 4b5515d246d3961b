"""How long the one file takes to start, beside a bare interpreter; cold and warm, and as plain shiv would start it.

Warm: the file's bytes are in memory. Cold: a copy that was never run, its bytes dropped from memory (Linux; elsewhere
only never run). The interpreter itself is warm in both.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from bench import box
from bench.measure import PASS, PYTHON, ROOT, Broken, Figure, Ran, in_turn, median, ms, run, sdcupgrade

ROUNDS = 40
COLD = 15
FILE = ROOT / "dist" / "sdcupgrade"
COMMANDS = {"--version": "2.0x", "--help": "3.5x", "status foo": "11x"}
SPEC = {"imgapi": "latest", "adminui": "latest"}


def figures() -> Iterator[Figure]:
    """Ratios to the bare interpreter in the same run, and the size."""
    build()
    with box.up("coal") as here:
        here.spec("foo", SPEC)
        run(sdcupgrade("prepare", str(here.folder / "foo.json")), here.env)
        env = {**here.env, "SDCUPGRADE_PYTHON": PYTHON, "SHIV_ROOT": str(here.folder / "shiv")}
        for command, aim in COMMANDS.items():
            words = command.split()
            warm = beside(words, env, ROUNDS)
            plain = beside(words, {**env, "SDCUPGRADE_BOOT": "shiv"}, COLD)
            cold = [run_cold(here.folder / f"cold-{number}", words, env) for number in range(COLD)]
            yield Figure(f"one file, `{command}`", warm, aim, f"by shiv's own bootstrap: {plain}")
            yield Figure(f"one file, `{command}`, cold", ratio(cold), "")
    yield Figure("one file, size", f"{FILE.stat().st_size / 2**20:.1f} MiB")


def build() -> None:
    """``make pyz``. Raises Broken."""
    done = subprocess.run(["make", "-s", "pyz"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"make pyz: {done.stderr[-2000:]}")


def beside(words: Sequence[str], env: Mapping[str, str], rounds: int) -> str:
    """The one file in turn with the bare interpreter; one round before that is not counted."""
    programs = {"pass": PASS, "file": (str(FILE), *words)}
    in_turn(programs, env, 1)
    runs = in_turn(programs, env, rounds)
    return ratio(list(zip(runs["pass"], runs["file"])))


def run_cold(copy: pathlib.Path, words: Sequence[str], env: Mapping[str, str]) -> tuple[Ran, Ran]:
    """A bare start, and the first run of a copy of the file."""
    shutil.copy(FILE, copy)
    with copy.open("rb") as opened:
        os.fsync(opened.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    bare = run(PASS, env)
    found = run((str(copy), *words), env)
    copy.unlink()
    return bare, found


def ratio(pairs: Sequence[tuple[Ran, Ran]]) -> str:
    """The median of the ratios of neighbours, which is steadier than the ratio of medians."""
    times = statistics.median(found.seconds / bare.seconds for bare, found in pairs)
    return f"{times:.2f}x, {ms(median([found for _, found in pairs]))}"
