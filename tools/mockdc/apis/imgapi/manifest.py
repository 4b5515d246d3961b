"""Which image manifests IMGAPI accepts, field by field, in the words it complains with.

The verdicts are those of the npm package imgmanifest 3.2.1 on 118 manifests (recordings, imgmanifest). Left out: limits
that no recording shows, and the checks that need other images (origin) or accounts (owner).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Callable, Optional

from mockdc.apis.routes import is_uuid
from mockdc.core.store import Doc

Problem = dict[str, str]
Check = Callable[[Any, Doc, str], Iterator[Problem]]

TYPES = ("zone-dataset", "zvol", "lx-dataset", "lxd", "docker", "other")
OSES = ("smartos", "linux", "windows", "bsd", "illumos", "other")
STATES = ("active", "unactivated", "disabled", "creating", "failed")
REQUIREMENTS = ("networks", "brand", "ssh_key", "min_ram", "max_ram", "min_platform", "max_platform", "bootrom")
NEEDED = ("v", "uuid", "name", "version", "type", "os")
NEEDED_WHOLE = ("owner", "disabled", "activated", "public", "state")
ZVOL = ("nic_driver", "disk_driver", "cpu_type", "image_size")


class Thrown(Exception):
    """The real validator throws here; the server answers 500 without a code."""


def problems(manifest: Doc, mode: str, channels: bool = False) -> list[Problem]:
    """What is wrong with a whole manifest on a server of that mode: ``dc``, ``public``, ``private``, or ``minimal`` for
    what a client checks. *channels* says whether the server has channels. Raises Thrown."""
    found = list(_missing(manifest, mode))
    for field, check in CHECKS.items():
        if field in manifest:
            found += check(manifest[field], manifest, field)
    found += _for_the_mode(manifest, mode, channels)
    found += [wrong(field) for field in manifest if field not in KNOWN]
    return found


def wrong(field: str, message: Optional[str] = None, code: str = "Invalid") -> Problem:
    """One entry of a 422's ``errors``."""
    return {"field": field, "code": code, **({"message": message} if message else {})}


def as_bool(value: Any) -> bool:
    """The boolean, also when it is given as text. Raises Thrown."""
    if value in ("true", "false") or isinstance(value, bool):
        return value is True or value == "true"
    raise Thrown(f'invalid value for "undefined": {json.dumps(value)}')


def _missing(manifest: Doc, mode: str) -> Iterator[Problem]:
    whole = mode != "minimal"
    needed = NEEDED + NEEDED_WHOLE * whole
    yield from (wrong(field, code="MissingParameter") for field in needed if field not in manifest)
    if whole and manifest.get("type") == "zvol":
        yield from (wrong(field, code="MissingParameter") for field in ZVOL if field not in manifest)
    if whole and manifest.get("activated") is True:
        yield from (
            wrong(field, f'if activated is "true" {field} must be present', "MissingParameter")
            for field in ("published_at", "files")
            if field not in manifest
        )


def _for_the_mode(manifest: Doc, mode: str, channels: bool) -> Iterator[Problem]:
    if "public" in manifest and mode in ("public", "private") and not list(_public(manifest["public"], manifest, "")):
        public = as_bool(manifest["public"])
        if public != (mode == "public"):
            kind = "public" if public else "private"
            yield wrong("public", f"{kind} images are not allowed on a {mode} Images API")
    if mode == "minimal":
        if "channels" in manifest:
            raise Thrown("Cannot read property 'channelFromName' of undefined")
    elif not channels:
        if "channels" in manifest:
            yield wrong("channels", "channels is invalid with an IMGAPI not configured for channels")
    elif "channels" not in manifest:
        yield wrong("channels", code="MissingParameter")
    elif not isinstance(manifest["channels"], list):
        yield wrong("channels", f'invalid image "channels" (not an array): {json.dumps(manifest["channels"])}')


