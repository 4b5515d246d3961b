"""What SAPI does to VMs in full mode: always through VMAPI, always waiting for the job.

SAPI asks VMAPI for the job every 5 s, 720 times at most (reference 2.1). A failed provision leaves no record; a failed
upgrade changes none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mockdc.apis import sapi_objects as objects
from mockdc.apis import vmapi
from mockdc.apis.routes import refuse, working
from mockdc.apis.web import Request, Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

POLL_S = 5
POLLS = 720
PASSED_METADATA = ("user-script", "sapi-url", "assets-ip")


def payload(dc: Datacenter, instance: Doc) -> Doc:
    """Application, service and instance params merged in that order; agents have none."""
    service = objects.find(dc, objects.SERVICES, str(instance["service_uuid"]))
    application = objects.find(dc, objects.APPLICATIONS, str(service["application_uuid"]))
    if instance.get("type", "vm") != "vm":
        return {}
    layers = (application, service, instance)
    merged = {key: value for layer in layers for key, value in (layer.get("params") or {}).items()}
    metadata = {key: value for layer in layers for key, value in (layer.get("metadata") or {}).items()}
    if "networks" in merged:
        merged["networks"] = [_network(each) for each in merged["networks"]]
    names = (*PASSED_METADATA, *(metadata.get("pass_vmapi_metadata_keys") or ()))
    result = {**merged, "owner_uuid": merged.get("owner_uuid") or application["owner_uuid"], "uuid": instance["uuid"]}
    result.setdefault("brand", "joyent-minimal")
    result["customer_metadata"] = {name: metadata[name] for name in names if name in metadata}
    return result


def _network(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    return {"uuid": given} if len(given) == 36 and given.count("-") == 4 else {"name": given}


def provision(dc: Datacenter, instance: Doc, given: dict[str, Any]) -> Doc:
    """Make the VM of a new instance and wait for it, unless it exists already or nobody shall wait. Returns the record
    to store. 500 ProvisionFailedError."""
    if instance.get("type", "vm") != "vm" or given.get("exists") in (True, "true"):
        return instance
    answer = _vmapi(dc, "POST", "/vms", payload(dc, instance))
    if answer.status != 202:
        refuse(500, "ProvisionFailedError", f"Failed to provision {instance['uuid']}: {_message(answer)}")
    if given.get("async") in (True, "true"):
        return {**instance, "job_uuid": answer.body["job_uuid"]}
    _wait(dc, str(answer.body["job_uuid"]), "ProvisionFailedError")
    return instance


def reprovision(dc: Datacenter, vm: str, image: str) -> None:
    """500 ReprovisionFailedError."""
    answer = _vmapi(dc, "POST", f"/vms/{vm}?action=reprovision", {"image_uuid": image})
    if answer.status != 202:
        refuse(500, "ReprovisionFailedError", f"Failed to reprovision {vm}: {_message(answer)}")
    _wait(dc, str(answer.body["job_uuid"]), "ReprovisionFailedError")


def destroy(dc: Datacenter, vm: str) -> None:
    """A VM that VMAPI does not know is gone already. 500 DestroyFailedError."""
    answer = _vmapi(dc, "DELETE", f"/vms/{vm}", None)
    if answer.status == 404:
        return
    if answer.status != 202:
        refuse(500, "DestroyFailedError", f"Failed to destroy {vm}: {_message(answer)}")
    _wait(dc, str(answer.body["job_uuid"]), "DestroyFailedError")


def _vmapi(dc: Datacenter, method: str, target: str, body: Any) -> Response:
    if not working(dc, "vmapi"):
        return Response(503, {"message": "VMAPI is unreachable"})
    raw = b"" if body is None else json.dumps(body).encode()
    return vmapi.handle(dc, Request.make(method, target, {"Content-Type": "application/json"}, raw))


def _message(answer: Response) -> str:
    return str(answer.body.get("message", answer.status)) if isinstance(answer.body, dict) else str(answer.status)


def _wait(dc: Datacenter, job: str, code: str) -> None:
    for _ in range(POLLS):
        dc.clock.sleep(POLL_S)
        dc.tick()
        found = dc.store.get("job", job) or {"execution": "failed"}
        if found["execution"] == "succeeded":
            return
        if found["execution"] in ("failed", "canceled"):
            refuse(500, code, f"job {job} {found['execution']}")
    refuse(500, code, f"job {job} did not end within {POLL_S * POLLS} s")
