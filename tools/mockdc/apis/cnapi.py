"""CNAPI 1.26.6: servers, what they boot, tasks on them, the waitlist.

Quirks on purpose: a bad value is 500, an unknown parameter 409, an unknown extra nothing (recordings cnapi-022, 023).
What needs the node is 409 ServerNotRunning while it sends no heartbeats.
"""

from __future__ import annotations

import importlib
import json
import uuid
from typing import TYPE_CHECKING, Any, NoReturn, Optional

from mockdc.apis import cnapi_boot, cnapi_servers, cnapi_tasks, cnapi_tickets
from mockdc.apis.routes import Router, body_of, params_of, refuse, working
from mockdc.apis.web import Request, Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

routes = Router("cnapi", "cnapi/1.26.6")
LIST_PARAMS = ("uuids", "setup", "headnode", "reserved", "reservoir", "hostname", "extras", "fields", "limit", "offset",
               "datacenter")
FLAGS = ("setup", "headnode", "reserved", "reservoir")
UPDATABLE: dict[str, tuple[type, str]] = {
    "reserved": (bool, "value was not true or false"), "reservoir": (bool, "value was not true or false"),
    "setup": (bool, "value was not true or false"), "setting_up": (bool, "value was not true or false"),
    "traits": (dict, "value is not an object."), "boot_params": (dict, "value is not an object."),
    "comments": (str, "value is not a string"), "rack_identifier": (str, "value is not a string"),
    "boot_platform": (str, "value is not a string"), "default_console": (str, "value is not a string"),
    "serial": (str, "value is not a string"), "agents": (list, "value is not an array"),
    "next_reboot": (str, "value is not a string")}
WAIT_S = 1


def handle(dc: Datacenter, request: Request) -> Response:
    """Answer one request."""
    return routes(dc, request)


def _invalid(field: str, message: str, status: int = 500) -> NoReturn:
    refuse(status, "InvalidParameters", "Request parameters failed validation",
           errors=[{"field": field, "code": "Invalid", "message": message}])


def _find(dc: Datacenter, id: str) -> Doc:
    found = dc.store.get("server", id)
    if found is None or not cnapi_servers.known(found):
        refuse(404, "ResourceNotFound", f"Server {id} not found")
    return found


def _running(dc: Datacenter, id: str) -> Doc:
    server = _find(dc, id)
    if cnapi_servers.status(dc, server) != "running":
        refuse(409, "ServerNotRunning", "Operation attempted on server which is not running")
    return server


@routes.on("GET", "/ping")
def ping(dc: Datacenter, request: Request) -> Response:
    """``ready`` only with all three."""
    online = {"workflow": working(dc, "workflow"), "moray": working(dc, "moray"),
              "amqp": bool(dc.instances_of("rabbitmq")) and working(dc, "rabbitmq")}
    return Response(200, {"ready": all(online.values()),
                          "services": {name: "online" if up else "offline" for name, up in online.items()}})


# --- servers ----------------------------------------------------------------------------------------------------
@routes.on("GET", "/servers")
def index(dc: Datacenter, request: Request) -> Response:
    """Strict parameters; at most 1000 at a time."""
    query = request.query
    for name in query:
        if name not in LIST_PARAMS:
            refuse(409, "InvalidArgument", f"{name} is not an explicitly defined parameter")
    limit, offset = _whole(query, "limit", 1000), _whole(query, "offset", 0)
    if not 1 <= limit <= 1000:
        _invalid("limit", "Invalid value for param 'limit'", status=400)
    found = [server for server in cnapi_servers.every(dc) if _wanted(server, query)]
    extras = set(query["extras"].split(",")) if "extras" in query else set()
    here = cnapi_servers.on_servers(dc) if extras else {}
    page = [cnapi_servers.view(dc, each, extras, here.get(each["uuid"], [])) for each in found[offset:offset + limit]]
    if query.get("fields"):
        page = [{key: server[key] for key in query["fields"].split(",") if key in server} for server in page]
    return Response(200, page)


