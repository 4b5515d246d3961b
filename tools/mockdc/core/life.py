"""The everyday life of zones: stop, start, the events of a boot, and what VMAPI hears of it.

Kind ``zone`` (id = vm uuid) is a zone's private life:
    service        its smartdc_role where it is a zone of the stack, else ""
    durations      seconds, each always the same for this zone: stop, reprovision (vmadm's own work), setup (from
                   vmadm's success to setup_complete), online (from there to SMF online), http (from there to the
                   first answer), dns (from SMF online to the name)
    boot           counts boots; events of an earlier boot are ignored
    answers        its service answers requests
    smf            see Datacenter.smf
    session        registration in DNS, see dns.py
    next           one-shot troubles of the next reprovision, see faults.py
    reprovisions, history [{at, from, to}], stops, starts      every disruptive action, counted
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mockdc.core import dns, smf, zonefiles
from mockdc.core.datacenter import VmError
from mockdc.core.store import Doc

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

FETCH_TRIES = 30
FETCH_EVERY_S = 2.0
VM_AGENT_S = 5.0


def durations(uuid: str, reprovision: float = 0.0) -> dict[str, float]:
    """How long things take for a zone: reprovision 20..90 s with a mean of 40, the rest by reference 9."""
    from mockdc.core.datacenter import Datacenter

    def between(name: str, low: float, high: float, power: float = 1.0) -> float:
        return float(round(low + (high - low) * Datacenter.chance(f"{uuid}/{name}") ** power, 1))

    return {
        "reprovision": reprovision or between("reprovision", 20, 90, 2.5),
        "stop": between("stop", 2, 10),
        "setup": between("setup", 10, 20),
        "online": between("online", 1, 6),
        "http": between("http", 1, 8),
        "dns": between("dns", 10, 60),
    }


def new_zone(vm: Doc, service: str, reprovision: float = 0.0) -> Doc:
    """The life of a zone that has never run."""
    return {"uuid": vm["uuid"], "service": service, "durations": durations(vm["uuid"], reprovision), "boot": 1,
            "answers": False, "smf": [], "session": 0, "next": [], "reprovisions": 0, "history": [], "stops": 0,
            "starts": 0}


def must(dc: Datacenter, uuid: str) -> tuple[Doc, Doc]:
    """The vm and its zone. Raises VmError in zoneadm's words."""
    vm, zone = dc.store.get("vm", uuid), dc.store.get("zone", uuid)
    if vm is None or zone is None or vm["state"] == "destroyed":
        raise VmError(f"zoneadm: {uuid}: No such zone configured")
    return vm, zone


# --- what VMAPI hears ---------------------------------------------------------------------------------------------
def touch_vm(dc: Datacenter, vm: Doc) -> None:
    """See :meth:`Datacenter.touch_vm`."""
    vm["last_modified"] = dc.iso()
    with dc.store.transaction():
        dc.store.put("vm", vm["uuid"], vm)
        if dc.store.get("stale_vm", vm["uuid"]) is None:
            dc.store.put("stale_vm", vm["uuid"], {})
            dc.later(VM_AGENT_S, "vm-agent", vm=vm["uuid"])


def vm_agent(dc: Datacenter, vm: str) -> None:
    """Event: vm-agent tells VMAPI, or tries again later (reference 6.6)."""
    found = dc.store.get("vm", vm)
    if found is None:
        dc.store.delete("stale_vm", vm)
    elif dc.outage("cnapi") or dc.outage("vmapi") or not dc.alive(found["server_uuid"]):
        dc.later(VM_AGENT_S, "vm-agent", vm=vm)
    else:
        dc.store.put("vmapi_vm", vm, found)
        dc.store.delete("stale_vm", vm)


def sync_vm(dc: Datacenter, vm: str) -> None:
    """VMAPI asks the node itself (``?sync=true``)."""
    found = dc.store.get("vm", vm)
    if found is not None and dc.alive(found["server_uuid"]):
        dc.store.put("vmapi_vm", vm, found)


# --- stop and start -------------------------------------------------------------------------------------------------
def stop(dc: Datacenter, uuid: str, force: bool = False) -> None:
    """Stop a running zone: its services are gone at once, the zone some seconds later. Raises VmError."""
    vm, zone = must(dc, uuid)
    if vm["state"] == "stopped" or vm["zone_state"] != "running":
        raise VmError("VM is not running")
    halt(dc, uuid)
    if not force:
        dc.wait(zone["durations"]["stop"])
    halted(dc, uuid)


def halt(dc: Datacenter, uuid: str) -> None:
    """The zone begins to shut down, and will end even if the program that asked for it does not live to see that."""
    with dc.store.transaction():
        vm, zone = must(dc, uuid)
        silence(dc, zone)
        zone["stops"] += 1
        dc.later(zone["durations"]["stop"], "zone-halted", vm=uuid, boot=zone["boot"])
        dc.store.put("zone", uuid, zone)
        vm["state"] = "stopping"
        vm["zone_state"] = "shutting_down"
        touch_vm(dc, vm)


