"""Everything that planning looks at, read once, in few calls however many servers there are.

What belongs to a service is told by SAPI's record and by owner and role, never by an alias (reference 10.2, number 31);
the truth about a zone is its VM: vmadm's for this headnode, VMAPI's for other servers. Into servers themselves
(installed images, free space) is only looked where they hold a zone of a service that was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.dc.survey import survey
from sdcupgrade.doors.clock import iso
from sdcupgrade.errors import BadAnswer, NoInput, Unreachable
from sdcupgrade.model import Instance, Inventory, Service, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Optional, TypeVar

    from sdcupgrade.dc.access import Datacenter
    from sdcupgrade.dc.sapi import Application, SapiInstance
    from sdcupgrade.dc.survey import Surveyed
    from sdcupgrade.dc.zones import Zone
    from sdcupgrade.model import Image, Server

    T = TypeVar("T")

COMMON_USER_SCRIPT = "/usbkey/default/user-script.common"
WORK = "/var/tmp"
MISSING = "missing"


@dataclass(frozen=True)
class _Parts:
    """The raw answers, before they are fitted together."""

    services: tuple[Service, ...]
    records: tuple[SapiInstance, ...]
    zones: Mapping[str, Zone]


def take(
    dc: Datacenter, services: Optional[Collection[str]] = None, down: Collection[str] = ()
) -> Inventory:
    """Read the datacenter. *services* names those whose servers are looked into; None looks into none.

    *down* names services that may not answer, since they are being replaced: without vmapi other servers are asked
    themselves, without cnapi only this headnode is a server, without imgapi no image is known.
    Raises Unreachable, HttpError, BadAnswer or CommandFailed.
    """
    here = dc.local_zones()  # first, because it also tells the addresses at which the services are asked
    application = dc.sapi.application("sdc")
    parts = _parts(dc, application.uuid, {zone.uuid: zone for zone in here}, down)
    instances = _instances(parts)
    servers = _without("cnapi", down, lambda: _servers(dc, instances), lambda: (dc.headnode.as_server(),))
    dc.hostnames.update({server.uuid: server.hostname for server in servers})
    touched = _touched(servers, instances, services)
    looked = survey(dc, touched) if touched else {}
    known: tuple[Image, ...] = _without("imgapi", down, dc.imgapi.active, lambda: ())
    active = {image.uuid: image for image in known}
    images: dict[str, Image] = _without("imgapi", down, lambda: _running_images(dc, instances, active), dict)
    return Inventory(
        datacenter_name=dc.headnode.datacenter_name,
        dns_domain=dc.headnode.dns_domain,
        admin_uuid=dc.headnode.admin_uuid,
        headnode_uuid=dc.headnode.uuid,
        application_uuid=application.uuid,
        update_channel=_update_channel(application),
        servers=servers,
        services=parts.services,
        instances=instances,
        images=images,
        imgapi_images=frozenset(active),
        installed={uuid: one.images for uuid, one in looked.items()},
        common_user_script=_common_user_script(dc),
        space=_space(dc, instances, looked),
        taken_at=iso(dc.doors.clock.time()),
    )


def update_channel(dc: Datacenter) -> Optional[str]:
    """The datacenter's own channel, asked for alone."""
    return _update_channel(dc.sapi.application())


def _update_channel(application: Application) -> Optional[str]:
    """The datacenter's own channel. Anything but text is refused: the server's default would be a guess."""
    channel = application.metadata.get("update_channel")
    if channel is None or channel == "":
        return None
    if not isinstance(channel, str):
        hint = "set it: sdcadm channel set NAME; or use --channel"
        raise BadAnswer(f"sapi: the update_channel of the sdc application is {channel!r}, not text", hint)
    return channel


def _without(service: str, down: Collection[str], ask: Callable[[], T], instead: Callable[[], T]) -> T:
    """What *ask* gives, or *instead* when nobody answers and that was to be expected."""
    try:
        return ask()
    except Unreachable:
        if service not in down:
            raise
        return instead()


def _parts(dc: Datacenter, application_uuid: str, here: Mapping[str, Zone], down: Collection[str]) -> _Parts:
    services = dc.sapi.services(application_uuid)
    ours = {service.uuid for service in services}
    records = tuple(record for record in dc.sapi.instances() if record.service_uuid in ours)
    elsewhere = _without(
        "vmapi", down, lambda: _believed(dc, records, here), lambda: _asked_there(dc, records, here)
    )
    return _Parts((*services, *_unrecorded(services)), records, {**elsewhere, **here})


def _believed(dc: Datacenter, records: Iterable[SapiInstance], here: Mapping[str, Zone]) -> dict[str, Zone]:
    """VMAPI's word on the zones of other servers; what it places on this headnode only vmadm can tell of."""
    zones = {zone.uuid: zone for zone in dc.vmapi.core_zones(dc.headnode.admin_uuid)}
    unknown = [record.uuid for record in records if record.uuid not in zones and record.uuid not in here]
    if unknown:
        zones.update((zone.uuid, zone) for zone in dc.vmapi.zones(unknown))
    return {uuid: zone for uuid, zone in zones.items() if zone.server_uuid != dc.headnode.uuid}


