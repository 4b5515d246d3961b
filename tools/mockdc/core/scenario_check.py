"""What a scenario may say: every key is known, has a value of its kind, and names only what the scenario has.

Promises one line about the first thing that is wrong. Left out: whether the datacenter that comes of it makes sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockdc.core.store import Doc

KINDS = {str: "text", int: "a number", bool: "true or false", list: "a list", dict: "an object"}
Keys = Mapping[str, type]

TOP: Keys = {
    "about": str, "extends": str, "datacenter_name": str, "dns_domain": str, "start": str, "region_name": str,
    "update_channel": str, "platform": str, "platforms": list, "network": str, "config": dict, "application": dict,
    "quota_zero_breaks": bool, "servers": list, "generate": dict, "agents": bool, "services": dict, "origins": dict,
    "releases": list, "image_size": int, "packages": list, "decoys": bool, "leftover": list, "stale_instances": list,
    "reprovision_s": int, "bare": bool, "documents": dict, "named": dict,
}  # fmt: skip
SERVER: Keys = {"hostname": str, "headnode": bool, "setup": bool, "alive": bool, "system_type": str, "platform": str,
                "free_gib": int}  # fmt: skip
SERVICE: Keys = {"on": list, "quota": int, "quota_text": bool, "delegated": bool, "aliases": list, "sapi": bool,
                 "reprovision_s": int, "uuids": dict, "user_script": str, "image": str}  # fmt: skip
IMAGE: Keys = {"version": str, "stamp": str, "channels": list, "imgapi": bool, "size": int, "min_platform": str}
ORIGIN: Keys = {**IMAGE, "name": str}
RELEASE: Keys = {**IMAGE, "key": str, "branch": str, "origin": str, "services": list, "not": list}
PACKAGE: Keys = {**IMAGE, "name": str, "buildstamp": str}


SCRIPTS = ("today", "yesterday", "old")
STAMP = re.compile(r"\d{8}T\d{6}Z")


class Wrong(ValueError):
    """What is wrong with a scenario, in one line."""


def check(spec: Doc) -> None:
    """Raises Wrong."""
    _object("the scenario", spec, TOP, ("datacenter_name", "dns_domain"))
    services, origins = spec.get("services", {}), spec.get("origins", {})
    hosts = _hosts(spec)
    for name, row in services.items():
        _object(f"service {name}", row, SERVICE)
        _among(f"service {name}: on", row.get("on", []), hosts, "server")
        _among(f"service {name}: user_script", [row.get("user_script", "today")], SCRIPTS, "script")
        if "aliases" in row and len(row["aliases"]) < len(row.get("on", [""])):
            raise Wrong(f"service {name}: fewer aliases than instances")
    for name, row in origins.items():
        _object(f"origin {name}", row, ORIGIN, ("name", "version", "stamp"))
    for row in spec.get("releases", []):
        _object("a release", row, RELEASE, ("key", "stamp"))
        _among(f"release {row['key']}: origin", [row["origin"]] if "origin" in row else [], origins, "origin")
    for row in spec.get("packages", []):
        _object("a package", row, PACKAGE, ("name", "version", "stamp"))
    for key in ("leftover", "stale_instances"):
        _among(key, spec.get(key, []), services, "service")
    if spec.get("decoys") and "imgapi" not in services:
        raise Wrong("decoys need the service imgapi")


def _hosts(spec: Doc) -> list[str]:
    rows = spec.get("servers", [{"hostname": "headnode"}])
    if not rows:
        raise Wrong("servers: there must be one")
    for row in rows:
        _object("a server", row, SERVER, ("hostname",))
    generate = spec.get("generate", {"count": 0, "hostname": "%d"})
    _object("generate", generate, {"count": int, "hostname": str}, ("count", "hostname"))
    if "%" not in generate["hostname"]:
        raise Wrong("generate: hostname needs a %d")
    return [*(row["hostname"] for row in rows), *(generate["hostname"] % at for at in range(generate["count"]))]


def _object(where: str, given: Any, keys: Keys, needed: Iterable[str] = ()) -> None:
    if not isinstance(given, dict):
        raise Wrong(f"{where}: expected an object, not {given!r}")
    for key, value in given.items():
        if key not in keys:
            raise Wrong(f"{where}: there is no key {key!r}{nearest(key, keys)}; there are {', '.join(sorted(keys))}")
        kinds = (int, float) if keys[key] is int else (keys[key],)
        if not isinstance(value, kinds) or (isinstance(value, bool) and keys[key] is not bool):
            raise Wrong(f"{where}: {key} is {KINDS[keys[key]]}, not {value!r}")
    if "stamp" in given and not STAMP.fullmatch(given["stamp"]):
        raise Wrong(f"{where}: stamp is like 20240118T001122Z, not {given['stamp']!r}")
    for key in needed:
        if key not in given:
            raise Wrong(f"{where}: {key} is missing")


def _among(where: str, names: Iterable[Any], known: Iterable[str], what: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise Wrong(f"{where}: there is no {what} {name!r}{nearest(str(name), known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """`` (did you mean X?)``, or nothing when no name is near."""
    import difflib

    found = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {found[0]}?)" if found else ""
