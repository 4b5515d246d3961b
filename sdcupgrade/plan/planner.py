"""The planner: from what the datacenter is and what the spec wants to a plan, or to all the reasons why not.

Promises the same plan for the same input: no clock, no chance, no question to anybody. What it is given was read by
``dc/inventory.py`` and resolved by ``updates/``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdcupgrade.model import Finding
from sdcupgrade.plan import recipes, stack
from sdcupgrade.plan.document import Change, Plan, ServicePlan
from sdcupgrade.plan.facts import facts
from sdcupgrade.plan.images import Wanted, compact, downloads_for, reference
from sdcupgrade.plan.refusals import Case, Ground, judge, look
from sdcupgrade.plan.summary import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Optional

    from sdcupgrade.model import Image, Inventory
    from sdcupgrade.plan.document import Download

COMMON_USER_SCRIPT = "/usbkey/default/user-script.common"

POOL_FACTOR = 3
"""Image files are gzip; unpacked in a pool they take about this much more (our estimate, on the safe side)."""


@dataclass(frozen=True)
class Options:
    """What the operator asked for, and what goes into the plan as it is.

    *name* is "foo" for ``foo.json``; *created_at* an ISO date, by which the files of one plan are told from the next's;
    *source* says where bits come from, *signed* is the signed sha256 of images by uuid, *in_place* the uuids of those
    whose bytes lie on this machine. *workdir* is a path of the global zone, empty for the usual one.
    """

    name: str
    created_at: str
    created_by: str
    channel: str
    source: str
    allow_downgrade: bool = False
    signed: Mapping[str, str] = field(default_factory=dict)
    require_signed: bool = False
    in_place: frozenset[str] = frozenset()
    workdir: str = ""

    def places(self) -> recipes.Places:
        """Where the files of this upgrade go."""
        workdir = self.workdir or f"/var/tmp/upgrade-{self.name}"
        return recipes.Places(self.name, workdir, compact(self.created_at))


@dataclass(frozen=True)
class Draft:
    """The outcome. *plan* is None when there are *refusals*. *rows* show every service of the spec either way, in
    upgrade order. *inputs* are the files to write before the plan is carried out: path in the global zone -> text."""

    plan: Optional[Plan]
    rows: tuple[Row, ...]
    refusals: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)


def draft(
    inventory: Inventory, targets: Mapping[str, Image], images: Mapping[str, Image], options: Options
) -> Draft:
    """Plan the upgrade of each service in *targets* to its image.

    *images* holds, by uuid, what the source knows of origins, and of current images that IMGAPI does not know. Raises
    KeyError for a service that is not in the stack's table; :func:`sdcupgrade.plan.spec.parse_spec` lets none by.
    """
    known = {**inventory.images, **images, **{image.uuid: image for image in targets.values()}}
    ground = Ground(inventory, known, options.allow_downgrade)
    cases = [look(ground, name, targets[name]) for name in sorted(targets, key=stack.position)]
    judged = {case.name: judge(case, ground) for case in cases}
    wanted = downloads_for(_wanted(cases), known, inventory, options.channel, options.signed)
    whole = (*_whole(cases, wanted, inventory, options.in_place), *_unsigned(wanted, options))
    findings = [*(finding for found in judged.values() for finding in found), *whole]
    refusals = tuple(finding for finding in findings if not finding.ok)
    refused = {finding.subject for finding in refusals}
    return _draft(
        ground=ground,
        cases=cases,
        downloads=wanted,
        options=options,
        rows=tuple(_row(case, wanted, case.name in refused) for case in cases),
        refusals=refusals,
        notes=tuple(finding for finding in findings if finding.ok and finding.subject not in refused),
    )


def _draft(
    *,
    ground: Ground,
    cases: Sequence[Case],
    downloads: tuple[Download, ...],
    options: Options,
    rows: tuple[Row, ...],
    refusals: tuple[Finding, ...],
    notes: tuple[Finding, ...],
) -> Draft:
    if refusals:
        return Draft(None, rows, refusals, notes)
    inventory = ground.inventory
    servers = {case.server.uuid: case.server.hostname for case in cases if case.server and case.replaced}
    made = [(case, _recipe(case, inventory, options, tuple(sorted(servers)))) for case in cases]
    headnode = inventory.server(inventory.headnode_uuid)
    plan = Plan(
        name=options.name,
        created_at=options.created_at,
        created_by=options.created_by,
        datacenter=inventory.datacenter_name,
        headnode=headnode.hostname if headnode else inventory.headnode_uuid,
        channel=options.channel,
        source=options.source,
        services=tuple(_service_plan(case, recipe, inventory) for case, recipe in made),
        downloads=downloads,
        servers=servers,
    )
    return Draft(plan, rows, (), notes, {path: text for _, recipe in made for path, text in recipe.inputs.items()})


def _recipe(case: Case, inventory: Inventory, options: Options, servers: tuple[str, ...]) -> recipes.Recipe:
    return recipes.make(
        recipes.Work(
            entry=case.entry,
            service=case.service,
            instance=case.instance,
            target=case.target.uuid,
            common=inventory.common_user_script or "",
            places=options.places(),
            servers=servers,
        )
    )


def _service_plan(case: Case, recipe: recipes.Recipe, inventory: Inventory) -> ServicePlan:
    return ServicePlan(
        service=case.name,
        change=case.change,
        alias=case.instance.alias if case.instance else "",
        hostname=case.server.hostname if case.server else "",
        current=reference(case.current_uuid, case.current) if case.current_uuid else None,
        target=reference(case.target.uuid, case.target),
        facts=facts(inventory, case.name),
        steps=recipe.steps,
        rollback=recipe.rollback,
    )


def _row(case: Case, downloads: Collection[Download], refused: bool) -> Row:
    missing = (item.size for item in downloads if item.uuid == case.target.uuid and not item.present)
    return Row(
        service=case.name,
        instance=case.instance.alias if case.instance else "",
        server=case.server.hostname if case.server else "",
        current=reference(case.current_uuid, case.current) if case.current_uuid else None,
        target=reference(case.target.uuid, case.target),
        size=next(missing, 0) if case.change is not Change.NONE else 0,
        change=None if refused else case.change,
    )


def _wanted(cases: Collection[Case]) -> list[Wanted]:
    """The images of all services that change; a pool needs its image only where a zone is replaced."""
    return [
        Wanted(case.target, (case.replaced.server_uuid,) if case.replaced else ())
        for case in cases
        if case.change is not Change.NONE and not case.entry.retired
    ]


def _whole(
    cases: Collection[Case], downloads: Collection[Download], inventory: Inventory, in_place: Collection[str]
) -> Iterator[Finding]:
    """What is asked of the plan as a whole."""
    if inventory.common_user_script is None and any(case.replaced for case in cases):
        evidence = f"{COMMON_USER_SCRIPT} is not there, and zones set themselves up with it (HEAD-2057)"
        remedy = "copy it from default/user-script.common of the USB key (sdc-usbkey mount)"
        yield Finding("no-common-user-script", False, "headnode", evidence, remedy)
    missing = sum(item.size for item in downloads if not item.present)
    fetched = sum(item.size for item in downloads if not item.present and item.uuid not in in_place)
    space = inventory.space
    free_up = "free some, or upgrade fewer services at a time"
    for subject, need, free in (("work dir", fetched, space.workdir), ("imgapi's dataset", missing, space.imgapi)):
        if need > free:
            evidence = f"{_mib(need)} to download, {free >> 20} MiB are free"
            yield Finding("no-space", False, subject, evidence, free_up)
    yield from _pools(downloads, inventory, free_up)


def _unsigned(downloads: Collection[Download], options: Options) -> Iterator[Finding]:
    """Whom the images are from: said once where that is only a note, for each image where it is a refusal."""
    unsigned = [item for item in downloads if not item.signed]
    if options.require_signed:
        for item in unsigned:
            evidence = f"image {item.uuid} ({item.name} {item.version}) is signed by nobody that is believed"
            yield Finding("unsigned-image", False, item.name, evidence, "leave --require-signed out, or use another")
    elif unsigned:
        count = "all" if len(unsigned) == len(downloads) else f"{len(unsigned)} of {len(downloads)}"
        evidence = f"{count} unsigned: their source and their sha1 alone vouch for them"
        if options.source.startswith("http://"):
            evidence += ", and without TLS (http://) anybody in between could be that source"
        yield Finding("unsigned-image", True, "images", evidence)


def _pools(downloads: Collection[Download], inventory: Inventory, free_up: str) -> Iterator[Finding]:
    for uuid in sorted({server for item in downloads for server in item.servers}):
        server = inventory.server(uuid)
        subject = f"pool of {server.hostname if server else uuid}"
        need = POOL_FACTOR * sum(item.size for item in downloads if uuid in item.servers)
        free = inventory.space.pools.get(uuid)
        if free is None:
            evidence = f"images need about {_mib(need)} there; nobody knows what is free"
            yield Finding("space-unknown", True, subject, evidence)
        elif need > free:
            evidence = f"images need about {_mib(need)} unpacked, {free >> 20} MiB are free"
            yield Finding("no-space", False, subject, evidence, free_up)


def _mib(size: int) -> str:
    """Whole MiB, rounded up."""
    return f"{-(-size >> 20)} MiB"