def _asked_there(dc: Datacenter, records: Iterable[SapiInstance], here: Mapping[str, Zone]) -> dict[str, Zone]:
    """The other servers' own word, those that SAPI's records name."""
    servers = {record.server_uuid for record in records if record.uuid not in here}
    servers -= {"", dc.headnode.uuid}
    return {zone.uuid: zone for uuid in sorted(servers) for zone in dc.zones_of(uuid)}


def _unrecorded(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """assets has no SAPI record (TOOLS-695): stand-in without uuid, image or metadata."""
    if any(service.name == "assets" for service in services):
        return ()
    return (Service("", "assets", "vm", None, None, None),)


def _instances(parts: _Parts) -> tuple[Instance, ...]:
    """SAPI's instances, alive or not, and zones of a service's role that SAPI does not list; by service and alias."""
    names = {service.uuid: service.name for service in parts.services}
    listed = [_recorded(record, names[record.service_uuid], parts.zones) for record in parts.records]
    known = {instance.uuid for instance in listed}
    roles = set(names.values())
    strays = [
        _instance(zone, zone.role, in_sapi=False)
        for zone in parts.zones.values()
        if zone.uuid not in known and zone.role in roles and not zone.manta
    ]
    return tuple(sorted((*listed, *strays), key=lambda one: (one.service, natural(one.alias), one.uuid)))


def natural(alias: str) -> tuple[str, int, str]:
    """A key that puts moray10 after moray9 (TRITON-2349)."""
    name = alias.rstrip("0123456789")
    return name, int(alias[len(name) :] or "-1"), alias


def _recorded(record: SapiInstance, service: str, zones: Mapping[str, Zone]) -> Instance:
    zone = zones.get(record.uuid)
    if zone is None:
        return Instance(record.uuid, record.alias, service, "", "", MISSING, "", 0, (), None)
    return _instance(zone, service, in_sapi=True)


def _instance(zone: Zone, service: str, in_sapi: bool) -> Instance:
    return Instance(
        uuid=zone.uuid,
        alias=zone.alias,
        service=service,
        server_uuid=zone.server_uuid,
        image_uuid=zone.image_uuid,
        state=zone.state,
        admin_ip=zone.admin_ip,
        quota_gib=zone.quota_gib,
        datasets=zone.datasets,
        user_script=zone.user_script,
        in_sapi=in_sapi,
    )


def _servers(dc: Datacenter, instances: Iterable[Instance]) -> tuple[Server, ...]:
    """The servers that hold instances, and this headnode; never all of a thousand."""
    wanted = {instance.server_uuid for instance in instances if instance.server_uuid} | {dc.headnode.uuid}
    return tuple(sorted(dc.cnapi.servers(sorted(wanted)), key=lambda server: (not server.headnode, server.hostname)))


def _touched(
    servers: Iterable[Server], instances: Iterable[Instance], services: Optional[Collection[str]]
) -> tuple[str, ...]:
    """The servers to look into; imgapi's is one of them, for images go into its dataset. Those that CNAPI does not hear
    from are left out: planning refuses them by name."""
    if services is None:
        return ()
    wanted = {*services, "imgapi"}
    silent = {server.uuid for server in servers if server.status != "running"} | {""}
    return tuple(sorted({one.server_uuid for one in instances if one.service in wanted} - silent))


def _running_images(dc: Datacenter, instances: Iterable[Instance], active: Mapping[str, Image]) -> dict[str, Image]:
    """What is known of the images that run; one that is not active, or too new for the list, is asked for singly."""
    found: dict[str, Image] = {}
    for uuid in sorted({instance.image_uuid for instance in instances if instance.image_uuid}):
        image = active.get(uuid) or dc.imgapi.image(uuid)
        if image is not None:
            found[uuid] = image
    return found


def _common_user_script(dc: Datacenter) -> Optional[str]:
    try:
        return dc.doors.files.read(COMMON_USER_SCRIPT).decode("utf-8")
    except NoInput:
        return None
    except UnicodeDecodeError as why:
        hint = "copy it again from default/user-script.common of the USB key (sdc-usbkey mount)"
        raise BadAnswer(f"{COMMON_USER_SCRIPT}: not UTF-8 text (byte {why.start + 1})", hint) from why


def _space(dc: Datacenter, instances: Iterable[Instance], looked: Mapping[str, Surveyed]) -> Space:
    """IMGAPI's room is that of its dataset, which the zone's quota bounds."""
    imgapi = next((one for one in instances if one.service == "imgapi" and one.server_uuid in looked), None)
    room = looked[imgapi.server_uuid].available.get(f"zones/{imgapi.uuid}") if imgapi else None
    return Space(
        workdir=dc.doors.files.free(WORK),
        imgapi=room or 0,
        pools={uuid: one.available.get("zones", 0) for uuid, one in looked.items()},
    )
