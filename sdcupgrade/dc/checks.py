"""Named questions about the health of the datacenter.

Each has an id that never changes (operators write it after ``--ignore``), answers with findings, and tells what to do
when the answer is no. One that cannot be carried out is a finding too and hides no other. Checks only look.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from sdcupgrade.dc import dns, zones
from sdcupgrade.dc.api import look_at
from sdcupgrade.dc.nodes import run_on
from sdcupgrade.dc.survey import Surveyed, ask
from sdcupgrade.errors import BadAnswer, CommandFailed, SdcupgradeError
from sdcupgrade.jsonvalue import records
from sdcupgrade.model import Finding
from sdcupgrade.ui import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Optional, TypeVar, Union

    from sdcupgrade.dc.access import Datacenter
    from sdcupgrade.dc.zones import Problem, Zone
    from sdcupgrade.model import Inventory

    T = TypeVar("T")
    R = TypeVar("R")

RESERVE = 1 << 30
"""Free bytes a pool must have beyond what is known to be needed."""

REPROV_FAIL_LOCK = "/var/sdcadm/reprovFailLock.json"


@dataclass(frozen=True)
class Subject:
    """A zone that is looked at. *image* is the one it shall get, empty when it only shall be well."""

    vm: str
    alias: str
    service: str
    server: str
    admin_ip: str = ""
    domain: str = ""
    image: str = ""


@dataclass(frozen=True)
class Scope:
    """What the questions are about. *hostnames* by server uuid; *space* is what each server's pool will take, bytes;
    *unread* is why there is no inventory, so that these are the zones of this headnode only."""

    subjects: tuple[Subject, ...]
    hostnames: Mapping[str, str] = field(default_factory=dict)
    space: Mapping[str, int] = field(default_factory=dict)
    unread: Optional[SdcupgradeError] = None

    def servers(self) -> tuple[str, ...]:
        """The servers of all subjects."""
        return tuple(sorted({subject.server for subject in self.subjects if subject.server}))


def scope_of(inventory: Inventory, services: Optional[Collection[str]] = None) -> Scope:
    """The zones of *services* (all when None) as they are now."""
    domains = {service.name: service.domain or "" for service in inventory.services}
    return Scope(
        subjects=tuple(
            Subject(one.uuid, one.alias, one.service, one.server_uuid, one.admin_ip, domains.get(one.service, ""))
            for one in inventory.instances
            if (services is None or one.service in services) and one.server_uuid
        ),
        hostnames={server.uuid: server.hostname for server in inventory.servers},
    )


def scope_here(dc: Datacenter, unread: SdcupgradeError) -> Scope:
    """The zones of this headnode, by vmadm alone: *unread* tells why there is no inventory.

    Names are SAPI's to give; without it only those count by which sdcupgrade itself asks.
    """
    try:
        found = dc.local_zones()
    except (CommandFailed, BadAnswer):
        found = ()  # zones-running asks again, and tells
    subjects = (
        Subject(
            vm=zone.uuid,
            alias=zone.alias,
            service=zone.role,
            server=dc.headnode.uuid,
            admin_ip=zone.admin_ip,
            domain=dc.headnode.domain(zone.role) if zone.role in ASKED else "",
        )
        for zone in found
        if not zone.manta
    )
    return Scope(tuple(subjects), dict(dc.hostnames), unread=unread)


class Look:
    """What several checks need, looked at once."""

    def __init__(self, dc: Datacenter, scope: Scope) -> None:
        self.dc = dc
        self.scope = scope

    @cached_property
    def pools(self) -> Mapping[str, Union[Surveyed, str]]:
        """By server; a sentence in place of a server that cannot be reached."""
        return ask(self.dc, self.scope.servers())

    @cached_property
    def zones(self) -> Mapping[str, Zone]:
        """This headnode's from vmadm, others' from VMAPI."""
        here = {zone.uuid: zone for zone in self.dc.local_zones()}
        others = [one.vm for one in self.scope.subjects if one.server != self.dc.headnode.uuid]
        there = self.dc.vmapi.zones(others) if others else ()
        return {**{zone.uuid: zone for zone in there}, **here}

    def name(self, server: str) -> str:
        """The hostname of a server."""
        return self.scope.hostnames.get(server) or self.dc.hostnames.get(server, server)

    def remedy(self, service: str) -> str:
        """How to see what ails a service: by the uuids of its zones, where they are known."""
        zones = [one for one in self.scope.subjects if one.service == service]
        return f"see what ails {service}: " + (
            f"sdc-healthcheck; {self.svcs('-xvz', zones)}" if zones else look_at(service)
        )

    def svcs(self, options: str, zones: Iterable[Subject], name: str = "") -> str:
        """``svcs`` for each of the zones, with the server for those that are not here."""
        return "; ".join(
            f"svcs {options} {one.vm}{name and ' ' + name}"
            + ("" if one.server == self.dc.headnode.uuid else f" (on {self.name(one.server)})")
            for one in zones
        )

    def reached(self) -> dict[str, Surveyed]:
        """The servers that could be looked into."""
        return {uuid: one for uuid, one in self.pools.items() if isinstance(one, Surveyed)}


def _all_well(id: str, evidence: str, bad: list[Finding]) -> list[Finding]:
    """The bad findings, or one good one."""
    return bad or [Finding(id, True, "", evidence)]


def _headnode(look: Look) -> list[Finding]:
    node = look.dc.headnode
    return [Finding("headnode", True, node.hostname, f"headnode of {node.datacenter_name}, platform {node.platform}")]


def _up(id: str, service: str) -> Check:
    def run(look: Look) -> list[Finding]:
        try:
            offline = _offline(look.dc.api(service).ping())
        except SdcupgradeError as why:
            return [Finding(id, False, service, why.message, look.remedy(service))]
        if offline:
            evidence = f"/ping says that these are offline: {', '.join(offline)}"
            return [Finding(id, False, service, evidence, f"see that they run, then svcs -x in {service}")]
        return [Finding(id, True, service, "/ping answers 200")]

    return Check(id, f"{service} answers its ping", run)


def _offline(said: object) -> list[str]:
    """What a ping names as not online: VMAPI and CNAPI tell of what they stand on (reference 2.2, 2.3)."""
    services = said.get("services") if isinstance(said, dict) else None
    if not isinstance(services, dict):
        return []
    return sorted(str(name) for name, state in services.items() if state != "online")


def _sapi_mode(look: Look) -> list[Finding]:
    mode = look.dc.sapi.mode()
    return [Finding("sapi-mode", mode == "full", "sapi", f"GET /mode says {mode}", "" if mode == "full" else PROTO)]


PROTO = "sapi keeps its records in files of its own now; see that moray works, then POST /mode?mode=full"


def _inventory(look: Look) -> list[Finding]:
    why = look.scope.unread
    if why is None:
        return [Finding("inventory", True, "", "services, zones, servers and images were read")]
    evidence = f"{why.message}; so only zones of this headnode are looked at"
    return [Finding("inventory", False, "", evidence, why.hint or why.advice)]


def _dns(look: Look) -> list[Finding]:
    """Each name gives each address of its zones."""
    wanted: dict[str, list[Subject]] = {}
    zones = look.zones
    for subject in look.scope.subjects:
        if subject.domain and subject.admin_ip and subject.vm in zones:
            wanted.setdefault(subject.domain, []).append(subject)
    names = sorted(wanted)
    found = in_parallel(lambda name: set(dns.lookup(look.dc.doors.run, name)), names)
    bad = []
    for name, given in zip(names, found):
        lacking = [one for one in wanted[name] if one.admin_ip not in given]
        if lacking:
            evidence = f"gives {_list(given)}, lacks {_list(one.admin_ip for one in lacking)}"
            remedy = f"see registrar: {look.svcs('-z', lacking, 'registrar')}; a name may need 60 s after a restart"
            bad.append(Finding("dns", False, name, evidence, remedy))
    return _all_well("dns", f"{words.plural(len(names), 'name')} checked: each gives the addresses of its zones", bad)



def _list(items: Iterable[str]) -> str:
    return ", ".join(sorted(items)) or "nothing"


def _zones_running(look: Look) -> list[Finding]:
    bad = []
    zones = look.zones
    for subject in look.scope.subjects:
        zone = zones.get(subject.vm)
        state = zone.state if zone else "not there"
        if state != "running":
            remedy = f"look at vmadm get {subject.vm} on {look.name(subject.server)}"
            bad.append(Finding("zones-running", False, subject.alias, f"the zone is {state}", remedy))
    return _all_well("zones-running", f"{len(look.scope.subjects)} zones run", bad)


def _zones_smf(look: Look) -> list[Finding]:
    """All zones of a server in one call; zones that nobody asked about are left out, and so are those on servers that
    take no commands, which ``transport`` tells of."""
    aliases = {subject.vm: subject.alias for subject in look.scope.subjects if subject.server in look.reached()}
    bad = [
        Finding("zones-smf", False, aliases[one.zone], f"{one.fmri} is {one.state}: {one.reason}", _svcs(one))
        for one in _complaints(look)
        if one.zone in aliases
    ]
    return _all_well("zones-smf", f"no SMF service complains in {len(aliases)} zones", bad)


SVCS = ("svcs", "-Z", "-x")


def _complaints(look: Look) -> list[Problem]:
    found: list[Problem] = []
    others = [uuid for uuid in look.reached() if uuid != look.dc.headnode.uuid]
    done = look.dc.local().run(SVCS)
    answers = run_on(look.dc.doors, others, " ".join(SVCS), 60.0) if others else {}
    for uuid, answer in {look.dc.headnode.uuid: done, **answers}.items():
        where = f"{' '.join(SVCS)} on {look.name(uuid)}"
        if isinstance(answer, str) or answer.status != 0:
            raise CommandFailed(f"{where}: {answer if isinstance(answer, str) else answer.stderr.strip()}")
        found += zones.parse_svcs(answer.stdout, where)
    return found


def _svcs(problem: Problem) -> str:
    return f"svcs -xvz {problem.zone}, then svcadm -z {problem.zone} clear {problem.fmri}"


def _images_present(look: Look) -> list[Finding]:
    wanted = {subject.image for subject in look.scope.subjects if subject.image}
    bad = []
    for uuid in sorted(wanted):
        image = look.dc.imgapi.image(uuid)
        state = image.state if image else "not there"
        if state != "active":
            bad.append(Finding("images-present", False, uuid, f"the image is {state} in IMGAPI", DOWNLOAD))
    pools = look.reached()
    for subject in look.scope.subjects:
        if subject.image and subject.server in pools and subject.image not in pools[subject.server].images:
            evidence = f"image {subject.image} for {subject.alias} is not installed"
            bad.append(Finding("images-present", False, look.name(subject.server), evidence, DOWNLOAD))
    return _all_well("images-present", f"{len(wanted)} images are in IMGAPI and in the pools", bad)


DOWNLOAD = "run sdcupgrade download"


def _servers_up(look: Look) -> list[Finding]:
    known = {server.uuid: server for server in look.dc.cnapi.servers(look.scope.servers())}
    bad = []
    for uuid in look.scope.servers():
        status = known[uuid].status if uuid in known else "unknown to CNAPI"
        if status != "running":
            remedy = "see that the server is up and its cn-agent sends heartbeats"
            bad.append(Finding("servers-up", False, look.name(uuid), f"the server's status is {status}", remedy))
    return _all_well("servers-up", f"{len(known)} servers run", bad)


def _transport(look: Look) -> list[Finding]:
    bad = [
        Finding("transport", False, look.name(uuid), said, f"try: sdc-oneachnode -n {look.name(uuid)} true")
        for uuid, said in look.pools.items()
        if isinstance(said, str)
    ]
    return _all_well("transport", f"{len(look.pools)} servers take commands", bad)


def _pool_space(look: Look) -> list[Finding]:
    bad = []
    for uuid, pool in look.reached().items():
        needed, free = look.scope.space.get(uuid, 0) + RESERVE, pool.available.get("zones", 0)
        if free < needed:
            evidence = f"pool zones has {free >> 20} MiB free, {needed >> 20} MiB are needed"
            bad.append(Finding("pool-space", False, look.name(uuid), evidence, "see zfs list -o space -r zones"))
    return _all_well("pool-space", f"{len(look.reached())} pools have room", bad)


def _leftovers(look: Look) -> list[Finding]:
    bad = [
        Finding("leftovers", False, look.name(uuid), f"a reprovision died and left {name}", f"zfs list -r {name}")
        for uuid, pool in look.reached().items()
        for name in pool.leftovers()
    ]
    return _all_well("leftovers", "no reprovision has left datasets behind", bad)


def _jobs_idle(look: Look) -> list[Finding]:
    """A warning only: jobs under way may fail when what they stand on goes down. That workflow itself is down is for
    ``workflow-up`` to tell."""
    found = []
    try:
        for execution in ("running", "queued"):
            query = {"execution": execution, "limit": "20"}
            found += records(look.dc.api("workflow").json("/jobs", query), "workflow: GET /jobs")
    except SdcupgradeError as why:
        return [Finding("jobs-idle", True, "workflow", f"nobody knows whether jobs are under way: {why.message}")]
    names = sorted({job.text_or("name", "?") or "?" for job in found})
    evidence = f"{len(found)} jobs under way, which may fail: {', '.join(names)}" if found else "no job is under way"
    return [Finding("jobs-idle", True, "workflow", evidence, "wait for them, or go on" if found else "")]


def _reprov_fail_lock(look: Look) -> list[Finding]:
    if not look.dc.doors.files.exists(REPROV_FAIL_LOCK):
        return [Finding("reprov-fail-lock", True, "", "sdcadm has not locked updates")]
    remedy = f"read {REPROV_FAIL_LOCK}, mend what it names, remove it"
    return [Finding("reprov-fail-lock", False, "sdcadm", "a reprovision by sdcadm failed and locked updates", remedy)]


@dataclass(frozen=True)
class Check:
    """One question. *remedy* is what to do when it cannot even be asked."""

    id: str
    title: str
    run: Callable[[Look], list[Finding]]
    remedy: str = ""


ASKED = ("sapi", "vmapi", "cnapi", "imgapi", "workflow")
"""The services that sdcupgrade itself asks."""


def _checks() -> tuple[Check, ...]:
    return (
        Check("headnode", "this is a headnode", _headnode),
        *(_up(f"{service}-up", service) for service in ASKED),
        Check("sapi-mode", "sapi is in full mode", _sapi_mode),
        Check("inventory", "the datacenter's services, zones, servers and images can be read", _inventory),
        Check("dns", "each service's name gives its zones", _dns, "see that binder runs"),
        Check("zones-running", "the zones run", _zones_running),
        Check("zones-smf", "no SMF service in them complains", _zones_smf),
        Check("images-present", "the images are in IMGAPI and in the pools", _images_present, DOWNLOAD),
        Check("servers-up", "the servers run", _servers_up),
        Check("transport", "every server takes commands", _transport),
        Check("pool-space", "the pools have room", _pool_space),
        Check("leftovers", "no reprovision died half-way", _leftovers),
        Check("jobs-idle", "no job is under way (warning only)", _jobs_idle),
        Check("reprov-fail-lock", "sdcadm has not locked updates", _reprov_fail_lock),
    )


CHECKS: tuple[Check, ...] = _checks()


def run_checks(dc: Datacenter, scope: Scope, ids: Optional[Collection[str]] = None) -> list[Finding]:
    """The findings of all checks (or those named by *ids*), in the order of the table."""
    look = Look(dc, scope)
    return [finding for check in CHECKS if ids is None or check.id in ids for finding in _run(check, look)]


def _run(check: Check, look: Look) -> list[Finding]:
    try:
        return check.run(look)
    except SdcupgradeError as why:
        return [Finding(check.id, False, "", why.message, why.hint or check.remedy)]


def in_parallel(ask_one: Callable[[T], R], items: list[T]) -> list[R]:
    """The answers in order; several programs at once, since each takes its time to start."""
    if len(items) < 2:
        return [ask_one(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(8, len(items))) as pool:
        return list(pool.map(ask_one, items))
