"""A file that was just dropped somewhere puts itself where installed versions live."""

from __future__ import annotations

from sdcupgrade.errors import Refused, SdcupgradeError
from sdcupgrade.run import installed
from sdcupgrade.stages import installing
from sdcupgrade.stages.installing import Parcel
from sdcupgrade.stages.selfupdate import Outcome, Result, own_build
from sdcupgrade.updates.releases import Build
from sdcupgrade.updates.source import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.stages.site import Site

COMMAND = "install"


def install(site: Site, force: bool = False) -> Result:
    """Put the file that runs in use, on trial if another version was. Typed again it changes nothing.

    Raises Refused from a checkout, for a version older than the one in use unless *force*, and where something else
    has the link's place; Unhealthy, StorageError, LockHeld.
    """
    files, build = site.doors.files, own_build(site)
    part = _own_part(site)
    digest = installing.digest_of(files, part.path, part.offset, part.size)
    old = installed.current(files)
    if old is not None and files.exists(old) and installing.digest_of(files, old) == digest:
        return Result(Outcome.NEWEST, build, build, old)
    with site.locked(COMMAND, ""):
        if installed.current(files) != old:
            raise Refused("another installation was quicker; this one changed nothing", "type the same command again")
        before = _before(site, old, build, force)
        journal = installing.open_journal(site)
        installing.tidy(site, journal, digest)
        parcel = Parcel(build, part.size, digest, part.path, lambda path: installing.copy(site, part, digest, path))
        path = installing.put_in_place(site, journal, parcel)
        installing.flip(site, journal, path, build, old if before is not None else None)
    return Result(Outcome.UPDATED, before or Build("", ""), build, path)


def _own_part(site: Site) -> Part:
    """Where the program's own bytes are: the whole file, or the end of a bundle."""
    from sdcupgrade.updates.bundle import inside, placed

    files, own = site.doors.files, site.doors.process.file
    if own is None:
        raise Refused("a checkout cannot be installed; nothing was changed", "make pyz makes the one file")
    path = placed(files, own)
    bundle = inside(files, path)
    return bundle.program if bundle is not None else Part(path, 0, files.size(path))


def _before(site: Site, old: Optional[str], build: Build, force: bool) -> Optional[Build]:
    """The build in use; None when there is none that works."""
    files = site.doors.files
    if old is None:
        if files.exists(installed.LINK) and not force and files.resolved(installed.LINK) != site.doors.process.file:
            raise Refused(
                f"{installed.LINK} is there, and no link to an installed version; nothing was changed",
                "move it away, or replace it: install --force",
            )
        return None
    try:
        said = installing.ask(site, old, "version")
        before = Build(said.text_or("version", "") or "", said.text_or("buildstamp", "") or "")
    except SdcupgradeError as why:
        site.warn(COMMAND, f"there is no way back, for what was installed does not work: {why.message}")
        return None
    if not force and (why_not := build.behind(before)):
        raise Refused(f"{why_not}, which is installed; nothing was changed", "--force puts it in use all the same")
    return before
