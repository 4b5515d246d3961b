"""The ground that gzbits stand on: where their paths are, and what is there now."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field

from sdcupgrade.bits.changes import KEY, ROOTS, Disk, Thing, above, parent
from sdcupgrade.bits.rules import DIR, FILE, LINK
from sdcupgrade.dc.bootkey import BootKey
from sdcupgrade.dc.zones import newest_running
from sdcupgrade.errors import SdcupgradeError
from sdcupgrade.run.bits_state import KEY_NOTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Optional

    from sdcupgrade.doors.tree import Seen
    from sdcupgrade.stages.site import Site

SDC_LINK = "/opt/smartdc/sdc"
"""Leads into the sdc zone (reference 1.4)."""


@dataclass
class Ground:
    """The global zone, and the boot key when it is asked for."""

    site: Site
    key: BootKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = BootKey(self.site.doors, KEY_NOTE)

    def place(self, path: str) -> str:
        """Where a path of a change is in the global zone."""
        return f"{self.key.mount()}/{path[len(KEY) :]}" if path.startswith(KEY) else path

    def observe(self, paths: Collection[str]) -> Disk:
        """What is at *paths*, and at the folders above them. Nothing is looked for through a link."""
        files = self.site.doors.files
        things: dict[str, Thing] = {}
        inside: dict[str, dict[str, Seen]] = {}
        for path in sorted(set(paths) | above(paths)):
            up = parent(path)
            seen = files.look(self.place(path)) if up in ROOTS else inside.get(up, {}).get(_name(path))
            if seen is not None:
                things[path] = self._thing(path, seen)
                if seen.kind == DIR:
                    found = files.scan(self.place(path))
                    inside[path] = {_folded(path, name): one for name, one in found.items()}
        return Disk(things, inside)

    def _thing(self, path: str, seen: Seen) -> Thing:
        on_key = path.startswith(KEY)
        digest = self.site.doors.files.digest(self.place(path)) if seen.kind == FILE else ""
        mode = 0 if on_key or seen.kind == LINK else seen.mode
        return Thing(seen.kind, mode, (0, 0) if on_key else seen.owner, seen.size, digest, seen.target)

    # --- the way into the sdc zone ------------------------------------------------------------------------------------
    def refresh_link(self) -> None:
        """Let ``/opt/smartdc/sdc`` lead into the sdc zone that runs, without a moment in which it leads nowhere. Where
        none runs it is left, and that is said."""
        zone = self._sdc_zone()
        if zone is None:
            self.site.note("sdc", f"no sdc zone runs on this headnode; {SDC_LINK} was left as it is")
            return
        if self.link_leads_to(zone):
            return
        files, beside = self.site.doors.files, f"{SDC_LINK}.gzbits"
        files.remove(beside)
        files.put_link(beside, f"../../zones/{zone}/root{SDC_LINK}", files.owner)
        files.swap_in(beside, SDC_LINK)
        self.site.note("sdc", f"{SDC_LINK} leads into zone {zone} now")

    def link_leads_to(self, zone: str) -> bool:
        """Whether the link leads into that zone; written absolute or relative."""
        import posixpath

        seen = self.site.doors.files.look(SDC_LINK)
        target = seen.target if seen is not None and seen.kind == LINK else ""
        return posixpath.normpath(posixpath.join("/opt/smartdc", target)) == f"/zones/{zone}/root{SDC_LINK}"

    def _sdc_zone(self) -> Optional[str]:
        datacenter = self.site.datacenter
        try:
            return newest_running(datacenter.local(), datacenter.headnode.admin_uuid, "sdc")
        except SdcupgradeError as why:
            self.site.warn("sdc", f"the sdc zone cannot be looked for: {why.message}")
            return None


@contextmanager
def ground_of(site: Site) -> Iterator[Ground]:
    """The ground; the key is as it was found when this ends, and if that cannot be, it is said."""
    ground = Ground(site)
    try:
        yield ground
    finally:
        wrong = ground.key.put_back()
        if wrong:
            site.warn("key", wrong)


def _name(path: str) -> str:
    return path.rpartition("/")[2].rpartition(":")[2] if path.startswith(KEY) else path.rpartition("/")[2]


def _folded(folder: str, name: str) -> str:
    return name.lower() if folder.startswith(KEY) else name
