"""The single entrances: every request to an API and every run of a program comes through here, whatever the face.

An entrance lets time's events happen, writes the call down, makes sure that somebody is there to answer, applies the
faults that are waiting, and then calls the API's or program's function.

For whoever sends a :class:`Response` on: obey its ``wire`` (see :class:`mockdc.apis.web.Wire`), and turn
:class:`Refused` into a refused connection, :class:`NoSuchHost` into a name that does not exist.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import pathlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Optional

from mockdc.apis.web import FileBody, Request, Response, Wire, error
from mockdc.core import faults

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.faults import Fault

APIS = {
    "updates": "mockdc.apis.imgapi:handle",
    "imgapi": "mockdc.apis.imgapi:handle",
    "sapi": "mockdc.apis.sapi:handle",
    "vmapi": "mockdc.apis.vmapi:handle",
    "cnapi": "mockdc.apis.cnapi:handle",
    "workflow": "mockdc.apis.workflow:handle",
    "napi": "mockdc.apis.napi:handle",
    "papi": "mockdc.apis.papi:handle",
    "assets": "mockdc.apis.assets:handle",
}
PING_ONLY = ("fwapi", "mahi", "amon", "adminui", "cloudapi", "sdc", "binder", "ufds", "dhcpd")
OUTSIDE = "updates"
"""The one API that is no service of the datacenter."""
DISCERNING = ("sapi", "vmapi", "cnapi")
"""Those that know themselves which of their changes need what (sapi writes without moray in proto mode)."""


class Refused(Exception):
    """Nobody listens: the connection is refused."""


class NoSuchHost(Exception):
    """The name is not known, or nobody is there to ask."""


class NoSuchProgram(Exception):
    """The node has no program of that name."""


class WentDown(ConnectionError):
    """The box was taken down while something in it hung."""


# --- HTTP -----------------------------------------------------------------------------------------------------------
def http(dc: Datacenter, api: str, request: Request) -> Response:
    """One request to *api*. Raises Refused when no instance of it listens."""
    dc.tick()
    detail = f"{request.method} {request.raw_target or request.path}"
    number = dc.store.log_call(dc.now(), "http", api, detail, "...")
    result = "died"
    try:
        response = _answer(dc, api, request)
        result = str(response.status) + (" (damaged)" if response.wire else "")
        return response
    except Refused:
        result = "refused"
        raise
    finally:
        dc.store.close_call(number, result)


def _answer(dc: Datacenter, api: str, request: Request) -> Response:
    found = faults.applying(dc, f"{api} {request.method} {request.path}")
    before = {fault.kind: fault for fault in found}
    _delay(dc, found)
    if "refuse" in before:
        raise Refused(f"{api} refuses connections")
    if "status" in before:
        return error(int(before["status"].number), "InjectedError", "injected failure")
    if "fail" in before:
        return error(500, "InternalError", before["fail"].ending()[1])
    response = _outage(dc, api, request) or _handler(api)(dc, request)
    if "garbage" in before:
        body = (before["garbage"].value or "<html>not what you wanted").encode()
        response = Response(response.status, body, {"Content-Type": "text/html"})
    return replace(response, wire=_wire(found)) if _wire(found) else response


def _outage(dc: Datacenter, api: str, request: Request) -> Optional[Response]:
    """What a service says that cannot work; None when it can. In a datacenter without any service the APIs stand alone
    and need nobody, as the real ones did when they were recorded."""
    if api == OUTSIDE or dc.store.meta("bare"):
        return None
    changing = request.method not in ("GET", "HEAD") and api not in DISCERNING
    outage = dc.outage(api, changing)
    if outage == "refused":
        raise Refused(f"no instance of {api} listens")
    if outage and request.path == "/ping":
        return error(500 if api == "sapi" else 503, "ServiceUnavailable", f"{api} cannot reach what it needs")
    return error(503, "ServiceUnavailable", f"{api} cannot reach what it needs") if outage else None


def _handler(api: str) -> Callable[[Datacenter, Request], Response]:
    module, _, name = APIS.get(api, "mockdc.apis.pings:handle").partition(":")
    function = getattr(importlib.import_module(module), name)
    if module == "mockdc.apis.imgapi":
        return lambda dc, request: function(dc, request, api)
    handle: Callable[[Datacenter, Request], Response] = function
    return handle


def _delay(dc: Datacenter, found: list[Fault]) -> None:
    for fault in found:
        if fault.kind == "slow":
            dc.wait(fault.number)
        elif fault.kind == "hang":
            _hang(dc)


def _hang(dc: Datacenter) -> None:
    """No end but the caller's, and that of the box (which is looked for once in a second of this machine's). Raises
    WentDown."""
    downs, left = dc.store.meta("downs", 0), faults.FOREVER_S
    while left > 0:
        step = min(left, dc.clock.real_second())
        dc.wait(step)
        left -= step
        if dc.store.meta("downs", 0) != downs or not dc.folder.exists():
            raise WentDown("the datacenter in the box went down")


def _wire(found: list[Fault]) -> Optional[Wire]:
    values = {fault.kind: fault for fault in found}
    cut = int(values["cut"].number) if "cut" in values else None
    rate = values["rate"].number if "rate" in values else None
    wire = Wire(cut, "corrupt" in values, rate)
    return None if wire == Wire() else wire


def by_host(dc: Datacenter, host: str) -> str:
    """The API behind a name or an admin address of the datacenter. Raises NoSuchHost, Refused."""
    dc.tick()
    if _is_address(host):
        vm = dc.vm_at(host)
        if vm is None:
            raise Refused(f"nobody has the address {host}")
        found = [vm]
    else:
        found = [vm for ip in dc.resolve(host) or () if (vm := dc.vm_at(ip))]
        if not found:
            raise NoSuchHost(host)
    for vm in found:
        if dc.zone_answers(vm["uuid"]):
            return str(vm["tags"].get("smartdc_role", ""))
    raise Refused(f"{host} does not listen")


def _is_address(host: str) -> bool:
    import ipaddress

    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


def damaged(wire: Optional[Wire], piece: bytes, offset: int) -> bytes:
    """What is left of *piece*, which begins at *offset* of a body, after the faults of the wire (not its rate)."""
    if wire is None:
        return piece
    if wire.corrupt and offset == 0 and piece:
        piece = bytes([piece[0] ^ 0xFF]) + piece[1:]
    return piece if wire.cut is None else piece[:max(0, wire.cut - offset)]


def whole(response: Response) -> bytes:
    """The body as it arrives, in memory."""
    body = response.encoded()
    if isinstance(body, FileBody):
        with pathlib.Path(body.path).open("rb") as source:
            source.seek(body.offset)
            body = source.read(body.size)
    return damaged(response.wire, body, 0)


# --- programs -------------------------------------------------------------------------------------------------------
def command(
    dc: Datacenter,
    server: str,
    name: str,
    argv: list[str],
    stdin: Callable[[], bytes] = lambda: b"",
    env: Optional[dict[str, str]] = None,
    stdin_is_tty: bool = False,
) -> tuple[int, bytes, bytes]:
    """One run of a program on a node: exit status, stdout, stderr. Raises NoSuchProgram."""
    from mockdc.commands import PROGRAMS
    from mockdc.commands.call import Call

    if name not in PROGRAMS:
        raise NoSuchProgram(name)
    dc.tick()
    call = Call(dc, server, name, argv, stdin, stdin_is_tty, env or {})
    place = "" if server == dc.headnode else f" (on {server})"
    number = dc.store.log_call(dc.now(), "command", name, " ".join(argv) + place, "...")
    result = "died"
    try:
        status = _run(call, PROGRAMS[name])
        result = f"exit {status}"
        return status, call.stdout.getvalue(), call.stderr.getvalue()
    finally:
        dc.store.close_call(number, result)


def _run(call: Call, program: str) -> int:
    found = faults.applying(call.dc, " ".join([call.name, *call.argv]))
    kinds = {fault.kind: fault for fault in found}
    _delay(call.dc, found)
    if "fail" in kinds:
        status, message = kinds["fail"].ending()
        call.err(message)
        return status
    module, _, function = program.partition(":")
    status = int(getattr(importlib.import_module(module), function)(call))
    if "garbage" in kinds:
        call.stdout = io.BytesIO((kinds["garbage"].value or "]]> not what you wanted").encode() + b"\n")
    if _wire(found):
        call.stdout = io.BytesIO(damaged(_wire(found), call.stdout.getvalue(), 0))
    if "fails-after" in kinds:
        status, message = kinds["fails-after"].ending()
        call.err(message)
    return status


if TYPE_CHECKING:
    from mockdc.commands.call import Call
