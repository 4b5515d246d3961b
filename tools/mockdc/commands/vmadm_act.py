"""``vmadm reprovision``, ``stop``, ``start``, ``reboot``, ``delete``, ``kill`` and the snapshots."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mockdc.commands.options import Options, parse
from mockdc.commands.vmadm_parts import WrongWords, payload, uuid_of, vm_here
from mockdc.core import datasets, life
from mockdc.core.datacenter import VmError

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

LONG = (("force", "F"), ("timeout", "t"), ("file", "f"))


def act(call: Call, uuid: str, failing: str, work: Callable[[], None]) -> None:
    """Do *work* on a VM of this node; an error is told after *failing*. Raises VmError."""
    vm_here(call, uuid, f"{failing} VM {uuid}: ")
    try:
        work()
    except (VmError, datasets.ZfsError) as why:
        raise VmError(f"{failing} VM {uuid}: {why}") from why


def reprovision(call: Call, argv: list[str]) -> None:
    """``vmadm reprovision U`` with ``{"image_uuid": I}``; returns when the zone has booted. Raises VmError."""
    found = parse(argv, "", "f", LONG)
    uuid = uuid_of(found, "reprovision")
    vm_here(call, uuid, f"Failed to reprovision VM {uuid}: ")
    given = payload(call, found.last("f"))

    def work() -> None:
        image = given.get("image_uuid")
        if not isinstance(image, str):
            raise VmError("payload is missing image_uuid")
        call.dc.reprovision(uuid, image)

    act(call, uuid, "Failed to reprovision", work)
    call.err(f"Successfully reprovisioned VM {uuid}")


def stop(call: Call, argv: list[str]) -> None:
    """``vmadm stop [-F] U``. Raises VmError."""
    found = parse(argv, "F", "t", LONG)
    uuid = uuid_of(found, "stop")
    act(call, uuid, "Failed to stop", lambda: call.dc.stop(uuid, force="F" in found))
    call.err(f"Successfully completed stop{' -F' if 'F' in found else ''} for VM {uuid}")


def start(call: Call, argv: list[str]) -> None:
    """``vmadm start U``. Raises VmError."""
    uuid = uuid_of(parse(argv), "start")
    act(call, uuid, "Failed to start", lambda: call.dc.start(uuid))
    call.err(f"Successfully started VM {uuid}")


def reboot(call: Call, argv: list[str]) -> None:
    """``vmadm reboot [-F] U``. Raises VmError."""
    found = parse(argv, "F", "t", LONG)
    uuid = uuid_of(found, "reboot")

    def work() -> None:
        call.dc.stop(uuid, force="F" in found)
        call.dc.start(uuid)

    act(call, uuid, "Failed to reboot", work)
    call.err(f"Successfully completed reboot{' -F' if 'F' in found else ''} for VM {uuid}")


def kill(call: Call, argv: list[str]) -> None:
    """``vmadm kill [-s SIGNAL] U``: the zone's init dies, and with it the zone. Raises VmError."""
    named = [word for word in argv if not (word.startswith("-SIG") or word[1:].isdigit())]
    found = parse(named, "", "s")
    uuid = uuid_of(found, "kill")
    act(call, uuid, "Failed to send signal to", lambda: call.dc.stop(uuid, force=True))
    call.err(f"Successfully sent {found.last('s', 'SIGTERM')} to VM {uuid}")


def delete(call: Call, argv: list[str]) -> None:
    """``vmadm delete U``: zone, root and delegated dataset are gone. Raises VmError."""
    uuid = uuid_of(parse(argv), "delete")
    act(call, uuid, "Failed to delete", lambda: _delete(call, uuid))
    call.err(f"Successfully deleted VM {uuid}")


def _delete(call: Call, uuid: str) -> None:
    vm, zone = life.must(call.dc, uuid)
    if vm.get("indestructible_zoneroot"):
        raise VmError("indestructible_zoneroot is set, cannot delete")
    if vm["zone_state"] == "running":
        call.dc.stop(uuid)
    with call.dc.store.transaction():
        vm, zone = life.must(call.dc, uuid)
        if datasets.get(call.dc, call.server, f"zones/{uuid}"):
            datasets.destroy(call.dc, call.server, f"zones/{uuid}", recursive=True)
        life.silence(call.dc, zone)
        call.dc.store.put("zone", uuid, zone)
        vm.update(state="destroyed", zone_state="destroyed", destroyed=call.dc.iso())
        call.dc.touch_vm(vm)


# --- snapshots --------------------------------------------------------------------------------------------------------
def _names(found: Options, command: str) -> tuple[str, str]:
    uuid = uuid_of(found, command)
    if len(found.words) != 2:
        raise WrongWords(f"Invalid or missing snapshot name for {command}")
    return uuid, found.words[1]


def create_snapshot(call: Call, argv: list[str]) -> None:
    """``vmadm create-snapshot U NAME``; not for a VM with a delegated dataset. Raises VmError."""
    uuid, name = _names(parse(argv), "create-snapshot")
    act(call, uuid, f"Failed to create snapshot '{name}' for", lambda: _snapshot(call, uuid, name))
    call.err(f"Created snapshot {name} for VM {uuid}")


def _snapshot(call: Call, uuid: str, name: str) -> None:
    vm = vm_here(call, uuid)
    if vm["datasets"]:
        raise VmError("Cannot currently snapshot zones that have datasets")
    datasets.snapshot(call.dc, call.server, f"zones/{uuid}@vmsnap-{name}")
    vm["snapshots"] = [*vm.get("snapshots", []), {"name": name, "created_at": call.dc.iso()}]
    call.dc.touch_vm(vm)


def _has(vm: Doc, name: str) -> None:
    if not any(snapshot["name"] == name for snapshot in vm.get("snapshots", [])):
        raise VmError(f"No snapshot named '{name}'")


def delete_snapshot(call: Call, argv: list[str]) -> None:
    """``vmadm delete-snapshot U NAME``. Raises VmError."""
    uuid, name = _names(parse(argv), "delete-snapshot")

    def work() -> None:
        vm = vm_here(call, uuid)
        _has(vm, name)
        datasets.destroy(call.dc, call.server, f"zones/{uuid}@vmsnap-{name}")
        vm["snapshots"] = [snapshot for snapshot in vm["snapshots"] if snapshot["name"] != name]
        call.dc.touch_vm(vm)

    act(call, uuid, f"Failed to delete snapshot '{name}' for", work)
    call.err(f"Deleted snapshot {name} for VM {uuid}")


def rollback_snapshot(call: Call, argv: list[str]) -> None:
    """``vmadm rollback-snapshot U NAME``: newer snapshots go, the zone restarts. The box keeps no file contents of a
    snapshot: the root's files stay as they are. Raises VmError."""
    uuid, name = _names(parse(argv), "rollback-snapshot")

    def work() -> None:
        vm = vm_here(call, uuid)
        _has(vm, name)
        if vm["zone_state"] == "running":
            call.dc.stop(uuid)
        call.dc.start(uuid)

    act(call, uuid, f"Failed to rollback to snapshot '{name}' for", work)
    call.err(f"Rolled back to snapshot {name} for VM {uuid}")

