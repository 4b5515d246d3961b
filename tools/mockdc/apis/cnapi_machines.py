"""What cn-agent does to VMs: vmadm's own phases (``core/zones.py``, ``core/life.py``), an event for each.

A VM that only VMAPI knows (put there by a client, with no zone behind it) is played along with: its record changes, as
with the stub agent of the recordings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from mockdc.core import datasets, life, zonefiles, zones
from mockdc.core.datacenter import VmError

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

Params = dict[str, Any]
Next = Optional[tuple[float, int]]
CREATE_S = 5.0
METADATA = ("customer_metadata", "internal_metadata", "tags")
PLAIN = ("alias", "quota", "cpu_cap", "max_physical_memory", "max_swap", "max_lwps", "autoboot", "maintain_resolvers",
         "resolvers", "billing_id", "package_name", "package_version", "firewall_enabled", "indestructible_zoneroot")


def pretend(dc: Datacenter, vm: str, **changes: Any) -> Next:
    """Change VMAPI's record of a VM that has no zone."""
    known = dc.store.get("vmapi_vm", vm)
    if known is None:
        raise VmError(f"vmadm load {vm} failed")
    dc.store.put("vmapi_vm", vm, {**known, **changes, "last_modified": dc.iso()})
    return None


def reprovision(dc: Datacenter, params: Params, phase: int) -> Next:
    """``zones.reprovision`` phase by phase."""
    uuid, image = params["uuid"], params["image_uuid"]
    _, zone = life.must(dc, uuid)
    pause = zone["durations"]["reprovision"] * (1 - zones.BOOT_SHARE) / 6
    if phase == 0:
        vm, _ = zones.check(dc, uuid, image)
        if vm["zone_state"] == "running":
            life.halt(dc, uuid)
    elif phase == 1:
        life.halted(dc, uuid)
        zones.begin(dc, uuid)
    elif phase <= 4:
        try:
            (zones.set_data_aside, zones.set_root_aside, zones.clone)[phase - 2](dc, uuid, image)
        except datasets.ZfsError:
            zones.undo(dc, uuid)
            raise
    elif phase == 5:
        zones.destroy_old(dc, uuid)
    elif phase == 6:
        zones.boot(dc, uuid, image)
        return zone["durations"]["reprovision"] * zones.BOOT_SHARE, 7
    else:
        return _provisioned(dc, uuid, phase)
    return pause, phase + 1


def _provisioned(dc: Datacenter, uuid: str, phase: int) -> Next:
    vm, _ = life.must(dc, uuid)
    if vm["state"] == "provisioning":
        return 1.0, phase
    if vm["state"] != "running":
        raise VmError(f"timed out waiting for /var/svc/provisioning to move for {uuid}")
    return None


def stop(dc: Datacenter, params: Params, phase: int) -> Next:
    """Halt the zone; some seconds later it is down."""
    uuid = params["uuid"]
    if dc.store.get("vm", uuid) is None:
        return pretend(dc, uuid, state="stopped", zone_state="installed")
    vm, zone = life.must(dc, uuid)
    if phase == 0:
        if vm["zone_state"] != "running":
            raise VmError("VM is not running")
        life.halt(dc, uuid)
        return zone["durations"]["stop"], 1
    life.halted(dc, uuid)
    return None


def start(dc: Datacenter, params: Params, phase: int) -> Next:
    """Boot the zone."""
    uuid = params["uuid"]
    if dc.store.get("vm", uuid) is None:
        return pretend(dc, uuid, state="running", zone_state="running")
    dc.start(uuid)
    return None


def reboot(dc: Datacenter, params: Params, phase: int) -> Next:
    """Stop, then start."""
    if dc.store.get("vm", params["uuid"]) is None:
        return pretend(dc, params["uuid"], state="running", zone_state="running")
    return stop(dc, params, phase) or start(dc, params, phase)


def update(dc: Datacenter, params: Params, phase: int) -> Next:
    """Change the VM's record; VMAPI always sends metadata whole, so it replaces what was there."""
    uuid = params["vm_uuid"]
    changes = {key: params[key] for key in (*PLAIN, *METADATA) if key in params and params[key] is not None}
    if "ram" in params:
        changes["max_physical_memory"] = params["ram"]
    vm = dc.store.get("vm", uuid)
    if vm is None:
        return pretend(dc, uuid, **changes)
    vm.update(changes)
    if "quota" in changes:
        root = datasets.get(dc, vm["server_uuid"], f"zones/{uuid}")
        if root:
            root["quota"] = int(changes["quota"]) * datasets.GIB
            dc.store.put("dataset", f"{vm['server_uuid']}:{root['name']}", root)
    zonefiles.config(dc, vm)
    dc.touch_vm(vm)
    return None


