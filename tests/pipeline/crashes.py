"""Commands that are cut off in the middle of anything, on copies of one site, and what must be true afterwards.

How many of all possible moments are tried is told by the environment: ``CRASH_EVERY=1`` tries each of them.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence

import pytest
from mockdc.core import faults, scenario
from mockdc.core.clock import VirtualClock
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc, Store
from mockdc.faces import inprocess
from mockdc.faces.crash import Crash, crashing
from site_in_a_box import Site

SERVICES = ("sapi", "sdc", "adminui")
"""What is upgraded: the way to other servers, the last of the stack, and one that nobody needs."""

AROUND = ("binder", "manatee", "moray", "ufds", "rabbitmq", "workflow", "imgapi", "napi", "papi", "cnapi", "vmapi")
GO = "--yes --pause never"
UPGRADE, ROLLBACK, RESUME = f"upgrade foo {GO}", f"rollback foo {GO}", f"resume foo {GO}"
SECONDS = {"reprovision": 3.0, "stop": 0.5, "setup": 0.8, "online": 0.4, "http": 0.4, "dns": 0.4}
"""How long things take in a zone: little, so that few of the moments are spent polling."""


def moments(last: int, every: int) -> Sequence[int]:
    """Those of the moments 1..*last* that are tried: each *every*-th, unless the environment says otherwise."""
    every = int(os.environ.get("CRASH_EVERY", every))
    return range(1 + last % every, last + 1, every)


def small_site(folder: pathlib.Path) -> Site:
    """A headnode with little on it, and a spec that is not prepared yet."""
    spec = scenario.read("coal")
    spec["services"] = {name: row for name, row in spec["services"].items() if name in SERVICES + AROUND}
    site = Site(folder, spec)
    for zone in site.dc.store.all("zone"):
        site.dc.store.put("zone", zone["uuid"], {**zone, "durations": SECONDS})
    site.spec(**dict.fromkeys(SERVICES, "latest"))
    return site


class Copies:
    """Copies of *site* as it stands, one after the other in the same folder; each as good as new. The operator's folder
    is one for all: what a command leaves in it is taken away."""

    def __init__(self, site: Site, folder: pathlib.Path) -> None:
        self.site = site
        self.folder = folder / "copy"

    def __call__(self) -> Site:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        if not (self.site.gz / "var/tmp/upgrade-foo").exists():
            (self.site.ops / "foo.json.1").unlink(missing_ok=True)
        copy = Site.__new__(Site)
        copy.ops, copy.gz = self.site.ops, self.folder / "gz"
        shutil.copytree(self.site.gz, copy.gz, symlinks=True)
        store = Store()
        self.site.dc.store.link.backup(store.link)
        copy.dc = Datacenter(store, VirtualClock(self.site.dc.clock.now()), copy.gz)
        copy.doors = inprocess.doors(copy.dc)
        return copy

    def cut_off(self, line: str, mode: str, every: int, only: str = "") -> Iterator[tuple[str, Site]]:
        """Sites on which *line* was cut off, at one door call after the other (those named *only*), and where."""
        names = calls(self(), line)
        for number in moments(len(names), every):
            if only in ("", names[number - 1]):
                copy = self()
                doors, crasher = crashing(copy.doors, number, mode)
                with pytest.raises(Crash):
                    copy.run(line, doors)
                yield crasher.where, copy

    def died(self, line: str, every: int) -> Iterator[tuple[str, Site]]:
        """Sites on which *line*, and every program at work for it, was killed: at one tenth of a second after the
        other; those where something slept at that time."""
        copy = self()
        began = copy.dc.clock.now()
        copy.run(line).ok()
        for tenth in moments(int((copy.dc.clock.now() - began) * 10), every):
            copy = self()
            doors, crasher = crashing(copy.doors, 0)
            inprocess.virtual(copy.dc).dies_at = began + tenth / 10
            with pytest.raises(Crash):
                copy.run(line, doors)
            crasher.free()
            yield f"killed after {tenth / 10} s", copy


def calls(site: Site, line: str) -> list[str]:
    """The names of the door calls of a command that ends well."""
    doors, crasher = crashing(site.doors, 0)
    site.run(line, doors).ok()
    return crasher.names


def cut_off_after(site: Site, line: str, number: int) -> bool:
    """Whether the command was cut off at its *number*th call; else it ended well before."""
    doors, _ = crashing(site.doors, number)
    try:
        site.run(line, doors).ok()
    except Crash:
        return True
    return False


def power_cut(site: Site) -> None:
    """The headnode loses its power for two minutes, and boots."""
    for state in ("down", "up"):
        faults.power(site.dc, site.dc.headnode, state)
        site.dc.wait(120)


# --- what must be true ------------------------------------------------------------------------------------------------
class Truth:
    """How the services of a site were before anything was done; compares how they are later."""

    def __init__(self, site: Site) -> None:
        self.before = {name: (site.vm(name), site.sapi(name)) for name in SERVICES}
        plan = site.plan()
        self.targets = {service["service"]: service["target"]["uuid"] for service in plan["services"]}
        self.common = (site.gz / "usbkey/default/user-script.common").read_text(encoding="utf-8")

    def upgraded(self, site: Site, most: int = 1) -> list[str]:
        """What is wrong with a site that should be upgraded, each zone by exactly one reprovision, or *most*."""
        services = (line for name in SERVICES for line in self._upgraded(site, name, most))
        return [*wrong_anywhere(site, "upgraded"), *services]

    def _upgraded(self, site: Site, name: str, most: int) -> Iterator[str]:
        vm, service, target = site.vm(name), site.sapi(name), self.targets[name]
        old = self.before[name][1]
        wanted = {**old, "params": {**old["params"], "image_uuid": target}}
        wanted["metadata"] = {**old["metadata"], "user-script": self.common}
        if vm["image_uuid"] != target or vm["customer_metadata"]["user-script"] != self.common:
            yield f"{name} has image {vm['image_uuid']}, or an old user-script"
        if service != wanted:
            yield f"SAPI's {name} is not as it should be"
        if not 1 <= site.reprovisions(name) <= most:
            yield f"{name} was reprovisioned {site.reprovisions(name)} times"

    def rolled_back(self, site: Site) -> list[str]:
        """What is wrong with a site that should be as before, each zone by exactly one more reprovision."""
        services = (line for name in SERVICES for line in self._rolled_back(site, name))
        return [*wrong_anywhere(site, "rolled back", "downloaded"), *services]

    def _rolled_back(self, site: Site, name: str) -> Iterator[str]:
        (old, service), vm = self.before[name], site.vm(name)
        kept = ("image_uuid", "customer_metadata", "quota", "tags", "datasets", "nics")
        if any(vm[key] != old[key] for key in kept):
            yield f"{name}'s zone is not as before"
        if site.sapi(name) != service:
            yield f"SAPI's {name} is not as before"
        if site.reprovisions(name) != 2:
            yield f"{name} was reprovisioned {site.reprovisions(name)} times"


def wrong_anywhere(site: Site, *phases: str) -> Iterator[str]:
    """What must never be, whatever was done: zones or names lost, leftovers, data gone, a journal that nobody can read;
    *phases* are what the journal may amount to."""
    site.dc.wait(5)  # for services that answer nobody's ping
    status = site.run("status foo -j")
    if status.status or json.loads(status.out)["phase"] not in phases:
        yield f"status says: {status.out or status.err}"
    for name in SERVICES:
        vm = site.vm(name)
        if vm["state"] != "running" or not site.dc.zone_answers(vm["uuid"]):
            yield f"{name} is {vm['state']} and does not answer"
        if not site.dc.resolve(f"{name}.coal.example.com"):
            yield f"{name} is not in DNS"
        for dataset in vm["datasets"]:
            if not (site.gz / dataset / "precious").exists():
                yield f"the data of {name} are gone"
    yield from (doc["name"] for doc in site.dc.store.all("dataset") if "-reprovisioning-" in doc["name"])


def finish(site: Site, line: str = UPGRADE) -> str:
    """What an operator types after a crash: resume, and the command itself if it had not begun. Empty when it ended
    well, else what it said."""
    ran = site.run(RESUME)
    if ran.status == 0 and "nothing to resume" in ran.err:
        ran = site.run(line)
    return "" if ran.status == 0 else ran.err[-1500:]


def journal(site: Site) -> list[Doc]:
    """The lines of the journal that are whole."""
    path = site.gz / "var/tmp/upgrade-foo/journal.jsonl"
    whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in whole]

