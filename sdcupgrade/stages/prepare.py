"""Make the plan: read the spec, find out what its words mean, read the datacenter once, and write the work dir.

Nothing of the datacenter is changed. When the plan is refused, no work dir is made and none is moved aside.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.dc.inventory import take
from sdcupgrade.doors.clock import iso
from sdcupgrade.errors import NoInput, PlanMoved
from sdcupgrade.jsonvalue import pretty
from sdcupgrade.plan import document, planner, stack, summary
from sdcupgrade.plan.cache import Cache, cache_json, parse_cache, resolve_from_cache, updated_cache
from sdcupgrade.plan.spec import parse_spec, require_services
from sdcupgrade.run.journal import opening
from sdcupgrade.run.workdir import Named, WorkDir
from sdcupgrade.stages.signed import signed_digests
from sdcupgrade.updates.channel import channel_of, resolve, with_origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.model import Image, Inventory
    from sdcupgrade.plan.planner import Draft
    from sdcupgrade.plan.spec import Spec
    from sdcupgrade.stages.site import Site
    from sdcupgrade.updates.source import Source


@dataclass(frozen=True)
class Choices:
    """What the operator chose. *channel* None is the datacenter's own ``update_channel``."""

    channel: Optional[str] = None
    refresh: bool = False
    fresh: bool = False
    allow_downgrade: bool = False


@dataclass(frozen=True)
class Prepared:
    """The outcome. When the draft has refusals nothing was written. *moved* is where an old work dir went."""

    work: WorkDir
    draft: Draft
    moved: Optional[str] = None


def prepare(site: Site, text: str, choices: Choices) -> Prepared:
    """Plan the upgrade of the spec that *text* names."""
    files = site.doors.files
    named = Named.of(text)
    path = named.spec(files)
    spec = read_spec(site, path)
    require_services(spec)
    work = WorkDir(named.name)
    work.refuse_in_use(files, choices.fresh)
    names = [target.service for target in spec.targets]
    inventory = take(site.datacenter, names)
    source = site.source()
    channel = channel_of(source, choices.channel, inventory.update_channel)
    targets = _targets(site, source, spec, path, channel, choices.refresh)
    images = _images(source, inventory, targets)
    known = {**images, **{one.uuid: one for one in targets.values()}}
    options = planner.Options(
        name=work.name,
        created_at=iso(site.doors.clock.time()),
        created_by=site.who.user,
        channel=channel,
        source=source.name,
        allow_downgrade=choices.allow_downgrade,
        signed=signed_digests(site, source, channel, known),
        in_place=frozenset(uuid for uuid in known if source.local(uuid) is not None),
        require_signed=site.wanted.require_signed,
    )
    draft = planner.draft(inventory, targets, images, options)
    if draft.refusals:
        return Prepared(work, draft)
    return Prepared(work, draft, _write(site, work, spec, draft, choices.fresh))


def read_spec(site: Site, path: str) -> Spec:
    """The spec in the file *path*. Raises NoInput, BadInput."""
    try:
        return parse_spec(site.doors.files.read(path), path)
    except NoInput as why:
        raise NoInput(
            f"there is no spec {path}", "write one: " + '{"imgapi": "latest"}' + "; nothing was changed"
        ) from why


def _targets(site: Site, source: Source, spec: Spec, path: str, channel: str, refresh: bool) -> Mapping[str, Image]:
    """The image of each service; what ``latest`` means is looked up once and then remembered beside the spec."""
    files = site.doors.files
    beside = f"{path}.1"
    cache = Cache() if refresh or not files.exists(beside) else parse_cache(files.read(beside), beside)
    known, missing = resolve_from_cache(spec, cache, channel)
    found = {service: resolve(source, service, (), entry.image, channel) for service, entry in known.items()}
    for target in missing:
        entry = stack.find(target.service)
        names = entry.image_names() if entry else (target.service,)
        found[target.service] = resolve(source, target.service, names, target.value, channel)
    updated = updated_cache(spec, known, {one.service: found[one.service] for one in missing}, channel)
    if updated != cache:
        files.write(beside, pretty(cache_json(updated)).encode(), 0o644)
    return found


def _images(source: Source, inventory: Inventory, targets: Mapping[str, Image]) -> Mapping[str, Image]:
    """Origins that the datacenter lacks, and running images that IMGAPI no longer knows (TOOLS-2110)."""
    images: dict[str, Image] = {}
    for target in targets.values():
        for image in with_origins(source, target, lambda uuid: uuid in inventory.imgapi_images):
            images[image.uuid] = image
    for instance in inventory.instances:
        unknown = instance.service in targets and instance.image_uuid not in inventory.images
        current = source.image(instance.image_uuid) if unknown and instance.image_uuid else None
        if current is not None:
            images[current.uuid] = current
    return images


def _write(site: Site, work: WorkDir, spec: Spec, draft: Draft, fresh: bool) -> Optional[str]:
    """The work dir; where an old one was moved to."""
    plan = draft.plan
    if plan is None:
        raise PlanMoved("there is no plan to write")
    files, clock = site.doors.files, site.doors.clock
    contents = {
        **draft.inputs,
        work.rollback: pretty(summary.rollback_json(plan)),
        work.spec: pretty(summary.spec_json(plan)),
        work.plan: pretty(document.to_json(plan)),
        work.journal: opening(clock, plan=document.digest(plan)),
    }
    if not files.listdir(work.path):
        return work.create(files, clock, spec, contents)
    with site.locked("prepare", work.name):  # never from under a run that is at work in it
        moved = work.create(files, clock, spec, contents, fresh)
    site.note(work.name, f"the old work dir is kept as {moved}")
    return moved
