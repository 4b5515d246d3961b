"""What there is and what there could be: instances, and images newer than those that run. Tables in sdcadm's style."""

from __future__ import annotations

from sdcupgrade.dc.inventory import take
from sdcupgrade.errors import BadInput, UsageError
from sdcupgrade.plan import stack
from sdcupgrade.ui.table import Table
from sdcupgrade.updates.channel import channel_of, published

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional

    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.model import Image, Inventory
    from sdcupgrade.stages.site import Site

INSTANCE_COLUMNS = ("instance", "service", "hostname", "version", "alias", "image", "state", "server", "ip", "type")
INSTANCES_SHOWN = ("instance", "service", "hostname", "version", "alias")
AVAIL_COLUMNS = ("service", "image", "version", "published", "current", "channel", "size")
AVAIL_SHOWN = ("service", "image", "version")
_SHORT = {"svc": "service", "inst": "instance", "zonename": "instance"}


def instances_table(site: Site, filters: Sequence[str]) -> Table:
    """Every instance; *filters* are ``column=value``."""
    inventory = take(site.datacenter)
    wanted = [_filter(text) for text in filters]
    hostnames = {server.uuid: server.hostname for server in inventory.servers}
    rows: list[dict[str, Json]] = []
    for one in inventory.instances:
        image = inventory.images.get(one.image_uuid)
        row: dict[str, Json] = {
            "type": "vm",
            "instance": one.uuid,
            "service": one.service,
            "hostname": hostnames.get(one.server_uuid, ""),
            "version": image.version if image else "",
            "alias": one.alias,
            "image": one.image_uuid,
            "state": one.state,
            "server": one.server_uuid,
            "ip": one.admin_ip,
        }
        if all(str(row[column]) == value for column, value in wanted):
            rows.append(row)
    rows.sort(key=lambda row: str(row["service"]))
    return Table(INSTANCE_COLUMNS, INSTANCES_SHOWN, rows)


def _filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    column = _SHORT.get(name, name)
    if not equals or column not in INSTANCE_COLUMNS:
        raise UsageError(f"{text!r} is no filter", f"write column=value; columns: {', '.join(INSTANCE_COLUMNS)}")
    return column, value


def avail_table(site: Site, asked: Optional[str], services: Sequence[str], everything: bool) -> Table:
    """Images in the channel newer than the oldest that runs of each service: the newest one, or all."""
    for name in services:
        if stack.find(name) is None:
            near = stack.nearest(name)
            raise BadInput(f"there is no service {name!r}", f"did you mean {near!r}?" if near else "")
    inventory = take(site.datacenter)
    source = site.source()
    channel = channel_of(source, asked, inventory.update_channel)
    rows: list[dict[str, Json]] = []
    for entry in stack.STACK:
        running = _running(inventory, entry.name)
        if (services and entry.name not in services) or not running or entry.retired:
            continue
        newer = [image for image in published(source, entry.image_names(), channel) if _newer(image, running)]
        rows += [_avail_row(entry.name, image, running, channel) for image in (newer if everything else newer[-1:])]
    return Table(AVAIL_COLUMNS, AVAIL_SHOWN, rows)


def _running(inventory: Inventory, service: str) -> list[tuple[str, str, str]]:
    """(published_at, version, uuid) of what runs, oldest first; unknown images count as oldest."""
    uuids = {one.image_uuid for one in inventory.instances_of(service)}
    record = inventory.service(service)
    if not uuids and record is not None and record.image_uuid:
        uuids = {record.image_uuid}
    known = [inventory.images.get(uuid) for uuid in uuids]
    pairs = zip(known, uuids)
    return sorted((image.published_at, image.version, image.uuid) if image else ("", "", uuid) for image, uuid in pairs)


def _newer(image: Image, running: list[tuple[str, str, str]]) -> bool:
    return image.published_at > running[0][0] and image.uuid not in {uuid for _, _, uuid in running}


def _avail_row(service: str, image: Image, running: list[tuple[str, str, str]], channel: str) -> dict[str, Json]:
    return {
        "service": service,
        "image": image.uuid,
        "version": image.version,
        "published": image.published_at,
        "current": running[0][1] or running[0][2],
        "channel": channel,
        "size": image.file.size if image.file else 0,
    }