def silence(dc: Datacenter, zone: Doc) -> None:
    """Nothing in the zone runs any more. The caller stores the zone."""
    zone["boot"] += 1
    zone["answers"] = False
    if dns.registrar_runs(zone):
        dns.withdraw(dc, zone, dns.SESSION_S)
    zone["smf"] = []


def halted(dc: Datacenter, uuid: str) -> None:
    """The zone is down."""
    with dc.store.transaction():
        vm, _ = must(dc, uuid)
        vm["state"] = "stopped"
        vm["zone_state"] = "installed"
        vm.pop("pid", None)
        touch_vm(dc, vm)


def zone_halted(dc: Datacenter, vm: str, boot: int) -> None:
    """Event: the zone has shut itself down."""
    found, zone = dc.store.get("vm", vm), dc.store.get("zone", vm)
    if found and zone and zone["boot"] == boot and found["zone_state"] == "shutting_down":
        halted(dc, vm)


def start(dc: Datacenter, uuid: str) -> None:
    """Boot a stopped zone; its services come up by and by. Raises VmError."""
    vm, _ = must(dc, uuid)
    if vm["zone_state"] == "running":
        raise VmError("VM is already running")
    if not zonefiles.root(dc, vm).is_dir():
        raise VmError(f"zone root /zones/{uuid}/root does not exist")
    with dc.store.transaction():
        vm, zone = must(dc, uuid)
        running(dc, vm)
        zone["starts"] += 1
        boots(dc, vm, zone)
        dc.store.put("zone", uuid, zone)
        touch_vm(dc, vm)


def boots(dc: Datacenter, vm: Doc, zone: Doc) -> None:
    """The zone comes up; one that was never set up whole tries that (again). The caller stores the zone."""
    zone["boot"] += 1
    if zonefiles.exists(dc, vm, "var/svc/setup_complete"):
        imported(dc, zone, zone["durations"]["online"])
    else:
        dc.later(FETCH_EVERY_S, "first-boot", vm=vm["uuid"], boot=zone["boot"], attempt=1)


def running(dc: Datacenter, vm: Doc, state: str = "running") -> None:
    """Set what a boot changes in the vm. The caller stores it."""
    vm["state"] = state
    vm["zone_state"] = "running"
    vm["boot_timestamp"] = dc.iso()
    number = dc.store.meta("zoneid", 100) + 1
    dc.store.set_meta("zoneid", number)
    vm["zoneid"] = number
    vm["pid"] = 4000 + number


def lost(dc: Datacenter, uuid: str) -> None:
    """The zone's server lost its power."""
    _, zone = must(dc, uuid)
    silence(dc, zone)
    dc.store.put("zone", uuid, zone)


def boot_again(dc: Datacenter, uuid: str) -> None:
    """The zone's server is back: zones that ran boot again."""
    vm, zone = must(dc, uuid)
    if vm["zone_state"] == "shutting_down":
        halted(dc, uuid)
    elif vm["zone_state"] == "running" and vm["state"] in {"running", "provisioning"}:
        boots(dc, vm, zone)
        dc.store.put("zone", uuid, zone)


# --- the events of a boot -------------------------------------------------------------------------------------------
def imported(dc: Datacenter, zone: Doc, online_in: float) -> None:
    """SMF knows the zone's services; they are online *online_in* seconds later. The caller stores the zone."""
    smf.starting(dc, zone)
    dc.later(online_in, "zone-online", vm=zone["uuid"], boot=zone["boot"])


def can_fetch(dc: Datacenter, vm: Doc, service: str) -> bool:
    """Whether the zone gets its config from SAPI: sapi has its own, a name needs binder, an address does not."""
    if service == "sapi":
        return True
    host = vm["customer_metadata"].get("sapi-url", "").partition("://")[2].strip("/")
    if not host or not dc.listens("sapi"):
        return False
    return host.replace(".", "").isdigit() or bool(dc.resolve(host))


