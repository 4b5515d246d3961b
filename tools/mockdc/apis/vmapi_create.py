"""POST /vms: what a new VM needs, and the params of its provision job.

The server is the one named, or the headnode (no DAPI here). The package comes from PAPI (kind "package", quota there in
MiB), the networks from NAPI (kind "network").
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from mockdc.apis import napi, papi
from mockdc.apis.routes import refuse
from mockdc.apis.vmapi_filter import problem

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

CPU_SHARES_MIB = 128          # one share for each 128 MiB
FROM_PACKAGE = ("cpu_cap", "max_lwps", "max_physical_memory", "max_swap", "vcpus", "zfs_io_priority")


def check(dc: Datacenter, given: dict[str, Any]) -> None:
    """Refuse (409) what cannot be provisioned."""
    needed = ["brand", "networks", "owner_uuid", *([] if _package(dc, given) else ["ram"]), "image_uuid"]
    memory = given.get("ram") or given.get("max_physical_memory")
    errors = [{"field": name, "code": "MissingParameter"} for name in needed
              if not (memory if name == "ram" else given.get(name))]
    if given.get("image_uuid") and image(dc, given) is None:
        errors.append(problem("image_uuid", f"image {given['image_uuid']} not found"))
    if given.get("uuid") and dc.store.get("vmapi_vm", str(given["uuid"])) is not None:
        errors.append({"field": "uuid", "code": "Duplicate", "message": "Already exists"})
    if errors:
        refuse(409, "ValidationFailed", "Invalid VM parameters", errors=errors)


def image(dc: Datacenter, given: dict[str, Any]) -> Any:
    """The manifest as IMGAPI shows it by default (without channels), or None."""
    found = dc.manifest(str(given["image_uuid"]))
    return found and {key: value for key, value in found.items() if key != "channels" and not key.startswith("_")}


def _package(dc: Datacenter, given: dict[str, Any]) -> Any:
    if given.get("billing_id"):
        return dc.store.get("package", str(given["billing_id"]))
    name = given.get("package_name")
    return next((each for each in papi.packages(dc) if name and each["name"] == name), None)


def job_params(dc: Datacenter, given: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Everything that the provision job starts with (recording vmapi-080)."""
    nets = [each for each in (napi.find(dc, wanted) for wanted in given["networks"]) if each]
    asked = [{"ipv4_uuid": each["uuid"], "ipv4_count": 1, "primary": at == 0} for at, each in enumerate(nets)]
    params: dict[str, Any] = {**{key: value for key, value in given.items() if key not in ("uuid", "networks", "sync")},
                              "networks": asked, **_sizes(dc, given)}
    params.setdefault("server_uuid", dc.headnode)
    package = _package(dc, given)
    if package:
        params.update(package=package, billing_id=package["uuid"])
    params.update(
        image=image(dc, given), firewall_enabled=bool(given.get("firewall_enabled", False)), sync=False,
        task="provision", vm_uuid=given.get("uuid") or str(uuid.uuid4()), current_state="provisioning",
        filteredNetworks={"netInfo": nets, "networks": asked, "fabrics": [], "pools": [], "nics": nets}, nics=nets)
    params["x-request-id"] = request_id
    return params


def _sizes(dc: Datacenter, given: dict[str, Any]) -> dict[str, Any]:
    package = _package(dc, given)
    if package:
        sizes = {key: package[key] for key in FROM_PACKAGE if key in package}
        sizes["quota"] = int(package["quota"]) // 1024
    else:
        memory = int(given.get("ram") or given["max_physical_memory"])
        sizes = {"max_physical_memory": memory, "max_swap": 2 * memory, "quota": 25, "cpu_cap": 100, "max_lwps": 1000,
                 "zfs_io_priority": 10, "vcpus": 1}
        sizes.update({key: int(given[key]) for key in sizes if given.get(key) not in (None, "")})
    memory = int(sizes["max_physical_memory"])
    return {**sizes, "ram": memory, "cpu_shares": max(1, memory // CPU_SHARES_MIB)}


def first_record(dc: Datacenter, params: dict[str, Any]) -> Doc:
    """What VMAPI shows at once: a VM in state provisioning (recording vmapi-079)."""
    names = ("alias", "brand", "billing_id", "cpu_cap", "cpu_shares", "firewall_enabled", "max_lwps",
             "max_physical_memory", "max_swap", "owner_uuid", "quota", "ram", "server_uuid", "zfs_io_priority",
             "image_uuid", "tags", "customer_metadata", "internal_metadata")
    return {"uuid": params["vm_uuid"], "state": "provisioning", "create_timestamp": dc.iso(),
            **{key: params[key] for key in names if key in params}}
