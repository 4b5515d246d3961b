"""SAPI's four collections: what an object needs, how it is stored, shown, merged.

Objects are kept in the store as SAPI shows them to version 2, always with ``type`` where the collection has types.
Absent fields stay absent. Quirks kept on purpose: create overwrites silently, PUT merges one level deep, a string given
for ``params`` is merged character by character (recordings sapi-011, 024, 061).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mockdc.apis.routes import Refusal, refuse
from mockdc.apis.web import Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

SEMVER = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")
SERVICE_TYPES = ("vm", "agent", "other")
JS_TYPES: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "string": (str,),
                                         "boolean": (bool,), "object": (dict,), "array": (list,)}


@dataclass(frozen=True)
class Collection:
    """One of the four. *fields* in the order in which SAPI prints them; *mergeable* are those that PUT touches."""

    name: str
    singular: str
    required: tuple[str, ...]
    fields: tuple[str, ...]
    filters: tuple[str, ...]
    typed: bool = False
    replaceable: tuple[str, ...] = ()
    mergeable: tuple[str, ...] = ("params", "metadata", "manifests")

    @property
    def kind(self) -> str:
        """The store's kind."""
        return f"sapi_{self.singular}"

    @property
    def bucket(self) -> str:
        """The moray bucket, as in SAPI's messages."""
        return f"sapi_{self.name}"


APPLICATIONS = Collection(
    "applications", "application", ("name", "owner_uuid"),
    ("uuid", "name", "owner_uuid", "params", "metadata", "metadata_schema", "manifests", "master"),
    ("name", "owner_uuid"), replaceable=("owner_uuid",),
    mergeable=("params", "metadata", "metadata_schema", "manifests"))
SERVICES = Collection(
    "services", "service", ("name", "application_uuid"),
    ("uuid", "name", "application_uuid", "params", "metadata", "manifests", "master", "type"),
    ("name", "application_uuid", "type"), typed=True)
INSTANCES = Collection(
    "instances", "instance", ("service_uuid",),
    ("uuid", "service_uuid", "params", "metadata", "manifests", "master", "type"),
    ("service_uuid", "type"), typed=True)
MANIFESTS = Collection(
    "manifests", "manifest", ("name", "path", "template"),
    ("uuid", "name", "path", "template", "post_cmd", "post_cmd_linux", "version", "master"), ("name",))
COLLECTIONS = {each.name: each for each in (APPLICATIONS, SERVICES, INSTANCES, MANIFESTS)}


def mode(dc: Datacenter) -> str:
    """``proto`` or ``full``; where nobody set it, a datacenter that has moray is past its first minutes."""
    return str(dc.store.meta("sapi_mode") or ("full" if dc.instances_of("moray") else "proto"))


def find(dc: Datacenter, collection: Collection, id: str) -> Doc:
    """The stored object; 404 when there is none."""
    found = dc.store.get(collection.kind, id)
    if found is None:
        refuse(404, "ResourceNotFound", f"no such {collection.singular}: {id}")
    return found


def shown(collection: Collection, stored: Doc, version: int) -> Doc:
    """The object as a client of that version sees it: version 1 knows no type."""
    whole = {**stored, "type": stored.get("type", "vm")} if collection.typed and version > 1 else stored
    hidden = ("type",) if version == 1 else ()
    return {key: whole[key] for key in collection.fields if key in whole and key not in hidden}


def listed(dc: Datacenter, collection: Collection, query: dict[str, str], version: int) -> list[Doc]:
    """Every match; there is no paging. Version 1 hides what is no vm unless the filter asks for it (reference 2.1)."""
    asked = {key: value for key, value in query.items() if key in collection.filters}
    if collection.typed and version == 1 and "type" not in asked and "service_uuid" not in asked:
        asked["type"] = "vm"
    found = [{"type": "vm", **each} if collection.typed else each for each in dc.store.all(collection.kind)]
    found = [each for each in found if all(each.get(key) == value for key, value in asked.items())]
    if mode(dc) == "proto":        # files in a folder come sorted; moray's rows by age
        found.sort(key=lambda each: str(each["uuid"]))
    return [shown(collection, each, version) for each in found]