def _v(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
    if not re.fullmatch(r"[1-9]\d*", str(value)):
        yield wrong(field, '"v" must be a positive integer')


def _uuid(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
    if not is_uuid(value):
        yield wrong(field)


def _words(allowed: str, told: str, longest: int) -> Check:
    def check(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
        if value is None:
            raise Thrown("Cannot read property 'length' of null")
        if len(str(value)) > longest:
            yield wrong(field, f"image {field} is too long, max {longest} characters")
        elif allowed and not re.fullmatch(allowed, str(value)):
            only = f"only alpha-numeric characters and {told} are allowed"
            yield wrong(field, f"image {field} has invalid characters ({only})")

    return check


def _one_of(choices: tuple[str, ...]) -> Check:
    def check(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
        if value == "null":
            yield wrong(field, f'invalid image {field}, "null"')
        elif value not in choices:
            yield wrong(field, f'invalid image {field}, "{value}", must be one of: {", ".join(choices)}')

    return check


def _state(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
    if value not in STATES:
        yield wrong(field)


def _flag(value: Any, _all: Doc, _field: str) -> Iterator[Problem]:
    as_bool(value)
    yield from ()


def _public(value: Any, _all: Doc, _field: str) -> Iterator[Problem]:
    try:
        as_bool(value)
    except Thrown as why:
        yield wrong("public", f"TypeError: {why}")


def _published_at(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", str(value)):
        yield wrong(field, 'published_at date not in "YYYY-MM-DDTHH:MM:SS(.SSS)Z" format')


def _files(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield wrong(field, f'invalid image "files" (not an array): {value}')
        return
    for each in value:
        lacking = [part for part in ("sha1", "size", "compression") if part not in each]
        if lacking:
            yield wrong(field, f'invalid image "files": file missing "{lacking[0]}" field')


def _object(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
    if value is None:
        raise Thrown("Cannot convert undefined or null to object")
    if not isinstance(value, dict):
        yield wrong(field, f'invalid image "{field}" (not an object): {json.dumps(value)}')


def _list_of(good: Callable[[Any], bool], *, item: str, plain: bool = False) -> Check:
    """*item* is how a bad one is told; *plain* says that one which is no list is told without quotes."""

    def check(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield wrong(field, f'invalid image "{field}" (not an array): {value if plain else json.dumps(value)}')
            return
        for at, each in enumerate(value):
            if not good(each):
                shown = each if isinstance(each, str) else json.dumps(each)
                yield wrong(field, f'invalid image "{field}" ' + item.format(at=at, each=shown))
                return

    return check


def _requirements(value: Any, whole: Doc, field: str) -> Iterator[Problem]:
    yield from _object(value, whole, field)
    if not isinstance(value, dict):
        return
    low, high = value.get("min_ram"), value.get("max_ram")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield wrong("requirements.max_ram", f"min_ram must be <= max_ram, but:min_ram={low}, max_ram={high}")
    for each in value.get("networks", []):
        if "name" not in each:
            yield wrong("requirements.networks", f'invalid image "requirements.networks" entry: {json.dumps(each)}')
    for name in ("min_platform", "max_platform"):
        if name in value:
            yield from _platform(f"requirements.{name}", value[name])
    yield from (wrong(name, f'unsupported requirement "{name}"') for name in value if name not in REQUIREMENTS)


def _platform(field: str, value: Any) -> Iterator[Problem]:
    if not isinstance(value, dict) or not value:
        yield wrong(field, f'invalid image "{field}" (not an object): {json.dumps(value)}')
        return
    for version, stamp in value.items():
        if not re.fullmatch(r"\d+(\.\d+)?", version) or not re.fullmatch(r"\d{8}T\d{6}Z", str(stamp)):
            yield wrong(field, f'invalid image "{field}" entry: "{version}: {stamp}" not a valid platform version')


def _homepage(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
    if not re.match(r"https?:", str(value)):
        yield wrong(field, "invalid image homepage URL protocol")


def _urn(value: Any, _all: Doc, field: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield wrong(field)


def _image_size(value: Any, whole: Doc, field: str) -> Iterator[Problem]:
    if whole.get("type") != "zvol":
        yield wrong(field, f'invalid image image_size: "{value}" (cannot have a value when image type is zvol)')
    elif not re.fullmatch(r"[1-9]\d*", str(value)):
        yield wrong(field, f'invalid image image_size: "{value}" (must be a positive integer)')


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_user(value: Any) -> bool:
    return isinstance(value, dict) and "name" in value


NAME, VERSION = r"[a-zA-Z0-9\-_./ ]+", r"[a-zA-Z0-9\-_./+]+"
CHECKS: dict[str, Check] = {
    "v": _v,
    "uuid": _uuid,
    "owner": _uuid,
    "name": _words(NAME, '" ", ".", "-", "_" and "/"', 1024),
    "version": _words(VERSION, '".", "-", "_" and "/"', 512),
    "description": _words("", "", 10240),
    "homepage": _homepage,
    "eula": _homepage,
    "icon": _flag,
    "urn": _urn,
    "disabled": _flag,
    "public": _public,
    "published_at": _published_at,
    "type": _one_of(TYPES),
    "os": _one_of(OSES),
    "state": _state,
    "files": _files,
    "error": _object,
    "tags": _object,
    "requirements": _requirements,
    "users": _list_of(_is_user, item="entry: {each}"),
    "billing_tags": _list_of(
        lambda each: _is_text(each) and len(each) <= 128, item="entry : {each}", plain=True),
    "traits": _object,
    "generate_passwords": _flag,
    "inherited_directories": _list_of(_is_text, item="entry: {each}"),
    "origin": _uuid,
    "acl": _list_of(is_uuid, item="(item {at} is not a UUID): {each}", plain=True),
    "image_size": _image_size,
}
KNOWN = {*CHECKS, "activated", "channels", "nic_driver", "disk_driver", "cpu_type"}
