"""VMAPI's workflows: the chains of its jobs and what each step does.

Every job takes a ticket on the VM, hands CNAPI a task, waits for it, and writes what the node says into VMAPI. Names,
time-outs and results are those of the recordings. A reprovision job ends after 210 s whatever the node does (reference
2.2).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Union

from mockdc.apis import cnapi_tasks, cnapi_tickets
from mockdc.apis import workflow_jobs as jobs
from mockdc.apis.workflow_jobs import Again, Step, StepFailed, Workflow

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

ACTION = "mockdc.apis.vmapi_jobs:advance"
Outcome = Union[str, Again]

HEAD = ("common.validate_params", "common.setup_request", "cnapi.acquire_vm_ticket", "cnapi.wait_on_vm_ticket:120")
TAIL = ("cnapi.wait_task:{}", "vmapi.put_vm", "cnapi.release_vm_ticket")


def _chain(task: str, wait: int, *, state: bool = False) -> tuple[str, ...]:
    ensure = ("common.ensure_vm_state",) if state else ()
    return (*HEAD, *ensure, f"cnapi.{task}_vm:10", *(each.format(wait) for each in TAIL))


_UPDATE = _chain("update", 120)
_REBOOT = _chain("reboot", 300, state=True)
WORKFLOWS = {
    "reprovision": Workflow("reprovision-7.0.4", 210, _chain("reprovision", 120)),
    "stop": Workflow("stop-7.0.8", 530, _chain("stop", 300, state=True)),
    "kill": Workflow("kill-7.0.1", 190, _chain("kill", 120, state=True)),
    "start": Workflow("start-7.0.8", 410, (
        HEAD[0], *HEAD[2:], "common.ensure_vm_state", "setup_start_request", "cnapi.start_vm:10", "cnapi.wait_task:300",
        *TAIL[1:])),
    "reboot": Workflow("reboot-7.0.6", 590, _REBOOT),
    "update": Workflow("update-7.1.10", 300, (*_UPDATE[:-1], "fwapi.update", _UPDATE[-1])),
    "destroy": Workflow("destroy-7.1.6", 180, (
        *HEAD, "napi.get_fabric_nat_nics", "cnapi.destroy_vm:60", "vmapi.mark_vm_as_destroyed", "cnapi.wait_task:120",
        "vmapi.refresh_vm", "napi.remove_nics", "fwapi.update", "volapi.remove_volumes_references",
        "cnapi.release_vm_ticket", "cnapi.acquire_fabric_nat_tickets", "napi.destroy_fabric_nats",
        "cnapi.release_fabric_nat_tickets")),
    "provision": Workflow("provision-8.2.4", 3810, (
        "common.validate_params", "workflow.set_job_action", "imgapi.generate_passwords",
        "cnapi.acquire_fabric_nat_tickets", "napi.provision_fabric_nats", "cnapi.ensure_image",
        "cnapi.wait_task_ensure_image:3600", "cnapi.wait_for_fabric_nat_provisions", "volapi.provision_nfs_volumes",
        "cnapi.wait_for_nfs_volumes_provisions", "cnapi.build_nfs_volumes_metadata", "prepare_payload",
        "cnapi.provision_vm", "cnapi.wait_task:600", "vmapi.put_vm", "fwapi.update", "cnapi.release_vm_ticket")),
}
NEEDED_STATE = {"stop": "running", "reboot": "running", "kill": "running", "start": "stopped"}

SAYS = {
    "common.validate_params": "All parameters OK!",
    "napi.get_fabric_nat_nics": "Fabric NIC count: 0",
    "vmapi.mark_vm_as_destroyed": "Skipping task for non-Docker VMs",
    "vmapi.refresh_vm": "markAsFailedOnError set, not doing sync GET",
    "napi.remove_nics": "NICs removed",
    "volapi.remove_volumes_references": "Skipping task -- VM is missing volumes internal_metadata",
    "cnapi.acquire_fabric_nat_tickets": "No fabric NICs",
    "napi.destroy_fabric_nats": "No fabric NATs to destroy",
    "cnapi.release_fabric_nat_tickets": "No fabric NAT tickets to release",
    "fwapi.update": "No properties affecting FWAPI found: not updating",
    "workflow.set_job_action": "Action set",
    "imgapi.generate_passwords": "Image has generate_passwords=true but no users found",
    "napi.provision_fabric_nats": "No fabric NATs to provision",
    "cnapi.wait_for_fabric_nat_provisions": "No fabric NATs provisioned",
    "volapi.provision_nfs_volumes": "OK",
    "cnapi.wait_for_nfs_volumes_provisions": "No required NFS volume to wait for",
    "cnapi.build_nfs_volumes_metadata": "No NFS volume with which to update VM's internal metadata",
}
"""Steps that do nothing here but say their words."""


def start(dc: Datacenter, task: str, vm: Doc, own: dict[str, Any], request_id: str) -> str:
    """Queue the job of an action; *own* are its own params, first in line as in the recordings. Returns its uuid."""
    params = {**own, "task": task, "vm_uuid": vm["uuid"], "owner_uuid": vm.get("owner_uuid"),
              "server_uuid": vm.get("server_uuid")}
    if task not in ("reprovision", "update"):
        params["current_state"] = vm.get("state")
    if task == "update":
        params.update(image_uuid=vm.get("image_uuid"), vm_brand=vm.get("brand"), last_modified=vm.get("last_modified"))
    if task == "destroy":
        params["currentVm"] = vm
    params["x-request-id"] = request_id
    return jobs.create(dc, WORKFLOWS[task], params, ACTION)


def start_provision(dc: Datacenter, params: dict[str, Any]) -> str:
    """Queue the job of a new VM; the ticket is taken before the job, as VMAPI does while it picks a server."""
    now = dc.now()
    extra = {key: params.get(key) for key in ("owner_uuid", "max_physical_memory", "cpu_cap", "quota", "brand")}
    ticket = cnapi_tickets.create(dc, params["server_uuid"], {
        "action": "provision", "scope": "vm", "id": params["vm_uuid"], "extra": extra}, now)
    return jobs.create(dc, WORKFLOWS["provision"], {**params, "vmTicket": ticket}, ACTION)


def advance(dc: Datacenter, job: str) -> None:
    """The event."""
    jobs.advance(dc, job, STEPS, _give_back)


def _give_back(dc: Datacenter, job: Doc, at: float) -> None:
    if "vmTicket" in job["params"]:
        cnapi_tickets.release(dc, job["params"]["vmTicket"]["uuid"], at)


def _say(words: str) -> Step:
    def step(dc: Datacenter, job: Doc, at: float) -> Outcome:
        return words
    return step


def _set_up(words: str) -> Step:
    def step(dc: Datacenter, job: Doc, at: float) -> Outcome:
        job["params"]["jobid"] = job["uuid"]
        return words
    return step


def _acquire(dc: Datacenter, job: Doc, at: float) -> Outcome:
    params = job["params"]
    action = {} if params["task"] == "start" else {"action": params["task"]}      # start names none (vmapi-064)
    params["vmTicket"] = cnapi_tickets.create(
        dc, params["server_uuid"], {**action, "scope": "vm", "id": params["vm_uuid"]}, at)
    return "OK"


def _wait_ticket(dc: Datacenter, job: Doc, at: float) -> Outcome:
    ticket = cnapi_tickets.refresh(dc, job["params"]["vmTicket"], at)
    job["params"]["vmTicket"] = ticket
    return "OK" if ticket["status"] == "active" else Again(1)


def _release(dc: Datacenter, job: Doc, at: float) -> Outcome:
    _give_back(dc, job, at)
    return "OK"


def _ensure_state(dc: Datacenter, job: Doc, at: float) -> Outcome:
    params = job["params"]
    vm = dc.store.get("vm", params["vm_uuid"]) or dc.store.get("vmapi_vm", params["vm_uuid"]) or {}
    task, state = params["task"], vm.get("state")
    if state != NEEDED_STATE[task]:
        raise StepFailed({"name": "Error", "message": f"Cannot {task} a VM from a '{state}' state"})
    return f"VM is {state}"


def _queue_task(dc: Datacenter, job: Doc, at: float) -> Outcome:
    params = job["params"]
    job["_task"] = _begin(dc, job, cnapi_tasks.VM_TASKS[params["task"]], params.get("payload") or params)
    return f"Task id: {job['_task']} queued to CNAPI!"


def _provision(dc: Datacenter, job: Doc, at: float) -> Outcome:
    job["_task"] = _begin(dc, job, "machine_create", job["params"]["payload"])
    return f"Task id: {job['_task']} queued to CNAPI!"


def _ensure_image(dc: Datacenter, job: Doc, at: float) -> Outcome:
    if cnapi_tasks.reachable(dc, job["params"]["server_uuid"]):
        job["_task"] = _begin(dc, job, "image_ensure_present", {"image_uuid": job["params"]["image_uuid"]})
    return "Ensure image task queued!"


def _begin(dc: Datacenter, job: Doc, task: str, params: dict[str, Any]) -> str:
    own = job["params"]
    on_record_only = task.startswith("machine_") and task != "machine_create" and not dc.store.get("vm", own["vm_uuid"])
    if not on_record_only and not cnapi_tasks.reachable(dc, own["server_uuid"]):
        said = {"code": "ServerNotRunning", "message": "Operation attempted on server which is not running"}
        raise StepFailed({"message": said["message"], "statusCode": 409, "body": said, "restCode": said["code"],
                          "name": "ServerNotRunningError"})
    return cnapi_tasks.begin(dc, own["server_uuid"], task, {**params, "vm_uuid": own["vm_uuid"]},
                             str(own.get("x-request-id") or uuid.uuid4()))


def _wait_task(dc: Datacenter, job: Doc, at: float) -> Outcome:
    task = dc.store.get("task", job["_task"]) if "_task" in job else None
    if task is not None and task["status"] == "active":
        return Again(1)
    if task is not None and task["status"] == "failure":
        raise StepFailed(cnapi_tasks.message_of(task))
    return "Job succeeded!"


def _prepare_payload(dc: Datacenter, job: Doc, at: float) -> Outcome:
    params = job["params"]
    names = ("image", "alias", "billing_id", "brand", "cpu_cap", "cpu_shares", "firewall_enabled", "max_lwps",
             "max_physical_memory", "max_swap", "nics", "owner_uuid", "quota", "ram", "vcpus", "zfs_io_priority",
             "tags", "customer_metadata", "internal_metadata", "delegate_dataset", "maintain_resolvers")
    given = {key: params[key] for key in names if key in params}
    params["payload"] = {"uuid": params["vm_uuid"], **given, "archive_on_delete": True, "resolvers": [],
                         "image_uuid": params["image_uuid"]}
    params["jobid"] = job["uuid"]
    return "Payload prepared successfully"


def _fabric(dc: Datacenter, job: Doc, at: float) -> Outcome:
    job["params"]["fabricNatNics"] = []
    return SAYS["cnapi.acquire_fabric_nat_tickets"]


def _nat_nics(dc: Datacenter, job: Doc, at: float) -> Outcome:
    job["params"]["fabricNatNics"] = []
    return SAYS["napi.get_fabric_nat_nics"]


def _put_vm(dc: Datacenter, job: Doc, at: float) -> Outcome:
    vm = dc.store.get("vm", job["params"]["vm_uuid"])
    if vm is not None:
        dc.store.put("vmapi_vm", str(vm["uuid"]), vm)
    return f"put VM {job['params']['vm_uuid']} to VMAPI"


STEPS: dict[str, Step] = {
    **{name: _say(words) for name, words in SAYS.items()},
    "common.setup_request": _set_up("Request has been setup!"),
    "setup_start_request": _set_up("Start request has been setup!"),
    "cnapi.acquire_vm_ticket": _acquire, "cnapi.wait_on_vm_ticket": _wait_ticket, "cnapi.release_vm_ticket": _release,
    "common.ensure_vm_state": _ensure_state,
    **{f"cnapi.{task}_vm": _queue_task for task in cnapi_tasks.VM_TASKS},
    "cnapi.wait_task": _wait_task, "cnapi.wait_task_ensure_image": _wait_task, "vmapi.put_vm": _put_vm,
    "cnapi.ensure_image": _ensure_image, "prepare_payload": _prepare_payload, "cnapi.provision_vm": _provision,
    "cnapi.acquire_fabric_nat_tickets": _fabric, "napi.get_fabric_nat_nics": _nat_nics,
}
