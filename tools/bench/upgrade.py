"""A whole `coal` upgrade on virtual time, beside the fixed sleeps of the scripts of old and beside what cannot be less.

The bound is the sum, over the zones that were reprovisioned, of how long the box's zones take by themselves (kind
``zone``, ``durations``): *set up* is vmadm's reprovision and from its end to setup_complete; *in use* goes on from
there to SMF online and then to the later of first answer (where the plan waits for a ping) and name in DNS (where it
waits for that). Zones go one by one, so the sum is the least a run can take.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench import box
from bench.measure import Figure

OLD_SLEEP_S = 60


def figures() -> Iterator[Figure]:
    """Every ordinary service of coal, in one go."""
    with box.inside("coal") as here:
        place = here.spec("all", box.ordinary(box.placed(box.scenario("coal"))))
        here.run("prepare", str(place))
        here.run("download", str(place))
        began = here.dc.now()
        here.run("upgrade", str(place), "--yes", "--pause", "never")
        took = here.dc.now() - began
        plan = json.loads((here.dc.folder / "var/tmp/upgrade-all/plan.json").read_text(encoding="utf-8"))
        zones = [zone for zone in here.dc.store.all("zone") if zone["reprovisions"]]
        kinds = {one["service"]: {step["kind"] for step in one["steps"]} for one in plan["services"]}
    set_up = sum(least(zone, set()) for zone in zones)
    in_use = sum(least(zone, kinds[zone["service"]]) for zone in zones)
    vmadm = sum(zone["durations"]["reprovision"] for zone in zones)
    old = vmadm + OLD_SLEEP_S * len(zones)
    yield Figure(f"`coal`, {len(zones)} zones, simulated", f"{took:.0f} s")
    for what, seconds, aim in (
        ("least possible, until each zone is in use", in_use, "within 3 %"),
        ("least possible, until each zone is set up", set_up, ""),
        ("the scripts of old: reprovisions, and a sleep of 60 s after each", old, ""),
    ):
        yield Figure(what, f"{seconds:.0f} s", aim, f"the upgrade took {took / seconds - 1:+.1%}")


def least(zone: Mapping[str, Any], kinds: set[str]) -> float:
    """Seconds from vmadm's start until the zone is as far as the steps of *kinds* want it."""
    takes: Mapping[str, float] = zone["durations"]
    after = [0.0] + [takes[key] for kind, key in (("wait-ping", "http"), ("wait-dns", "dns")) if kind in kinds]
    online = takes["online"] + max(after) if "wait-smf" in kinds else 0.0
    return takes["reprovision"] + takes["setup"] + online
