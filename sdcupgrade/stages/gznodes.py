"""gzbits on the compute nodes: in waves, verified on each, written down in the ledger; taken back the same way.

The datacenter's own engine (sdc-oneachnode) carries a script to groups of nodes. What a node says is believed only when
it proves it: asked once more, it has to name the set that it has from what lies on its disk. Whoever calls holds the
datacenter's lock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from sdcupgrade.bits import node
from sdcupgrade.bits.ledger import BEGUN, DONE, DOWN, FAILED, Known
from sdcupgrade.bits.waves import USUAL_BUDGET, USUAL_WAVES, cut, sort_out, unfit
from sdcupgrade.dc.nodes import NotDiscovered, run_on
from sdcupgrade.doors.clock import iso
from sdcupgrade.errors import BadAnswer, NoInput, SdcupgradeError, StepFailed, Unreachable
from sdcupgrade.jsonvalue import pretty
from sdcupgrade.model import Event
from sdcupgrade.stages.gznodes_ledger import Ledger
from sdcupgrade.stages.gznodes_package import (
    AGAIN,
    NEEDED,
    WANTED,
    Wanted,
    publish,
    read_wanted,
    refuse_unserved,
    url_of,
    want,
)
from sdcupgrade.ui.words import one_line, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Optional, Union

    from sdcupgrade.bits.manifest import Manifest
    from sdcupgrade.bits.waves import Amount
    from sdcupgrade.doors.run import Completed
    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.model import Server
    from sdcupgrade.stages.site import Site

    Answer = Optional[Union[Completed, str]]
    """What a node said, or why it could not be asked; None: it is not there."""

VERIFY_S = 120.0
NAMED = 20
"""How many nodes are named in one sentence."""


@dataclass(frozen=True)
class NodeOptions:
    """How gzbits go to the nodes: *waves* and *max_fail* (``bits/waves.py``), *at_once* nodes are asked together,
    *timeout_s* is how long each may take. *image* is the uuid of the tarball's image, for the ledger."""

    waves: tuple[Amount, ...] = USUAL_WAVES
    max_fail: Amount = USUAL_BUDGET
    at_once: int = 25
    timeout_s: float = 600.0
    image: str = ""


class Fate(enum.Enum):
    """What became of a node."""

    DONE = "done"
    ALREADY = "already"
    """It had it already, by the ledger or by its own word."""
    DOWN = "down"
    SKIPPED = "skipped"
    FAILED = "failed"
    LEFT = "left"
    """Not begun: there had been too many failures."""


@dataclass(frozen=True)
class NodeResult:
    """One node; *why* is empty where there is nothing to say."""

    uuid: str
    hostname: str
    fate: Fate
    why: str = ""


@dataclass(frozen=True)
class Fanned:
    """The outcome, by hostname. *did* is what was done, as a word for people."""

    did: str
    results: tuple[NodeResult, ...]

    def those(self, *fates: Fate) -> tuple[NodeResult, ...]:
        """The nodes with one of these fates."""
        return tuple(one for one in self.results if one.fate in fates)


# --- the four commands ------------------------------------------------------------------------------------------------
def apply_nodes(site: Site, manifest: Manifest, tarball: str, options: NodeOptions) -> Fanned:
    """Give every compute node what *manifest* has for it; *tarball* is the path of the file it was read from.

    A node that fails is in the result; see :func:`refuse_failed`. Raises Unreachable when nodes cannot be asked at all.
    """
    if not node.list_of(manifest):
        site.note("gzbits", "there is nothing for compute nodes in it")
        return Fanned("applied", ())
    package = publish(site.doors.files, manifest, tarball, options.image)
    want(site.doors.files, package)
    return _apply(site, package, options)


def catch_up(site: Site, options: NodeOptions) -> Fanned:
    """The same for the nodes that missed it: those that were down, failed, or were never heard of again."""
    wanted = _wanted(site)
    return _roll_back(site, wanted, options) if wanted.back else _apply(site, wanted.package, options)


def rollback_nodes(site: Site, options: NodeOptions) -> Fanned:
    """Take back from every node what was applied last: content, links, modes, added and removed files."""
    wanted = replace(_wanted(site), back=True)
    site.doors.files.write(WANTED, pretty(wanted.to_json()).encode())
    return _roll_back(site, wanted, options)


