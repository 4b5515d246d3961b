"""VMAPI 9.16.0: what the datacenter believes about its VMs, and the jobs that change them.

Belief (kind "vmapi_vm") lags behind the truth (kind "vm"); ``sync=true`` asks the node first. Almost any action is
accepted with 202 and left to its job (``vmapi_jobs``) to fail.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Optional

from mockdc.apis import cnapi_tasks, vmapi_create, vmapi_filter, vmapi_jobs, workflow_jobs
from mockdc.apis.routes import Router, body_of, is_uuid, params_of, refuse, working
from mockdc.apis.vmapi_filter import problem
from mockdc.apis.vmapi_view import METADATA, SELECTABLE, kept, whole
from mockdc.apis.web import Request, Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

routes = Router("vmapi", "VMAPI/9.16.0")
ACTIONS = ("start", "stop", "kill", "reboot", "reprovision", "update")
OTHER_ACTIONS = ("add_nics", "update_nics", "remove_nics", "create_snapshot", "rollback_snapshot", "delete_snapshot",
                 "create_disk", "resize_disk", "delete_disk", "migrate")
JOB_NEEDS = ("workflow", "cnapi")
PROVISION_NEEDS = ("napi", "papi", "imgapi")
NEEDED = {"reprovision": "image_uuid"}
WAIT_S = 2
KIND = "vmapi_vm"


def handle(dc: Datacenter, request: Request) -> Response:
    """Answer one request."""
    return routes(dc, request)


def _find(dc: Datacenter, id: str, owner: Optional[str] = None) -> Doc:
    if not is_uuid(id):
        refuse(409, "ValidationFailed", "Invalid Parameters", errors=[problem("uuid", "Invalid UUID")])
    found = dc.store.get(KIND, id)
    if found is None or (owner is not None and found.get("owner_uuid") != owner):
        refuse(404, "ResourceNotFound", "VM not found")
    return found


@routes.on("GET", "/ping")
def ping(dc: Datacenter, request: Request) -> Response:
    """503 while moray is away."""
    online = {"moray": working(dc, "moray"), "wfapi": working(dc, "workflow")}
    healthy = all(online.values())
    errors = {name: {"message": f"{name} is offline"} for name, up in online.items() if not up}
    return Response(200 if healthy else 503, {
        "dataMigrations": {"latestCompletedMigrations": {"vms": 1}}, "healthy": healthy,
        "initialization": {"moray": {"status": "BUCKETS_REINDEX_DONE"}}, "pid": 31865, "pingErrors": errors,
        "status": "OK" if healthy else "some services are not available",
        "services": {name: "online" if up else "offline" for name, up in online.items()}})


@routes.on("GET", "/vms")
@routes.on("HEAD", "/vms")
def index(dc: Datacenter, request: Request) -> Response:
    """Strict parameters; destroyed VMs are in the list too; the count is of all matches."""
    vmapi_filter.check(request.query)
    tests = vmapi_filter.tests(request.query)
    found = [vm for vm in map(kept, dc.store.all(KIND)) if all(test(vm) for test in tests)]
    page = vmapi_filter.page(vmapi_filter.ordered(found, request.query.get("sort", "")), request.query)
    fields = request.query.get("fields", "")
    return Response(200, [whole(vm, fields) for vm in page], {"x-joyent-resource-count": str(len(found))})


@routes.on("PUT", "/vms")
def put_all(dc: Datacenter, request: Request) -> Response:
    """vm-agent's report of a whole server. No body in the answer."""
    for id, vm in (body_of(request).get("vms") or {}).items():
        dc.store.put(KIND, id, {**vm, "uuid": id})
    return Response(200)


@routes.on("POST", "/vms")
def create(dc: Datacenter, request: Request) -> Response:
    """202, a VM in state provisioning, and a job."""
    given = body_of(request)
    _must_work(dc, *JOB_NEEDS, *PROVISION_NEEDS)
    vmapi_create.check(dc, given)
    request_id = request.headers.get("x-request-id") or str(uuid.uuid4())
    params = vmapi_create.job_params(dc, given, request_id)
    dc.store.put(KIND, params["vm_uuid"], vmapi_create.first_record(dc, params))
    job = vmapi_jobs.start_provision(dc, params)
    return _accepted(dc, request, params["vm_uuid"], job)


@routes.on("GET", "/vms/:id")
def get(dc: Datacenter, request: Request, id: str) -> Response:
    """One VM; ``sync=true`` fetches the truth from its server first (409 when that does not run)."""
    vm = _find(dc, id, request.query.get("owner_uuid"))
    fields = request.query.get("fields", "")
    if fields and not set(fields.split(",")) <= SELECTABLE | {"*"}:
        refuse(409, "ValidationFailed", "Invalid Parameters", errors=[problem("fields", f"Invalid values: {fields}")])
    if request.query.get("sync") == "true":
        vm = _synced(dc, vm)
    return Response(200, whole(vm, fields))


def _synced(dc: Datacenter, vm: Doc) -> Doc:
    server = str(vm.get("server_uuid"))
    if not cnapi_tasks.reachable(dc, server):
        refuse(409, "ServerNotRunning", "Operation attempted on server which is not running")
    truth = dc.store.get("vm", str(vm["uuid"])) or {**vm, "state": "destroyed", "zone_state": "destroyed"}
    dc.store.put(KIND, str(vm["uuid"]), truth)
    return truth


@routes.on("PUT", "/vms/:id")
def put_one(dc: Datacenter, request: Request, id: str) -> Response:
    """vm-agent's report of one VM, complete or not."""
    vm = {**body_of(request), "uuid": id}
    dc.store.put(KIND, id, vm)
    return Response(200, kept(vm))


