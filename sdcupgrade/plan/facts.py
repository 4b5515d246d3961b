"""What a plan rests on: how things are with one service, and whether they still are so.

``prepare`` writes the facts into the plan; ``upgrade`` reads the datacenter again and refuses where they moved.
"""

from __future__ import annotations

from sdcupgrade.plan.document import Facts
from sdcupgrade.plan.recipes import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Optional

    from sdcupgrade.model import Instance, Inventory, Service
    from sdcupgrade.plan.document import Plan, ServicePlan

MISSING = "missing"
"""The state of an instance that SAPI has and no VM stands behind (see :class:`sdcupgrade.model.Instance`)."""

_PHRASES = {
    "service_uuid": "the uuid of its SAPI service",
    "service_image": "the image that SAPI would provision",
    "service_user_script": "the user-script in SAPI (sha256)",
    "instance": "the uuid of its zone",
    "server": "the server of its zone",
    "image": "the image of its zone",
    "user_script": "the user-script of its zone (sha256)",
    "quota_gib": "the quota of its zone in GiB",
}


def zones(inventory: Inventory, service: str) -> tuple[Instance, ...]:
    """The instances of a service that exist as VMs."""
    return tuple(instance for instance in inventory.instances_of(service) if instance.state != MISSING)


def sapi_service(inventory: Inventory, service: str) -> Optional[Service]:
    """SAPI's record of a service; the inventory's stand-in for ``assets``, which has none, does not count."""
    record = inventory.service(service)
    return record if record and record.uuid else None


def facts(inventory: Inventory, service: str) -> Facts:
    """How it is with one service now; a service with several zones counts as one with none."""
    record = sapi_service(inventory, service)
    found = zones(inventory, service)
    zone = found[0] if len(found) == 1 else None
    return Facts(
        service_uuid=record.uuid if record else "",
        service_image=record.image_uuid if record else None,
        service_user_script=_digest(record.user_script if record else None),
        instance=zone.uuid if zone else None,
        server=zone.server_uuid if zone else None,
        image=zone.image_uuid if zone else None,
        user_script=_digest(zone.user_script if zone else None),
        quota_gib=zone.quota_gib if zone else 0,
    )


def check_facts(plan: Plan, inventory: Inventory, begun: Collection[str] = ()) -> list[str]:
    """What is no longer as it was when the plan was made, as sentences; empty when the plan may be carried out.

    Services in *begun* are left out: the plan itself has changed those, and the journal knows how.
    """
    moved: list[str] = []
    for item in plan.services:
        if item.service in begun:
            continue
        moved += _drift(inventory, item)
        count = len(zones(inventory, item.service))
        if count > 1:
            moved.append(f"{item.service}: has {count} zones now")
        else:
            moved += _differences(item.service, item.facts, facts(inventory, item.service))
    return moved


def _drift(inventory: Inventory, item: ServicePlan) -> list[str]:
    """Where SAPI and the VMs no longer agree; the plan was made while they did."""
    found = inventory.instances_of(item.service)
    ghosts = [f"{item.service}: SAPI has instance {one.uuid} without a VM now" for one in found if one.state == MISSING]
    if not item.facts.service_uuid:
        return ghosts
    return ghosts + [f"{item.service}: SAPI no longer lists {one.alias}" for one in found if not one.in_sapi]


def _differences(service: str, planned: Facts, now: Facts) -> list[str]:
    pairs = [(phrase, getattr(planned, name), getattr(now, name)) for name, phrase in _PHRASES.items()]
    return [
        f"{service}: {phrase} was {_shown(before)} when the plan was made, and is {_shown(after)} now"
        for phrase, before, after in pairs
        if before != after
    ]


def _shown(value: object) -> str:
    return "absent" if value is None or value == "" else str(value)


def _digest(text: Optional[str]) -> Optional[str]:
    return None if text is None else sha256(text)