def verify_nodes(site: Site, options: NodeOptions) -> Fanned:
    """Let every node prove that it has what the ledger says; nothing is changed on any."""
    wanted = _wanted(site)
    ledger = Ledger(site.doors.files)
    sorted_out = sort_out(_servers(site), {}, wanted.package.digest)
    work = _Work(site, options, ledger, "verified", node.verify_line(), "")
    results: list[NodeResult] = []
    for group in _groups(sorted_out.send, max(100, options.at_once)):
        answers = _ask(site, group, work.line, VERIFY_S)
        results += [_verified(work, server, answers[server.uuid], wanted) for server in group]
        site.emit(_progress("verified", len(results), len(sorted_out.send)))
    ledger.save()
    return _finished(site, work, results, sorted_out.down, sorted_out.skipped)


def refuse_failed(fanned: Fanned) -> None:
    """Raises StepFailed, naming the nodes, when any failed or was left."""
    failed, left = fanned.those(Fate.FAILED), fanned.those(Fate.LEFT)
    if not failed and not left:
        return
    done = len(fanned.those(Fate.DONE, Fate.ALREADY))
    more = f", {plural(len(left), 'node')} left as they were" if left else ""
    again = "sdcupgrade gzbits verify" if fanned.did == "verified" else "sdcupgrade gzbits apply --catch-up"
    raise StepFailed(
        f"gzbits not {fanned.did} on {_named(failed)}: {failed[0].why if failed else ''}{more}",
        f"mend what is named above, then: {again}",
        (f"{plural(done, 'compute node')} {fanned.did}; no service was touched",),
    )


# --- how --------------------------------------------------------------------------------------------------------------
@dataclass
class _Work:
    """What is being done: *line* runs on each node, after which it has the set *digest*, or *accepts* its word."""

    site: Site
    options: NodeOptions
    ledger: Ledger
    did: str
    line: str
    digest: str
    accepts: Callable[[Known, node.Report], str] = field(default=lambda known, report: "")
    version: str = ""
    image: str = ""

    def now(self) -> str:
        """The time, for the ledger."""
        return iso(self.site.doors.clock.time())


def _wanted(site: Site) -> Wanted:
    wanted = read_wanted(site.doors.files)
    if wanted is None:
        raise NoInput("no gzbits were published for compute nodes yet", "begin with: sdcupgrade gzbits apply TARBALL")
    return wanted


def _servers(site: Site) -> tuple[Server, ...]:
    try:
        return site.datacenter.cnapi.all_servers()
    except SdcupgradeError as why:
        raise Unreachable(f"compute nodes cannot be listed: {why.message}", f"{NEEDED}; {AGAIN}") from why


def _apply(site: Site, package: node.Package, options: NodeOptions) -> Fanned:
    servers = _servers(site)
    refuse_unserved(site.doors.files, site.datacenter, package)
    ledger = Ledger(site.doors.files)
    sorted_out = sort_out(servers, ledger.nodes, package.digest)
    now = iso(site.doors.clock.time())
    missed = [server for server in sorted_out.down if server.uuid not in ledger.nodes]
    ledger.note({server.uuid: Known(server.hostname, DOWN, now) for server in missed})
    line = node.apply_line(package, url_of(site.datacenter, package))
    work = _Work(site, options, ledger, "applied", line, package.digest, version=package.version, image=package.image)
    has = [_result(server, Fate.ALREADY) for server in sorted_out.has]
    results = has + _waves(work, sorted_out.send)
    return _finished(site, work, results, sorted_out.down, sorted_out.skipped)


def _roll_back(site: Site, wanted: Wanted, options: NodeOptions) -> Fanned:
    """Only nodes on which it was begun are asked; whoever is known to have something else is done with."""
    digest, before = wanted.package.digest, wanted.before
    ledger = Ledger(site.doors.files)
    servers = [server for server in _servers(site) if server.uuid in ledger.nodes and not unfit(server)]
    having = [server for server in servers if _may_have(ledger.nodes[server.uuid], digest)]
    sorted_out = sort_out(having, {}, digest)

    def other(known: Known, report: node.Report) -> str:
        """Why the set that is there is the wrong one."""
        if report.installed == digest:
            return "it has the bits still"
        if known.digest == digest and known.before and report.installed != known.before:
            return "it went back to another set than the one before"
        return ""

    work = _Work(site, options, ledger, "rolled back", node.rollback_line(digest), "", other)
    if before is not None:
        work.version, work.image = before.version, before.image
    return _finished(site, work, _waves(work, sorted_out.send), sorted_out.down, ())


