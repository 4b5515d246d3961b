"""The state machine: everything that the faces, services and programs ask of the datacenter.

This is the contract; the lives of zones are in ``zones.py`` and ``life.py``, names in ``dns.py``, datasets in
``datasets.py``, bytes of images in ``bits.py``, faults in ``faults.py``, the furniture in ``scenario.py``. Nothing here
sleeps or runs in the background: what happens later is an event in the store, applied by :meth:`Datacenter.tick` when
somebody next looks, in order of its time. So a virtual clock and a real (sped-up) one run the same code.
"""

from __future__ import annotations

import importlib
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any, Optional, Protocol

from mockdc.core.clock import RealClock, VirtualClock
from mockdc.core.stack import kind
from mockdc.core.store import Doc, Store


class Clock(Protocol):
    """The datacenter's own time, in seconds since the epoch of the datacenter (not of this machine)."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None:
        """Let *seconds* of the datacenter's time pass: virtually at once, or for real divided by the speed. Callers
        must not hold a transaction."""

    def real_second(self) -> float:
        """How much of the datacenter's time passes in a second of this machine."""


class VmError(Exception):
    """What vmadm prints after ``Failed to ... VM U:``."""


class Datacenter:
    """A datacenter over a store, a clock and a folder that holds the nodes' file systems."""

    def __init__(self, store: Store, clock: Clock, folder: pathlib.Path) -> None:
        self.store = store
        self.clock = clock
        self.folder = folder
        self._moment = threading.local()

    @staticmethod
    def empty(folder: pathlib.Path, store: Optional[Store] = None, clock: Optional[Clock] = None) -> Datacenter:
        """A datacenter with nothing in it, in memory and on virtual time unless told otherwise; furnish it with
        :func:`mockdc.core.scenario.load`."""
        return Datacenter(store or Store(), clock or VirtualClock(), folder)

    @staticmethod
    def open(folder: pathlib.Path) -> Datacenter:
        """The datacenter that ``mockdc up`` made in *folder*, shared with other processes."""
        store = Store(str(folder / ".mockdc" / "state.db"))
        return Datacenter(store, RealClock.of(store), folder)

    @staticmethod
    def make(folder: pathlib.Path, start: float, real_now: float, speed: float) -> Datacenter:
        """A new one in *folder*, kept on disk, at *start* when this machine's clock says *real_now*."""
        (folder / ".mockdc").mkdir(parents=True, exist_ok=True)
        store = Store(str(folder / ".mockdc" / "state.db"))
        clock = RealClock(start, real_now, speed)
        clock.keep(store)
        return Datacenter(store, clock, folder)

    # --- time -------------------------------------------------------------------------------------------------
    def now(self) -> float:
        """The datacenter's time; while an event is applied, the time of that event."""
        moment: Optional[float] = getattr(self._moment, "at", None)
        return self.clock.now() if moment is None else moment

    def iso(self, at: Optional[float] = None) -> str:
        """``2026-01-02T03:04:05.678Z`` of *at* (default now)."""
        seconds, micros = divmod(round((self.now() if at is None else at) * 1e6), 1_000_000)
        return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(seconds)) + f"{micros // 1000:03d}Z"

    def tick(self) -> None:
        """Apply every event that is due, in time order. Called by the dispatchers before each call."""
        if getattr(self._moment, "at", None) is not None:
            return
        upto = self.clock.now()
        while self.store.due(upto) is not None:
            with self.store.transaction():
                found = self.store.due(upto)
                if found is not None:
                    self._apply(*found)

    def _apply(self, id: str, event: Doc) -> None:
        self.store.delete("event", id)
        self._moment.at = event["at"]
        try:
            _action(event["action"])(self, **event["args"])
        finally:
            self._moment.at = None

    def later(self, seconds: float, action: str, **args: object) -> None:
        """Put an event in the store: *action* names a function registered in ``core/``, or is ``module:function``."""
        import uuid

        at = self.now() + seconds
        self.store.put("event", f"{at:020.6f}/{uuid.uuid4()}", {"at": at, "action": action, "args": args})

    def wait(self, seconds: float) -> None:
        """Let time pass and apply what happens in it."""
        self.clock.sleep(seconds)
        self.tick()

    # --- places -----------------------------------------------------------------------------------------------
    @property
    def config(self) -> dict[str, str]:
        """What config.sh -json prints: datacenter_name, dns_domain, ufds_admin_uuid, <svc>_domain, ... all text."""
        found: dict[str, str] = self.store.meta("config", {})
        return found

    @property
    def headnode(self) -> str:
        """Uuid of the headnode."""
        found: str = self.store.meta("headnode", "")
        return found

    def root(self, server: str) -> pathlib.Path:
        """The fake global zone of a node: the folder itself for the headnode, below ``.mockdc/nodes`` for others."""
        return self.folder if server == self.headnode else self.folder / ".mockdc" / "nodes" / server

    def image_path(self, store: str, uuid: str) -> pathlib.Path:
        """Where the file of an image of the store ("updates" or "imgapi") lies; the folder exists. The bytes of a
        scenario's image are made when they are first asked for."""
        from mockdc.core import bits

        return bits.path(self, store, uuid)

    def name_uuid(self, name: str) -> str:
        """A uuid that is always the same for *name* in this datacenter."""
        import uuid

        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.config.get('datacenter_name', '')}/{name}"))

    @staticmethod
    def chance(name: str) -> float:
        """A number in 0..1 that is always the same for *name*: how durations vary and runs repeat."""
        import hashlib

        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / float(1 << 48)

    # --- who is up --------------------------------------------------------------------------------------------
    def server(self, uuid: str) -> Optional[Doc]:
        """The server, or None."""
        return self.store.get("server", uuid)

    def alive(self, server: str) -> bool:
        """Whether the node is powered on and heartbeating."""
        found = self.store.get("server", server)
        return bool(found and found.get("_alive", True))

    def vm(self, uuid: str) -> Optional[Doc]:
        """The vm as it truly is, or None."""
        return self.store.get("vm", uuid)

    def vm_by_alias(self, alias: str) -> Optional[Doc]:
        """The vm with exactly that alias that is not destroyed."""
        return next((vm for vm in self.store.all("vm") if vm["alias"] == alias and vm["state"] != "destroyed"), None)

    def instances_of(self, service: str) -> list[Doc]:
        """The vm documents whose smartdc_role tag is *service* (admin's, not destroyed, not manta's)."""
        admin = self.config.get("ufds_admin_uuid")
        return [
            vm
            for vm in self.store.holding("vm", "smartdc_role", service)
            if vm["tags"].get("smartdc_role") == service
            and "manta_role" not in vm["tags"]
            and vm["owner_uuid"] == admin
            and vm["state"] != "destroyed"
        ]

    def zone_answers(self, vm_uuid: str) -> bool:
        """Running, set up, its services online, on a live node (dependencies not looked at)."""
        vm = self.store.get("vm", vm_uuid)
        zone = self.store.get("zone", vm_uuid)
        return bool(vm and zone and vm["state"] == "running" and zone["answers"] and self.alive(vm["server_uuid"]))

    def listens(self, service: str) -> bool:
        """Whether any instance of the service answers, whatever it needs."""
        return any(self.zone_answers(vm["uuid"]) for vm in self.instances_of(service))

    def outage(self, service: str, changing: bool = False) -> Optional[str]:
        """None when some instance of the service works; ``refused`` when none listens; ``degraded`` when one listens
        but something it needs is down (answer 500/503). What needs what: reference 5.1 and 5.2.

        Reads need less than changes (vmapi lists machines without workflow, sapi reads its cache without moray): with
        *changing* the needs of jobs and writes count too.
        """
        if not self.listens(service):
            return "refused"
        needs = kind(service)
        wanted = needs.hard + (needs.soft if changing else ())
        return "degraded" if any(self.outage(other) for other in wanted) else None

    def resolve(self, name: str) -> Optional[list[str]]:
        """Addresses that binder gives for a name (maybe none); None when binder itself is down."""
        if not self.listens("binder"):
            return None
        return [entry["ip"] for entry in self.store.all("dns", f"{name}/")]

    def vm_at(self, ip: str) -> Optional[Doc]:
        """The vm whose admin nic has that address."""
        return next(
            (
                vm
                for vm in self.store.all("vm")
                if vm["state"] != "destroyed"
                and any(nic["ip"] == ip and nic["nic_tag"] == "admin" for nic in vm["nics"])
            ),
            None,
        )

    # --- zones (may sleep: no transaction may be held) ----------------------------------------------------------
    def reprovision(self, vm_uuid: str, image_uuid: str) -> None:
        """Everything of reference 6.1, step by step with the clock, each phase committed. Raises VmError."""
        from mockdc.core import zones

        zones.reprovision(self, vm_uuid, image_uuid)

    def stop(self, vm_uuid: str, force: bool = False) -> None:
        """Raises VmError."""
        from mockdc.core import life

        life.stop(self, vm_uuid, force)

    def start(self, vm_uuid: str) -> None:
        """Raises VmError."""
        from mockdc.core import life

        life.start(self, vm_uuid)

    def touch_vm(self, vm: Doc) -> None:
        """Store a changed vm document (last_modified set) and let vm-agent tell VMAPI within seconds if it can."""
        from mockdc.core import life

        life.touch_vm(self, vm)

    def smf(self, vm_uuid: str) -> list[Doc]:
        """SMF services of a zone now: {"fmri","state","since","reason"}; empty before first boot imported them."""
        zone = self.store.get("zone", vm_uuid)
        vm = self.store.get("vm", vm_uuid)
        found: list[Doc] = zone["smf"] if zone and vm and vm["zone_state"] == "running" else []
        return found

    def svcadm(self, vm_uuid: str, verb: str, pattern: str) -> list[str]:
        """``svcadm -z U enable|disable|restart|refresh|clear PATTERN``: the FMRIs that matched, maybe none."""
        from mockdc.core import smf

        return smf.svcadm(self, vm_uuid, verb, pattern)

    # --- images -----------------------------------------------------------------------------------------------
    def installed(self, server: str, image_uuid: str) -> Optional[Doc]:
        """The installed record, or None."""
        return self.store.get("installed", f"{server}/{image_uuid}")

    def manifest(self, image_uuid: str) -> Optional[Doc]:
        """What VMAPI and CNAPI are told of an image: by IMGAPI, or by its stand-in where they stand alone."""
        return self.store.get("image", f"imgapi/{image_uuid}") or self.store.get("stand_in_image", image_uuid)

    def install(self, server: str, manifest: Doc, source: str) -> None:
        """Put an image into a node's pool (dataset zones/<uuid> and its @final)."""
        from mockdc.core import datasets

        datasets.install(self, server, manifest, source)


def _action(name: str) -> Callable[..., Any]:
    if ":" in name:
        module, _, function = name.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return found
    from mockdc.core import dns, life

    actions: dict[str, Callable[..., Any]] = {}
    actions.update(life.ACTIONS)
    actions.update(dns.ACTIONS)
    return actions[name]
