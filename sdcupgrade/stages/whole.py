"""The whole upgrade by one command: which of the stages comes next, seeing what is there already.

``run`` is the commands an operator would type, one after the other, and nothing else: each stage decides for itself
whether it may go on. Typed again after any interruption it goes on where that left off, because what comes next is
read from the work dir and the journal.
"""

from __future__ import annotations

import enum

from sdcupgrade.errors import LockHeld, Refused, SdcupgradeError
from sdcupgrade.run.workdir import Named, WorkDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.stages.site import Site
    from sdcupgrade.stages.status import Status


class Next(enum.Enum):
    """What an upgrade has before it; everything that follows comes after it by itself."""

    PREPARE = "prepare"
    DOWNLOAD = "download"
    UPGRADE = "upgrade"
    RESUME = "resume"


def next_stage(site: Site, text: str, fresh: bool = False) -> Next:
    """What comes next for the upgrade that *text* names; *fresh* begins anew, whatever there is.

    Raises LockHeld while it runs, Refused when somebody went back, or was going back: that is no accident.
    """
    from sdcupgrade.stages.status import status

    work = WorkDir(Named.of(text).name)
    if fresh or not site.doors.files.listdir(work.path):
        return Next.PREPARE
    found = status(site, text)
    if found.holder is not None:
        raise LockHeld(f"{found.holder} is at work on {work.name}; nothing was changed", f"see: {_status(work.name)}")
    if found.phase in ("failed", "interrupted"):
        _refuse_rollback(site, work)
        return Next.RESUME
    if found.phase == "rolled back" or _partly_back(found):
        raise Refused(
            f"{work.name} was rolled back, all of it or in part; nothing was changed",
            f"upgrade again what was rolled back: sdcupgrade upgrade {work.name}; or begin anew: {_again(text)}",
        )
    return Next.DOWNLOAD if found.phase == "prepared" else Next.UPGRADE


def prove_source(site: Site) -> None:
    """A bundle that all of it is to come from is read to its last byte before anything is done: a bad member must not
    be found when half of the upgrade is in place. Raises Corrupt naming it, Untrusted for a signature."""
    from sdcupgrade.updates.bundle_source import BundleSource

    if site.wanted.source:
        source = site.source()
        if isinstance(source, BundleSource):
            source.bundle.verify(site.emit)


def bits_of(site: Site, text: str) -> tuple[str, bool]:
    """Which gzbits the spec wants, empty for none, and whether it wants anything else."""
    from sdcupgrade.stages.prepare import read_spec

    spec = read_spec(site, Named.of(text).spec(site.doors.files))
    return spec.gzbits, bool(spec.targets)


def newest(site: Site, channel: Optional[str]) -> None:
    """The first step: go on in the newest version of this program. Does not return when there is a newer one: the same
    command begins anew in it. A bundle brings its own, which is installed and goes on as it is.

    Only before anything was prepared: a plan is carried out by the version that made it. Raises what a self-update
    raises, with the way round it.
    """
    from sdcupgrade import version
    from sdcupgrade.stages.selfupdate import first_step

    try:
        if version.bundle() is None:
            first_step(site, channel)
        else:
            _install(site)
    except SdcupgradeError as why:
        why.hint = f"{why.hint or why.advice}; or go on with this version: --no-self-update"
        raise


def _install(site: Site) -> None:
    from sdcupgrade.stages.install import install
    from sdcupgrade.stages.selfupdate import Outcome

    try:
        done = install(site)
    except Refused as why:
        site.note("install", f"passed over: {why.message}")
        return
    if done.outcome is Outcome.UPDATED:
        site.note("install", f"installed sdcupgrade {done.after} as {done.path}")


def _refuse_rollback(site: Site, work: WorkDir) -> None:
    from sdcupgrade.run.journal import read_state

    run = read_state(site.doors.files, work.journal).unfinished
    if run is not None and run.command == "rollback":
        raise Refused(
            f"the rollback of {work.name} that began {run.started} did not end well; nothing was changed",
            f"finish it: sdcupgrade resume {work.name}; to look: {_status(work.name)}",
        )


def _partly_back(found: Status) -> bool:
    return any(service.standing == "rolled back" for service in found.services)


def _status(name: str) -> str:
    return f"sdcupgrade status {name}"


def _again(text: str) -> str:
    return f"sdcupgrade run {text} --fresh"
