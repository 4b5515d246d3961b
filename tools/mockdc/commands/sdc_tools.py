"""``sdc``, ``sdc-login``, ``sdc-role``, ``sdc-server`` and ``sdc-vmname`` in their simple forms (reference 4.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockdc.commands import table
from mockdc.commands.options import UsageError, parse
from mockdc.commands.wrap import sdc_zone
from mockdc.core import dns

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc


def sdc(call: Call) -> int:
    """``sdc [COMMAND...]``: a command in the sdc zone."""
    from mockdc.commands.zlogin import inside

    zone = sdc_zone(call.dc, call.server)
    if zone is None:
        call.err("error: sdc: unable to find a 'sdc' core zone on this node")
        return 1
    return inside(call, call.server, zone["uuid"], " ".join(call.argv))


def sdc_login(call: Call) -> int:
    """``sdc-login [-c N] [-l] ALIAS|ROLE|UUID [COMMAND...]``: the first that fits, here or on a compute node."""
    from mockdc.commands.zlogin import inside

    try:
        found = parse(call.argv, "ls", "c", mixed=False)
    except UsageError as why:
        call.err(f"sdc-login: {why}")
        return 1
    if not found.words:
        call.err("Usage: sdc-login [-c CONNECTION] [-l] [-s] <alias|role|uuid> [<command>]")
        return 1
    name = found.words[0]
    fitting = [vm for vm in core_zones(call) if name in (vm["uuid"], vm["alias"], vm["tags"].get("smartdc_role"))
               or vm["uuid"].startswith(name)]  # fmt: skip
    fitting = [vm for vm in fitting if vm["server_uuid"] == call.server or "l" not in found]
    if not fitting:
        call.err(f"sdc-login: error: no zone found for '{name}'")
        return 1
    return inside(call, fitting[0]["server_uuid"], fitting[0]["uuid"], " ".join(found.words[1:]))


def core_zones(call: Call) -> list[Doc]:
    """Every zone of the stack, on any server."""
    admin = call.dc.config.get("ufds_admin_uuid")
    return [vm for vm in call.dc.store.all("vm") if vm["state"] != "destroyed" and vm["owner_uuid"] == admin
            and vm["tags"].get("smartdc_role")]  # fmt: skip


def sdc_role(call: Call) -> int:
    """``sdc-role list [-H]``."""
    if call.argv[:1] != ["list"]:
        call.err("Usage: sdc-role list [-H]")
        return 1
    rows = [[vm["tags"]["smartdc_role"], vm["alias"], vm["uuid"], vm["state"], str(vm["max_physical_memory"]),
             dns.admin_ip(vm)] for vm in core_zones(call)]  # fmt: skip
    headings = ["ROLE", "ALIAS", "UUID", "STATE", "RAM", "ADMIN_IP"]
    for line in table.lines(headings, sorted(rows), "-H" not in call.argv):
        call.out(line)
    return 0


# --- servers, asked of CNAPI ------------------------------------------------------------------------------------------
def sdc_server(call: Call) -> int:
    """``sdc-server list [-H] | lookup k=v... | admin-ip U | ips U | nics U``."""
    from mockdc.apis import cnapi_servers

    if call.dc.outage("cnapi"):
        call.err(f"sdc-server: error: CNAPI at {call.dc.config.get('cnapi_domain')} does not answer")
        return 1
    command, words = call.argv[:1], [word for word in call.argv[1:] if not word.startswith("-")]
    servers = cnapi_servers.every(call.dc)
    if command == ["list"]:
        rows = [[server["hostname"], server["uuid"], "7.0", table.shown(server["setup"]), server["status"],
                 str(server["ram"]), admin_ip(server)] for server in servers]  # fmt: skip
        headings = ["HOSTNAME", "UUID", "VERSION", "SETUP", "STATUS", "RAM", "ADMIN_IP"]
        for line in table.lines(headings, rows, "-H" not in call.argv):
            call.out(line)
        return 0
    if command == ["lookup"]:
        pairs = [word.partition("=")[::2] for word in words]
        for server in servers:
            if all(table.shown(table.dotted(server, key)) == value for key, value in pairs):
                call.out(server["uuid"])
        return 0
    chosen = [server for server in servers if words[:1] in ([server["uuid"]], [server["hostname"]])]
    if command and command[0] in {"admin-ip", "ips", "nics"} and chosen:
        call.out(f"igb0 {admin_ip(chosen[0])} admin" if command == ["nics"] else admin_ip(chosen[0]))
        return 0
    call.err("Usage: sdc-server list | lookup <key>=<value>... | admin-ip <server> | ips <server> | nics <server>")
    return 1


def admin_ip(server: Doc) -> str:
    """A server's address on the admin network."""
    return str(server.get("sysinfo", {}).get("Admin IP", "-"))


def sdc_vmname(call: Call) -> int:
    """``sdc-vmname ALIAS``: the uuid and server of a VM by its alias, or the alias by its uuid."""
    name = call.argv[0] if call.argv else ""
    for vm in call.dc.store.all("vm"):
        if vm["state"] != "destroyed" and name in (vm["alias"], vm["uuid"]):
            call.out(vm["alias"] if name == vm["uuid"] else vm["uuid"])
            return 0
    call.err(f"sdc-vmname: error: no VM '{name}'" if name else "Usage: sdc-vmname <alias|uuid>")
    return 1