def made(dc: Datacenter, collection: Collection, given: dict[str, Any]) -> Doc:
    """A new object, checked but not stored. Raises Refusal."""
    missing = [key for key in collection.required if given.get(key) is None]
    if missing:
        refuse(409, "MissingParameter", "missing required keys: " + ", ".join(missing))
    for key in ("params", "metadata", "manifests"):
        if given.get(key) is not None and not isinstance(given[key], dict):
            refuse(409, "InvalidArgument", f"{key} is not an object")     # the real process dies here (sapi-014)
    new = {key: given[key] for key in collection.fields if given.get(key) is not None and key != "master"}
    new = {"uuid": str(uuid.uuid4()), **new}
    _check_references(dc, collection, new)
    if collection.typed:
        new["type"] = _type_of(dc, collection, given)
    if collection is MANIFESTS and not SEMVER.fullmatch(str(given.get("version") or "1.0.0")):
        refuse(409, "InvalidArgument", "invalid version")
    check_schema(new)
    return new


def _check_references(dc: Datacenter, collection: Collection, new: Doc) -> None:
    if collection is SERVICES:
        find(dc, APPLICATIONS, str(new["application_uuid"]))
    elif collection is INSTANCES:
        find(dc, SERVICES, str(new["service_uuid"]))
    unknown = [each for each in (new.get("manifests") or {}).values() if dc.store.get(MANIFESTS.kind, each) is None]
    if unknown:
        many = f"{len(unknown)} error" + ("s" if len(unknown) > 1 else "")
        raise Refusal(Response(500, {"message": f"first of {many}: no such manifest: {unknown[0]}"}))


def _type_of(dc: Datacenter, collection: Collection, given: dict[str, Any]) -> str:
    if collection is INSTANCES:
        return str(find(dc, SERVICES, str(given["service_uuid"])).get("type", "vm"))
    wanted = str(given.get("type") or "vm")
    if wanted not in SERVICE_TYPES:
        raise Refusal(Response(500, {"message": f"service type is invalid: {wanted}"}))
    return wanted


def check_schema(new: Doc) -> None:
    """An application's metadata against its metadata_schema: the types of its properties, no more."""
    properties = (new.get("metadata_schema") or {}).get("properties") or {}
    for name, rule in properties.items():
        value = (new.get("metadata") or {}).get(name)
        wanted = rule.get("type")
        if value is not None and wanted in JS_TYPES and not isinstance(value, JS_TYPES[wanted]):
            has = next((each for each, types in JS_TYPES.items() if isinstance(value, types)), "object")
            refuse(409, "SchemaValidationError",
                   f'property "{name}": {value} - {has} value found, but a {wanted} is required')


def changed(collection: Collection, stored: Doc, given: dict[str, Any]) -> Doc:
    """The object after a PUT; fields that PUT does not know (name, type) are silently ignored. Raises Refusal."""
    action = str(given.get("action") or "update").lower()
    if action not in ("update", "replace", "delete"):
        refuse(409, "InvalidArgument", "")
    result = dict(stored)
    for key in collection.replaceable:
        if given.get(key) is not None:
            result[key] = given[key]
    for key in collection.mergeable:
        if given.get(key) is None:
            continue
        value = _as_object(given[key])
        old = dict(stored.get(key) or {})
        if action == "update":
            result[key] = {**old, **value}
        elif action == "replace":
            result[key] = value
        else:
            result[key] = {name: kept for name, kept in old.items() if name not in value}
    check_schema(result)
    return result


def _as_object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {str(at): each for at, each in enumerate(value)} if isinstance(value, (str, list)) else {}
