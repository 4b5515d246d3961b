"""What several test modules of the product need: a clock that obeys, and a small plan."""

from __future__ import annotations

import pathlib
from typing import Optional

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.model import Event
from sdcupgrade.plan.document import Change, Facts, ImageRef, Plan, ServicePlan, Step


class FakeClock:
    """Time goes on only when somebody sleeps, or by *tick* at each look."""

    def __init__(self, now: float = 1_700_000_000.0, tick: float = 0.0) -> None:
        self.now = now
        self.tick = tick

    def time(self) -> float:
        return self.monotonic()

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Heard:
    """An emit that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def texts(self, kind: str) -> list[str]:
        """What was said in events of that kind."""
        return [event.text for event in self.events if event.kind == kind]


def files_in(folder: pathlib.Path) -> RootedFiles:
    """Real files below *folder*, without waiting for the disk."""
    return RootedFiles(str(folder), fsync=False)


def step(name: str, *undoes: str, option: str = "") -> Step:
    """A step of kind and id *name*; only that of the zone is disruptive."""
    kind = name.partition(".")[2]
    return Step(name, kind, f"do {name}", {}, disruptive=kind.endswith("zone"), undoes=undoes, option=option)


def service(name: str, steps: tuple[Step, ...], rollback: tuple[Step, ...] = ()) -> ServicePlan:
    """A service that is upgraded by *steps*."""
    facts = Facts("s", None, None, None, None, None, None, 0)
    return ServicePlan(
        name, Change.UPGRADE, f"{name}0", "headnode", None, ImageRef("i", "2", ""), facts, steps, rollback
    )


def plan(*services: ServicePlan) -> Plan:
    """The upgrade "foo"."""
    return Plan("foo", "", "", "coal", "headnode", "dev", "", services, ())


def two_services(option: Optional[str] = None) -> Plan:
    """imgapi and adminui, each with a script, a zone and a check; the check has no inverse of its own."""

    def one(name: str) -> ServicePlan:
        forward: tuple[Step, ...] = (step(f"{name}.script"), step(f"{name}.zone"), step(f"{name}.check"))
        if option:
            forward = (step(f"{name}.keep", option=option), *forward)
        back = (
            step(f"{name}.undo-script", f"{name}.script"),
            step(f"{name}.undo-zone", f"{name}.zone"),
            step(f"{name}.undo-check", f"{name}.zone"),
        )
        return service(name, forward, back)

    return plan(one("imgapi"), one("adminui"))
