"""Bring every image of the plan into the datacenter: fetched and verified, then into IMGAPI, then into the pools.

What lies on this machine already (a bundle, a folder) is not fetched: it is verified and sent where it lies.

Three passes, each whole before the next, so that the first failure comes early and no service is touched by any.
Reality decides what is left to do, so a repeated download fetches nothing twice. Origins go before what is built on
them: when siblings brought a new origin at the same time, they raced (TOOLS-1634).
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.dc import zones
from sdcupgrade.dc.survey import survey
from sdcupgrade.model import Event
from sdcupgrade.stages.execute import open_journal
from sdcupgrade.updates.digests import check_in_place
from sdcupgrade.updates.fetch import fetch_all, forget, path_of
from sdcupgrade.updates.source import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.plan.document import Download, Plan
    from sdcupgrade.run.workdir import WorkDir
    from sdcupgrade.stages.site import Site

    T = TypeVar("T")

PARALLEL = 4
INSTALL_TIMEOUT_S = 1800.0
"""imgadm import of one image: some hundred MiB from IMGAPI to a slow node, origins included."""


@dataclass(frozen=True)
class Downloaded:
    """What a download did: images fetched and stored in IMGAPI, installations in pools, and the bytes fetched."""

    fetched: int
    bytes: int
    installed: int


def download(site: Site, text: str, parallel: int = PARALLEL) -> Downloaded:
    """Have all images of the plan active in IMGAPI and installed where they will be needed."""
    work, plan = site.prepared(text)
    work.refuse_edited_spec(site.doors.files)
    with site.locked("download", work.name):
        missing = [one for one in plan.downloads if not site.datacenter.imgapi.has(one.manifest)]
        files = site.doors.files
        for one in plan.downloads:
            if one not in missing:
                forget(work.images, one.uuid, files)  # left by a download that was cut off
        source = site.source(plan.source)
        parts = {one.uuid: part for one in missing if (part := source.local(one.uuid)) is not None}
        check_in_place([(one, parts[one.uuid]) for one in missing if one.uuid in parts], files, site.emit)
        fetched = [one for one in missing if one.uuid not in parts]
        fetch_all(fetched, work.images, source, files, site.doors.clock, site.emit, parallel)
        parts.update({one.uuid: Part(path_of(work.images, one.uuid), 0, one.size) for one in fetched})
        _store(site, work, missing, parts, parallel)
        installed = _install(site, plan)
        open_journal(site, work).append("downloaded", images=len(missing), installed=installed)
    return Downloaded(len(missing), sum(one.size for one in missing), installed)


def _store(
    site: Site, work: WorkDir, missing: Sequence[Download], parts: Mapping[str, Part], parallel: int
) -> None:
    """Into IMGAPI, a generation at a time; a file that was fetched for it goes when IMGAPI has it."""
    dc = site.datacenter

    def store(one: Download) -> None:
        new = dc.imgapi.store(one.manifest, parts[one.uuid].path, dc.headnode.admin_uuid, parts[one.uuid].offset)
        forget(work.images, one.uuid, site.doors.files)
        site.note(one.uuid, f"{one.name} {one.version}: " + ("in IMGAPI" if new else "was in IMGAPI already"))

    for generation in sorted({one.generation for one in missing}):
        _side_by_side(store, [one for one in missing if one.generation == generation], parallel)


def _install(site: Site, plan: Plan) -> int:
    """Into the pool of every server that will need it; how many installations that took."""
    servers = sorted({server for one in plan.downloads for server in one.servers})
    site.datacenter.hostnames.update(plan.servers)
    installed = survey(site.datacenter, servers) if servers else {}
    total = 0

    def install(server: str) -> None:
        node = site.datacenter.node(server)
        for number, one in enumerate(wanted[server], 1):
            zones.install_image(node, one.uuid, INSTALL_TIMEOUT_S)
            text = f"images into {node.name}"
            counted: dict[str, Json] = {"unit": "count"}
            site.emit(Event("progress", server, text, number, len(wanted[server]), detail=counted))

    wanted: dict[str, list[Download]] = {}
    for server in servers:
        there = installed[server].images
        wanted[server] = [one for one in plan.downloads if server in one.servers and one.uuid not in there]
        total += len(wanted[server])
    _side_by_side(install, [server for server in servers if wanted[server]], PARALLEL)
    return total


def _side_by_side(do: Callable[[T], None], items: Sequence[T], parallel: int) -> None:
    """All of them, some at once; the first failure starts no further ones and is the one raised."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max(1, parallel)) as pool:
        futures = [pool.submit(do, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
