"""Recipes: how the upgrade of one service, and its rollback, become steps.

Promises that every step that changes something has its inverse in the rollback, made from what is there now, and that
every text the inverse needs is among the inputs to be saved before anything is touched (HEAD-1859, HEAD-1892). Kinds of
steps are the contract with ``steps/registry.py``. Whether a service may be upgraded at all was decided before, in
:mod:`sdcupgrade.plan.refusals`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from sdcupgrade.plan.document import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.model import Instance, Service
    from sdcupgrade.plan.stack import StackService

QUOTA_GIB = 25
"""What a zone without quota gets: quota 0 broke reprovision (OS-2275); 25 GiB is every core zone's (reference 9)."""

LOGS_MAX_BYTES = 256 << 20
KEPT = "/var/sdcupgrade"
"""Where logs and snapshots of old zones go, on the headnode."""

SHORT_S = 60
TIMEOUTS_S = {
    "save-logs": 300,
    "snapshot": 1800,
    # vmadm gives the old zone 60 s to stop, the new one 300 s to set itself up (reference 6.1); a minute for the rest
    "reprovision": 60 + 300 + 60,
    # ZONE_SETUP_TIMEOUT of headnode.sh (reference 1.9)
    "wait-setup": 180,
    # 60 tries, 5 s apart, as the waits of the tools before (reference 9)
    "wait-smf": 300,
    "wait-ping": 300,
    "wait-dns": 300,
    # agents come back to a new rabbitmq slowly (reference 5.5)
    "wait-transport": 300,
}
"""Kind of step -> seconds; all others have :data:`SHORT_S`."""

CHANGING = ("user-script", "service-user-script", "quota", "service-image", "reprovision", "join-dns")
"""The kinds that change the datacenter; the others look, wait, or write a file aside."""


TRANSPORT = ("rabbitmq", "sdc")
"""What sdc-oneachnode needs (reference 4.8): no command reaches another server before these are back."""


@dataclass(frozen=True)
class Places:
    """The names of files: *upgrade* is "foo", *stamp* tells one plan of that name from the next."""

    upgrade: str
    workdir: str
    stamp: str

    def log(self, alias: str, image: str, suffix: str = "") -> str:
        """Where the logs of a zone's old root go."""
        return f"{KEPT}/logs/{self.upgrade}-{self.stamp}/{alias}.{image}{suffix}.tar.gz"

    def snapshot(self, alias: str, image: str) -> str:
        """Where the old root itself goes."""
        return f"{KEPT}/snapshots/{self.upgrade}-{self.stamp}/{alias}.{image}.zfs"

    def script(self, name: str) -> str:
        """A user-script in the work dir."""
        return f"{self.workdir}/user-scripts/{name}.user-script"


@dataclass(frozen=True)
class Recipe:
    """*inputs* maps the path of each file that steps will read to the text it has to hold."""

    steps: tuple[Step, ...] = ()
    rollback: tuple[Step, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)


def sha256(text: str) -> str:
    """The digest under which the plan remembers a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Work:
    """What a recipe is made from. *service* is None for what SAPI does not know; *common* is the user-script that
    zones get now."""

    entry: StackService
    service: Optional[Service]
    instance: Optional[Instance]
    target: str
    common: str
    places: Places
    servers: tuple[str, ...] = ()
    """The servers of the whole upgrade, by uuid."""


def make(work: Work) -> Recipe:
    """All steps, forward and back; where no zone has to be replaced, only SAPI's image changes."""
    zone = work.instance
    if zone is None or zone.image_uuid == work.target:
        forward, inverse = _service_image(work)
        return Recipe(forward, inverse)
    saved: dict[str, str] = {}
    user_script, user_script_back = _user_script(work, zone, saved)
    service_script, service_script_back = _service_user_script(work, zone, saved)
    quota, quota_back = _quota(work, zone)
    image, image_back = _service_image(work)
    setup = (*user_script, *service_script, *quota, *image)
    steps = (*_keep(work, zone), *setup, *_replace(work, zone, work.target), _verify(work, zone, work.target))
    bookkeeping = (*service_script_back, *image_back)
    replaced = _replace(work, zone, zone.image_uuid, _back(work, "reprovision"), _join_dns(work, zone))
    # Setup before zone, as upwards, so that the old root finds its own user-script at first boot; but a sapi that does
    # not work cannot be asked before it is back.
    middle = (*replaced, *bookkeeping) if work.entry.name == "sapi" else (*bookkeeping, *replaced)
    rollback = (
        _save_logs(work, zone, _back(work, "reprovision")),
        *user_script_back,
        *middle,
        *quota_back,  # after the zone is back: quota 0 breaks reprovision (OS-2275)
        _verify(work, zone, zone.image_uuid, _back(work, "reprovision")),
    )
    return Recipe(steps, rollback, saved)


def _back(work: Work, kind: str) -> tuple[str, ...]:
    return (f"{work.entry.name}.{kind}",)


def _step(work: Work, kind: str, says: str, params: Mapping[str, Json], undoes: tuple[str, ...] = ()) -> Step:
    """A step of that kind; one that undoes something is a rollback step, and its id says so."""
    return Step(
        id=f"{work.entry.name}.{'undo-' if undoes else ''}{kind}",
        kind=kind,
        says=says,
        params=params,
        timeout_s=TIMEOUTS_S.get(kind, SHORT_S),
        disruptive=kind == "reprovision",
        undoes=undoes,
        option="snapshot" if kind == "snapshot" else "",
    )


def _at(zone: Instance, **more: Json) -> dict[str, Json]:
    return {"vm": zone.uuid, "server": zone.server_uuid, **more}


