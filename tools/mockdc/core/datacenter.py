"""The state machine: everything that the faces, services and programs ask of the datacenter.

This is the contract; the lives of zones are in ``zones.py``, names in ``dns.py``, faults in ``faults.py``. Nothing here
sleeps or runs in the background: what happens later is an event in the store, applied by :meth:`Datacenter.tick` when
somebody next looks, in order of its time. So a virtual clock and a real (sped-up) one run the same code.
"""

from __future__ import annotations

import pathlib
from typing import Optional, Protocol

from mockdc.core.store import Doc, Store


class Clock(Protocol):
    """The datacenter's own time, in seconds since the epoch of the datacenter (not of this machine)."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None:
        """Let *seconds* of the datacenter's time pass: virtually at once, or for real divided by the speed. Callers
        must not hold a transaction."""


class VmError(Exception):
    """What vmadm prints after ``Failed to ... VM U:``."""


class Datacenter:
    """A datacenter over a store, a clock and a folder that holds the nodes' file systems."""

    def __init__(self, store: Store, clock: Clock, folder: pathlib.Path) -> None:
        self.store = store
        self.clock = clock
        self.folder = folder

    # --- time -------------------------------------------------------------------------------------------------
    def now(self) -> float:
        """The datacenter's time."""
        return self.clock.now()

    def iso(self, at: Optional[float] = None) -> str:
        """``2026-01-02T03:04:05.678Z`` of *at* (default now)."""
        raise NotImplementedError

    def tick(self) -> None:
        """Apply every event that is due, in time order. Called by the dispatchers before each call."""
        raise NotImplementedError

    def later(self, seconds: float, action: str, **args: object) -> None:
        """Put an event in the store: *action* names a function registered in ``core/``."""
        raise NotImplementedError

    # --- places -----------------------------------------------------------------------------------------------
    @property
    def config(self) -> dict[str, str]:
        """What config.sh -json prints: datacenter_name, dns_domain, ufds_admin_uuid, <svc>_domain, ... all text."""
        raise NotImplementedError

    @property
    def headnode(self) -> str:
        """Uuid of the headnode."""
        raise NotImplementedError

    def root(self, server: str) -> pathlib.Path:
        """The fake global zone of a node: the folder itself for the headnode, below ``.mockdc/nodes`` for others."""
        raise NotImplementedError

    def image_path(self, store: str, uuid: str) -> pathlib.Path:
        """Where the file of an image of the store ("updates" or "imgapi") lies."""
        raise NotImplementedError

    # --- who is up --------------------------------------------------------------------------------------------
    def alive(self, server: str) -> bool:
        """Whether the node is powered on and heartbeating."""
        raise NotImplementedError

    def instances_of(self, service: str) -> list[Doc]:
        """The vm documents whose smartdc_role tag is *service* (admin's, not destroyed, not manta's)."""
        raise NotImplementedError

    def zone_answers(self, vm_uuid: str) -> bool:
        """Running, set up, its services online, on a live node (dependencies not looked at)."""
        raise NotImplementedError

    def outage(self, service: str) -> Optional[str]:
        """None when some instance of the service works; ``refused`` when none listens; ``degraded`` when one listens
        but something it needs is down (answer 500/503). What needs what: reference 5.1 and 5.2."""
        raise NotImplementedError

    def resolve(self, name: str) -> Optional[list[str]]:
        """Addresses that binder gives for a name (maybe none); None when binder itself is down."""
        raise NotImplementedError

    def vm_at(self, ip: str) -> Optional[Doc]:
        """The vm whose admin nic has that address."""
        raise NotImplementedError

    # --- zones (may sleep: no transaction may be held) ----------------------------------------------------------
    def reprovision(self, vm_uuid: str, image_uuid: str) -> None:
        """Everything of reference 6.1, step by step with the clock, each phase committed. Raises VmError."""
        raise NotImplementedError

    def stop(self, vm_uuid: str, force: bool = False) -> None:
        """Raises VmError."""
        raise NotImplementedError

    def start(self, vm_uuid: str) -> None:
        """Raises VmError."""
        raise NotImplementedError

    def touch_vm(self, vm: Doc) -> None:
        """Store a changed vm document (last_modified set) and let vm-agent tell VMAPI within seconds if it can."""
        raise NotImplementedError

    def smf(self, vm_uuid: str) -> list[Doc]:
        """SMF services of a zone now: {"fmri","state","since","reason"}; empty before first boot imported them."""
        raise NotImplementedError

    # --- images -----------------------------------------------------------------------------------------------
    def installed(self, server: str, image_uuid: str) -> Optional[Doc]:
        """The installed record, or None."""
        raise NotImplementedError

    def install(self, server: str, manifest: Doc, source: str) -> None:
        """Put an image into a node's pool (dataset zones/<uuid> and its @final)."""
        raise NotImplementedError
