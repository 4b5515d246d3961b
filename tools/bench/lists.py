"""The commands that only look, ``instances`` and ``avail``, beside the start of a bare interpreter."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import box
from bench.measure import PASS, PYTHON, Figure, Own, alone, in_turn, median, ms, sdcupgrade

ROUNDS = 25
COMMANDS = ("instances", "avail")


def figures() -> Iterator[Figure]:
    """Ratios, peaks, and whose the time is."""
    with box.up("coal") as here:
        programs = {"pass": PASS, "plain": (PYTHON, "-c", "pass"), **{name: sdcupgrade(name) for name in COMMANDS}}
        in_turn(programs, here.env, 2)
        runs = in_turn(programs, here.env, ROUNDS)
        walls = {name: median(found) for name, found in runs.items()}
        bare_cpu = statistics.median(one.cpu_s for one in runs["pass"])
        yield Figure("`python3 -I -S -c pass`", ms(walls["pass"]), "",
                     f"`python3 -c pass`, which looks for what is installed: {ms(walls['plain'])}")  # fmt: skip
        for name in COMMANDS:
            calls = here.calls(name)
            owns = [alone(("-m", "sdcupgrade", name), here.env) for _ in range(ROUNDS // 3)]
            yield from one(name, walls, bare_cpu, calls, owns)


def one(
    name: str, walls: Mapping[str, float], bare_cpu: float, calls: Sequence[Mapping[str, Any]], owns: Sequence[Own]
) -> Iterator[Figure]:
    """One command."""
    def beside(wall: float) -> str:
        return f"{wall / walls['pass']:.1f}x, {ms(wall)}"

    wall = walls[name]
    programs = sum(call["seconds"] for call in calls if call["face"] == "command")
    cpu_s = statistics.median(own.cpu_s for own in owns)
    yield Figure(f"`{name}`", beside(wall), "< 20x")
    yield Figure(f"`{name}`, but for the box's programs", beside(wall - programs), "", told(calls))
    yield Figure(f"`{name}`, its own processor time", f"{cpu_s / bare_cpu:.1f}x, {ms(cpu_s)}")
    yield Figure(f"`{name}`, peak memory", f"{max(own.peak_mib for own in owns):.1f} MiB", "< 25 MiB")


def told(calls: Sequence[Mapping[str, Any]]) -> str:
    """How many calls of which kind, and how long they took together."""
    def sum_of(face: str, name: str) -> str:
        of = [call["seconds"] for call in calls if call["face"] == face]
        return f"{len(of)} {name} took {ms(sum(of))}"

    return f"{sum_of('command', 'programs')}, {sum_of('http', 'requests')}"
