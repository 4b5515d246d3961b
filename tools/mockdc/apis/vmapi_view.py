"""VMAPI's view of a VM: which fields of vmadm's object it keeps, and what it says where one is absent.

Reads always carry the whole skeleton (null, {} and [] for what is absent); the answer to PUT leaves absent fields out
(recordings vmapi-005, 009, 010).
"""

from __future__ import annotations

from typing import Any

from mockdc.core.store import Doc

SKELETON: dict[str, Any] = {
    "uuid": None, "alias": None, "autoboot": None, "brand": None, "billing_id": None, "cpu_cap": None,
    "cpu_shares": None, "create_timestamp": None, "customer_metadata": {}, "datasets": [], "destroyed": None,
    "firewall_enabled": False, "internal_metadata": {}, "last_modified": None, "limit_priv": None,
    "max_locked_memory": None, "max_lwps": None, "max_physical_memory": None, "max_swap": None, "nics": [],
    "owner_uuid": None, "platform_buildstamp": None, "quota": None, "ram": None, "resolvers": None,
    "server_uuid": None, "snapshots": [], "state": None, "tags": {}, "zfs_filesystem": None, "zfs_io_priority": None,
    "zone_state": None, "zonepath": None, "zpool": None, "image_uuid": None,
}
OPTIONAL = (
    "package_name", "package_version", "delegate_dataset", "maintain_resolvers", "filesystems", "hostname",
    "dns_domain", "docker", "indestructible_zoneroot", "indestructible_delegated", "free_space", "flexible_disk_size",
    "tmpfs", "pid", "exit_status", "boot_timestamp",
)
FIELDS = (*SKELETON, *OPTIONAL)
SELECTABLE = frozenset(FIELDS) - {"image_uuid"}           # not a mistake of ours: recording vmapi-022
METADATA = ("customer_metadata", "internal_metadata", "tags")


def kept(vm: Doc) -> Doc:
    """What PUT keeps and answers."""
    result = {key: vm[key] for key in FIELDS if vm.get(key) is not None}
    if "ram" not in result and "max_physical_memory" in result:
        result["ram"] = result["max_physical_memory"]
    return {**result, "tags": result.get("tags", {})}


def whole(vm: Doc, fields: str = "") -> Doc:
    """What reads answer; *fields* is a comma list already checked, empty or ``*`` for all."""
    full = {**SKELETON, **kept(vm)}
    wanted = [each for each in fields.split(",") if each]
    if not wanted or "*" in wanted:
        return full
    return {key: full.get(key) for key in wanted}
