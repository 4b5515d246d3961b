"""``vmadm reprovision``, phase by phase (reference 6.1): what a kill between two phases leaves behind, it leaves here.

Each phase is committed before the next pause. The zone's own first boot goes on by events, whether or not the program
that began it still lives. On a server that loses its power the program ends there and then.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mockdc.core import datasets, life, zonefiles
from mockdc.core.clock import TimeUp
from mockdc.core.datacenter import VmError

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

PROVISION_TIMEOUT_S = 300.0
BRANDS = {"joyent", "joyent-minimal", "lx"}
BOOT_SHARE = 0.5
"""The part of a reprovision's duration that is the zone's own boot."""


def reprovision(dc: Datacenter, uuid: str, image: str) -> None:
    """See :meth:`Datacenter.reprovision`."""
    dc.tick()
    with _only_one(dc, uuid):
        vm, zone = check(dc, uuid, image)
        pause = zone["durations"]["reprovision"] * (1 - BOOT_SHARE) / 6
        if vm["zone_state"] == "running":
            life.halt(dc, uuid)
            _pass(dc, vm, pause)
            life.halted(dc, uuid)
        begin(dc, uuid)
        _pass(dc, vm, pause)
        try:
            for phase in (set_data_aside, set_root_aside, clone):
                phase(dc, uuid, image)
                _pass(dc, vm, pause)
        except datasets.ZfsError as why:
            undo(dc, uuid)
            raise VmError(str(why)) from why
        destroy_old(dc, uuid)
        _pass(dc, vm, pause)
        boot(dc, uuid, image)
        _pass(dc, vm, zone["durations"]["reprovision"] * BOOT_SHARE)
        await_provisioned(dc, uuid)


@contextlib.contextmanager
def _only_one(dc: Datacenter, uuid: str) -> Iterator[None]:
    """vmadm's lock on the VM: gone with the process, however it ends."""
    folder = dc.folder / ".mockdc" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / uuid).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _pass(dc: Datacenter, vm: Doc, seconds: float) -> None:
    """Let time pass. Raises TimeUp when the server has no power any more."""
    dc.wait(seconds)
    if not dc.alive(vm["server_uuid"]):
        raise TimeUp


def check(dc: Datacenter, uuid: str, image: str) -> tuple[Doc, Doc]:
    """Everything that is refused before anything is touched. Raises VmError."""
    vm, zone = life.must(dc, uuid)
    server = vm["server_uuid"]
    wrong = [name for name in vm["datasets"] if name != f"zones/{uuid}/data"]
    if vm["brand"] not in BRANDS:
        raise VmError(f"brand \"{vm['brand']}\" does not support reprovision")
    if not dc.installed(server, image):
        raise VmError(f"image {image} not found on pool zones")
    if not datasets.get(dc, server, f"zones/{image}@final"):
        raise VmError(f"image {image} is missing snapshot: zones/{image}@final")
    if vm.get("indestructible_zoneroot"):
        raise VmError("indestructible_zoneroot is set, cannot reprovision")
    if len(vm["datasets"]) > 1:
        raise VmError(f"cannot reprovision a VM with more than one delegated dataset: {', '.join(vm['datasets'])}")
    if wrong:
        raise VmError(f"cannot reprovision: delegated dataset {wrong[0]} is not zones/{uuid}/data")
    for name in (f"zones/{uuid}", *vm["datasets"]):
        if not datasets.get(dc, server, name):
            raise VmError(f"cannot open '{name}': dataset does not exist")
    for name in (f"zones/{uuid}-reprovisioning-root", f"zones/{uuid}-reprovisioning-data"):
        if datasets.get(dc, server, name):
            raise VmError(f"cannot rename to '{name}': dataset already exists")
    return vm, zone


def begin(dc: Datacenter, uuid: str) -> None:
    """From here the state reads provisioning, for 300 s at most."""
    with dc.store.transaction():
        vm, zone = life.must(dc, uuid)
        vm["state"] = "provisioning"
        life.touch_vm(dc, vm)
        dc.later(PROVISION_TIMEOUT_S, "provision-expired", vm=uuid, boot=zone["boot"])


