"""Planning: ``sdcupgrade prepare`` for whole datacenters, and how its cost grows with the number of servers.

As a process: everything an operator waits for, the box's own programs and services included. In process: the product's
own work alone, on answers recorded before (``tape.py``).
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench import box
from bench.measure import MIB, Figure, alone, exponent, median, ms, run, sdcupgrade
from bench.tape import Tape, recording, replaying

SIZES = (10, 100, 1000)
ROUNDS = 5


@dataclass(frozen=True)
class Cost:
    """Of one prepare: *asked* counts outside calls."""

    seconds: float
    peak_mib: float
    asked: int


def as_process(name: str, scenario: box.Scenario) -> Cost:
    """The whole command, beginning with what `latest` means."""
    with box.up(name, scenario) as here:
        services = box.ordinary(box.placed(scenario))
        for number in range(ROUNDS + 2):
            here.spec(f"r{number}", services)
        run(sdcupgrade("prepare", "r0.json"), here.env, here.folder)  # compiles, and makes what the box makes lazily
        runs = [run(sdcupgrade("prepare", f"r{number}.json"), here.env, here.folder) for number in range(1, ROUNDS + 1)]
        asked = len(here.calls("prepare"))
        own = alone(("-m", "sdcupgrade", "prepare", f"r{ROUNDS + 1}.json"), here.env, here.folder)
    return Cost(median(runs), own.peak_mib, asked)


def in_process(name: str, scenario: box.Scenario) -> Cost:
    """The product's own work; its peak is what it allocates beyond the interpreter and the modules."""
    with box.inside(name, scenario) as here:
        place = str(here.spec("r", box.ordinary(box.placed(scenario))))
        tape = Tape()
        replace(here, doors=recording(here.doors, tape)).run("prepare", place, "--fresh", "--refresh")
        again = replace(here, doors=replaying(here.doors, tape))
        seconds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            again.run("prepare", place, "--fresh", "--refresh")
            seconds.append(time.perf_counter() - began)
        tracemalloc.start()
        again.run("prepare", place, "--fresh", "--refresh")
        peak = tracemalloc.get_traced_memory()[1] / MIB
        tracemalloc.stop()
    return Cost(statistics.median(seconds), peak, tape.calls)


def figures() -> Iterator[Figure]:
    """`dc`, `big`, and the growth from 10 to 1,000 servers."""
    scenarios = {"dc": box.scenario("dc"), "big": box.scenario("big")}
    for name, scenario in scenarios.items():
        whole, own = as_process(name, scenario), in_process(name, scenario)
        services = len(box.ordinary(box.placed(scenario)))
        yield Figure(f"prepare, `{name}`, {services} services, whole process", f"{whole.seconds:.2f} s, "
                     f"{whole.peak_mib:.1f} MiB", "", f"{whole.asked} outside calls")  # fmt: skip
        yield Figure(f"prepare, `{name}`, own work in process", f"{ms(own.seconds)}, {own.peak_mib:.1f} MiB allocated")
    wholes = {size: as_process("big", box.nodes(size)) for size in SIZES}
    owns = {size: in_process("big", box.nodes(size)) for size in SIZES}
    for label, costs in (("whole process", wholes), ("own work in process", owns)):
        values = "; ".join(f"{size}: {ms(cost.seconds)}, {cost.peak_mib:.1f} MiB, {cost.asked} calls"
                           for size, cost in costs.items())  # fmt: skip
        growth = exponent({size: cost.seconds for size, cost in costs.items()})
        memory = exponent({size: cost.peak_mib for size, cost in costs.items()})
        yield Figure(f"prepare by number of compute nodes, {label}", values, "",
                     f"grows as servers to the power {growth:.2f} in time, {memory:.2f} in memory")  # fmt: skip
