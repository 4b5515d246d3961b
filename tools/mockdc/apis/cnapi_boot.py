"""CNAPI's boot params and platforms.

The default params are a named value of the store ("boot_default"); a server's own are fields of its document. Platforms
are the folders of ``/usbkey/os`` on the headnode, or the named value "platforms" where there is no such folder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mockdc.apis.routes import refuse

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

STAMP = re.compile(r"\d{8}T\d{6}Z")
OWN = ("platform", "kernel_args", "kernel_flags", "boot_modules", "default_console", "serial")


def platforms(dc: Datacenter) -> list[str]:
    """Stamps, oldest first."""
    folder = dc.root(dc.headnode) / "usbkey" / "os"
    found = [each.name for each in folder.iterdir() if STAMP.fullmatch(each.name)] if folder.is_dir() else []
    return sorted(found or dc.store.meta("platforms", []))


def listed(dc: Datacenter, with_os: bool) -> dict[str, Doc]:
    """By stamp; the newest says so."""
    stamps = platforms(dc)
    return {stamp: {**({"os": "smartos"} if with_os else {}), **({"latest": True} if stamp == stamps[-1] else {})}
            for stamp in stamps}


def must_exist(dc: Datacenter, platform: Any, message: str) -> None:
    """Refuse (500, as CNAPI does) a platform that is not there."""
    if platform is not None and platform not in platforms(dc):
        refuse(500, "InternalError", message.format(platform))


def _always(dc: Datacenter) -> Doc:
    """Kernel arguments that CNAPI adds to whatever was set."""
    return {"rabbitmq": dc.config.get("rabbitmq", "guest:guest:127.0.0.1:5672"), "smt_enabled": True}


def default(dc: Datacenter) -> Doc:
    """Params of servers that have none."""
    stored = dc.store.meta("boot_default")
    if stored is None:
        head = dc.store.get("server", dc.headnode) or {}
        first = head.get("boot_platform") or next(iter(platforms(dc)), "")
        stored = {"platform": first, "kernel_args": {}, "kernel_flags": {}, "boot_modules": [],
                  "default_console": "serial", "serial": "ttyb"}
    return {**stored, "kernel_args": {**stored["kernel_args"], **_always(dc)}}


def set_default(dc: Datacenter, given: dict[str, Any], merge: bool) -> None:
    """POST merges into what is there, PUT replaces it (recording cnapi-034)."""
    must_exist(dc, given.get("platform"), "Platform '{}' does not exist")
    dc.store.set_meta("boot_default", _changed(default(dc), given, merge))


def _changed(old: Doc, given: dict[str, Any], merge: bool) -> Doc:
    base: Doc = dict(old) if merge else {"platform": old["platform"]}
    for key in ("kernel_args", "kernel_flags"):
        base[key] = {**(base.get(key) or {}), **(given.get(key) or {})}
    base.setdefault("boot_modules", [])
    for key in ("platform", "boot_modules", "default_console", "serial"):
        if given.get(key) is not None:
            base[key] = given[key]
    return base


def of_server(dc: Datacenter, server: Doc) -> Doc:
    """What a server boots with."""
    args = {"hostname": server["hostname"], **(server.get("boot_params") or {}), **_always(dc)}
    return {**_own(server), "kernel_args": args}


def _own(server: Doc) -> Doc:
    return {"platform": server.get("boot_platform"), "kernel_args": server.get("boot_params") or {},
            "kernel_flags": server.get("kernel_flags") or {}, "boot_modules": server.get("boot_modules") or [],
            "default_console": server.get("default_console", "serial"), "serial": server.get("serial", "ttyb")}


def set_server(dc: Datacenter, server: Doc, given: dict[str, Any], merge: bool) -> Doc:
    """The changed document of a server; storing it is the caller's."""
    must_exist(dc, given.get("platform"), "Platform '{}' does not exist")
    new = _changed(_own(server), given, merge)
    changed = {key: new[key] for key in OWN if key in new and key not in ("platform", "kernel_args")}
    return {**server, **changed, "boot_platform": new["platform"], "boot_params": new["kernel_args"]}
