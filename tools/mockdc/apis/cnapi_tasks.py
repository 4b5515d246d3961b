"""Tasks that CNAPI hands to a node's cn-agent: kind "task", done phase by phase by an event.

A runner is a function of the datacenter, the task's params and the phase; it returns (seconds, next phase), or None
when the task is done, or raises VmError or ZfsError with what went wrong. What VM tasks do is in ``cnapi_machines``.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Callable, Optional

from mockdc.apis import cnapi_machines as machines
from mockdc.core.datacenter import VmError
from mockdc.core.datasets import ZfsError

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

Next = Optional[tuple[float, int]]
Runner = Callable[["Datacenter", "dict[str, Any]", int], Next]

ACTION = "mockdc.apis.cnapi_tasks:run"
START_S = 0.1
IMPORT_S = 15.0         # an image that has to come from IMGAPI first
VM_TASKS = {"reprovision": "machine_reprovision", "stop": "machine_shutdown", "kill": "machine_kill",
            "start": "machine_boot", "reboot": "machine_reboot", "update": "machine_update",
            "destroy": "machine_destroy"}


def reachable(dc: Datacenter, server: str) -> bool:
    """Whether CNAPI thinks the server runs; else every task is refused with 409 ServerNotRunning."""
    return dc.store.get("server", server) is not None and dc.alive(server)


def begin(dc: Datacenter, server: str, task: str, params: dict[str, Any], request_id: str) -> str:
    """Hand over a task; returns its id."""
    id = str(uuid.uuid4())
    dc.store.put("task", id, {
        "id": id, "req_id": request_id, "task": task, "server_uuid": server, "status": "active", "timestamp": dc.iso(),
        "history": [], "_params": {"uuid": params.get("vm_uuid"), **params, "server_uuid": server}})
    dc.later(START_S, ACTION, task=id, phase=0)
    return id


def view(task: Doc) -> Doc:
    """As CNAPI shows it."""
    return {key: value for key, value in task.items() if not key.startswith("_")}


def message_of(task: Doc) -> str:
    """Why a task failed."""
    return str(next((each["event"]["error"] for each in task["history"] if "error" in each["event"]), "failed"))


def run(dc: Datacenter, task: str, phase: int) -> None:
    """The event: do one phase."""
    found = dc.store.get("task", task)
    if found is None or found["status"] != "active":
        return
    try:
        following = RUNNERS[found["task"]](dc, found["_params"], phase)
    except (VmError, ZfsError) as why:
        _end(dc, found, "failure", {"error": str(why)})
        return
    if following is None:
        _end(dc, found, "complete", {})
    else:
        dc.later(following[0], ACTION, task=task, phase=following[1])


def _end(dc: Datacenter, task: Doc, status: str, event: dict[str, Any]) -> None:
    name = "finish" if status == "complete" else "error"
    task["history"].append({"name": name, "timestamp": dc.iso(), "event": event})
    dc.store.put("task", task["id"], {**task, "status": status})


def ensure_image(dc: Datacenter, params: dict[str, Any], phase: int) -> Next:
    """image_ensure_present: nothing when the pool has it; else it comes from IMGAPI with its origins, in time."""
    server, image = params["server_uuid"], params["image_uuid"]
    if dc.installed(server, image):
        return None
    chain = _origins(dc, server, image)
    if phase == 0:
        return IMPORT_S * len(chain), 1
    for manifest in reversed(chain):
        dc.install(server, manifest, "http://" + dc.config.get("imgapi_domain", "imgapi"))
    return None


def _origins(dc: Datacenter, server: str, image: Optional[str]) -> list[Doc]:
    chain: list[Doc] = []
    while image and not dc.installed(server, image):
        manifest = dc.store.get("image", f"imgapi/{image}")
        if manifest is None or manifest.get("state", "active") != "active":
            raise VmError("no such image")
        chain.append(manifest)
        image = manifest.get("origin")
    return chain


def _reprovision(dc: Datacenter, params: dict[str, Any], phase: int) -> Next:
    """The image is seen to first (phase -1 stands for waiting for it), then vmadm's own phases follow."""
    if dc.store.get("vm", params["uuid"]) is None:
        if dc.manifest(str(params["image_uuid"])) is None:
            raise VmError("reprovision failed: no such image")
        return machines.pretend(dc, params["uuid"], image_uuid=params["image_uuid"])
    if phase <= 0:
        try:
            waiting = ensure_image(dc, params, 0 if phase == 0 else 1)
        except VmError as why:
            raise VmError(f"reprovision failed: {why}") from why
        if waiting:
            return waiting[0], -1
    return machines.reprovision(dc, params, max(phase, 0))


def _install_agent(dc: Datacenter, params: dict[str, Any], phase: int) -> Next:
    """agent_install: the server's record names the new image of that agent, when IMGAPI knows it."""
    server = dc.store.get("server", params["server_uuid"])
    manifest = dc.store.get("image", f"imgapi/{params['image_uuid']}")
    if server is not None and manifest is not None:
        for agent in server.get("agents") or ():
            if agent["name"] == manifest["name"]:
                agent.update(version=manifest["version"], image_uuid=manifest["uuid"])
        dc.store.put("server", params["server_uuid"], server)
    return None


RUNNERS: dict[str, Runner] = {
    "machine_reprovision": _reprovision,
    "machine_shutdown": machines.stop,
    "machine_kill": machines.stop,
    "machine_boot": machines.start,
    "machine_reboot": machines.reboot,
    "machine_update": machines.update,
    "machine_destroy": machines.destroy,
    "machine_create": machines.create,
    "image_ensure_present": ensure_image,
    "agent_install": _install_agent,
}
