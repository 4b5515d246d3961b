"""Why an upgrade is refused, and what is worth a note: one small function for each question about one service.

Promises to ask every question, so that the operator sees all reasons at once. Every answer is a
:class:`~sdcupgrade.model.Finding` with an id of :data:`sdcupgrade.plan.findings.FINDINGS`, evidence, and for a refusal
a remedy. Questions about the plan as a whole are in :mod:`sdcupgrade.plan.planner`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.model import Finding
from sdcupgrade.plan import images, stack
from sdcupgrade.plan.document import Change
from sdcupgrade.plan.facts import MISSING, sapi_service, zones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Optional

    from sdcupgrade.model import Image, Instance, Inventory, Server, Service

@dataclass(frozen=True)
class Case:
    """One service of the spec, looked at. *instance* is its only zone, None when there is none or several; *server* is
    that zone's; *current* the manifest of what runs, or else of what SAPI would provision, where it is known."""

    entry: stack.StackService
    target: Image
    service: Optional[Service]
    zones: tuple[Instance, ...]
    instance: Optional[Instance]
    server: Optional[Server]
    current_uuid: Optional[str]
    current: Optional[Image]
    change: Change

    @property
    def name(self) -> str:
        """The service's name."""
        return self.entry.name

    @property
    def replaced(self) -> Optional[Instance]:
        """The zone that is given a new root, if one is."""
        return self.instance if self.change is Change.UPGRADE else None


@dataclass(frozen=True)
class Ground:
    """What cases are judged against. *images* are the manifests known from anywhere, by uuid."""

    inventory: Inventory
    images: Mapping[str, Image]
    allow_downgrade: bool


def look(ground: Ground, name: str, target: Image) -> Case:
    """The case of one service. Raises KeyError for a name that is not in the stack's table."""
    inventory = ground.inventory
    entry = stack.STACK[stack.position(name)]
    service = sapi_service(inventory, name)
    found = zones(inventory, name)
    zone = found[0] if len(found) == 1 else None
    in_sapi = service.image_uuid if service else None
    current = zone.image_uuid if zone else in_sapi
    return Case(
        entry=entry,
        target=target,
        service=service,
        zones=found,
        instance=zone,
        server=inventory.server(zone.server_uuid) if zone else None,
        current_uuid=current,
        current=ground.images.get(current or ""),
        change=_change(zone, service, target.uuid),
    )


def _change(zone: Optional[Instance], service: Optional[Service], target: str) -> Change:
    if zone and zone.image_uuid != target:
        return Change.UPGRADE
    return Change.SAPI_ONLY if service and service.image_uuid != target else Change.NONE


def judge(case: Case, ground: Ground) -> tuple[Finding, ...]:
    """Everything there is to say about one service: refusals and notes."""
    if case.entry.retired:
        return (_refuse(case, "retired-service", case.entry.retired, _take_out(case)),)
    return tuple(finding for question in QUESTIONS for finding in question(case, ground))


def _refuse(case: Case, id: str, evidence: str, remedy: str) -> Finding:
    return Finding(id, False, case.name, evidence, remedy)


def _note(case: Case, id: str, evidence: str) -> Finding:
    return Finding(id, True, case.name, evidence)


def _take_out(case: Case) -> str:
    return f"take {case.name} out of the spec"


def _procedure(case: Case, ground: Ground) -> Iterator[Finding]:
    why = case.entry.special
    if case.name == "sapi" and case.replaced:
        age = images.stamp(case.current) if case.current else ""
        if not age:
            why = f"nobody knows its image {case.current_uuid}, so it may be too old to boot from its own records"
        elif age < stack.SAPI_BOOTS_ALONE:
            why = f"its image of {age} is too old to boot from its own records (before {stack.SAPI_BOOTS_ALONE})"
    if why:
        evidence = f"{case.name} is not yet supported: {why}"
        yield _refuse(case, "special-procedure", evidence, f"{_take_out(case)}, and upgrade it with sdcadm")


def _known(case: Case, ground: Ground) -> Iterator[Finding]:
    if case.service is None and case.entry.sapi:
        names = tuple(sorted(service.name for service in ground.inventory.services))
        near = stack.nearest(case.name, names)
        offer = f"; did you mean {near!r}?" if near else ""
        evidence = f"SAPI has no service {case.name!r} under the sdc application"
        yield _refuse(case, "service-not-in-sapi", evidence, f"{_take_out(case)}{offer}")
    elif case.service is None and not case.zones:
        yield _refuse(case, "service-not-in-sapi", f"there is no zone of {case.name}", _take_out(case))


