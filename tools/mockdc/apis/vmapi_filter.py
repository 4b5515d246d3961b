"""VMAPI's list parameters: strict names, checked values, and the little languages ``query``, ``predicate``, ``sort``.

A bad parameter is 409 ValidationFailed, a bad query 500 (recordings vmapi-022 to vmapi-038). ``alias`` matches by
prefix.
"""

from __future__ import annotations

import fnmatch
import json
import re
from typing import Any, Callable, Optional

from mockdc.apis.routes import Refusal, is_uuid, refuse
from mockdc.apis.vmapi_view import SELECTABLE
from mockdc.apis.web import Response
from mockdc.core.store import Doc

Test = Callable[[Doc], bool]

UUIDS = ("uuid", "owner_uuid", "server_uuid", "image_uuid", "billing_id")
EXACT = (*UUIDS, "brand", "package_name", "package_version", "ram", "docker", "create_timestamp", "hostname",
         "max_physical_memory")
PLAIN = ("alias", "state", "uuids", "fields", "predicate", "query", "limit", "offset", "marker", "sort", "sync",
         "prettyprint")
SORTABLE = ("uuid", "owner_uuid", "image_uuid", "billing_id", "server_uuid", "package_name", "package_version", "tags",
            "brand", "state", "alias", "max_physical_memory", "ram", "create_timestamp", "last_modified", "docker")
MAX_LIMIT = 1000
SORT = re.compile(r"(\w+)(?:\.(asc|desc))?", re.IGNORECASE)


def problem(field: str, message: str) -> dict[str, str]:
    """One entry of ``errors``."""
    return {"field": field, "code": "Invalid", "message": message}


def check(query: dict[str, str]) -> None:
    """Refuse (409) what VMAPI refuses, all complaints at once."""
    errors = [found for name, value in query.items() if (found := _complaint(name, value))]
    if errors:
        refuse(409, "ValidationFailed", "Invalid Parameters", errors=errors)


def _complaint(name: str, value: str) -> Optional[dict[str, str]]:
    if name not in EXACT and name not in PLAIN and not re.match(r"(tag|internal_metadata)\.", name):
        return problem(name, "Invalid parameter")
    message: Optional[str] = None
    if name in UUIDS and not is_uuid(value):
        message = "Invalid UUID"
    elif name == "uuids" and not all(is_uuid(each) for each in value.split(",")):
        message = "Invalid UUIDs"
    elif name == "fields" and not set(value.split(",")) <= SELECTABLE | {"*"}:
        message = f"Invalid values: {value}"
    elif name == "limit" and not (value.isdigit() and 1 <= int(value) <= MAX_LIMIT):
        message = f"Not a valid number: number must be >= 1 and <= {MAX_LIMIT}"
    elif name == "offset" and not value.isdigit():
        message = "Not a valid number: number must be >= 0"
    elif name == "sort" and not ((found := SORT.fullmatch(value)) and found.group(1) in SORTABLE):
        message = f"Invalid sort param: {value}"
    elif name == "predicate" and not isinstance(_object(value), dict):
        message = "Unable to parse predicate as JSON"
    elif name == "marker" and not isinstance(_object(value), dict):
        message = "Unable to parse marker as JSON"
    return problem(name, message) if message else None


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def tests(query: dict[str, str]) -> list[Test]:
    """One test for each filter of a checked query. A bad LDAP query ends in a Refusal (500)."""
    return [_test(name, value) for name, value in query.items()]


def _test(name: str, value: str) -> Test:
    if name == "alias":
        return lambda vm: str(vm.get("alias") or "").startswith(value)
    if name == "state":
        if value == "active":
            return lambda vm: vm.get("state") not in ("destroyed", "failed")
        return lambda vm: vm.get("state") == value
    if name == "uuids":
        return lambda vm: vm.get("uuid") in value.split(",")
    if name == "query":
        return ldap(value)
    if name == "predicate":
        return predicate(_object(value))
    if name in EXACT or "." in name:
        return lambda vm: same(attribute(vm, name), value)
    return lambda vm: True


