"""NAPI, as much as an operator asks of it: networks (kind "network") and the nics of VMs (reference 2.7)."""

from __future__ import annotations

import uuid as uuids
from typing import TYPE_CHECKING, Any, Optional

from mockdc.apis.routes import Router, refuse, working
from mockdc.apis.web import Request, Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

routes = Router("napi", "napi/1.4.1")


def handle(dc: Datacenter, request: Request) -> Response:
    """Answer one request."""
    return routes(dc, request)


def networks(dc: Datacenter) -> list[Doc]:
    """All of them; where none was put into the store, the networks that the nics of the VMs speak of."""
    return dc.store.all("network") or list(_seen(dc).values())


def _seen(dc: Datacenter) -> dict[str, Doc]:
    found: dict[str, Doc] = {}
    for vm in dc.store.all("vm"):
        for nic in vm.get("nics") or ():
            name, ip = str(nic.get("nic_tag", "admin")), str(nic.get("ip", ""))
            if name not in found and ip.count(".") == 3:
                found[name] = _network(dc, name, ip.rsplit(".", 1)[0], nic)
    return found


def _network(dc: Datacenter, name: str, prefix: str, nic: Doc) -> Doc:
    uuid = nic.get("network_uuid") or str(uuids.uuid5(uuids.NAMESPACE_DNS, f"{name}.{prefix}"))
    gateway = {"gateway": nic["gateway"]} if nic.get("gateway") else {}
    return {"uuid": uuid, "name": name, "vlan_id": nic.get("vlan_id", 0), "subnet": f"{prefix}.0/24",
            "netmask": nic.get("netmask", "255.255.255.0"), "provision_start_ip": f"{prefix}.38",
            "provision_end_ip": f"{prefix}.253", "nic_tag": name, "resolvers": [], "mtu": 1500, **gateway,
            "owner_uuids": [dc.config.get("ufds_admin_uuid", "")]}


def find(dc: Datacenter, wanted: Any) -> Optional[Doc]:
    """The network that a payload names: a name, a uuid, or an object with one of them."""
    given = wanted if isinstance(wanted, dict) else {"uuid": wanted, "name": wanted}
    for each in networks(dc):
        if each["uuid"] in (given.get("uuid"), given.get("ipv4_uuid")) or each["name"] == given.get("name"):
            return each
    return None


@routes.on("GET", "/networks")
def index(dc: Datacenter, request: Request) -> Response:
    """``name`` and ``uuid`` narrow the list."""
    asked = {key: value for key, value in request.query.items() if key in ("name", "uuid", "nic_tag")}
    return Response(200, [each for each in networks(dc) if all(each[key] == value for key, value in asked.items())])


@routes.on("GET", "/networks/:id")
def get(dc: Datacenter, request: Request, id: str) -> Response:
    """By uuid; the name ``admin`` works too."""
    found = find(dc, id)
    if found is None:
        refuse(404, "ResourceNotFound", "network not found")
    return Response(200, found)


@routes.on("GET", "/nics")
def nics(dc: Datacenter, request: Request) -> Response:
    """The nics of all VMs that are not destroyed, or of one."""
    owner = request.query.get("belongs_to_uuid")
    found = [{**nic, "belongs_to_uuid": vm["uuid"], "belongs_to_type": "zone", "owner_uuid": vm.get("owner_uuid"),
              "state": vm.get("state")}
             for vm in dc.store.all("vm") if vm.get("state") != "destroyed" and owner in (None, vm["uuid"])
             for nic in vm.get("nics") or ()]
    return Response(200, found)


@routes.on("GET", "/ping")
def ping(dc: Datacenter, request: Request) -> Response:
    """Alive, and whether moray is."""
    online = working(dc, "moray")
    return Response(200 if online else 503, {
        "pid": 1, "status": "OK" if online else "initializing", "healthy": online,
        "services": {"moray": "online" if online else "offline"}, "config": {"fabrics_enabled": False}})