def _count(case: Case, ground: Ground) -> Iterator[Finding]:
    if len(case.zones) < 2:
        return
    places = ", ".join(f"{zone.alias} on {_hostname(ground, zone)}" for zone in case.zones)
    evidence = f"{case.name} has {len(case.zones)} instances: {places}"
    remedy = f"{_take_out(case)}; several instances of a service are not yet supported"
    yield _refuse(case, "several-instances", evidence, remedy)


def _hostname(ground: Ground, zone: Instance) -> str:
    server = ground.inventory.server(zone.server_uuid)
    return server.hostname if server else f"server {zone.server_uuid}"


def _drift(case: Case, ground: Ground) -> Iterator[Finding]:
    for instance in ground.inventory.instances_of(case.name):
        if instance.state == MISSING:
            evidence = f"SAPI has instance {instance.uuid} ({instance.alias or 'no alias'}), but there is no such VM"
            remedy = f"look at it: sdc-sapi /instances/{instance.uuid}; if it is a leftover, delete it there"
            yield _refuse(case, "stale-sapi-instance", evidence, remedy)
        elif case.entry.sapi and not instance.in_sapi:
            evidence = f"VM {instance.uuid} ({instance.alias}) has the role {case.name}, but SAPI does not list it"
            remedy = f"look at it: vmadm get {instance.uuid}; delete a leftover, or adopt it in SAPI"
            yield _refuse(case, "vm-not-in-sapi", evidence, remedy)


def _running(case: Case, ground: Ground) -> Iterator[Finding]:
    zone = case.replaced
    if zone and zone.state != "running":
        evidence = f"{zone.alias} is {zone.state or 'in no state that VMAPI tells'}, not running"
        wait = f"look at it: vmadm get {zone.uuid}; where it is being provisioned, wait until it runs"
        remedy = f"start it: vmadm start {zone.uuid}" if zone.state == "stopped" else wait
        yield _refuse(case, "instance-not-running", evidence, remedy)
    if zone and not zone.admin_ip:
        yield _note(case, "no-admin-address", f"{zone.alias} has no address on the admin network")


def _server(case: Case, ground: Ground) -> Iterator[Finding]:
    zone, server = case.replaced, case.server
    if zone is None:
        return
    if server is None:
        evidence = f"{zone.alias} is on server {zone.server_uuid}, which CNAPI does not know"
        yield _refuse(case, "server-unknown", evidence, "look at `sdc-server list`")
        return
    where = f"{zone.alias} is on {server.hostname}"
    look_at = f"look at `sdc-server get {server.uuid}`"
    if server.status != "running":
        evidence = f"{where}, whose status in CNAPI is {server.status or 'empty'}, not running"
        yield _refuse(case, "server-not-running", evidence, look_at)
    if not server.setup:
        yield _refuse(case, "server-not-set-up", f"{where}, which is not set up", look_at)
    if server.system_type != "SunOS":
        evidence = f"{where}, which runs {server.system_type}, not SmartOS"
        yield _refuse(case, "server-not-smartos", evidence, _take_out(case))


def _dataset(case: Case, ground: Ground) -> Iterator[Finding]:
    zone = case.replaced
    if zone is None:
        return
    expected = (f"zones/{zone.uuid}/data",)
    if zone.datasets and zone.datasets != expected:
        evidence = f"{zone.alias} has {', '.join(zone.datasets)}; vmadm reprovisions with {expected[0]} only"
        yield _refuse(case, "odd-dataset", evidence, f"{_take_out(case)}, or give the zone one dataset of that name")
    wanted = case.service is not None and case.service.delegate_dataset
    if not zone.datasets and (case.entry.data or wanted):
        what = case.entry.data or "what its SAPI service wants on a delegated dataset (TOOLS-1591)"
        evidence = f"{zone.alias} has no delegated dataset, so data would be lost with its root: {what} (HEAD-1924)"
        remedy = f"have a delegated dataset added and the data moved there first, or {_take_out(case)}"
        yield _refuse(case, "no-delegated-dataset", evidence, remedy)


def _image(case: Case, ground: Ground) -> Iterator[Finding]:
    if case.change is Change.NONE:
        return
    target = case.target
    called = f"image {target.uuid} ({target.name} {target.version})"
    other = f"name another image in the spec; `sdcupgrade avail {case.name}` lists them"
    if target.name not in case.entry.image_names():
        owners = " or ".join(stack.of_image(target.name)) or "no service here"
        evidence = f"{called} belongs to {owners}; {case.name} needs {' or '.join(case.entry.image_names())}"
        yield _refuse(case, "image-of-another-service", evidence, other)
    if target.type != "zone-dataset":
        yield _refuse(case, "image-type", f"{called} has type {target.type or 'none'}, not zone-dataset", other)
    if target.manifest.get("os", "smartos") != "smartos":
        yield _refuse(case, "image-os", f"{called} is for {target.manifest.get('os')}, not smartos", other)
    if target.uuid in ground.inventory.imgapi_images:
        return
    yield from _obtainable(case, target, called)
    links = images.chain(target, ground.images, ground.inventory.imgapi_images)
    for origin in links.images[:-1]:
        yield from _obtainable(case, origin, f"origin {origin.uuid} ({origin.name} {origin.version}) of {called}")
    if links.lacking:
        evidence = f"{called} stands on origin {links.lacking}, which neither IMGAPI nor the source has"
        yield _refuse(case, "origin-missing", evidence, "get that origin into IMGAPI, or " + other)


