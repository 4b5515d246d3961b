"""CNAPI's view of a server: which fields a list shows, which an ``extras`` adds, what sysinfo becomes.

The store's document (kind "server") is the object that ``GET /servers/:uuid`` answers, as far as it is known; what
begins with ``_`` is the box's own. Status and heartbeat come from whether the node lives, unless clients report them
over HTTP.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

BASE: dict[str, Any] = {
    "comments": "", "datacenter": "", "rack_identifier": "", "reservation_ratio": 0.15, "reserved": False,
    "reservoir": False, "status": "unknown", "traits": {}, "uuid": "", "boot_params": {}, "boot_platform": "",
    "default_console": "serial", "kernel_flags": {}, "serial": "ttyb", "created": "", "current_platform": "",
    "headnode": False, "hostname": "", "system_type": "SunOS", "last_boot": None, "ram": 0, "setup": False}
IF_KNOWN = ("setting_up", "transitional_status", "next_reboot")
HEARTBEAT_S = 5
MIB = 1 << 20


def known(server: Doc) -> bool:
    """Whether CNAPI has heard of the server; of those in a bare datacenter it has not until they register."""
    return bool(server.get("_known", True))


def every(dc: Datacenter) -> list[Doc]:
    """The servers that CNAPI has heard of."""
    return [server for server in dc.store.all("server") if known(server)]


def view(dc: Datacenter, server: Doc, extras: set[str], here: Optional[list[Doc]] = None) -> Doc:
    """The server with what the extras ask for; ``all`` is everything. *here*: the VMs on it, when they are known."""
    if here is None and extras & {"all", "vms", "capacity"}:
        here = on_servers(dc).get(server["uuid"], [])
    every = "all" in extras
    result = {key: server.get(key, default) for key, default in BASE.items()}
    result.update({key: server[key] for key in IF_KNOWN if key in server})
    result["status"] = status(dc, server)
    if extras:
        result["last_heartbeat"] = heartbeat(dc, server)
    if every or "agents" in extras:
        result["agents"] = server.get("agents") or (server.get("sysinfo") or {}).get("SDC Agents") or []
    if every or "sysinfo" in extras:
        result["sysinfo"] = server.get("sysinfo") or {}
    if every or "vms" in extras:
        result["vms"] = _reported(here or [])
    memory, disk = _measured(server, "memory_"), _measured(server, "disk_")
    if every or "memory" in extras:
        result.update(memory_provisionable_bytes=int(result["ram"] * MIB * (1 - result["reservation_ratio"])), **memory)
    if every or "disk" in extras:
        result.update(disk)
    if every or "capacity" in extras:
        result.update(_capacity(server, result, disk, here or []))
    return result


def status(dc: Datacenter, server: Doc) -> str:
    """``running`` while heartbeats come, else ``unknown``; a reboot in progress keeps its word."""
    if server.get("status") == "rebooting":
        return "rebooting"
    return "running" if dc.alive(str(server["uuid"])) else "unknown"


def heartbeat(dc: Datacenter, server: Doc) -> Any:
    """When the last one came: as reported, or, for a node of the box that lives, within 5 s."""
    if "_reports" in server or not dc.alive(str(server["uuid"])):
        return server.get("last_heartbeat")
    return dc.iso(dc.now() - dc.now() % HEARTBEAT_S)


def on_servers(dc: Datacenter) -> dict[str, list[Doc]]:
    """The VMs that are there, by server."""
    found: dict[str, list[Doc]] = {}
    for vm in dc.store.all("vm"):
        if vm["state"] != "destroyed":
            found.setdefault(str(vm.get("server_uuid")), []).append(vm)
    return found


def _reported(here: list[Doc]) -> dict[str, Doc]:
    names = ("uuid", "owner_uuid", "quota", "max_physical_memory", "zone_state", "state", "brand", "cpu_cap",
             "last_modified")
    return {str(vm["uuid"]): {key: vm.get(key) for key in names} for vm in here}


def _measured(server: Doc, prefix: str) -> Doc:
    return {key: value for key, value in server.items() if key.startswith(prefix)}


def _capacity(server: Doc, shown: Doc, disk: Doc, here: list[Doc]) -> Doc:
    result: Doc = {"score": 0}
    if not disk and "_reports" in server:              # nothing to reckon with (recording cnapi-030)
        return result
    size = int(disk.get("disk_pool_size_bytes") or server.get("_pool_bytes") or 128_000_000_000)
    used = int(disk.get("disk_installed_images_used_bytes") or 0) + int(disk.get("disk_system_used_bytes") or 0)
    ram = int(shown["ram"] * (1 - shown["reservation_ratio"]))
    cores = int((server.get("sysinfo") or {}).get("CPU Total Cores") or 4)
    return {
        **result, "overprovision_ratios": {"cpu": 4, "ram": 1, "disk": 1},
        "unreserved_cpu": cores * 100 - sum(int(vm.get("cpu_cap") or 0) for vm in here) // 4,
        "unreserved_ram": ram - sum(int(vm.get("max_physical_memory") or 0) for vm in here),
        "unreserved_disk": (size - used) // MIB - sum(int(vm.get("quota") or 0) * 1024 for vm in here)}


def from_sysinfo(dc: Datacenter, old: Doc, uuid: str, sysinfo: dict[str, Any], boot: Doc) -> Doc:
    """The server as a new sysinfo makes it (what cn-agent registers at start)."""
    params = sysinfo.get("Boot Parameters") or {}
    booted = datetime.datetime.fromtimestamp(int(sysinfo.get("Boot Time") or 0), datetime.timezone.utc)
    fresh = {
        "created": dc.iso(), "comments": "", "rack_identifier": "", "reservation_ratio": 0.15, "reserved": False,
        "reservoir": False, "traits": {}, "boot_params": dict(boot["kernel_args"]), "boot_platform": boot["platform"],
        "default_console": boot.get("default_console", "serial"), "serial": boot.get("serial", "ttyb"),
        "kernel_flags": {}, "last_heartbeat": None, "_alive": True, "_reports": True}
    return {
        **fresh, **old, "_known": True, "uuid": uuid, "sysinfo": sysinfo, "agents": sysinfo.get("SDC Agents") or [],
        "datacenter": sysinfo.get("Datacenter Name", ""), "current_platform": sysinfo.get("Live Image", ""),
        "headnode": params.get("headnode") in ("true", True), "hostname": sysinfo.get("Hostname", ""),
        "system_type": sysinfo.get("System Type", "SunOS"), "ram": int(sysinfo.get("MiB of Memory") or 0),
        "last_boot": booted.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "setup": sysinfo.get("Setup") in ("true", True)}


def from_status(given: dict[str, Any]) -> Doc:
    """The figures of a status event, under CNAPI's names."""
    memory = given.get("meminfo") or {}
    renamed = {"availrmem_bytes": "memory_available_bytes", "arcsize_bytes": "memory_arc_bytes",
               "total_bytes": "memory_total_bytes"}
    disk = {f"disk_{key}": value for key, value in (given.get("diskinfo") or {}).items()}
    return {**{new: memory[old] for old, new in renamed.items() if old in memory}, **disk}