def set_data_aside(dc: Datacenter, uuid: str, image: str) -> None:
    """The delegated dataset leaves the zone's tree, so that it outlives the old root."""
    vm, _ = life.must(dc, uuid)
    for name in vm["datasets"]:
        datasets.rename(dc, vm["server_uuid"], name, f"zones/{uuid}-reprovisioning-data")


def set_root_aside(dc: Datacenter, uuid: str, image: str) -> None:
    """The old root makes room. From here on the reprovision counts as one."""
    with dc.store.transaction():
        vm, zone = life.must(dc, uuid)
        datasets.rename(dc, vm["server_uuid"], f"zones/{uuid}", f"zones/{uuid}-reprovisioning-root")
        zone["reprovisions"] += 1
        zone["history"].append({"at": dc.iso(), "from": vm["image_uuid"], "to": image})
        dc.store.put("zone", uuid, zone)


def clone(dc: Datacenter, uuid: str, image: str) -> None:
    """The new root, from the image; zfs has no quota of 0 gigabytes (OS-2275) unless the scenario's platform copes."""
    vm, _ = life.must(dc, uuid)
    server = vm["server_uuid"]
    if vm["quota"] == 0 and dc.store.meta("quota_zero_breaks", True):
        raise datasets.ZfsError(f"cannot create 'zones/{uuid}': bad numeric value '0g' for 'quota'")
    with dc.store.transaction():
        datasets.create(dc, server, f"zones/{uuid}", quota=vm["quota"] * datasets.GIB, origin=f"zones/{image}@final")
    installed = dc.installed(server, image)
    zonefiles.fresh(dc, vm, installed["manifest"] if installed else None)
    zonefiles.config(dc, vm)


def destroy_old(dc: Datacenter, uuid: str) -> None:
    """The old root goes, with its snapshots, logs and files. No way back from here except another reprovision."""
    vm, _ = life.must(dc, uuid)
    datasets.destroy(dc, vm["server_uuid"], f"zones/{uuid}-reprovisioning-root", recursive=True)


def boot(dc: Datacenter, uuid: str, image: str) -> None:
    """Data back in place, the new image on record, the zone on its way."""
    with dc.store.transaction():
        vm, zone = life.must(dc, uuid)
        for name in vm["datasets"]:
            datasets.rename(dc, vm["server_uuid"], f"zones/{uuid}-reprovisioning-data", name)
        vm["image_uuid"] = image
        vm["snapshots"] = []
        life.running(dc, vm, "provisioning")
        zone["boot"] += 1
        dc.later(zone["durations"]["reprovision"] * BOOT_SHARE, "first-boot", vm=uuid, boot=zone["boot"], attempt=1)
        dc.store.put("zone", uuid, zone)
        zonefiles.write(dc, vm, "var/svc/provisioning")
        life.touch_vm(dc, vm)


def await_provisioned(dc: Datacenter, uuid: str) -> None:
    """Wait until the zone says how its first boot went. Raises VmError."""
    while True:
        dc.tick()
        vm, _ = life.must(dc, uuid)
        if vm["state"] == "running":
            return
        if vm["state"] != "provisioning":
            why = "provision_failure" if zonefiles.exists(dc, vm, "var/svc/provision_failure") else "timed out"
            raise VmError(f"{why} waiting for /var/svc/provisioning to move for {uuid}")
        _pass(dc, vm, 1.0)


def undo(dc: Datacenter, uuid: str) -> None:
    """Put both datasets back after an error before the old root was destroyed (OS-2222)."""
    vm, zone = life.must(dc, uuid)
    server, root = vm["server_uuid"], f"zones/{uuid}"
    with dc.store.transaction():
        if datasets.get(dc, server, f"{root}-reprovisioning-root"):
            if datasets.get(dc, server, root):
                datasets.destroy(dc, server, root, recursive=True)
            shutil.rmtree(datasets.folder(dc, server, root), ignore_errors=True)
            datasets.rename(dc, server, f"{root}-reprovisioning-root", root)
            zone["reprovisions"] -= 1
            zone["history"].pop()
        if datasets.get(dc, server, f"{root}-reprovisioning-data"):
            datasets.rename(dc, server, f"{root}-reprovisioning-data", f"{root}/data")
        dc.store.put("zone", uuid, zone)
        vm["state"] = "stopped"
        life.touch_vm(dc, vm)
