"""Names: registrar in each zone registers its admin address, binder answers; both take their time (reference 2.8).

A zone's registration belongs to a session; a new session may register while the old one's has not expired yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

GRACE_S = 5.0
"""From ``svcadm disable registrar`` to the name being gone."""
SESSION_S = 60.0
"""From a zone's sudden end to the name being gone: ZooKeeper's session time-out."""


def domain(dc: Datacenter, service: str) -> str:
    """The name under which a service is found."""
    config = dc.config
    found = config.get(f"{service}_domain")
    return found or f"{service}.{config.get('datacenter_name')}.{config.get('dns_domain')}"


def admin_ip(vm: Doc) -> str:
    """The address on the admin network (never simply the first nic, HEAD-1813)."""
    return next((str(nic["ip"]) for nic in vm["nics"] if nic["nic_tag"] == "admin"), "")


def announce(dc: Datacenter, zone: Doc, delay: float) -> None:
    """Registrar has started: the name appears *delay* seconds from now. The caller stores the zone."""
    zone["session"] += 1
    if not zone.get("never_in_dns"):
        dc.later(delay, "dns-register", vm=zone["uuid"], session=zone["session"])


def withdraw(dc: Datacenter, zone: Doc, delay: float) -> None:
    """Registrar is gone: the name disappears *delay* seconds from now. The caller stores the zone."""
    dc.later(delay, "dns-expire", vm=zone["uuid"], session=zone["session"])
    zone["session"] += 1


def put(dc: Datacenter, vm: Doc, zone: Doc) -> None:
    """The registration itself."""
    name, ip = domain(dc, zone["service"]), admin_ip(vm)
    dc.store.put("dns", f"{name}/{ip}", {"name": name, "ip": ip, "session": f"{vm['uuid']}/{zone['session']}"})


def register(dc: Datacenter, vm: str, session: int) -> None:
    """Event: the zone's session reaches ZooKeeper, if that is up; otherwise it keeps trying."""
    found, zone = dc.store.get("vm", vm), dc.store.get("zone", vm)
    if found is None or zone is None or zone["session"] != session or found["state"] != "running":
        return
    if not (dc.listens("binder") or zone["service"] == "binder"):
        dc.later(GRACE_S, "dns-register", vm=vm, session=session)
        return
    put(dc, found, zone)


def expire(dc: Datacenter, vm: str, session: int) -> None:
    """Event: a session that ended is forgotten."""
    for id, entry in dc.store.items("dns"):
        if entry["session"] == f"{vm}/{session}":
            dc.store.delete("dns", id)


def forget_all(dc: Datacenter) -> None:
    """The last binder went away and one came back: every zone registers anew, at its own pace (TOOLS-1335)."""
    for id, _ in dc.store.items("dns"):
        dc.store.delete("dns", id)
    for zone in dc.store.all("zone"):
        if zone["answers"] and registrar_runs(zone):
            announce(dc, zone, zone["durations"]["dns"] / 2)
            dc.store.put("zone", zone["uuid"], zone)


def registrar_runs(zone: Doc) -> bool:
    """Whether the zone's registrar is online."""
    return any("registrar" in service["fmri"] and service["state"] == "online" for service in zone["smf"])


ACTIONS: dict[str, Callable[..., None]] = {"dns-register": register, "dns-expire": expire}