def _keep(work: Work, zone: Instance) -> tuple[Step, ...]:
    into = work.places.snapshot(zone.alias, zone.image_uuid)
    name = f"sdcupgrade-{work.places.upgrade}"
    says = f"keep the root of {zone.alias} in a file"
    return (_save_logs(work, zone), _step(work, "snapshot", says, _at(zone, name=name, into=into)))


def _save_logs(work: Work, zone: Instance, undoes: tuple[str, ...] = ()) -> Step:
    """The logs of the root that goes next: on rollback those of the target image's."""
    image, suffix = (work.target, ".rollback") if undoes else (zone.image_uuid, "")
    into = work.places.log(zone.alias, image, suffix)
    params = _at(zone, alias=zone.alias, into=into, max_bytes=LOGS_MAX_BYTES)
    return _step(work, "save-logs", f"save the logs of {zone.alias}", params, undoes)


def _user_script(work: Work, zone: Instance, saved: dict[str, str]) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    if zone.user_script == work.common:
        return (), ()
    old = _saved(saved, work.places.script(f"{zone.alias}.{zone.image_uuid}"), zone.user_script)
    new = _saved(saved, _common_path(work), work.common)
    says = f"refresh the user-script of {zone.alias}"
    back = f"put back the user-script of {zone.alias}"
    return (
        (_step(work, "user-script", says, _at(zone, **new)),),
        (_step(work, "user-script", back, _at(zone, **old), _back(work, "user-script")),),
    )


def _service_user_script(
    work: Work, zone: Instance, saved: dict[str, str]
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    service = work.service
    if service is None or service.user_script == work.common:
        return (), ()
    path = work.places.script(f"service-{work.entry.name}.{zone.image_uuid}")
    old = _saved(saved, path, service.user_script)
    new = _saved(saved, _common_path(work), work.common)
    says = f"refresh the user-script of {work.entry.name} in SAPI"
    back = f"put back the user-script of {work.entry.name} in SAPI"
    kind = "service-user-script"
    return (
        (_step(work, kind, says, {"service_uuid": service.uuid, **new}),),
        (_step(work, kind, back, {"service_uuid": service.uuid, **old}, _back(work, kind)),),
    )


def _common_path(work: Work) -> str:
    return work.places.script(f"common.{sha256(work.common)[:12]}")


def _saved(saved: dict[str, str], path: str, text: Optional[str]) -> dict[str, Json]:
    """The params that name a text; it is noted for saving. No text: the key is to be removed."""
    if text is None:
        return {"file": None, "sha256": None}
    saved[path] = text
    return {"file": path, "sha256": sha256(text)}


def _quota(work: Work, zone: Instance) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    if zone.quota_gib:
        return (), ()
    says = f"set the quota of {zone.alias} to {QUOTA_GIB} GiB"
    back = f"take the quota of {zone.alias} away again"
    return (
        (_step(work, "quota", says, _at(zone, gib=QUOTA_GIB)),),
        (_step(work, "quota", back, _at(zone, gib=0), _back(work, "quota")),),
    )


def _service_image(work: Work) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    service, name = work.service, work.entry.name
    if service is None or service.image_uuid == work.target:
        return (), ()
    says = f"set the image of {name} in SAPI to {work.target}"
    old = f"set the image of {name} in SAPI back to {service.image_uuid}"
    back = old if service.image_uuid else f"remove the image of {name} from SAPI again"
    kind = "service-image"
    return (
        (_step(work, kind, says, {"service_uuid": service.uuid, "image": work.target}),),
        (_step(work, kind, back, {"service_uuid": service.uuid, "image": service.image_uuid}, _back(work, kind)),),
    )


def _replace(
    work: Work, zone: Instance, image: str, undoes: tuple[str, ...] = (), join_dns: tuple[Step, ...] = ()
) -> tuple[Step, ...]:
    """The new root, and everything waited for until the service can be relied on again."""
    alias = zone.alias
    here = _at(zone, alias=alias)
    reprovision = {**here, "image": image, "in_dns": _domain(work, zone) is not None}
    steps = [
        _step(work, "reprovision", f"reprovision {alias} to image {image}", reprovision, undoes),
        *join_dns,
        _step(work, "wait-setup", f"wait until {alias} has set itself up", here, undoes),
        _step(work, "wait-smf", f"wait until no service in {alias} complains", here, undoes),
    ]
    if work.entry.ping and zone.admin_ip:
        params: dict[str, Json] = {"service": work.entry.name, "url": f"http://{zone.admin_ip}{work.entry.ping}"}
        steps.append(_step(work, "wait-ping", f"wait until {alias} answers its ping", params, undoes))
    domain = _domain(work, zone)
    if domain:
        says = f"wait until {zone.alias} is in DNS"
        steps.append(_step(work, "wait-dns", says, {"domain": domain, "ip": zone.admin_ip}, undoes))
    if work.entry.name in TRANSPORT:
        says = "wait until the servers take commands again"
        steps.append(_step(work, "wait-transport", says, {"servers": list(work.servers)}, undoes))
    return tuple(steps)


def _domain(work: Work, zone: Instance) -> Optional[str]:
    """The name under which the zone puts itself into DNS, if it does."""
    return work.service.domain if work.service and zone.admin_ip else None


def _join_dns(work: Work, zone: Instance) -> tuple[Step, ...]:
    """For a zone that was taken out of DNS for a reprovision that never came."""
    if _domain(work, zone) is None:
        return ()
    return (_step(work, "join-dns", f"let {zone.alias} into DNS again", _at(zone), _back(work, "reprovision")),)


def _verify(work: Work, zone: Instance, image: str, undoes: tuple[str, ...] = ()) -> Step:
    says = f"verify that {zone.alias} runs image {image}"
    return _step(work, "verify", says, _at(zone, alias=zone.alias, image=image), undoes)
