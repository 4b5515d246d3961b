"""``zoneadm list`` and the two things people do with ``zonecfg``: look at, and add, a delegated dataset."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mockdc.commands.options import UsageError, parse

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc


def zones(call: Call, every: bool) -> list[Doc]:
    """The zones of this node: those that run, or all that are installed."""
    found = [vm for vm in call.dc.store.all("vm") if vm["server_uuid"] == call.server and vm["state"] != "destroyed"]
    return [vm for vm in found if every or vm["zone_state"] == "running"]


def zoneadm(call: Call) -> int:
    """``zoneadm list [-p] [-v] [-c | -i] [-n]``."""
    try:
        found = parse(call.argv, "pvcin", "z")
    except UsageError as why:
        call.err(f"zoneadm: {why}\nusage:\tzoneadm list [-cipvn]")
        return 2
    if found.words[:1] != ["list"]:
        call.err("zoneadm: only list is simulated by the datacenter in a box; use vmadm")
        return 2
    rows = [] if "n" in found else [["0", "global", "running", "/", "", "liveimg", "shared", "0"]]
    for vm in zones(call, bool({"c", "i"} & set(found.given))):
        runs = vm["zone_state"] == "running"
        number = str(vm.get("zoneid", "-")) if runs else "-"
        rows.append([number, vm["uuid"], vm["zone_state"], vm["zonepath"], vm["uuid"], vm["brand"], "excl", number])
    if "p" in found:
        for row in rows:
            call.out(":".join(row))
    elif "v" in found:
        call.out("  ID NAME             STATUS     PATH                           BRAND    IP")
        for row in rows:
            call.out(f"{row[0]:>4} {row[1]:<16} {row[2]:<10} {row[3]:<30} {row[5]:<8} {row[6]}")
    else:
        for row in rows:
            call.out(row[1])
    return 0


def zonecfg(call: Call) -> int:
    """``zonecfg -z U "add dataset; set name=D; end"`` and ``info [dataset]``."""
    try:
        found = parse(call.argv, "", "z")
    except UsageError as why:
        call.err(f"zonecfg: {why}")
        return 2
    vm = call.dc.vm(found.last("z"))
    if vm is None or vm["server_uuid"] != call.server or vm["state"] == "destroyed":
        call.err(f"{found.last('z')}: No such zone configured\nUse 'create' to begin configuring a new zone.")
        return 1
    line = " ".join(found.words)
    if line.startswith("info"):
        if line == "info":
            call.out(f"zonename: {vm['uuid']}\nzonepath: {vm['zonepath']}\nbrand: {vm['brand']}\nautoboot: true")
        for name in vm["datasets"]:
            call.out(f"dataset:\n\tname: {name}")
        return 0
    names = re.findall(r"add dataset\s*;\s*set name=([^\s;]+)\s*;\s*end", line)
    if not names:
        call.err(f"zonecfg: not simulated by the datacenter in a box: {line}")
        return 1
    vm["datasets"] = [*vm["datasets"], *(name for name in names if name not in vm["datasets"])]
    call.dc.touch_vm(vm)
    return 0