def _whole(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not value.isdigit():
        _invalid(name, f"Invalid value for param '{name}'")
    return int(value)


def _wanted(server: Doc, query: dict[str, str]) -> bool:
    for name in FLAGS:
        if name in query and query[name] not in ("true", "false"):
            _invalid(name, "value was not true or false")
        if name in query and bool(server.get(name)) is not (query[name] == "true"):
            return False
    if "uuids" in query and server["uuid"] not in query["uuids"].split(","):
        return False
    return all(server.get(name) == query[name] for name in ("hostname", "datacenter") if name in query)


@routes.on("GET", "/servers/:id")
def get(dc: Datacenter, request: Request, id: str) -> Response:
    """Everything about one; ``default`` is the record of boot params."""
    if id == "default":
        boot = cnapi_boot.default(dc)
        return Response(200, {
            "uuid": "default", "default_console": "serial", "serial": "ttyb", "boot_params": {}, "kernel_flags": {},
            "boot_modules": [], "boot_platform": boot["platform"], "last_heartbeat": None, "status": "unknown",
            "score": 0})
    return Response(200, cnapi_servers.view(dc, _find(dc, id), {"all"}))


@routes.on("POST", "/servers/:id")
def update(dc: Datacenter, request: Request, id: str) -> Response:
    """204."""
    server, given = _find(dc, id), params_of(request)
    for name, value in given.items():
        if name in UPDATABLE and not isinstance(value, UPDATABLE[name][0]):
            _invalid(name, UPDATABLE[name][1])
    cnapi_boot.must_exist(dc, given.get("boot_platform"), "failed to find given platform image, {}")
    dc.store.put("server", id, {**server, **{key: given[key] for key in UPDATABLE if key in given}})
    return Response(204)


@routes.on("DELETE", "/servers/:id")
def forget(dc: Datacenter, request: Request, id: str) -> Response:
    """204; the node itself is not touched."""
    _find(dc, id)
    dc.store.delete("server", id)
    return Response(204)


@routes.on("POST", "/servers/:id/sysinfo")
def register(dc: Datacenter, request: Request, id: str) -> Response:
    """What cn-agent sends at start; a server that CNAPI did not know comes to be. No body in the answer."""
    sysinfo = body_of(request).get("sysinfo")
    if not isinstance(sysinfo, dict):
        kind = "Undefined" if sysinfo is None else type(sysinfo).__name__.title()
        _invalid("sysinfo", f"value is not an object. (was: [object {kind}])")
    if sysinfo.get("UUID") != id:
        refuse(409, "InvalidArgument", "sysinfo is of another server")       # the real process dies (cnapi-065)
    old = dc.store.get("server", id) or {}
    dc.store.put("server", id, cnapi_servers.from_sysinfo(dc, old, id, sysinfo, cnapi_boot.default(dc)))
    return Response(200)


@routes.on("POST", "/servers/:id/sysinfo-refresh")
def refresh(dc: Datacenter, request: Request, id: str) -> Response:
    """The node is asked; nothing changes here."""
    _running(dc, id)
    return Response(200, {"success": True})


@routes.on("POST", "/servers/:id/events/heartbeat")
def heartbeat(dc: Datacenter, request: Request, id: str) -> Response:
    """cn-agent says this every 5 s."""
    dc.store.put("server", id, {**_find(dc, id), "last_heartbeat": dc.iso()})
    return Response(204)


@routes.on("POST", "/servers/:id/events/status")
def status(dc: Datacenter, request: Request, id: str) -> Response:
    """Memory and disk figures."""
    dc.store.put("server", id, {**_find(dc, id), **cnapi_servers.from_status(body_of(request))})
    return Response(204)


@routes.on("POST", "/servers/:id/reboot")
def reboot(dc: Datacenter, request: Request, id: str) -> Response:
    """202 and a job; its workflow is not played here, so the job fails and the node stays up."""
    _find(dc, id)
    job = str(uuid.uuid4())
    dc.store.put("job", job, {
        "name": "server-reboot-1.0.0", "uuid": job, "execution": "failed", "params": {"server_uuid": id, "task":
        "server-reboot"}, "exec_after": dc.iso(), "created_at": dc.iso(), "timeout": 3600, "chain_results": [],
        "_chain": []})
    return Response(202, {"job_uuid": job})


# --- what the node does -----------------------------------------------------------------------------------------
def _task(dc: Datacenter, request: Request, id: str, task: str, params: dict[str, Any]) -> Response:
    _running(dc, id)
    given = request.headers.get("x-request-id") or str(uuid.uuid4())
    begun = cnapi_tasks.begin(dc, id, task, params, given)
    dc.wait(cnapi_tasks.START_S)                       # the real one answers when the node has it (cnapi-045 to 047)
    return Response(200, {"id": begun})


@routes.on("POST", "/servers/:id/ensure-image")
def ensure_image(dc: Datacenter, request: Request, id: str) -> Response:
    """A task that imports an image into the node's pool when it lacks it."""
    return _task(dc, request, id, "image_ensure_present", {"image_uuid": body_of(request).get("image_uuid")})


@routes.on("POST", "/servers/:id/install-agent")
def install_agent(dc: Datacenter, request: Request, id: str) -> Response:
    """A task that installs an agent from its image."""
    return _task(dc, request, id, "agent_install", {"image_uuid": body_of(request).get("image_uuid")})


@routes.on("POST", "/servers/:id/execute")
def execute(dc: Datacenter, request: Request, id: str) -> Response:
    """Run a script on the node: with ``json`` its three results, else its trimmed stdout, or 500 when it fails."""
    given = body_of(request)
    server = _running(dc, id)
    if not isinstance(given.get("script"), str):
        _invalid("script", "value is not a string")
    code, stdout, stderr = _run_script(dc, server, str(given["script"]))
    if given.get("json"):
        return Response(200, {"exitCode": code, "stdout": stdout, "stderr": stderr})
    if code:
        refuse(500, "InternalError", "Error executing on remote system")
    return Response(200, json.dumps(stdout.strip()).encode())


def _run_script(dc: Datacenter, server: Doc, script: str) -> tuple[int, str, str]:
    if server.get("_reports"):                       # no node of the box, only a client's report of one
        return 0, "ok", ""
    try:
        run = importlib.import_module("mockdc.commands.oneachnode").run_script
    except (ImportError, AttributeError):
        refuse(409, "NotImplemented", "this datacenter cannot run scripts on its nodes")
    code, stdout, stderr = run(dc, str(server["uuid"]), script)
    return int(code), _text(stdout), _text(stderr)


def _text(output: Any) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else str(output)


@routes.on("GET", "/servers/:id/task-history")
@routes.on("POST", "/servers/:id/cn-agent/pause")
@routes.on("POST", "/servers/:id/cn-agent/resume")
def not_played(dc: Datacenter, request: Request, id: str) -> Response:
    """What the agent of the recordings did not know either."""
    _find(dc, id)
    refuse(500, "InternalError", "")


@routes.on("GET", "/servers/:id/vms/:vm")
def load_vm(dc: Datacenter, request: Request, id: str, vm: str) -> Response:
    """The VM as vmadm on the node prints it."""
    _running(dc, id)
    found = dc.store.get("vm", vm)
    if found is None or found.get("server_uuid") != id or found.get("state") == "destroyed":
        said = json.dumps({"error": f"VM.load error: vmadm load {vm} failed"})
        refuse(500, "InternalError", f"posting task to cn-agent: {said}")
    return Response(200, found)


@routes.on("POST", "/servers/:id/vms/:vm/:action")
def act(dc: Datacenter, request: Request, id: str, vm: str, action: str) -> Response:
    """A task on a VM, past VMAPI and its tickets."""
    if action not in cnapi_tasks.VM_TASKS:
        refuse(404, "ResourceNotFound", f"{request.path} does not exist")
    load_vm(dc, request, id, vm)
    return _task(dc, request, id, cnapi_tasks.VM_TASKS[action], {**body_of(request), "vm_uuid": vm})


@routes.on("GET", "/tasks/:id")
def get_task(dc: Datacenter, request: Request, id: str) -> Response:
    """A task as it stands."""
    return Response(200, cnapi_tasks.view(_find_task(dc, id)))


@routes.on("GET", "/tasks/:id/wait")
def wait_task(dc: Datacenter, request: Request, id: str) -> Response:
    """The task when it has ended, or when ``timeout`` seconds are over."""
    until = dc.now() + _whole(request.query, "timeout", 3600)
    while (found := _find_task(dc, id))["status"] == "active" and dc.now() < until:
        dc.clock.sleep(WAIT_S)
        dc.tick()
    return Response(200, cnapi_tasks.view(found))


def _find_task(dc: Datacenter, id: str) -> Doc:
    found = dc.store.get("task", id)
    if found is None:
        refuse(404, "ResourceNotFound", "no such task found")
    return found


# --- boot -------------------------------------------------------------------------------------------------------
@routes.on("GET", "/boot/:id")
def get_boot(dc: Datacenter, request: Request, id: str) -> Response:
    """Of one server, or ``default``."""
    return Response(200, cnapi_boot.default(dc) if id == "default" else cnapi_boot.of_server(dc, _find(dc, id)))


@routes.on("PUT", "/boot/:id")
@routes.on("POST", "/boot/:id")
def set_boot(dc: Datacenter, request: Request, id: str) -> Response:
    """PUT replaces, POST merges."""
    given, merge = body_of(request), request.method == "POST"
    if id == "default":
        cnapi_boot.set_default(dc, given, merge)
    else:
        dc.store.put("server", id, cnapi_boot.set_server(dc, _find(dc, id), given, merge))
    return Response(204)


@routes.on("GET", "/platforms")
def platforms(dc: Datacenter, request: Request) -> Response:
    """By stamp."""
    return Response(200, cnapi_boot.listed(dc, request.query.get("os") == "true"))


# --- the waitlist -----------------------------------------------------------------------------------------------
@routes.on("POST", "/servers/:id/tickets")
def create_ticket(dc: Datacenter, request: Request, id: str) -> Response:
    """202 with the queue that the new ticket stands in."""
    _find(dc, id)
    given = body_of(request)
    for name in ("scope", "id", "expires_at"):
        if not isinstance(given.get(name), str):
            _invalid(name, "value is not a string")
    ticket = cnapi_tickets.create(dc, id, given, dc.now())
    return Response(202, {"uuid": ticket["uuid"],
                          "queue": cnapi_tickets.queue(dc, id, str(ticket["scope"]), str(ticket["id"]))})


@routes.on("GET", "/servers/:id/tickets")
def list_tickets(dc: Datacenter, request: Request, id: str) -> Response:
    """The open ones."""
    _find(dc, id)
    return Response(200, [cnapi_tickets.refresh(dc, each, dc.now()) for each in cnapi_tickets.of_server(dc, id)])


def _ticket(dc: Datacenter, id: str) -> Doc:
    found: Optional[Doc] = dc.store.get("ticket", id)
    if found is None:
        refuse(404, "ResourceNotFound", f"Waitlist ticket {id} not found")
    return cnapi_tickets.refresh(dc, found, dc.now())


@routes.on("GET", "/tickets/:id")
def get_ticket(dc: Datacenter, request: Request, id: str) -> Response:
    """One ticket."""
    return Response(200, _ticket(dc, id))


@routes.on("GET", "/tickets/:id/wait")
def wait_ticket(dc: Datacenter, request: Request, id: str) -> Response:
    """204 when it is its turn."""
    while _ticket(dc, id)["status"] == "queued":
        dc.clock.sleep(WAIT_S)
        dc.tick()
    return Response(204)


@routes.on("PUT", "/tickets/:id/release")
def release_ticket(dc: Datacenter, request: Request, id: str) -> Response:
    """The next one in the queue may go on."""
    _ticket(dc, id)
    cnapi_tickets.release(dc, id, dc.now())
    return Response(204)


@routes.on("POST", "/capacity")
def capacity(dc: Datacenter, request: Request) -> Response:
    """What is left on servers, in CNAPI's units (percent of a core, MiB, MiB)."""
    wanted = body_of(request).get("servers")
    found, errors = {}, {}
    for server in cnapi_servers.every(dc):
        if wanted is not None and server["uuid"] not in wanted:
            continue
        shown = cnapi_servers.view(dc, server, {"all"})
        if "unreserved_cpu" in shown:
            found[server["uuid"]] = {key: shown[f"unreserved_{key}"] for key in ("cpu", "ram", "disk")}
        else:
            errors[server["uuid"]] = "capacity of the server is not known"
    return Response(200, {"capacities": found, "errors": errors})
