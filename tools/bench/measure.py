"""Measuring processes, and what is made of the measurements.

Wall time is that of the whole process, from before it is started until it is reaped. Peak memory is the process's own
and is told by itself (``peak.py``): what the kernel tells a parent also counts the parent's memory at the fork.
"""

from __future__ import annotations

import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = os.path.realpath(sys.executable)
"""The interpreter itself: a shim in front of it would take longer than all that is measured."""

PASS = (PYTHON, "-I", "-S", "-c", "pass")
PEAK = str(pathlib.Path(__file__).resolve().parent / "peak.py")
MIB = 1 << 20


class Broken(Exception):
    """What was to be measured did not run to its end; the last it said."""


@dataclass(frozen=True)
class Figure:
    """One line of the table: what, its value, what was aimed at ("" for nothing), and a remark."""

    what: str
    value: str
    aim: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Ran:
    """One run: wall seconds, and processor seconds of the process and of the children it waited for."""

    seconds: float
    cpu_s: float


def run(argv: Sequence[str], env: Optional[Mapping[str, str]] = None, cwd: Optional[pathlib.Path] = None) -> Ran:
    """Run a program to its end. Raises Broken when it fails."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            tail = said.read().decode("utf-8", "replace")[-2000:]
            raise Broken(f"{' '.join(argv)}: exit status {process.returncode}: {tail}")
    return Ran(seconds, used.ru_utime + used.ru_stime)


def sdcupgrade(*words: str) -> tuple[str, ...]:
    """The product as a process."""
    return (PYTHON, "-m", "sdcupgrade", *words)


def product_env(env: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the product finds itself and the box."""
    return {**os.environ, **env, "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Own:
    """What a process told of itself, its children left out; *seconds* is the wall time of all."""

    seconds: float
    peak_mib: float
    cpu_s: float


def alone(program: Sequence[str], env: Mapping[str, str], cwd: Optional[pathlib.Path] = None) -> Own:
    """Run ``python -m MODULE ...`` or ``python FILE ...`` and let it tell. Raises Broken."""
    with tempfile.NamedTemporaryFile() as told:
        ran = run((PYTHON, PEAK, told.name, *program), env, cwd)
        kib, cpu_s = told.read().split()
    return Own(ran.seconds, int(kib) / 1024, float(cpu_s))


def in_turn(programs: Mapping[str, Sequence[str]], env: Mapping[str, str], rounds: int) -> dict[str, list[Ran]]:
    """Run all of them once, then once more, and so on, so that whatever else the machine does meets all alike."""
    found: dict[str, list[Ran]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, argv in programs.items():
            found[name].append(run(argv, env))
    return found


def median(runs: Sequence[Ran]) -> float:
    """The median of their wall seconds."""
    return statistics.median(one.seconds for one in runs)


def exponent(values: Mapping[int, float]) -> float:
    """The k of ``value = c * size ** k`` that fits best; 0 when it does not grow, 1 when it grows as the size."""
    points = [(math.log(size), math.log(max(value, 1e-9))) for size, value in values.items()]
    mean_x, mean_y = (statistics.fmean(axis) for axis in zip(*points))
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return above / sum((x - mean_x) ** 2 for x, _ in points)


def ms(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:.0f} ms"
