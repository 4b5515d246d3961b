"""``zlogin``: a command inside a zone, in the mini shell with the zone's root and a few programs (reference 4.6).

Inside, ``svcs`` and ``svcadm`` mean the zone's own services. Left out: a terminal.
"""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

from mockdc.apis.web import Request
from mockdc.commands.minishell import Result, Shell, ShellError
from mockdc.commands.options import UsageError, parse
from mockdc.faces import dispatch

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

INSIDE = {"svcs", "svcadm", "json", "digest", "bash", "sh", "uuid"}


def zlogin(call: Call) -> int:
    """The program: ``zlogin [-QCES] [-l USER] ZONE [COMMAND...]``; without a command it takes lines from stdin."""
    try:
        found = parse(call.argv, "QCES", "el", mixed=False)
    except UsageError as why:
        call.err(f"zlogin: {why}\nusage: zlogin [ -dinQCES ] [ -e cmdchar ] [-l user] zonename [command [args ...] ]")
        return 2
    if not found.words:
        call.err("usage: zlogin [ -dinQCES ] [ -e cmdchar ] [-l user] zonename [command [args ...] ]")
        return 2
    return inside(call, call.server, found.words[0], " ".join(found.words[1:]))


def inside(call: Call, server: str, zone: str, line: str) -> int:
    """Run a line in a zone of *server*. Stdin is the caller's, and is eaten."""
    vm = call.dc.vm(zone)
    if vm is None or vm["server_uuid"] != server or vm["state"] == "destroyed":
        call.err(f"zlogin: zone '{zone}' unknown")
        return 1
    if vm["zone_state"] != "running":
        call.err(f"zlogin: login allowed only to running zones ({zone} is '{vm['zone_state']}').")
        return 1
    stdin = b"" if call.stdin_is_tty else call.stdin()
    if not line and call.stdin_is_tty:
        call.err("zlogin: the datacenter in a box has no terminals; give a command")
        return 1
    shell = ZoneShell(call.dc, server, vm)
    try:
        done = shell.run(line or stdin.decode(), stdin if line else b"")
    except ShellError as why:
        call.err(f"bash: {why}")
        return 2
    call.stdout.write(done.stdout)
    call.stderr.write(done.stderr)
    return done.status


class ZoneShell(Shell):
    """A shell whose root is a zone's, and whose programs are a zone's."""

    def __init__(self, dc: Datacenter, server: str, vm: Doc) -> None:
        root = f"{dc.root(server)}/zones/{vm['uuid']}/root"
        super().__init__(dc, server, {"MOCKDC_ZONE": str(vm["uuid"]), "PATH": "/usr/sbin:/usr/bin"}, root=root)
        self.vm = vm

    def called(self, argv: list[str], stdin: bytes) -> Result:
        """Run one program of the zone."""
        name = argv[0].rpartition("/")[2] if argv else ""
        if name in TOOLS:
            return TOOLS[name](self, argv[1:])
        from mockdc.commands import PROGRAMS

        if name in PROGRAMS and name not in INSIDE:
            return Result(127, b"", f"bash: {argv[0]}: command not found\n".encode())
        return super().called(argv, stdin)


def mdata_get(shell: ZoneShell, argv: list[str]) -> Result:
    """``mdata-get KEY``."""
    key = argv[0] if argv else ""
    own = {"sdc:uuid": shell.vm["uuid"], "sdc:alias": shell.vm["alias"], "sdc:server_uuid": shell.vm["server_uuid"],
           "sdc:hostname": shell.vm.get("hostname", "")}  # fmt: skip
    value = own.get(key, shell.vm["customer_metadata"].get(key, shell.vm["internal_metadata"].get(key)))
    if value is None:
        return Result(1, b"", f"No metadata for '{key}'\n".encode())
    return Result(0, f"{value}\n".encode())


def mdata_list(shell: ZoneShell, argv: list[str]) -> Result:
    """``mdata-list``."""
    return Result(0, "".join(f"{key}\n" for key in shell.vm["customer_metadata"]).encode())


def curl(shell: ZoneShell, argv: list[str]) -> Result:
    """``curl [options] URL``: a GET; the options that matter little are taken."""
    try:
        found = parse(argv, "sSfikLg46", "HXmo", (("max-time", "m"), ("connect-timeout", "m")))
    except UsageError as why:
        return Result(2, b"", f"curl: {why}\n".encode())
    url = found.words[0] if found.words else ""
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    host = parts.hostname or ""
    local = host in {"localhost", "127.0.0.1"}
    try:
        if local and not shell.dc.zone_answers(shell.vm["uuid"]):
            raise dispatch.Refused(host)
        api = str(shell.vm["tags"].get("smartdc_role", "")) if local else dispatch.by_host(shell.dc, host)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        response = dispatch.http(shell.dc, api, Request.make(found.last("X", "GET"), target))
    except dispatch.NoSuchHost:
        return Result(6, b"", f"curl: (6) Could not resolve host: {host}\n".encode())
    except dispatch.Refused:
        return Result(7, b"", f"curl: (7) Failed to connect to {host} port 80: Connection refused\n".encode())
    if "f" in found and response.status >= 400:
        return Result(22, b"", f"curl: (22) The requested URL returned error: {response.status}\n".encode())
    head = f"HTTP/1.1 {response.status} \r\n\r\n".encode() if "i" in found else b""
    return Result(0, head + dispatch.whole(response))


def manatee_adm(shell: ZoneShell, argv: list[str]) -> Result:
    """``manatee-adm``, which only manatee's zones have."""
    from mockdc.commands import manatee

    if shell.vm["tags"].get("smartdc_role") != "manatee":
        return Result(127, b"", b"bash: manatee-adm: command not found\n")
    status, out, err = manatee.manatee_adm(shell.dc, argv)
    return Result(status, out.encode(), err.encode())


TOOLS = {"mdata-get": mdata_get, "mdata-list": mdata_list, "curl": curl, "manatee-adm": manatee_adm}
