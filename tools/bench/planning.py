"""Planning: ``sdcupgrade prepare`` for whole datacenters, and how its cost grows with the number of servers.

As a process: everything an operator waits for, the box's own programs and services included. In process: the product's
own work alone, on answers recorded before (``tape.py``). All datacenters take turns.
"""

from __future__ import annotations

import contextlib
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from bench import box
from bench.measure import MIB, Figure, alone, exponent, ms, run, sdcupgrade
from bench.tape import Tape, recording, replaying

SIZES = {10: "10", 100: "100", 1000: "big"}
ROUNDS = 7


@dataclass(frozen=True)
class Cost:
    """Of one prepare: *asked* counts outside calls."""

    seconds: float
    peak_mib: float
    asked: int


def figures() -> Iterator[Figure]:
    """`dc`, `big`, and the growth from 10 to 1,000 servers."""
    scenarios = {"dc": box.scenario("dc"), "big": box.scenario("big"), "10": box.nodes(10), "100": box.nodes(100)}
    wholes, owns = as_process(scenarios), in_process(scenarios)
    for name in ("dc", "big"):
        whole, own = wholes[name], owns[name]
        what = f"prepare, `{name}`, {len(services_of(scenarios[name]))} services"
        value = f"{whole.seconds:.2f} s, {whole.peak_mib:.1f} MiB"
        yield Figure(f"{what}, whole process", value, "", f"{whole.asked} outside calls")
        yield Figure(f"{what}, own work in process", f"{ms(own.seconds)}, {own.peak_mib:.1f} MiB allocated")
    for label, costs in (("whole process", wholes), ("own work in process", owns)):
        yield growth(label, {size: costs[name] for size, name in SIZES.items()})


def growth(label: str, costs: Mapping[int, Cost]) -> Figure:
    """How cost grows with size."""
    told = (f"{size}: {ms(cost.seconds)}, {cost.peak_mib:.1f} MiB, {cost.asked} calls" for size, cost in costs.items())
    seconds = exponent({size: cost.seconds for size, cost in costs.items()})
    memory = exponent({size: cost.peak_mib for size, cost in costs.items()})
    remark = f"as the number to the power {seconds:.2f} in time, {memory:.2f} in memory"
    return Figure(f"prepare by number of compute nodes, {label}", "; ".join(told), "", remark)


def services_of(scenario: box.Scenario) -> dict[str, str]:
    """What is planned for: all that can be."""
    return box.ordinary(box.placed(scenario))


def in_turn(prepares: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median of the seconds that each gives; the first time does not count."""
    found: dict[str, list[float]] = {name: [] for name in prepares}
    for _ in range(ROUNDS + 1):
        for name, prepare in prepares.items():
            found[name].append(prepare())
    return {name: statistics.median(seconds[1:]) for name, seconds in found.items()}


def as_process(scenarios: Mapping[str, box.Scenario]) -> dict[str, Cost]:
    """The whole command; it begins with finding out what `latest` means."""
    words = ("prepare", "r.json", "--fresh", "--refresh")
    with contextlib.ExitStack() as stack:
        boxes = {name: stack.enter_context(box.up(name, scenario)) for name, scenario in scenarios.items()}
        for name, here in boxes.items():
            here.spec("r", services_of(scenarios[name]))

        def preparing(here: box.Box) -> Callable[[], float]:
            return lambda: run(sdcupgrade(*words), here.env, here.folder).seconds

        seconds = in_turn({name: preparing(here) for name, here in boxes.items()})
        return {
            name: Cost(
                seconds[name],
                alone(("-m", "sdcupgrade", *words), here.env, here.folder).peak_mib,
                len(here.calls("prepare")),
            )
            for name, here in boxes.items()
        }


def in_process(scenarios: Mapping[str, box.Scenario]) -> dict[str, Cost]:
    """The product's own work; its peak is what it allocates beyond the interpreter and the modules."""
    with contextlib.ExitStack() as stack:
        tapes, prepares = {}, {}
        for name, scenario in scenarios.items():
            here = stack.enter_context(box.inside(name, scenario))
            tapes[name] = Tape()
            prepares[name] = preparing_again(here, tapes[name], str(here.spec("r", services_of(scenario))))
        seconds = in_turn(prepares)
        return {name: Cost(seconds[name], allocated(prepares[name]), tapes[name].calls) for name in scenarios}


def preparing_again(here: box.Inside, tape: Tape, place: str) -> Callable[[], float]:
    """Record one prepare; what is given repeats it from the tape and tells its seconds."""
    words = ("prepare", place, "--fresh", "--refresh")
    replace(here, doors=recording(here.doors, tape)).run(*words)
    again = replace(here, doors=replaying(here.doors, tape))

    def prepare() -> float:
        began = time.perf_counter()
        again.run(*words)
        return time.perf_counter() - began

    return prepare


def allocated(prepare: Callable[[], float]) -> float:
    """The most MiB that it has allocated at a time."""
    tracemalloc.start()
    try:
        prepare()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
