"""The datacenter as one object: its clients, its nodes, and how they are reached.

A service is asked at the admin address of its zone on this headnode, found by vmadm and so known while binder is down;
where there is none, or it does not answer, by its name. Addresses survive a reprovision, so they are looked up once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sdcupgrade.dc import zones
from sdcupgrade.dc.api import Api
from sdcupgrade.dc.cnapi import Cnapi
from sdcupgrade.dc.headnode import read_headnode
from sdcupgrade.dc.imgapi import Imgapi
from sdcupgrade.dc.nodes import make_node
from sdcupgrade.dc.sapi import Sapi
from sdcupgrade.dc.vmapi import Vmapi
from sdcupgrade.errors import BadAnswer, CommandFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.dc.api import Bases
    from sdcupgrade.dc.headnode import Headnode
    from sdcupgrade.dc.nodes import Node
    from sdcupgrade.dc.zones import Zone
    from sdcupgrade.doors import Doors


class Addresses:
    """Admin addresses of the core zones on this headnode, by role; read at the first question."""

    def __init__(self, doors: Doors, headnode: Headnode) -> None:
        self._doors = doors
        self._headnode = headnode
        self._by_role: Optional[dict[str, str]] = None

    def learn(self, found: tuple[Zone, ...]) -> None:
        """Take addresses from zones that were looked up anyway."""
        self._by_role = {zone.role: zone.admin_ip for zone in found if zone.admin_ip and not zone.manta}

    def of(self, service: str) -> Bases:
        """The base URLs of a service, to be asked for at each request."""
        name = f"http://{self._headnode.domain(service)}"

        def bases() -> tuple[str, ...]:
            address = self._known().get(service)
            return (f"http://{address}", name) if address else (name,)

        return bases

    def _known(self) -> dict[str, str]:
        if self._by_role is None:
            node = make_node(self._doors, self._headnode.uuid, self._headnode.uuid, {})
            try:
                self.learn(zones.core_zones(node, self._headnode.admin_uuid))
            except (CommandFailed, BadAnswer):
                self._by_role = {}  # names will do; a vmadm that hangs is not waited for at each request
        return self._by_role or {}


@dataclass(frozen=True)
class Datacenter:
    """Everything of the datacenter that can be asked."""

    headnode: Headnode
    doors: Doors
    addresses: Addresses
    sapi: Sapi
    vmapi: Vmapi
    cnapi: Cnapi
    imgapi: Imgapi
    hostnames: dict[str, str] = field(default_factory=dict)
    """Hostnames by server uuid, as far as somebody filled them in; only for messages."""

    def node(self, server_uuid: str) -> Node:
        """The global zone of a server."""
        return make_node(self.doors, self.headnode.uuid, server_uuid, self.hostnames)

    def local(self) -> Node:
        """The global zone of this headnode."""
        return self.node(self.headnode.uuid)

    def api(self, service: str) -> Api:
        """A service without a client of its own (workflow, napi, ...)."""
        return Api(service, self.doors.admin, self.addresses.of(service), "*")

    def local_zones(self) -> tuple[Zone, ...]:
        """The core zones on this headnode now."""
        found = self.zones_of(self.headnode.uuid)
        self.addresses.learn(found)
        return found

    def zones_of(self, server_uuid: str) -> tuple[Zone, ...]:
        """The core zones on a server now, by its own word."""
        found = zones.core_zones(self.node(server_uuid), self.headnode.admin_uuid)
        return tuple(replace(zone, server_uuid=server_uuid) for zone in found)


def open_datacenter(doors: Doors) -> Datacenter:
    """Learn who this headnode is; no service is asked yet. Raises NotHere, BadAnswer or CommandFailed."""
    headnode = read_headnode(doors.run, doors.files)
    addresses = Addresses(doors, headnode)
    return Datacenter(
        headnode=headnode,
        doors=doors,
        addresses=addresses,
        sapi=Sapi(doors.admin, addresses.of("sapi")),
        vmapi=Vmapi(doors.admin, addresses.of("vmapi")),
        cnapi=Cnapi(doors.admin, addresses.of("cnapi")),
        imgapi=Imgapi(doors.admin, addresses.of("imgapi")),
        hostnames={headnode.uuid: headnode.hostname},
    )
