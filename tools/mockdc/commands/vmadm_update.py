"""``vmadm update`` and ``validate``: what may be changed in a VM's record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mockdc.commands.options import parse
from mockdc.commands.vmadm_parts import WrongWords, payload, uuid_of, vm_here
from mockdc.core import datasets, zonefiles
from mockdc.core.datacenter import VmError

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

OBJECTS = ("customer_metadata", "internal_metadata", "tags", "routes")
NUMBERS = {"quota", "ram", "max_physical_memory", "max_locked_memory", "max_swap", "tmpfs", "cpu_cap", "cpu_shares",
           "max_lwps", "zfs_io_priority", "max_msg_ids", "max_sem_ids", "max_shm_ids", "max_shm_memory"}  # fmt: skip
SWITCHES = {"autoboot", "maintain_resolvers", "firewall_enabled", "indestructible_zoneroot", "indestructible_delegated"}
WORDS = {"alias", "hostname", "dns_domain", "resolvers", "billing_id", "package_name", "package_version", "owner_uuid",
         "limit_priv", "new_owner_uuid", "delegate_dataset"}  # fmt: skip
NICS = {"add_nics", "update_nics", "remove_nics"}


def update(call: Call, argv: list[str]) -> None:
    """``vmadm update U``: JSON on stdin, ``-f FILE`` or ``k=v``. Raises VmError."""
    found = parse(argv, "", "f")
    uuid = uuid_of(found, "update")
    words = found.words[1:]
    failing = f"Failed to update VM {uuid}: "
    vm_here(call, uuid, failing)
    given = dict(_pair(word) for word in words) if words else payload(call, found.last("f"))
    try:
        change(call.dc, uuid, given)
    except VmError as why:
        raise VmError(failing + str(why)) from why
    call.err(f"Successfully updated VM {uuid}")


def _pair(word: str) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not key or not equals:
        raise WrongWords(f"Invalid property: '{word}', expected <property>=<value>")
    if key in NUMBERS and value.lstrip("-").isdigit():
        return key, int(value)
    if key in SWITCHES:
        return key, value in {"true", "1"}
    return key, value


def known(name: str) -> bool:
    """Whether vmadm lets a property be changed."""
    verb, _, rest = name.partition("_")
    return name in NUMBERS | SWITCHES | WORDS | NICS or (verb in {"set", "remove"} and rest in OBJECTS)


def change(dc: Datacenter, uuid: str, given: Doc) -> None:
    """Apply a payload to the record, the dataset and the files beside the zone. Raises VmError."""
    bad = [name for name in given if not known(name)]
    if bad:
        raise VmError(f"Invalid payload: bad properties: {', '.join(bad)}")
    for name in NUMBERS & set(given):
        if isinstance(given[name], bool) or not isinstance(given[name], int):
            raise VmError(f"Invalid value for '{name}': {json.dumps(given[name])}")
    with dc.store.transaction():
        vm = dc.vm(uuid)
        if vm is None:
            raise VmError(f"zoneadm: {uuid}: No such zone configured")
        for name, value in given.items():
            _set(vm, name, value)
        _quota(dc, vm)
        zonefiles.config(dc, vm)
        dc.touch_vm(vm)


def _set(vm: Doc, name: str, value: Any) -> None:
    verb, _, rest = name.partition("_")
    if verb == "set" and rest in OBJECTS:
        vm.setdefault(rest, {}).update(value)
    elif verb == "remove" and rest in OBJECTS:
        for key in value:
            vm.setdefault(rest, {}).pop(key, None)
    elif name in NICS:
        _nics(vm, verb, value)
    elif name == "ram":
        vm.update(max_physical_memory=value, max_locked_memory=value, tmpfs=value)
    elif name == "new_owner_uuid":
        vm["owner_uuid"] = value
    else:
        vm[name] = value.split(",") if name == "resolvers" and isinstance(value, str) else value


def _nics(vm: Doc, verb: str, value: Any) -> None:
    if verb == "add":
        vm["nics"] += [{"interface": f"net{len(vm['nics']) + at}", **nic} for at, nic in enumerate(value)]
    elif verb == "remove":
        vm["nics"] = [nic for nic in vm["nics"] if nic["mac"] not in value]
    else:
        for nic in vm["nics"]:
            for new in value:
                if new.get("mac") == nic["mac"]:
                    nic.update(new)


def _quota(dc: Datacenter, vm: Doc) -> None:
    root = datasets.get(dc, vm["server_uuid"], f"zones/{vm['uuid']}")
    if root is not None:
        root["quota"] = int(vm["quota"]) * datasets.GIB
        dc.store.put("dataset", f"{vm['server_uuid']}:{root['name']}", root)


def validate(call: Call, argv: list[str]) -> None:
    """``vmadm validate update BRAND``. Raises VmError."""
    found = parse(argv, "", "f")
    if not found.words or found.words[0] not in {"create", "update", "receive"}:
        raise WrongWords("Invalid action for validate")
    given = payload(call, found.last("f"))
    bad = [name for name in given if not known(name)] if found.words[0] == "update" else []
    if bad:
        raise VmError(json.dumps({"bad_values": [], "bad_properties": bad, "missing_properties": []}, indent=2))
    brand = found.words[1] if len(found.words) > 1 else given.get("brand", "joyent")
    call.err(f"VALID '{found.words[0]}' payload for {brand} brand VMs.")