def _obtainable(case: Case, image: Image, called: str) -> Iterator[Finding]:
    remedy = "ask whoever publishes it, or name another image in the spec"
    if image.state != "active":
        yield _refuse(case, "image-inactive", f"{called} is {image.state}, not active", remedy)
    if image.file is None:
        yield _refuse(case, "image-without-file", f"{called} has no file", remedy)


def _platform(case: Case, ground: Ground) -> Iterator[Finding]:
    floor, server = case.target.min_platform, case.server
    if case.replaced is None or server is None or not floor:
        return
    if not server.platform:
        yield _note(case, "platform-unknown", f"{server.hostname} tells no platform; the image asks for {floor}")
    elif server.platform < floor:
        evidence = f"{server.hostname} runs platform {server.platform}, image {case.target.version} needs {floor}"
        yield _refuse(case, "platform-too-old", evidence, f"give {server.hostname} a newer platform, or an older image")


def _age(case: Case, ground: Ground) -> Iterator[Finding]:
    if case.change is Change.NONE or case.current_uuid is None:
        return
    if case.current is None:
        evidence = (
            f"nobody knows the current image {case.current_uuid}, so neither its age nor a downgrade was checked"
        )
        if case.replaced:
            evidence += "; a rollback needs it in the server's pool, where it has to stay"
        yield _note(case, "current-image-unknown", evidence)
        return
    age = images.stamp(case.current)
    if case.replaced and age and age < case.entry.minimum:
        evidence = f"{case.replaced.alias} runs an image of {age}; the oldest to upgrade from is {case.entry.minimum}"
        yield _refuse(case, "current-image-too-old", evidence, f"{_take_out(case)}; upgrade to a release between first")
    if case.target.published_at and case.target.published_at < case.current.published_at:
        evidence = (
            f"{case.target.version} ({case.target.published_at}) is older than the current"
            f" {case.current.version} ({case.current.published_at})"
        )
        if ground.allow_downgrade:
            yield _note(case, "downgrade-allowed", evidence)
        else:
            yield _refuse(case, "downgrade", evidence, "name a newer image, or prepare with --allow-downgrade")


def _rollback_image(case: Case, ground: Ground) -> Iterator[Finding]:
    zone = case.replaced
    if zone is None:
        return
    installed = ground.inventory.installed.get(zone.server_uuid)
    if installed is not None and zone.image_uuid not in installed:
        evidence = f"{_hostname(ground, zone)} lacks image {zone.image_uuid} of {zone.alias}; a rollback would need it"
        yield _note(case, "rollback-image-not-installed", evidence)


def _remarks(case: Case, ground: Ground) -> Iterator[Finding]:
    """What will happen, where that may surprise."""
    zone = case.replaced
    if case.change is Change.NONE:
        yield _note(case, "already-current", f"{case.name} has {case.target.version} already")
    elif case.change is Change.SAPI_ONLY and case.instance:
        yield _note(case, "sapi-differs", f"{case.instance.alias} has {case.target.version} already, SAPI says another")
    elif case.change is Change.SAPI_ONLY and not case.zones:
        yield _note(case, "no-instance", f"{case.name} has no instance: only the image in SAPI changes")
    if zone:
        lost = f"the root of {zone.alias} goes for good: snapshots, hand edits, and logs beyond those that are saved"
        yield _note(case, "root-replaced", lost)
    if zone and zone.datasets:
        kept = f"data in {', '.join(zone.datasets)} is kept as it is, upwards and on rollback"
        yield _note(case, "data-kept", kept)
    if zone and not zone.quota_gib:
        yield _note(case, "quota-set", f"{zone.alias} has no quota and is given one")


if TYPE_CHECKING:
    Question = Callable[[Case, Ground], Iterator[Finding]]

QUESTIONS: tuple[Question, ...] = (
    *(_procedure, _known, _count, _drift, _running, _server, _dataset),
    *(_image, _platform, _age, _rollback_image, _remarks),
)
"""In the order in which the operator reads the answers."""
