"""``vmadm list``, ``lookup``, ``get`` and ``info``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mockdc.commands.options import parse
from mockdc.commands.vmadm_parts import WrongWords, public, uuid_of, vm_here
from mockdc.core.datacenter import VmError

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

WIDTHS = {"uuid": 36, "type": 4, "ram": 7, "state": 16, "quota": 5, "zonename": 36, "image_uuid": 36, "owner_uuid": 36,
          "server_uuid": 36, "hostname": 20, "brand": 14, "alias": 0}  # fmt: skip


def here(call: Call) -> list[Doc]:
    """The VMs of this node, smallest first, as vmadm sorts them."""
    found = [
        {**public(vm), "ram": vm.get("max_physical_memory", 0), "type": vm.get("type", "OS")}
        for vm in call.dc.store.all("vm")
        if vm["server_uuid"] == call.server and vm["state"] != "destroyed"
    ]
    return sorted(found, key=lambda vm: int(vm["ram"]))


# --- conditions -------------------------------------------------------------------------------------------------------
def values(record: Any, parts: list[str]) -> list[Any]:
    """Everything under a path such as nics.*.ip; a tag's own name may hold dots."""
    if not parts:
        return [record]
    if isinstance(record, dict):
        if ".".join(parts) in record:
            return [record[".".join(parts)]]
        items = list(record.values()) if parts[0] == "*" else [record[parts[0]]] if parts[0] in record else []
    elif isinstance(record, list):
        chosen = parts[0].isdigit() and int(parts[0]) < len(record)
        items = record if parts[0] == "*" else [record[int(parts[0])]] if chosen else []
    else:
        items = []
    return [found for item in items for found in values(item, parts[1:])]


def text(value: Any) -> str:
    """A value as it is compared and shown."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else str(value)


def matches(vm: Doc, condition: str) -> bool:
    """Whether ``k=v`` or ``k=~regexp`` holds."""
    key, _, wanted = condition.partition("=")
    found = [text(value) for value in values(vm, key.split("."))]
    if wanted.startswith("~"):
        flags = re.IGNORECASE if re.search(r"^/.*/i$", wanted[1:]) else 0
        pattern = re.compile(re.sub(r"^/(.*)/i?$", r"\1", wanted[1:]), flags)
        return any(pattern.search(value) for value in found)
    return wanted in found


def chosen(call: Call, conditions: list[str]) -> list[Doc]:
    """The VMs that every condition holds for. Raises WrongWords."""
    for condition in conditions:
        key, equals, wanted = condition.partition("=")
        if not key or not equals:
            raise WrongWords(f"Invalid filter: '{condition}', expected <field>=<value>")
        if wanted.startswith("~"):
            try:
                re.compile(wanted[1:])
            except re.error as why:
                raise WrongWords(f"Invalid regular expression: '{wanted[1:]}': {why}") from why
    return [vm for vm in here(call) if all(matches(vm, condition) for condition in conditions)]


# --- subcommands ------------------------------------------------------------------------------------------------------
def list_vms(call: Call, argv: list[str]) -> None:
    """``vmadm list``. Tags as conditions once did nothing (OS-2246); today they work."""
    found = parse(argv, "pH", "os", (("order", "o"), ("sort", "s"), ("parsable", "p"), ("parseable", "p")))
    vms = chosen(call, found.words)
    for name in reversed(found.columns("s", "") if "s" in found else []):
        key = name.lstrip("+-")
        vms.sort(key=lambda vm, key=key: _sortable(vm, key), reverse=name.startswith("-"))  # type: ignore[misc]
    names = found.columns("o", "uuid,type,ram,state,alias")
    rows = [[text(next(iter(values(vm, name.split("."))), None)) for name in names] for vm in vms]
    if "p" in found:
        for row in rows:
            call.out(":".join(cell.replace(":", "\\:") for cell in row))
        return
    if "H" not in found:
        rows.insert(0, [name.upper() for name in names])
    widths = [WIDTHS.get(name) or max((len(row[at]) for row in rows), default=0) for at, name in enumerate(names)]
    for row in rows:
        call.out("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _sortable(vm: Doc, name: str) -> tuple[int, Any]:
    value = next(iter(values(vm, name.split("."))), None)
    return (0, value) if isinstance(value, (int, float)) else (1, text(value))


def lookup(call: Call, argv: list[str]) -> None:
    """``vmadm lookup``: uuids, or objects with ``-j``; ``-1`` wants exactly one. Raises VmError."""
    found = parse(argv, "j1", "o", (("json", "j"), ("unique", "1")))
    if "o" in found and "j" not in found:
        raise WrongWords("The -o option to lookup requires -j.")
    vms = chosen(call, found.words)
    if "1" in found and len(vms) != 1:
        raise VmError(f"Requested unique lookup but found {len(vms)} results.")
    if "j" not in found:
        for vm in vms:
            call.out(vm["uuid"])
        return
    names = found.columns("o", "")
    call.out(json.dumps([_only(vm, names) if names else vm for vm in vms], indent=2, ensure_ascii=False))


def _only(vm: Doc, names: list[str]) -> Doc:
    picked: Doc = {}
    for name in names:
        value = next(iter(values(vm, name.split("."))), None)
        if value is not None:
            picked[name] = value
    return picked


def get(call: Call, argv: list[str]) -> None:
    """``vmadm get U``. Raises VmError."""
    vm = vm_here(call, uuid_of(parse(argv, "", ""), "get"))
    call.out(json.dumps(public(vm), indent=2, ensure_ascii=False))


def info(call: Call, argv: list[str]) -> None:
    """``vmadm info U``: only hardware virtual machines have any. Raises VmError."""
    uuid = uuid_of(parse(argv), "info")
    vm = vm_here(call, uuid, f"Unable to get VM info for VM {uuid}: ")
    raise VmError(f"Unable to get VM info for VM {uuid}: 'info' is not supported for brand '{vm['brand']}'")
