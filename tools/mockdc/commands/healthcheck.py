"""``sdc-healthcheck``: the headnode's own zones and agents, one line each (reference 4.7).

Zones of the stack on compute nodes are not looked at; everything that is tried through the wrappers shows ``error``
while the sdc zone is away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockdc.commands import svcs
from mockdc.commands.options import UsageError, parse
from mockdc.commands.wrap import sdc_zone

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

TRIED = {"amon", "cloudapi", "cnapi", "fwapi", "imgapi", "napi", "sapi", "ufds", "vmapi", "workflow"}
FORM = "{:<36} {:<15} {:<15} {:>10}"
SILENT_S = 10.0


def sdc_healthcheck(call: Call) -> int:
    """The program: ``-p`` for rows with colons and no header."""
    try:
        found = parse(call.argv, "ph")
    except UsageError as why:
        call.err(f"sdc-healthcheck: {why}\nusage: sdc-healthcheck [-p] [-h]")
        return 1
    if "h" in found:
        call.out("usage: sdc-healthcheck [-p] [-h]")
        return 0
    if call.server != call.dc.headnode:
        call.err("sdc-healthcheck: FATAL: this program runs on a headnode only")
        return 1
    rows = [("global", "running", "-", "online"), *zones(call), *agents(call)]
    if "p" not in found:
        call.out(FORM.format("ZONE", "STATE", "AGENT", "STATUS"))
    for row in rows:
        call.out(":".join(row) if "p" in found else FORM.format(*row))
    return 1 if any(status != "online" for _, _, agent, status in rows if agent != "smartlogin") else 0


def zones(call: Call) -> list[tuple[str, str, str, str]]:
    """A row for each local zone of the admin that has a role."""
    admin = call.dc.config.get("ufds_admin_uuid")
    mine = [vm for vm in call.dc.store.all("vm") if vm["server_uuid"] == call.server and vm["owner_uuid"] == admin
            and vm["state"] != "destroyed" and vm["tags"].get("smartdc_role")]  # fmt: skip
    return [(vm["tags"]["smartdc_role"], vm["state"], "-", status(call, vm)) for vm in mine]


def status(call: Call, vm: Doc) -> str:
    """``online``, ``offline``, ``svc-err`` or ``error``."""
    role = vm["tags"]["smartdc_role"]
    if vm["state"] != "running":
        return "offline"
    if any(one["state"] not in {"online", "disabled"} for one in call.dc.smf(vm["uuid"])):
        return "svc-err"
    if role in TRIED and (sdc_zone(call.dc, call.server) is None or call.dc.outage(role)):
        return "error"
    return "online"


def agents(call: Call) -> list[tuple[str, str, str, str]]:
    """The headnode's agents: ur is asked over rabbitmq, smartlogin is only looked at."""
    answering = call.dc.listens("rabbitmq")
    if not answering:
        call.dc.wait(SILENT_S)
    states = {one["fmri"]: one["state"] for one in svcs.global_services(call)}
    ur = "online" if answering and states.get("svc:/smartdc/agent/ur:default") == "online" else "offline"
    smartlogin = str(states.get("svc:/smartdc/agent/smartlogin:default", "offline"))
    return [("global", "running", "ur", ur), ("global", "running", "smartlogin", smartlogin)]
