"""gzbits on the compute nodes of a box: tarballs of them, nodes that misbehave, and what is on each."""

from __future__ import annotations

import io
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, Optional

from bits_builders import entry, folder, link, manifest, member, tar_of
from mockdc.core import scenario
from product_fakes import Heard
from site_in_a_box import Site as Box

from sdcupgrade.bits.manifest import NAME, Kind, Manifest
from sdcupgrade.bits.waves import parse_budget, parse_waves
from sdcupgrade.doors import Doors
from sdcupgrade.doors.run import Completed
from sdcupgrade.log import NullLog
from sdcupgrade.stages import gznodes
from sdcupgrade.stages.gznodes import Fanned, NodeOptions
from sdcupgrade.stages.site import Site, Who
from sdcupgrade.ui.prompt import Prompt

UP = ("MOON-02", "moon-01", "moon-03")
"""The compute nodes that can have gzbits, in order."""

NEEDED = ("assets", "sapi", "binder", "sdc", "rabbitmq", "cnapi", "moray", "manatee")


def few() -> dict[str, Any]:
    """The scenario "dc" with fewer nodes and services."""
    spec = scenario.read("dc")
    names = ("hn-4f.core", *UP, "penguin-1", "moon-08")
    spec["servers"] = [row for row in spec["servers"] if row["hostname"] in names]
    spec["services"] = {name: {} for name in NEEDED}
    return {**spec, "decoys": False, "leftover": [], "stale_instances": []}


ONE = {"bin/sdc-x": b"one\n", "bin/sdc-gone": b"gone\n", "bin/short": "sdc-x", "lib/a.js": b"a\n"}
TWO = {"bin/sdc-x": b"two\n", "bin/sdc-new": b"new\n", "bin/short": "sdc-new", "lib/a.js": b"a\n"}


def manifest_of(files: dict[str, Any]) -> Manifest:
    """Of what goes to /opt/smartdc, and a file that only the headnode has."""
    entries = {name: folder(name) for name in ("gzbits/tools/bin", "gzbits/tools/lib")}
    for name, what in files.items():
        path = f"gzbits/tools/{name}"
        entries[path] = link(path, what) if isinstance(what, str) else entry(path, Kind.FILE, what, mode=0o755)
    hn = "gzbits/tools/lib/hn-only.js"
    entries[hn] = entry(hn, Kind.FILE, b"hn\n", on=("hn",))
    return manifest(*(entries[path] for path in sorted(entries)))


def tarball(one: Manifest, files: dict[str, Any], place: pathlib.Path) -> None:
    """The gzbits tarball."""
    import gzip

    data = {f"gzbits/tools/{name}": what for name, what in files.items() if isinstance(what, bytes)}
    data["gzbits/tools/lib/hn-only.js"] = b"hn\n"
    kinds = {Kind.FILE: b"0", Kind.DIR: b"5", Kind.LINK: b"2"}
    members = [
        member(item.path, data.get(item.path, b""), kinds[item.kind], item.mode, item.target) for item in one.entries
    ]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(gzip.compress(tar_of([member(NAME, one.text().encode()), *members]), mtime=0))


class Meddler:
    """A runner that lets a test do something to the world after each call of sdc-oneachnode."""

    def __init__(self, runner: Any, after: Callable[[str], None]) -> None:
        self._runner = runner
        self._after = after

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        """See Runner."""
        done: Completed = self._runner.run(argv, **more)
        if argv[0] == "sdc-oneachnode":
            self._after(argv[-1].rstrip().rpartition("\n")[2].split()[0])
        return done


class Nodes:
    """The compute nodes of a box, and the product's stage over them."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.dc = box.dc
        self.uuids = {one["hostname"]: one["uuid"] for one in box.dc.store.all("server")}
        self.heard = Heard()
        self.after: Callable[[str], None] = lambda what: None
        self.site = self.site_on(self.doors())

    def doors(self) -> Doors:
        """The box's doors, with the meddler in them."""
        doors = self.box.doors
        runner = Meddler(doors.run, lambda what: self.after(what))
        return Doors(runner, doors.admin, doors.web, doors.files, doors.clock)

    def site_on(self, doors: Doors) -> Site:
        """The product's site."""
        operator = Prompt(io.StringIO(), io.StringIO(), yes=True, clear=lambda: None)
        return Site(doors, NullLog(), self.heard, operator, Who(1, "root", "headnode"))

    def apply(self, files: dict[str, Any], doors: Optional[Doors] = None, **more: Any) -> Fanned:
        """Apply a tarball of these files."""
        one = manifest_of(files)
        tarball(one, files, self.box.gz / "var/tmp/gzbits.tgz")
        site = self.site_on(doors) if doors else self.site
        return gznodes.apply_nodes(site, one, "/var/tmp/gzbits.tgz", options(**more))

    def catch_up(self, **more: Any) -> Fanned:
        """gzbits apply --catch-up."""
        return gznodes.catch_up(self.site, options(**more))

    def rollback(self, **more: Any) -> Fanned:
        """gzbits rollback, the nodes' part."""
        return gznodes.rollback_nodes(self.site, options(**more))

    def verify(self) -> Fanned:
        """gzbits verify, the nodes' part."""
        return gznodes.verify_nodes(self.site, options())

    def root(self, hostname: str) -> pathlib.Path:
        """The global zone of a node."""
        return self.dc.root(self.uuids[hostname])

    def tree(self, hostname: str) -> dict[str, str]:
        """What a node has in the folders that gzbits go to, but for what the box put there."""
        found = {}
        for name in ("bin", "lib"):
            for place in sorted((self.root(hostname) / "opt/smartdc" / name).rglob("*")):
                if place.name in ("sdc-usbkey", "json"):
                    continue
                text = os.readlink(place) if place.is_symlink() else "" if place.is_dir() else place.read_text()
                found[f"{name}/{place.name}"] = text
        return found

    def ledger(self) -> dict[str, dict[str, str]]:
        """The ledger on disk, by hostname."""
        text = (self.box.gz / "var/sdcupgrade/gzbits/ledger.json").read_text()
        return {line["hostname"]: line for line in json.loads(text)["nodes"].values()}

    def asked(self) -> int:
        """How often sdc-oneachnode was called."""
        return sum(call["name"] == "sdc-oneachnode" for call in self.dc.store.calls())

    def power(self, hostname: str, state: str) -> None:
        """Take a node's power, or give it back; CNAPI notices."""
        self.box.fault(f"server={hostname} {state}")


def options(waves: str = "1,1,100%", max_fail: str = "2", **more: Any) -> NodeOptions:
    """Options in the operator's words."""
    return NodeOptions(parse_waves(waves), parse_budget(max_fail), **more)


def shown(files: dict[str, Any]) -> dict[str, str]:
    """What :meth:`Nodes.tree` shows of a set."""
    return {name: what if isinstance(what, str) else what.decode() for name, what in files.items()}


def of_up(fanned: Fanned) -> list[str]:
    """The fates of the nodes in UP."""
    return [fates(fanned).get(name, "") for name in UP]


def fates(fanned: Fanned) -> dict[str, str]:
    """Fate by hostname."""
    return {one.hostname: one.fate.value for one in fanned.results}
