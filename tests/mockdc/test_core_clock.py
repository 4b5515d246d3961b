"""Time and events: nothing happens before its time, everything does in order, kills come where they should."""

from __future__ import annotations

import pathlib

import pytest
from core_box import box, ready, vm
from mockdc.core.clock import Crash, RealClock, TimeUp, VirtualClock
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Store

SEEN: list[tuple[str, float]] = []


def see(dc: Datacenter, what: str, again_in: float = 0.0) -> None:
    """An event that is remembered, and may bring another."""
    SEEN.append((what, dc.now()))
    if again_in:
        dc.later(again_in, "test_core_clock:see", what=f"{what}+")


@pytest.fixture
def empty(tmp_path: pathlib.Path) -> Datacenter:
    SEEN.clear()
    return Datacenter.empty(tmp_path, clock=VirtualClock(1000.0))


def test_events_happen_in_order_of_their_time(empty: Datacenter) -> None:
    empty.later(20, "test_core_clock:see", what="second")
    empty.later(10, "test_core_clock:see", what="first")
    empty.wait(30)
    assert [what for what, _ in SEEN] == ["first", "second"]


def test_an_event_sees_its_own_time(empty: Datacenter) -> None:
    empty.later(10, "test_core_clock:see", what="x", again_in=5)
    empty.wait(100)
    assert SEEN == [("x", 1010.0), ("x+", 1015.0)]


def test_nothing_happens_before_its_time(empty: Datacenter) -> None:
    empty.later(10, "test_core_clock:see", what="x")
    empty.wait(9.9)
    assert SEEN == []


def test_a_limit_ends_whoever_sleeps_past_it() -> None:
    clock = VirtualClock(0.0)
    with pytest.raises(TimeUp), clock.limit(5):
        clock.sleep(60)
    assert clock.now() == 5.0


def test_an_inner_limit_cannot_stretch_the_outer_one() -> None:
    clock = VirtualClock(0.0)
    with pytest.raises(TimeUp), clock.limit(5), clock.limit(50):
        clock.sleep(10)
    assert clock.now() == 5.0


def test_iso_has_milliseconds(empty: Datacenter) -> None:
    assert empty.iso(1717405200.25) == "2024-06-03T09:00:00.250Z"


def test_every_process_reads_the_same_time(tmp_path: pathlib.Path) -> None:
    Datacenter.make(tmp_path, start=5000.0, real_now=100.0, speed=50.0)
    clock = RealClock.of(Store(str(tmp_path / ".mockdc" / "state.db")))
    assert (clock.t0, clock.r0, clock.speed) == (5000.0, 100.0, 50.0)


def test_state_survives_a_new_process(tmp_path: pathlib.Path) -> None:
    Datacenter.make(tmp_path, 0.0, 0.0, 1.0).store.put("vm", "u", {"alias": "a"})
    assert Datacenter.open(tmp_path).vm("u") == {"alias": "a"}


def test_a_crash_in_the_middle_of_a_reprovision_leaves_the_phase_it_had_reached(tmp_path: pathlib.Path) -> None:
    dc = box(tmp_path)
    uuid, image = ready(dc, "vmapi")
    assert isinstance(dc.clock, VirtualClock)
    dc.clock.dies_at = dc.now() + 1.0
    with pytest.raises(Crash):
        dc.reprovision(uuid, image)
    assert vm(dc, uuid)["state"] == "stopping"