def first_boot(dc: Datacenter, vm: str, boot: int, attempt: int) -> None:
    """Event: user-script's try to set the zone up; SAPI is asked 30 times, 2 s apart (reference 6.3)."""
    found, zone = dc.store.get("vm", vm), dc.store.get("zone", vm)
    if found is None or zone is None or zone["boot"] != boot:
        return
    script = found["customer_metadata"].get("user-script")
    if "provision-hangs" in zone["next"]:
        return
    if "setup-fails" in zone["next"] or (script and "setup.common" in script):
        # HEAD-2057: a user-script from before HEAD-1804 cannot set up an image of today
        provision_failed(dc, found, zone, "setup failed: script from assets not found")
    elif not zone["service"] or not script:
        provisioned(dc, found, zone)
    elif can_fetch(dc, found, zone["service"]):
        provisioned(dc, found, zone)
        setup = zone["durations"]["setup"]
        dc.later(setup * 0.6, "zone-import", vm=vm, boot=boot)
        dc.later(setup, "zone-set-up", vm=vm, boot=boot)
    elif attempt < FETCH_TRIES:
        dc.later(FETCH_EVERY_S, "first-boot", vm=vm, boot=boot, attempt=attempt + 1)
    else:
        provision_failed(dc, found, zone, "setup failed: could not download configuration from SAPI")
    dc.store.put("zone", vm, zone)


def provisioned(dc: Datacenter, vm: Doc, zone: Doc) -> None:
    """user-script ended well: vmadm's handshake file is renamed and the state reads running."""
    zonefiles.move(dc, vm, "var/svc/provisioning", "var/svc/provision_success")
    zone["smf"] = smf.system(dc)
    vm["state"] = "running"
    touch_vm(dc, vm)


def provision_failed(dc: Datacenter, vm: Doc, zone: Doc, why: str) -> None:
    """user-script ended badly."""
    zonefiles.move(dc, vm, "var/svc/provisioning", "var/svc/provision_failure")
    zonefiles.write(dc, vm, "var/svc/setup.log", f"{dc.iso()} {why}\n")
    zonefiles.write(dc, vm, "var/svc/setup_failed")
    zone["smf"] = [*smf.system(dc)[:-1], smf.entry(dc, smf.SYSTEM[-1], "maintenance", "Start method exited with "
                                                   "$SMF_EXIT_ERR_FATAL.")]
    zone["next"] = []
    vm["state"] = "failed"
    touch_vm(dc, vm)


def zone_import(dc: Datacenter, vm: str, boot: int) -> None:
    """Event: setup.sh has imported the zone's services."""
    zone = dc.store.get("zone", vm)
    if zone is not None and zone["boot"] == boot and "late-setup-fails" not in zone["next"]:
        durations = zone["durations"]
        imported(dc, zone, durations["setup"] * 0.4 + durations["online"])
        dc.store.put("zone", vm, zone)


def zone_set_up(dc: Datacenter, vm: str, boot: int) -> None:
    """Event: setup.sh is through; the marker that everybody waits for."""
    found, zone = dc.store.get("vm", vm), dc.store.get("zone", vm)
    if found is None or zone is None or zone["boot"] != boot:
        return
    if "late-setup-fails" in zone["next"]:
        zonefiles.write(dc, found, "var/svc/setup.log", f"{dc.iso()} setup failed: import of services failed\n")
        zonefiles.write(dc, found, "var/svc/setup_failed")
    elif "setup-hangs" not in zone["next"]:
        zonefiles.set_up(dc, found)


def zone_online(dc: Datacenter, vm: str, boot: int) -> None:
    """Event: the zone's services are online; answers and name follow."""
    found, zone = dc.store.get("vm", vm), dc.store.get("zone", vm)
    if found is None or zone is None or zone["boot"] != boot:
        return
    smf.online(dc, zone, found)
    if "maintenance" in zone["next"]:
        smf.maintenance(dc, zone)
    else:
        dc.later(zone["durations"]["http"], "zone-answers", vm=vm, boot=boot)
    zone["never_in_dns"] = "never-in-dns" in zone["next"]
    dns.announce(dc, zone, zone["durations"]["dns"])
    zone["next"] = []
    dc.store.put("zone", vm, zone)


def zone_answers(dc: Datacenter, vm: str, boot: int) -> None:
    """Event: the service answers requests."""
    zone = dc.store.get("zone", vm)
    if zone is None or zone["boot"] != boot:
        return
    first_binder = zone["service"] == "binder" and not dc.listens("binder")
    zone["answers"] = True
    dc.store.put("zone", vm, zone)
    if first_binder:
        dns.forget_all(dc)


def provision_expired(dc: Datacenter, vm: str, boot: int) -> None:
    """Event: 300 s are over since a reprovision was begun; what still provisions has failed."""
    found, zone = dc.store.get("vm", vm), dc.store.get("zone", vm)
    if found and zone and zone["boot"] in (boot, boot + 1) and found["state"] == "provisioning":
        zone["next"] = []
        dc.store.put("zone", vm, zone)
        found["state"] = "failed"
        touch_vm(dc, found)


ACTIONS: dict[str, Callable[..., None]] = {
    "vm-agent": vm_agent,
    "zone-halted": zone_halted,
    "first-boot": first_boot,
    "zone-import": zone_import,
    "zone-set-up": zone_set_up,
    "zone-online": zone_online,
    "zone-answers": zone_answers,
    "service-online": smf.service_online,
    "provision-expired": provision_expired,
}
