"""Everything that a datacenter in a box holds, as one JSON value: what ``mockdc state`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc


def state(dc: Datacenter) -> dict[str, Any]:
    """The whole state, as of now."""
    dc.tick()
    store = dc.store
    servers = {server["uuid"]: server for server in store.all("server")}
    return {
        "datacenter_name": dc.config.get("datacenter_name"),
        "scenario": store.meta("scenario"),
        "time": dc.iso(),
        "root": str(dc.folder),
        "config": dc.config,
        "servers": [{**server, "root": str(dc.root(uuid))} for uuid, server in servers.items()],
        "services": [service(dc, doc) for doc in store.all("sapi_service")],
        "instances": [instance(dc, vm, servers) for vm in store.all("vm")],
        "images": images(dc),
        "datasets": datasets(dc),
        "sapi": {f"{kind}s": store.all(f"sapi_{kind}") for kind in ("application", "service", "instance", "manifest")},
        "dns": names(dc),
        "faults": store.all("fault"),
        "calls": [{**call, "time": dc.iso(call["at"])} for call in store.calls()],
    }


def service(dc: Datacenter, doc: Doc) -> Doc:
    """A service in short: which image its next instance would have, and which instances it has."""
    found = dc.instances_of(doc["name"]) if doc.get("type", "vm") == "vm" else []
    return {"name": doc["name"], "uuid": doc["uuid"], "type": doc.get("type", "vm"),
            "image_uuid": doc.get("params", {}).get("image_uuid"), "instances": [vm["uuid"] for vm in found],
            "outage": dc.outage(doc["name"]) if found else None}  # fmt: skip


def instance(dc: Datacenter, vm: Doc, servers: dict[str, Doc]) -> Doc:
    """A zone as it truly is, with every disruptive action counted."""
    zone = dc.store.get("zone", vm["uuid"]) or {}
    root = dc.root(vm["server_uuid"]) / "zones" / vm["uuid"] / "root"
    short = {
        "service": vm["tags"].get("smartdc_role"),
        "uuid": vm["uuid"],
        "alias": vm["alias"],
        "image_uuid": vm["image_uuid"],
        "state": vm["state"],
        "zone_state": vm["zone_state"],
        "server_uuid": vm["server_uuid"],
        "hostname": servers.get(vm["server_uuid"], {}).get("hostname"),
        "reprovisions": zone.get("reprovisions", 0),
        "history": zone.get("history", []),
        "stops": zone.get("stops", 0),
        "starts": zone.get("starts", 0),
        "answers": dc.zone_answers(vm["uuid"]),
        "setup_complete": (root / "var/svc/setup_complete").exists(),
        "setup_failed": (root / "var/svc/setup_failed").exists(),
        "durations": zone.get("durations", {}),
        "smf": dc.smf(vm["uuid"]),
    }
    return {**short, "vm": vm, "vmapi": dc.store.get("vmapi_vm", vm["uuid"])}


def images(dc: Datacenter) -> dict[str, Any]:
    """Images of each store, and what each node has in its pool."""
    found: dict[str, Any] = {name: dc.store.all("image", f"{name}/") for name in ("updates", "imgapi")}
    installed: dict[str, list[str]] = {}
    for id, _ in dc.store.items("installed"):
        server, _, uuid = id.partition("/")
        installed.setdefault(server, []).append(uuid)
    return {**found, "installed": installed}


def datasets(dc: Datacenter) -> dict[str, list[Doc]]:
    """Datasets and snapshots of each node."""
    found: dict[str, list[Doc]] = {}
    for id, doc in dc.store.items("dataset"):
        found.setdefault(id.partition(":")[0], []).append(doc)
    return found


def names(dc: Datacenter) -> dict[str, list[str]]:
    """What binder knows, whether or not it runs."""
    found: dict[str, list[str]] = {}
    for entry in dc.store.all("dns"):
        found.setdefault(entry["name"], []).append(entry["ip"])
    return found
