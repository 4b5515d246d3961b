"""SMF inside the zones: services are imported late, start, run, may go into maintenance (reference 4.6)."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from mockdc.core import dns, zonefiles
from mockdc.core.stack import COMMON_FMRIS, kind

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

STARTING = "Start method is running."
SYSTEM = ("svc:/system/filesystem/minimal:default", "svc:/network/physical:default", "svc:/network/ssh:default",
          "svc:/smartdc/mdata:execute")


def entry(dc: Datacenter, fmri: str, state: str, reason: str = "") -> Doc:
    """One service as :meth:`Datacenter.smf` lists it; *since* in seconds of the datacenter's time."""
    return {"fmri": fmri, "state": state, "since": dc.now(), "reason": reason}


def own(service: str) -> tuple[str, ...]:
    """The FMRIs that a zone of *service* has besides the system's."""
    return (*kind(service).fmris, *COMMON_FMRIS) if service else ()


def system(dc: Datacenter) -> list[Doc]:
    """What any booted zone runs."""
    return [entry(dc, fmri, "online") for fmri in SYSTEM]


def starting(dc: Datacenter, zone: Doc) -> None:
    """The zone's own services were imported, or started again, and are on their way."""
    zone["smf"] = system(dc) + [entry(dc, fmri, "offline*", STARTING) for fmri in own(zone["service"])]


def online(dc: Datacenter, zone: Doc, vm: Doc) -> None:
    """They are all up; each says so in its log."""
    zone["smf"] = system(dc) + [entry(dc, fmri, "online") for fmri in own(zone["service"])]
    for fmri in own(zone["service"]):
        zonefiles.service_log(dc, vm, fmri, 'Method "start" exited with status 0.')


def maintenance(dc: Datacenter, zone: Doc) -> None:
    """The zone's first own service failed to start, repeatedly."""
    mine = own(zone["service"])[:1]
    for service in zone["smf"]:
        if service["fmri"] in mine:
            service.update(state="maintenance", since=dc.now(), reason="Start method failed repeatedly, last exited "
                           "with status 1.")


def _matches(fmri: str, pattern: str) -> bool:
    short = fmri.rpartition("/")[2]
    names = (fmri, fmri[len("svc:/"):], short, short.partition(":")[0], fmri.rpartition(":")[0],
             fmri[len("svc:/"):].rpartition(":")[0])
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def match(services: list[Doc], pattern: str) -> list[Doc]:
    """Those that a pattern of svcs or svcadm means: an FMRI, a part of it, a short name, a glob."""
    return [service for service in services if _matches(service["fmri"], pattern)]


def svcadm(dc: Datacenter, vm_uuid: str, verb: str, pattern: str) -> list[str]:
    """See :meth:`Datacenter.svcadm`."""
    dc.tick()
    with dc.store.transaction():
        zone, vm = dc.store.get("zone", vm_uuid), dc.store.get("vm", vm_uuid)
        if zone is None or vm is None or vm["zone_state"] != "running":
            return []
        found = match(zone["smf"], pattern)
        for service in found:
            _change(dc, zone, service, verb)
        dc.store.put("zone", vm_uuid, zone)
    return [service["fmri"] for service in found]


def _change(dc: Datacenter, zone: Doc, service: Doc, verb: str) -> None:
    main = service["fmri"] in own(zone["service"])[:1]
    registrar = "registrar" in service["fmri"]
    was = service["state"]
    if verb == "disable":
        service.update(state="disabled", since=dc.now(), reason="Disabled by an administrator.")
        zone["answers"] = zone["answers"] and not main
        if registrar and was == "online":
            dns.withdraw(dc, zone, dns.GRACE_S)
    elif _starts(verb, was):
        service.update(state="offline*", since=dc.now(), reason=STARTING)
        zone["answers"] = zone["answers"] and not main
        again = {"vm": zone["uuid"], "boot": zone["boot"], "fmri": service["fmri"]}
        dc.later(zone["durations"]["online"], "service-online", **again)
        if registrar and was == "online":
            dns.withdraw(dc, zone, dns.GRACE_S)


def _starts(verb: str, state: str) -> bool:
    """Whether *verb* makes a service in *state* start anew."""
    if verb == "enable":
        return state in {"disabled", "offline"}
    return (verb == "restart" and state != "disabled") or (verb == "clear" and state == "maintenance")


def service_online(dc: Datacenter, vm: str, boot: int, fmri: str) -> None:
    """Event: one service that was enabled or restarted is up."""
    zone = dc.store.get("zone", vm)
    if zone is None or zone["boot"] != boot:
        return
    for service in zone["smf"]:
        if service["fmri"] == fmri and service["state"] == "offline*":
            service.update(state="online", since=dc.now(), reason="")
            if "registrar" in fmri:
                dns.announce(dc, zone, zone["durations"]["dns"])
            if fmri in own(zone["service"])[:1]:
                dc.later(zone["durations"]["http"], "zone-answers", vm=vm, boot=boot)
    dc.store.put("zone", vm, zone)
