"""``sdcadm`` in a minimal form: ``instances``, ``services`` and ``check-health``, as peers to compare with (4.9)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mockdc.commands import table
from mockdc.commands.options import Options, UsageError, parse
from mockdc.core import dns

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

NAMES = {"insts": "instances", "svcs": "services", "health": "check-health"}


def sdcadm(call: Call) -> int:
    """The program."""
    if call.argv == ["--version"]:
        call.out("sdcadm 1.39.0")
        return 0
    commands = {"instances": instances, "services": services, "check-health": check_health}
    name = NAMES.get(call.argv[0], call.argv[0]) if call.argv else ""
    if name not in commands:
        call.err(f"sdcadm: error: not simulated by the datacenter in a box: {' '.join(call.argv)}")
        return 2
    if call.dc.outage("sapi"):
        call.err(f"sdcadm {call.argv[0]}: error: SAPI at {call.dc.config.get('sapi_domain')} does not answer")
        return 1
    try:
        return commands[name](call, parse(call.argv[1:], "jHqs", "o", (("json", "j"),)))
    except UsageError as why:
        call.err(f"sdcadm {call.argv[0]}: error: {why}")
        return 2


def records(call: Call) -> list[Doc]:
    """An object for each instance of the sdc application's services that is a VM."""
    found = []
    for instance in call.dc.store.all("sapi_instance"):
        service = call.dc.store.get("sapi_service", instance["service_uuid"]) or {}
        vm = call.dc.vm(instance["uuid"])
        if vm is None or vm["state"] == "destroyed" or "manta_role" in vm["tags"]:
            continue
        server = call.dc.server(vm["server_uuid"]) or {}
        installed = call.dc.installed(vm["server_uuid"], vm["image_uuid"]) or {"manifest": {}}
        found.append({
            "type": "vm", "alias": vm["alias"], "version": installed["manifest"].get("version"),
            "instance": vm["uuid"], "zonename": vm["uuid"], "service": service.get("name"), "image": vm["image_uuid"],
            "state": vm["state"], "server": vm["server_uuid"], "hostname": server.get("hostname"),
            "server_ip": server.get("sysinfo", {}).get("Admin IP"), "ip": dns.admin_ip(vm),
        })  # fmt: skip
    return sorted(found, key=lambda one: (str(one["service"]), str(one["alias"])))


def show(call: Call, found: Options, rows: list[Doc], default: str) -> None:
    """JSON or a table."""
    if "j" in found:
        call.out(json.dumps(rows, indent=4))
        return
    names = found.columns("o", default)
    cells = [[table.shown(row.get(name)) for name in names] for row in rows]
    for line in table.lines([name.upper() for name in names], cells, "H" not in found):
        call.out(line)


def instances(call: Call, found: Options) -> int:
    """``sdcadm instances [svc=NAME]``."""
    wanted = {word.partition("=")[2] for word in found.words if word.startswith(("svc=", "service="))}
    rows = [row for row in records(call) if not wanted or row["service"] in wanted]
    show(call, found, rows, "instance,service,hostname,version,alias")
    return 0


def services(call: Call, found: Options) -> int:
    """``sdcadm services``."""
    insts = records(call)
    rows: list[Doc] = []
    for service in call.dc.store.all("sapi_service"):
        count = sum(1 for one in insts if one["service"] == service["name"])
        shown: dict[str, Any] = {**service, "image": service.get("params", {}).get("image_uuid"), "insts": count}
        rows.append(shown)
    show(call, found, rows, "type,uuid,name,image,insts")
    return 0


def check_health(call: Call, found: Options) -> int:
    """``sdcadm check-health``: 1 when something is not well."""
    rows = []
    for one in records(call):
        well = call.dc.zone_answers(one["instance"])
        errors = [] if well else [{"message": f"{one['alias']} does not answer"}]
        rows.append({**one, "healthy": well, "health_errors": errors})
    if "q" not in found:
        show(call, found, rows, "instance,service,hostname,alias,healthy")
    return 0 if all(row["healthy"] for row in rows) else 1