def attribute(vm: Doc, name: str) -> Any:
    """A field, or ``tag.key``, ``internal_metadata.key``."""
    folder, dot, key = name.partition(".")
    if not dot:
        return vm.get(name)
    return (vm.get("tags" if folder == "tag" else folder) or {}).get(key)


def same(value: Any, text: str) -> bool:
    """Equality as text; ``*`` in *text* stands for anything."""
    if value is None:
        return False
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return fnmatch.fnmatchcase(shown, text.replace("[", "[[]").replace("?", "[?]"))


def ldap(text: str) -> Test:
    """A subset of LDAP filters: ``&``, ``|``, ``!``, ``=`` with ``*``, ``>=``, ``<=``."""
    try:
        test, rest = _ldap(text)
    except ValueError:
        rest = "?"
    if rest:
        said = f"moray client: request failed: server error: {text} is an invalid filter"
        raise Refusal(Response(500, {"message": said}))
    return test


def _ldap(text: str) -> tuple[Test, str]:
    if not text.startswith("("):
        raise ValueError(text)
    if text[1:2] in ("&", "|", "!"):
        parts, rest = [], text[2:]
        while rest.startswith("("):
            part, rest = _ldap(rest)
            parts.append(part)
        if not rest.startswith(")") or not parts:
            raise ValueError(text)
        return _joined(text[1], parts), rest[1:]
    found = re.match(r"\(([\w.-]+)(>=|<=|=)([^()]*)\)", text)
    if not found:
        raise ValueError(text)
    name, sign, value = found.groups()
    return _compared(name, sign, value), text[found.end():]


def _joined(sign: str, parts: list[Test]) -> Test:
    if sign == "!":
        return lambda vm: not parts[0](vm)
    whole = all if sign == "&" else any
    return lambda vm: whole(part(vm) for part in parts)


def _compared(name: str, sign: str, value: str) -> Test:
    if sign == "=":
        return lambda vm: same(attribute(vm, name), value)

    def in_order(vm: Doc) -> bool:
        own = attribute(vm, name)
        if own is None:
            return False
        left, right = _sortable(own), _sortable(int(value) if value.isdigit() else value)
        return left >= right if sign == ">=" else left <= right

    return in_order


def predicate(given: Any) -> Test:
    """``{"eq": [field, value]}`` and its kin, joined by ``and`` and ``or``."""
    if not isinstance(given, dict) or not given:
        return lambda vm: True
    (sign, rest), = list(given.items())[:1]
    if sign in ("and", "or"):
        parts = [predicate(each) for each in rest]
        return _joined("&" if sign == "and" else "|", parts)
    name, value = rest
    if sign in ("eq", "ne"):
        return lambda vm: (vm.get(name) == value) is (sign == "eq")
    compared = _compared(name, ">=" if sign in ("ge", "gt") else "<=", str(value))
    return lambda vm: compared(vm) and (sign in ("ge", "le") or vm.get(name) != value)


def ordered(found: list[Doc], sort: str) -> list[Doc]:
    """By one field, then uuid; the default is uuid descending. Nulls are greatest, as in PostgreSQL."""
    match = SORT.fullmatch(sort or "uuid.desc")
    name, direction = match.groups() if match else ("uuid", "desc")
    return sorted(found, key=lambda vm: (vm.get(name) is None, _sortable(vm.get(name)), str(vm["uuid"])),
                  reverse=(direction or "asc").lower() == "desc")


def _sortable(value: Any) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, (int, float)) else (0.0, str(value or ""))


def page(found: list[Doc], query: dict[str, str]) -> list[Doc]:
    """The part between marker (exclusive) or offset, and limit."""
    start = int(query.get("offset", 0))
    marker = _object(query["marker"]) if "marker" in query else None
    if marker and "uuid" in marker:
        places = [at for at, vm in enumerate(found) if vm["uuid"] == marker["uuid"]]
        start = places[0] + 1 if places else len(found)
    return found[start:start + int(query.get("limit", MAX_LIMIT))]