def _may_have(known: Known, digest: str) -> bool:
    return known.digest == digest or known.outcome in (BEGUN, FAILED)


def _waves(work: _Work, servers: Sequence[Server]) -> list[NodeResult]:
    """Wave by wave, until there are none left or too many have failed; the last group that was begun is ended."""
    budget = work.options.max_fail.of(len(servers))
    results: list[NodeResult] = []
    failed = 0
    try:
        for number, wave in enumerate(cut(servers, work.options.waves), 1):
            work.site.note("gzbits", f"wave {number}: {_names([server.hostname for server in wave])}")
            for group in _groups(wave, work.options.at_once):
                came = _group(work, group)
                results += came
                failed += sum(one.fate is Fate.FAILED for one in came)
                work.site.emit(_progress(work.did, len(results), len(servers)))
                if failed > budget:
                    return results + [_result(one, Fate.LEFT) for one in servers[len(results) :]]
    finally:
        work.ledger.save()
    return results


def _group(work: _Work, group: Sequence[Server]) -> list[NodeResult]:
    """One group: begun, asked, verified, written down."""
    old = {server.uuid: work.ledger.nodes.get(server.uuid, Known(server.hostname, DOWN, "")) for server in group}
    begun = {server.uuid: replace(old[server.uuid], outcome=BEGUN, when=work.now()) for server in group}
    work.ledger.note(begun)
    answers = _ask(work.site, group, work.line, work.options.timeout_s)
    results = {server.uuid: _heard(work, server, answers[server.uuid], old[server.uuid]) for server in group}
    claimed = [server for server in group if results[server.uuid].fate in (Fate.DONE, Fate.ALREADY)]
    proofs = _ask(work.site, claimed, node.verify_line(), VERIFY_S) if claimed else {}
    for server in claimed:
        why = _unproved(work, server, proofs[server.uuid], old[server.uuid])
        if why:
            results[server.uuid] = _result(server, Fate.FAILED, why)
    work.ledger.note({one.uuid: _line(work, one, old[one.uuid], proofs.get(one.uuid)) for one in results.values()})
    for one in results.values():
        if one.fate is Fate.FAILED:
            work.site.warn(one.hostname, one.why)
    return list(results.values())


def _ask(site: Site, group: Sequence[Server], line: str, timeout_s: float) -> dict[str, Answer]:
    """All at once; when one of them is not there nothing is run anywhere (reference 4.8), so then by halves."""
    try:
        return dict(run_on(site.doors, [server.uuid for server in group], line, timeout_s))
    except NotDiscovered:
        if len(group) == 1:
            return {group[0].uuid: None}
        half = len(group) // 2
        return {**_ask(site, group[:half], line, timeout_s), **_ask(site, group[half:], line, timeout_s)}
    except Unreachable as why:
        raise Unreachable(why.message, f"{NEEDED}; {AGAIN}") from why


def _heard(work: _Work, server: Server, answer: Answer, old: Known) -> NodeResult:
    """What a node says of itself."""
    if answer is None:
        return _result(server, Fate.DOWN, "it does not answer sdc-oneachnode")
    if isinstance(answer, str):
        return _result(server, Fate.FAILED, f"no answer: {one_line(answer)}; it may be at work there still")
    try:
        said = _report(server, answer)
    except BadAnswer as why:
        return _result(server, Fate.FAILED, why.message)
    if said.did == "skipped":
        return _result(server, Fate.SKIPPED, said.why)
    if said.did not in ("applied", "already", "rolled-back"):
        return _result(server, Fate.FAILED, said.why or f"it says {said.did}")
    return _result(server, Fate.ALREADY if said.did == "already" else Fate.DONE)


def _report(server: Server, answer: Completed) -> node.Report:
    """Raises BadAnswer."""
    if answer.status != 0:
        said = one_line(answer.stderr) or one_line(answer.stdout) or "it said nothing"
        raise BadAnswer(f"the script {answer.ending} there: {said[-300:]}")
    return node.report(answer.stdout, server.hostname)


