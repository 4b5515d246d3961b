"""What a site has already: images in IMGAPI, what services run, gzbits. For a bundle that leaves these out."""

from __future__ import annotations

from sdcupgrade import version
from sdcupgrade.dc.inventory import take
from sdcupgrade.errors import NoInput
from sdcupgrade.jsonvalue import loads
from sdcupgrade.ui.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.stages.site import Site

SCHEMA = 1
GZBITS = "/var/sdcupgrade/gzbits/installed.json"
COLUMNS = ("service", "instances", "version", "image")


def have(site: Site) -> dict[str, Json]:
    """The whole of it; ``bundle create --base`` reads *images*."""
    inventory = take(site.datacenter)
    services: dict[str, Json] = {}
    for name in dict.fromkeys(one.service for one in inventory.instances):
        running = inventory.instances_of(name)
        image = inventory.images.get(running[0].image_uuid)
        services[name] = {
            "image": running[0].image_uuid,
            "version": image.version if image else "",
            "instances": len(running),
        }
    known = [(uuid, inventory.images.get(uuid)) for uuid in sorted(inventory.imgapi_images)]
    images: list[Json] = [
        {"uuid": uuid, "name": image.name if image else "", "version": image.version if image else ""}
        for uuid, image in known
    ]
    return {
        "schema": SCHEMA,
        "datacenter": inventory.datacenter_name,
        "sdcupgrade": version.identity(),
        "images": images,
        "services": services,
        "gzbits": _gzbits(site),
    }


def _gzbits(site: Site) -> Json:
    try:
        found = loads(site.doors.files.read(GZBITS), GZBITS)
    except NoInput:
        return None
    return {key: found.get(key) for key in ("version", "buildstamp", "image")} if isinstance(found, dict) else None


def have_table(found: dict[str, Json]) -> Table:
    """A row a service."""
    services = found["services"]
    rows: list[dict[str, Json]] = [
        {"service": name, **row} for name, row in sorted(services.items()) if isinstance(row, dict)
    ] if isinstance(services, dict) else []  # fmt: skip
    return Table(COLUMNS, COLUMNS, rows)