@routes.on("POST", "/vms/:id")
def act(dc: Datacenter, request: Request, id: str) -> Response:
    """Start the job of an action."""
    vm = _find(dc, id, request.query.get("owner_uuid"))
    given = params_of(request)
    action = str(given.pop("action", ""))
    for name in ("sync", "uuid", "owner_uuid"):
        given.pop(name, None)
    if not action:
        refuse(409, "ValidationFailed", "Invalid Parameters", errors=[{"field": "action", "code": "MissingParameter"}])
    if action in OTHER_ACTIONS:
        refuse(409, "ValidationFailed", f"{action} is not played by this datacenter")
    if action not in ACTIONS:
        refuse(409, "ValidationFailed", "Invalid Parameters", errors=[problem("action", "Invalid parameter")])
    needed = NEEDED.get(action)
    if needed and not given.get(needed):
        refuse(409, "ValidationFailed", "Invalid Parameters", errors=[{"field": needed, "code": "MissingParameter"}])
    if action == "update":
        given = {"payload": given, "subtask": "rename" if "alias" in given else "change"}
    elif action != "reprovision":
        given = {}
    return _accepted(dc, request, id, _start(dc, request, action, vm, given))


@routes.on("DELETE", "/vms/:id")
def destroy(dc: Datacenter, request: Request, id: str) -> Response:
    """Start the job that destroys a VM."""
    vm = _find(dc, id, request.query.get("owner_uuid"))
    return _accepted(dc, request, id, _start(dc, request, "destroy", vm, {}))


def _must_work(dc: Datacenter, *services: str) -> None:
    for service in services:
        if not working(dc, service):
            refuse(503, "ServiceUnavailable", f"{service} is unavailable")


def _start(dc: Datacenter, request: Request, action: str, vm: Doc, own: dict[str, Any]) -> str:
    _must_work(dc, *JOB_NEEDS)
    return vmapi_jobs.start(dc, action, whole(vm), own, request.headers.get("x-request-id") or str(uuid.uuid4()))


def _accepted(dc: Datacenter, request: Request, vm: str, job: str) -> Response:
    if request.query.get("sync") == "true":
        wait_for(dc, job)
    domain = dc.config.get("workflow_domain", "workflow")
    return Response(202, {"vm_uuid": vm, "job_uuid": job}, {"workflow-api": f"http://{domain}"})


def wait_for(dc: Datacenter, job: str) -> Doc:
    """Let time pass until the job has ended; at most its own time-out."""
    while True:
        found = _job(dc, job)
        if found["execution"] not in workflow_jobs.OPEN:
            return found
        dc.clock.sleep(WAIT_S)
        dc.tick()


@routes.on("GET", "/vms/:id/jobs")
def vm_jobs(dc: Datacenter, request: Request, id: str) -> Response:
    """The jobs of one VM, newest first."""
    _find(dc, id)
    return Response(200, _jobs(dc, {**request.query, "vm_uuid": id}))


@routes.on("GET", "/jobs")
def all_jobs(dc: Datacenter, request: Request) -> Response:
    """Filters: task, vm_uuid, execution; limit and offset."""
    return Response(200, _jobs(dc, request.query))


def _jobs(dc: Datacenter, query: dict[str, str]) -> list[Doc]:
    found = [job for job in reversed(dc.store.all("job"))
             if query.get("task") in (None, job["params"].get("task"))
             and query.get("vm_uuid") in (None, job["params"].get("vm_uuid"))
             and query.get("execution") in (None, job["execution"])]
    start = int(query.get("offset", 0))
    return [workflow_jobs.view(job) for job in found[start:start + int(query.get("limit", 1000))]]


@routes.on("GET", "/jobs/:id")
def get_job(dc: Datacenter, request: Request, id: str) -> Response:
    """One job."""
    return Response(200, workflow_jobs.view(_job(dc, id)))


@routes.on("GET", "/jobs/:id/wait")
def wait_job(dc: Datacenter, request: Request, id: str) -> Response:
    """The job when it has ended."""
    return Response(200, workflow_jobs.view(wait_for(dc, id)))


def _job(dc: Datacenter, id: str) -> Doc:
    found = dc.store.get("job", id)
    if found is None:
        refuse(404, "ResourceNotFound", f"Job with uuid '{id}' does not exist")
    return found


@routes.on("GET", "/statuses")
def statuses(dc: Datacenter, request: Request) -> Response:
    """State by uuid."""
    wanted = request.query.get("uuids", "").split(",")
    return Response(200, {id: vm.get("state") for id in wanted if (vm := dc.store.get(KIND, id))})


@routes.on("GET", "/vms/:id/:folder")
def metadata(dc: Datacenter, request: Request, id: str, folder: str) -> Response:
    """All of customer_metadata, internal_metadata or tags."""
    return Response(200, _folder(dc, request, id, folder))


@routes.on("GET", "/vms/:id/:folder/:key")
def metadatum(dc: Datacenter, request: Request, id: str, folder: str, key: str) -> Response:
    """One value, as bare JSON."""
    values = _folder(dc, request, id, folder)
    if key not in values:
        refuse(404, "ResourceNotFound", f'metadatum "{key}" not found')
    return Response(200, json.dumps(values[key]).encode())


def _folder(dc: Datacenter, request: Request, id: str, folder: str) -> dict[str, Any]:
    if folder not in METADATA:
        refuse(404, "ResourceNotFound", f"{request.path} does not exist")
    found: dict[str, Any] = _find(dc, id, request.query.get("owner_uuid")).get(folder) or {}
    return found