def _unproved(work: _Work, server: Server, answer: Answer, old: Known) -> str:
    """Why a node that said that it was done is not believed; empty when it proved it."""
    if answer is None or isinstance(answer, str):
        return f"it said that it was done, and then did not answer: {answer or 'it is gone'}"
    try:
        said = _report(server, answer)
    except BadAnswer as why:
        return why.message
    if said.did == "interrupted":
        return said.why
    if said.state != said.installed or (work.digest and said.installed != work.digest):
        return f"it said that it was done, and is not: {said.why or 'another set is there'}"
    return work.accepts(old, said)


def _line(work: _Work, result: NodeResult, old: Known, proof: Answer) -> Known:
    """The node's line in the ledger."""
    if result.fate in (Fate.DOWN, Fate.SKIPPED):
        outcome = old.outcome if old.outcome in (BEGUN, FAILED) else DOWN
        return replace(old, hostname=result.hostname, outcome=outcome, why=result.why)
    if result.fate is Fate.FAILED:
        return replace(old, hostname=result.hostname, outcome=FAILED, when=work.now(), why=result.why)
    if proof is None or isinstance(proof, str):
        raise AssertionError(f"{result.hostname} is called done without a proof")
    installed = node.report(proof.stdout, result.hostname).installed
    before = old.digest if work.digest and old.digest != installed else old.before if work.digest else ""
    version, image = (work.version, work.image) if installed else ("", "")
    return Known(result.hostname, DONE, work.now(), installed, before, version, image)


def _verified(work: _Work, server: Server, answer: Answer, wanted: Wanted) -> NodeResult:
    """What a node has, beside what the ledger says; what differs is written down, for the next catch-up."""
    old = work.ledger.nodes.get(server.uuid, Known(server.hostname, DOWN, ""))
    if answer is None:
        return _result(server, Fate.DOWN, "it does not answer sdc-oneachnode")
    why = _unproved(work, server, answer, old)
    if not why and not isinstance(answer, str):
        said = node.report(answer.stdout, server.hostname)
        if said.did == "skipped":
            return _result(server, Fate.SKIPPED, said.why)
        if not wanted.back and said.installed != wanted.package.digest:
            why = f"it has {'another set' if said.installed else 'no gzbits'}"
        elif wanted.back and said.installed == wanted.package.digest:
            why = "it has the bits still that were rolled back"
        elif not old.surely(said.installed):
            image = (wanted.package.version, wanted.package.image) if not wanted.back else ("", "")
            line = Known(server.hostname, DONE, work.now(), said.installed, old.before, *image)
            work.ledger.note({server.uuid: line})
    if why:
        work.ledger.note({server.uuid: replace(old, outcome=FAILED, when=work.now(), why=why)})
        work.site.warn(server.hostname, why)
        return _result(server, Fate.FAILED, why)
    return _result(server, Fate.DONE)


def _finished(
    site: Site,
    work: _Work,
    results: Sequence[NodeResult],
    down: Sequence[Server],
    skipped: Sequence[tuple[Server, str]],
) -> Fanned:
    """Everything in one list; who was down is named, with what to type when it is back."""
    every = [*results, *(_result(one, Fate.DOWN, f"CNAPI says {one.status}") for one in down)]
    every += [_result(server, Fate.SKIPPED, why) for server, why in skipped]
    fanned = Fanned(work.did, tuple(sorted(every, key=lambda one: (one.hostname, one.uuid))))
    gone = fanned.those(Fate.DOWN)
    if gone:
        again = "gzbits verify" if work.did == "verified" else "gzbits apply --catch-up"
        site.warn("gzbits", f"not {work.did}, being down: {_named(gone)}; when they are back: sdcupgrade {again}")
    return fanned


def _result(server: Server, fate: Fate, why: str = "") -> NodeResult:
    return NodeResult(server.uuid, server.hostname, fate, why)


def _groups(servers: Sequence[Server], size: int) -> Iterator[Sequence[Server]]:
    return (servers[first : first + size] for first in range(0, len(servers), size))


def _progress(did: str, done: int, total: int) -> Event:
    counted: dict[str, Json] = {"unit": "count"}
    return Event("progress", "gzbits", f"compute nodes {did}", done, total, detail=counted)


def _named(results: Sequence[NodeResult]) -> str:
    return _names([one.hostname for one in results])


def _names(hostnames: Sequence[str]) -> str:
    """Some names, and how many more."""
    more = len(hostnames) - NAMED
    return ", ".join(hostnames[:NAMED]) + (f" and {more} more" if more > 0 else "")
