"""gzbits to compute nodes: the tool's own work by number of nodes, the nodes answering at once.

Everything is the product's own but the two ends: who answers for CNAPI and for sdc-oneachnode is a few lines here. Its
files are real ones, not fsynced. The nodes' time is not in it.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from bench.measure import MIB, Figure, exponent
from sdcupgrade.bits.node import Package
from sdcupgrade.dc.access import Datacenter
from sdcupgrade.dc.cnapi import Cnapi
from sdcupgrade.doors import Doors
from sdcupgrade.doors.clock import RealClock
from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.doors.http import Response
from sdcupgrade.doors.run import Completed
from sdcupgrade.log import NullLog
from sdcupgrade.stages import gznodes, gznodes_package
from sdcupgrade.stages.site import Site, Who

SIZES = (10, 100, 1000, 10_000)
DIGEST = "d" * 64
PACKAGE = Package("gzbits-1-dddd.tgz", DIGEST, "e" * 64, 5, 5, "1.0.0", "")


class Nodes:
    """So many compute nodes; both ends of the way to them."""

    def __init__(self, count: int) -> None:
        self.uuids = [f"00000000-0000-4000-8000-{number:012}" for number in range(count)]
        self.has = dict.fromkeys(self.uuids, "")

    def request(self, method: str, url: str, **_: Any) -> Response:
        """CNAPI: a page of servers."""
        query = dict(pair.split("=") for pair in url.partition("?")[2].split("&"))
        offset = int(query["offset"])
        page = [
            {"uuid": uuid, "hostname": f"cn-{uuid[-6:]}", "headnode": False, "setup": True, "status": "running"}
            for uuid in self.uuids[offset : offset + int(query["limit"])]
        ]
        return Response(200, {}, json.dumps(page).encode())

    @contextmanager
    def stream(self, url: str, **_: Any) -> Iterator[SimpleNamespace]:
        """The assets zone: the package is there."""
        yield SimpleNamespace(status=200, headers={"content-length": str(PACKAGE.size)})

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        """sdc-oneachnode: every node does as it is told, and says so."""
        uuids = argv[2].split(",")
        command = argv[-1].rstrip().rpartition("\n")[2].split()
        if command[0] == "apply":
            self.has.update(dict.fromkeys(uuids, command[1]))
        lines = (self.said(uuid, {"apply": "applied", "verify": "verified"}[command[0]]) for uuid in uuids)
        return Completed(tuple(argv[:-1]), 0, "".join(lines), "", 0.0)

    def said(self, uuid: str, did: str) -> str:
        """A line of sdc-oneachnode -J."""
        has = self.has[uuid]
        report = {"did": did, "installed": has, "state": has, "changed": 1, "kept": 0, "why": ""}
        result = {"exit_status": 0, "stdout": json.dumps(report) + "\n", "stderr": ""}
        return json.dumps({"uuid": uuid, "hostname": "cn", "result": result}) + "\n"


def site_of(nodes: Nodes, folder: str) -> Site:
    """The product's site over them, with the package published."""
    end = cast(Any, nodes)
    doors = Doors(end, end, end, RootedFiles(folder, fsync=False), RealClock())
    site = Site(doors, NullLog(), lambda event: None, cast(Any, None), Who(1, "root", "headnode"))
    headnode = SimpleNamespace(config={"assets_admin_ip": "10.0.0.2"})
    datacenter = SimpleNamespace(cnapi=Cnapi(end, lambda: ("http://cnapi",)), headnode=headnode, doors=doors)
    site.__dict__["datacenter"] = cast(Datacenter, datacenter)
    doors.files.write(f"{gznodes_package.PUBLISHED}/{PACKAGE.name}", b"bytes")
    gznodes_package.want(doors.files, PACKAGE)
    return site


def fan_out(count: int) -> float:
    """All waves to so many nodes; the processor seconds of it."""
    with tempfile.TemporaryDirectory() as folder:
        site = site_of(Nodes(count), folder)
        began = time.process_time()
        fanned = gznodes.catch_up(site, gznodes.NodeOptions())
        took = time.process_time() - began
        assert len(fanned.those(gznodes.Fate.DONE)) == count
        assert (pathlib.Path(folder) / "var/sdcupgrade/gzbits/ledger.json").exists()
        return took


def peak(count: int) -> float:
    """The most MiB allocated at a time, the two ends' own included."""
    tracemalloc.start()
    try:
        fan_out(count)
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def figures() -> Iterator[Figure]:
    """Seconds and memory by size, and how they grow."""
    fan_out(SIZES[0])  # imports
    seconds: Mapping[int, float] = {count: min(fan_out(count) for _ in range(3)) for count in SIZES}
    memory = {count: peak(count) for count in SIZES}
    told = "; ".join(f"{count}: {seconds[count]:.3f} s, {memory[count]:.1f} MiB" for count in SIZES)
    grows = exponent({count: seconds[count] for count in SIZES if count >= 100})
    remark = f"from 100 on as the number to the power {grows:.2f}"
    yield Figure("gzbits to compute nodes, own work", told, "power 1.05, 150 MiB at 10,000", remark)
