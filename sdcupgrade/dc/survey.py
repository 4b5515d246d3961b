"""What is in the pools of servers: installed images, room, leftovers.

Two programs here, one for all other servers together.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.dc.nodes import RESCUE, run_on
from sdcupgrade.dc.zones import installed_images
from sdcupgrade.errors import BadAnswer, CommandFailed, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Union

    from sdcupgrade.dc.access import Datacenter
    from sdcupgrade.doors.run import Completed

POOL = "zones"
ZFS = ("zfs", "list", "-Hp", "-d", "1", "-t", "filesystem", "-o", "name,available", POOL)
IMGADM = ("imgadm", "list", "-j")
REMOTE_S = 120.0


@dataclass(frozen=True)
class Surveyed:
    """One server's pool. *available* holds bytes by dataset: the pool and what is directly below it."""

    images: frozenset[str]
    available: Mapping[str, int]

    def leftovers(self) -> tuple[str, ...]:
        """Datasets of reprovisions that died (reference 6.1)."""
        return tuple(name for name in self.available if "-reprovisioning-" in name)


def survey(dc: Datacenter, servers: Collection[str]) -> dict[str, Surveyed]:
    """All of *servers*. Raises Unreachable naming those that cannot be reached, CommandFailed, BadAnswer."""
    found: dict[str, Surveyed] = {}
    for uuid, answer in ask(dc, servers).items():
        if isinstance(answer, str):
            raise Unreachable(f"server {dc.hostnames.get(uuid, uuid)} cannot be looked into: {answer}", RESCUE)
        found[uuid] = answer
    return found


def ask(dc: Datacenter, servers: Collection[str]) -> dict[str, Union[Surveyed, str]]:
    """As :func:`survey`, but a server that cannot be reached is told by a sentence in its place."""
    found: dict[str, Union[Surveyed, str]] = {}
    if dc.headnode.uuid in servers:
        found[dc.headnode.uuid] = _here(dc)
    others = [uuid for uuid in servers if uuid != dc.headnode.uuid]
    if others:
        found.update(_there(dc, others))
    return found


def _here(dc: Datacenter) -> Surveyed:
    pool, images = dc.local().run(ZFS), dc.local().run(IMGADM, timeout_s=REMOTE_S)
    for done in (pool, images):
        if done.status != 0:
            raise CommandFailed(f"{' '.join(done.argv)} {done.ending}: {done.stderr.strip()}")
    return Surveyed(installed_images(images.stdout, "imgadm list -j"), _available(pool.stdout, "zfs list"))


def _answers(dc: Datacenter, servers: Sequence[str], line: str) -> dict[str, Union[Completed, str]]:
    """All at once; when sdc-oneachnode lacks one it runs nothing anywhere (reference 4.8), so then by halves."""
    try:
        return run_on(dc.doors, servers, line, REMOTE_S)
    except Unreachable as why:
        if len(servers) == 1:
            return {servers[0]: why.message}
        half = len(servers) // 2
        return {**_answers(dc, servers[:half], line), **_answers(dc, servers[half:], line)}


def _there(dc: Datacenter, servers: Sequence[str]) -> dict[str, Union[Surveyed, str]]:
    """The listing of datasets comes first, a line each; what begins with a bracket is imgadm's."""
    line = f"{' '.join(ZFS)} && {' '.join(IMGADM)}"
    found: dict[str, Union[Surveyed, str]] = {}
    for uuid, answer in _answers(dc, servers, line).items():
        if isinstance(answer, str):
            found[uuid] = answer
        elif answer.status != 0:
            found[uuid] = f"{line} {answer.ending} there: {answer.stderr.strip()}"
        else:
            pool, bracket, images = answer.stdout.partition("[")
            where = f"on {dc.hostnames.get(uuid, uuid)}"
            installed = installed_images(bracket + images, f"imgadm list -j {where}")
            found[uuid] = Surveyed(installed, _available(pool, f"zfs list {where}"))
    return found


def _available(text: str, where: str) -> dict[str, int]:
    """Raises BadAnswer for text without the pool: no pool is not the same as no room."""
    pairs = (line.split("\t") for line in text.splitlines() if "\t" in line)
    found = {pair[0]: int(pair[1]) for pair in pairs if pair[1].isdigit()}
    if POOL not in found:
        raise BadAnswer(f"{where} tells nothing of the pool {POOL}; it begins {text[:40]!r}")
    return found