def destroy(dc: Datacenter, params: Params, phase: int) -> Next:
    """The zone and its datasets go; VMAPI hears of it from vm-agent, not from the job (recording vmapi-084)."""
    uuid = params["uuid"]
    if dc.store.get("vm", uuid) is None:
        return None
    vm, zone = life.must(dc, uuid)
    if vm["zone_state"] == "running":
        life.halt(dc, uuid)
        return zone["durations"]["stop"], 1
    if datasets.get(dc, vm["server_uuid"], f"zones/{uuid}"):
        datasets.destroy(dc, vm["server_uuid"], f"zones/{uuid}", recursive=True)
    vm.update(state="destroyed", zone_state="destroyed", destroyed=dc.iso())
    dc.touch_vm(vm)
    return None


def create(dc: Datacenter, params: Params, phase: int) -> Next:
    """A new zone from its provision payload: dataset, record, first boot."""
    uuid, server = params["uuid"], params["server_uuid"]
    if phase == 0:
        if not dc.installed(server, params["image_uuid"]):
            raise VmError(f"image {params['image_uuid']} not found on pool zones")
        return CREATE_S, 1
    if phase == 1:
        vm = _new_vm(dc, params)
        root = datasets.create(dc, server, f"zones/{uuid}", quota=int(vm["quota"]) * datasets.GIB,
                               origin=f"zones/{params['image_uuid']}@final")
        for name in vm["datasets"]:
            datasets.create(dc, server, name, zoned="on", quota=root["quota"])
        installed = dc.installed(server, params["image_uuid"])
        zonefiles.fresh(dc, vm, installed["manifest"] if installed else None)
        zonefiles.config(dc, vm)
        zonefiles.write(dc, vm, "var/svc/provisioning")
        zone = life.new_zone(vm, str(vm["tags"].get("smartdc_role", "")))
        life.running(dc, vm, "provisioning")
        dc.store.put("zone", uuid, zone)
        dc.touch_vm(vm)
        boot_s = zone["durations"]["reprovision"] * zones.BOOT_SHARE
        dc.later(boot_s, "first-boot", vm=uuid, boot=zone["boot"], attempt=1)
        return boot_s, 2
    return _provisioned(dc, uuid, phase)


def _new_vm(dc: Datacenter, params: Params) -> Doc:
    uuid = params["uuid"]
    kept = {key: value for key, value in params.items() if key not in ("image", "nics", "vm_uuid", "archive_on_delete")}
    data = [f"zones/{uuid}/data"] if params.get("delegate_dataset") else []
    return {
        "zonename": uuid, "autoboot": True, "cpu_shares": 8, "limit_priv": "default", "tags": {}, "v": 1,
        "customer_metadata": {}, "internal_metadata": {}, "alias": uuid, **kept, "zonepath": f"/zones/{uuid}",
        "zfs_filesystem": f"zones/{uuid}", "zpool": "zones", "create_timestamp": dc.iso(), "snapshots": [],
        "datasets": data,
        "nics": [_nic(dc, network, at) for at, network in enumerate(params.get("nics") or ())],
        "max_locked_memory": params["max_physical_memory"], "indestructible_zoneroot": False}


def _nic(dc: Datacenter, network: Doc, at: int) -> Doc:
    used = {nic.get("ip") for vm in dc.store.all("vm") if vm["state"] != "destroyed" for nic in vm["nics"]}
    prefix = network["provision_start_ip"].rsplit(".", 1)[0]
    first = int(network["provision_start_ip"].rsplit(".", 1)[1])
    ip = next(f"{prefix}.{each}" for each in range(first, 255) if f"{prefix}.{each}" not in used)
    numbers = [int(each) for each in ip.split(".")]
    return {"interface": f"net{at}", "mac": "90:b8:{:02x}:{:02x}:{:02x}:{:02x}".format(*numbers), "vlan_id": 0,
            "nic_tag": network["nic_tag"], "ip": ip, "ips": [f"{ip}/24"], "netmask": network["netmask"],
            "network_uuid": network["uuid"], "primary": at == 0}
