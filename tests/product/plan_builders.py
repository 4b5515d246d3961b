"""A small made-up datacenter for the planner's tests: one headnode, one compute node, images by a short number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Optional

from sdcupgrade.model import Finding, Image, ImageFile, Instance, Inventory, Server, Service, Space
from sdcupgrade.plan.document import Plan, ServicePlan
from sdcupgrade.plan.planner import Draft, Options, draft
from sdcupgrade.plan.stack import STACK, StackService

COMMON = "#!/usr/bin/bash\n# common\n"
OLD_SCRIPT = "#!/usr/bin/bash\n# old\n"
OPTIONS = Options("foo", "2024-03-01T10:00:00.000Z", "root", "dev", "https://updates.example.com")


def uuid(kind: str, number: int) -> str:
    """A uuid that tells what it is of: ``uuid("image", 7)``."""
    prefix = {"image": "1", "vm": "2", "service": "3", "server": "4", "other": "5"}[kind]
    return f"{prefix}0000000-0000-4000-8000-{number:012x}"


HEADNODE, NODE = uuid("server", 0), uuid("server", 1)


def image(
    number: int, name: str, day: int = 15, *, origin: Optional[int] = None, size: int = 50 << 20, floor: str = ""
) -> Image:
    """An active zone image, built and published on that day of January 2024."""
    return Image(
        uuid=uuid("image", number),
        name=name,
        version=f"master-202401{day:02}T120000Z-gabc1234",
        type="zone-dataset",
        state="active",
        published_at=f"2024-01-{day:02}T13:00:00.000Z",
        origin=None if origin is None else uuid("image", origin),
        file=ImageFile(f"{number:040x}", size, "gzip"),
        min_platform=floor,
        channels=("dev", "release"),
        manifest={"uuid": uuid("image", number), "os": "smartos"},
    )


def old_image(entry: StackService) -> Image:
    """What runs of that service."""
    return image(100 + STACK.index(entry), entry.image_names()[0], 1)


def new_image(entry: StackService) -> Image:
    """What it is upgraded to."""
    return image(200 + STACK.index(entry), entry.image_names()[0], 20, origin=1)


def row(name: str) -> StackService:
    """The table's row."""
    return next(entry for entry in STACK if entry.name == name)


ORIGIN = image(1, "triton-origin", 1)


def service(entry: StackService) -> Service:
    """SAPI's record, in DNS, with the old user-script."""
    return Service(
        uuid=uuid("service", STACK.index(entry)),
        name=entry.name,
        type="vm",
        image_uuid=old_image(entry).uuid,
        user_script=OLD_SCRIPT,
        domain=f"{entry.name}.coal.example.com",
    )


def zone(entry: StackService, ordinal: int = 0) -> Instance:
    """A running zone on the headnode, with a delegated dataset where the service has data."""
    vm = uuid("vm", STACK.index(entry) * 16 + ordinal)
    return Instance(
        uuid=vm,
        alias=f"{entry.name}{ordinal}",
        service=entry.name,
        server_uuid=HEADNODE,
        image_uuid=old_image(entry).uuid,
        state="running",
        admin_ip=f"10.99.99.{STACK.index(entry) + 8}",
        quota_gib=25,
        datasets=(f"zones/{vm}/data",) if entry.data else (),
        user_script=OLD_SCRIPT,
        in_sapi=entry.sapi,
    )


def server(number: int) -> Server:
    """The headnode is number 0."""
    name = "gemini" if number == 0 else f"cn{number}"
    return Server(uuid("server", number), name, number == 0, True, "running", "20240101T000000Z")


def inventory(*names: str) -> Inventory:
    """A datacenter that has those services, one zone each, all on their old images."""
    entries = [row(name) for name in names]
    return Inventory(
        datacenter_name="coal",
        dns_domain="example.com",
        admin_uuid=uuid("other", 1),
        headnode_uuid=HEADNODE,
        application_uuid=uuid("other", 2),
        update_channel="dev",
        servers=(server(0), server(1)),
        services=tuple(service(entry) for entry in entries if entry.sapi),
        instances=tuple(zone(entry) for entry in entries),
        images={old_image(entry).uuid: old_image(entry) for entry in entries},
        imgapi_images=frozenset(old_image(entry).uuid for entry in entries),
        installed={HEADNODE: frozenset(old_image(entry).uuid for entry in entries), NODE: frozenset()},
        common_user_script=COMMON,
        space=Space(10 << 30, 10 << 30, {HEADNODE: 100 << 30, NODE: 100 << 30}),
        taken_at="2024-03-01T09:59:00.000Z",
    )


def with_zone(before: Inventory, name: str, **changes: object) -> Inventory:
    """The same datacenter with the fields of that service's zones changed."""
    zones = (replace(one, **changes) if one.service == name else one for one in before.instances)  # type: ignore[arg-type]  # field names come from the test
    return replace(before, instances=tuple(zones))


def with_service(before: Inventory, name: str, **changes: object) -> Inventory:
    """The same datacenter with the fields of that SAPI service changed."""
    services = (replace(one, **changes) if one.name == name else one for one in before.services)  # type: ignore[arg-type]  # field names come from the test
    return replace(before, services=tuple(services))


def targets(*names: str) -> dict[str, Image]:
    """The new image of each service."""
    return {name: new_image(row(name)) for name in names}


def outcome(found: Inventory, wanted: Mapping[str, Image], options: Options = OPTIONS) -> Draft:
    """The draft, the shared origin being known to the source, and every image signed."""
    signed = {image.uuid: "5" * 64 for image in (ORIGIN, *wanted.values())}
    return draft(found, wanted, {ORIGIN.uuid: ORIGIN}, replace(options, signed=signed))


def plan_of(found: Inventory, wanted: Mapping[str, Image], options: Options = OPTIONS) -> Plan:
    """The plan; the test fails where there is none."""
    made = outcome(found, wanted, options)
    assert made.plan is not None, made.refusals
    return made.plan


def planned(name: str, found: Optional[Inventory] = None) -> ServicePlan:
    """The plan of one service to its new image."""
    return plan_of(found or inventory(name), targets(name)).services[0]


def refusal(found: Inventory, wanted: Mapping[str, Image], options: Options = OPTIONS) -> Finding:
    """The only refusal; the test fails where there is a plan or another refusal beside it."""
    made = outcome(found, wanted, options)
    assert made.plan is None
    (only,) = made.refusals
    return only


def note_ids(made: Draft) -> list[str]:
    """The ids of the notes, without what every upgrade says."""
    return [note.id for note in made.notes if note.id not in ("root-replaced", "data-kept")]
