"""What lies inside a zone's root, as real files: set-up markers, logs, sentinels (reference 6.3, 6.4)."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc


def zone_path(dc: Datacenter, vm: Doc) -> pathlib.Path:
    """``/zones/U`` of the node the zone lives on."""
    return dc.root(vm["server_uuid"]) / "zones" / str(vm["uuid"])


def root(dc: Datacenter, vm: Doc) -> pathlib.Path:
    """``/zones/U/root``, as a real folder."""
    return zone_path(dc, vm) / "root"


def write(dc: Datacenter, vm: Doc, path: str, text: str = "") -> None:
    """Write a file of the zone; *path* is relative to its root. Nothing happens while the zone has no root."""
    if root(dc, vm).is_dir():
        place = root(dc, vm) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def move(dc: Datacenter, vm: Doc, old: str, new: str) -> None:
    """Rename a file of the zone, if it is there."""
    if (root(dc, vm) / old).exists():
        (root(dc, vm) / old).replace(root(dc, vm) / new)


def exists(dc: Datacenter, vm: Doc, path: str) -> bool:
    """Whether the zone has that file."""
    return (root(dc, vm) / path).exists()


def fresh(dc: Datacenter, vm: Doc, image: Optional[Doc]) -> None:
    """The root as cloned from an image: nothing of first boot, no logs."""
    for name in ("var/svc/log", "var/log/sdc/upload", "var/tmp", "etc", "root", "opt/smartdc"):
        (root(dc, vm) / name).mkdir(parents=True, exist_ok=True)
    label = f"{image['name']} {image['version']}" if image else vm["image_uuid"]
    write(dc, vm, "etc/product", f"Name: Joyent Instance\nImage: {label}\n")


def config(dc: Datacenter, vm: Doc) -> None:
    """``/zones/U/config``: what vmadm keeps beside the root."""
    place = zone_path(dc, vm) / "config"
    place.mkdir(parents=True, exist_ok=True)
    metadata = {key: vm[key] for key in ("customer_metadata", "internal_metadata")}
    (place / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    (place / "tags.json").write_text(json.dumps(vm["tags"]), encoding="utf-8")
    (place / "routes.json").write_text("{}", encoding="utf-8")


def log_name(fmri: str) -> str:
    """``svc:/smartdc/site/vmapi:default`` -> ``smartdc-site-vmapi:default.log``."""
    return fmri.partition("/")[2].replace("/", "-") + ".log"


def service_log(dc: Datacenter, vm: Doc, fmri: str, line: str) -> None:
    """Add a line to the log of an SMF service."""
    place = root(dc, vm) / "var/svc/log" / log_name(fmri)
    if place.parent.is_dir():
        with place.open("a", encoding="utf-8") as out:
            out.write(f"[ {dc.iso()} {line} ]\n")


def set_up(dc: Datacenter, vm: Doc) -> None:
    """What a finished first boot leaves."""
    write(dc, vm, "var/svc/setup.log", f"{dc.iso()} setup of {vm['alias']}: config fetched, services imported\n")
    write(dc, vm, "var/svc/.ran-user-script")
    write(dc, vm, "var/svc/setup_complete")


def lived_in(dc: Datacenter, vm: Doc, service: str) -> None:
    """What an old zone has collected besides: hourly logs."""
    stamp = dc.iso(dc.now() - 3600)[:13]
    name = f"var/log/sdc/upload/{service}_{vm['uuid']}_{stamp}:00:00.log"
    write(dc, vm, name, json.dumps({"name": service, "level": 30, "msg": "an hour went by", "time": dc.iso()}) + "\n")
