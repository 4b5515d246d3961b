"""PAPI, as much as an operator asks of it: list and get packages (kind "package", quota in MiB, reference 2.7)."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from mockdc.apis.routes import Router, refuse, working
from mockdc.apis.web import Request, Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

routes = Router("papi", "PAPI/7.1.0")
FILTERS = ("name", "uuid", "version", "active", "owner_uuids")
SIZES = (128, 256, 512, 768, 1024, 2048, 4096, 8192, 16384)


def handle(dc: Datacenter, request: Request) -> Response:
    """Answer one request."""
    return routes(dc, request)


def packages(dc: Datacenter) -> list[Doc]:
    """All of them; where none was put into the store, the sdc_* ones that a headnode starts with."""
    return dc.store.all("package") or [_core(dc, size) for size in SIZES]


def _core(dc: Datacenter, ram: int) -> Doc:
    return {"uuid": dc.name_uuid(f"package/sdc_{ram}"), "name": f"sdc_{ram}", "version": "1.0.0",
            "active": True, "cpu_cap": 400, "max_lwps": 1000, "max_physical_memory": ram, "max_swap": 2 * ram,
            "quota": 25600, "vcpus": 1, "zfs_io_priority": 20, "default": False, "v": 1}


@routes.on("GET", "/packages")
def index(dc: Datacenter, request: Request) -> Response:
    """``*`` in a filter stands for anything; the count is in x-resource-count."""
    found = [each for each in packages(dc) if all(
        fnmatch.fnmatchcase(_text(each.get(key)), value) for key, value in request.query.items() if key in FILTERS)]
    found.sort(key=lambda each: str(each.get(request.query.get("sort", "name"))),
               reverse=request.query.get("order") == "DESC")
    start = int(request.query.get("offset", 0))
    page = found[start:start + int(request.query.get("limit", 1000))]
    return Response(200, page, {"x-resource-count": str(len(found))})


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@routes.on("GET", "/packages/:id")
def get(dc: Datacenter, request: Request, id: str) -> Response:
    """One package."""
    found = next((each for each in packages(dc) if each["uuid"] == id), None)
    if found is None:
        refuse(404, "ResourceNotFound", f"Package {id} does not exist")
    return Response(200, found)


@routes.on("GET", "/ping")
def ping(dc: Datacenter, request: Request) -> Response:
    """Alive, and whether moray is."""
    online = working(dc, "moray")
    return Response(200 if online else 503, {"pid": 1, "backend": "up" if online else "down"})
