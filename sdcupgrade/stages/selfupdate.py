"""The program replaces itself: which version, whether it may be believed, and what comes after.

Only an installed version updates itself, the one in use. What it goes to must be signed, and never older: not by what
the source says of it, nor by what the signer does. How it is put in place is :mod:`sdcupgrade.stages.installing`'s.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from sdcupgrade.errors import BadInput, LockHeld, NoInput, Refused, SdcupgradeError, Unhealthy, Untrusted
from sdcupgrade.run import installed
from sdcupgrade.run.installed import Pair
from sdcupgrade.stages import installing
from sdcupgrade.stages.installing import Parcel
from sdcupgrade.updates.releases import NAME, Build, build_of, choose
from sdcupgrade.updates.source import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Optional

    from sdcupgrade.doors.files import Files
    from sdcupgrade.model import Image
    from sdcupgrade.stages.site import Site
    from sdcupgrade.trust.metadata import FileInfo
    from sdcupgrade.updates.source import Source

COMMAND = "self-update"
SIZE_LIMIT = 256 << 20
"""Bytes of a file that may be the program; it has about 4 MiB."""

AGAIN = "type the same command again"
LATEST = f"the newest: sdcupgrade {COMMAND} --latest"
BACK = f"to the version before: sdcupgrade {COMMAND} --rollback"
TELL = "tell the keeper of the updates server"


@dataclass(frozen=True)
class Choice:
    """Which version the operator wants: the newest of a channel, or an *image* by its uuid, or a *file*."""

    image: str = ""
    file: str = ""
    channel: Optional[str] = None
    allow_major: bool = False


class Outcome(enum.Enum):
    """How a self-update ended."""

    NEWEST = "there is nothing newer"
    UPDATED = "the new version is in use, and this process still the old one"
    CONTINUES = "the new version is in use, and this process is it"


@dataclass(frozen=True)
class Result:
    """*before* and *after* are builds; *path* is the file in use now."""

    outcome: Outcome
    before: Build
    after: Build
    path: str
    channel: str = ""


@dataclass(frozen=True)
class Found:
    """What could be gone to: an *image* of a *source*, or a *part* of a file on this machine."""

    source: Source
    channel: str
    image: Optional[Image] = None
    part: Optional[Part] = None


def own_build(site: Site) -> Build:
    """Of the program that runs."""
    return Build(site.doors.process.version, site.doors.process.stamp)


def in_use(site: Site) -> str:
    """The path of the version in use. Raises Refused unless this process is that version."""
    files, own = site.doors.files, site.doors.process.file
    path = installed.current(files)
    if path is not None and own is not None and files.resolved(path) == own:
        return path
    what = f"{own} is not" if own else "a checkout is not"
    remedy = f"use {installed.LINK}" if path else "first: sdcupgrade install" if own else "make pyz makes the one file"
    raise Refused(f"{what} the installed sdcupgrade, and only that updates itself; nothing was changed", remedy)


def self_update(site: Site, choice: Choice) -> Result:
    """Put the wanted version in use, if it is newer; the caller goes on with :func:`continue_in` then.

    Raises Refused, BadInput, Untrusted, Corrupt, Unreachable, BadAnswer, StorageError, LockHeld, Unhealthy; the old
    version is in use as before then.
    """
    if site.doors.process.continues:
        return _continued(site)
    files, before, old = site.doors.files, own_build(site), in_use(site)
    found = _find(site, choice, before)
    if found is None:
        return Result(Outcome.NEWEST, before, before, old, _channel(site, site.source(), choice))
    with site.locked(COMMAND, ""):
        if installed.current(files) != old:
            raise Refused("another self-update was quicker; this one changed nothing", AGAIN)
        parcel = _believed(site, found)
        if _is_this(site, choice, parcel, old):
            return Result(Outcome.NEWEST, before, before, old, found.channel)
        journal = installing.open_journal(site)
        installing.tidy(site, journal, parcel.sha256)
        site.note(COMMAND, f"update to {parcel.build}, from {parcel.origin}")
        path = installing.put_in_place(site, journal, parcel)
        installing.flip(site, journal, path, parcel.build, old)
    return Result(Outcome.UPDATED, before, parcel.build, path, found.channel)


def would_update(site: Site, choice: Choice) -> Optional[Parcel]:
    """What :func:`self_update` would put in use, as far as can be told without writing anything; None for nothing."""
    from typing import cast

    from sdcupgrade.doors.unwritten import Unwritten
    from sdcupgrade.stages.site import Site

    before, old = own_build(site), in_use(site)
    found = _find(site, choice, before)
    if found is None:
        return None
    reader = replace(site.doors, files=cast("Files", Unwritten(site.doors.files)))
    parcel = _believed(Site(reader, site.log, site.emit, site.operator, site.who, site.wanted), found)
    return None if _is_this(site, choice, parcel, old) else parcel


def continue_in(site: Site, path: str, words: Sequence[str]) -> NoReturn:
    """Go on in the version at *path* with the same command line; this process is that one then."""
    site.log.close()
    site.doors.process.become(site.doors.files.real(path), words)


def first_step(site: Site, channel: Optional[str] = None) -> None:
    """For ``run``: go on in the newest version of the channel, if there is one that is newer and signed.

    Does not return then: the same command line begins anew in that version, and passes this over. Whoever runs from
    somewhere else than an installed file goes on as he is.
    """
    process = site.doors.process
    if process.continues:
        _settle(site)
        return
    try:
        in_use(site)
    except Refused as why:
        site.note(COMMAND, f"passed over: {why.message}")
        return
    result = self_update(site, Choice(channel=channel))
    if result.outcome is Outcome.UPDATED:
        site.note(COMMAND, f"updated to {result.after}, which goes on")
        continue_in(site, result.path, process.words)


def go_back(site: Site) -> Result:
    """Put the version before in use again, from this disk. Raises Refused when there is none, and as above."""
    files = site.doors.files
    target, now = installed.previous(files), installed.current(files)
    if target is None:
        raise no_way_back()
    with site.locked(COMMAND, ""):
        if installed.current(files) != now:
            raise Refused("another self-update was quicker; this one changed nothing", AGAIN)
        journal = installing.open_journal(site)
        stamp = _stamp_of(site, now)
        after = installing.prove(site, target)
        with installing.act(journal, "go back", path=target, old=now or ""):
            files.remove(installed.TRIAL)
            installed.flip(files, target)
            installed.write_pair(files, installed.GOOD, Pair(target, now or "", after.stamp))
            if now is not None:
                installed.write_pair(files, installed.REJECTED, Pair(now, target, stamp))
    return Result(Outcome.UPDATED, Build("", stamp), after, target)


def no_way_back() -> Refused:
    """To be raised where there is no version before."""
    return Refused("there is no version to go back to; nothing was changed", "what there is: sdcupgrade version -j")


def _stamp_of(site: Site, path: Optional[str]) -> str:
    """The buildstamp of an installed version, as far as it can be known."""
    for place in (installed.TRIAL, installed.GOOD):
        pair = installed.read_pair(site.doors.files, place)
        if pair is not None and pair.new == path:
            return pair.stamp
    own = site.doors.process
    return own.stamp if path is not None and own.file == site.doors.files.resolved(path) else ""


# --- after the new version has taken over -----------------------------------------------------------------------------
def _continued(site: Site) -> Result:
    build = own_build(site)
    path = _settle(site)
    return Result(Outcome.CONTINUES, build, build, path)


def _settle(site: Site) -> str:
    """What the new version does first: it takes the lock, by which its trial ends, and takes away what is old."""
    try:
        path = in_use(site)
    except Refused as why:
        raise Unhealthy(
            f"the new version did not come through, and this is {own_build(site)} again", f"to go on: {AGAIN}"
        ) from why
    try:
        with site.locked(COMMAND, ""):
            journal = installing.open_journal(site)
            journal.append("continued", path=path, build=str(own_build(site)))
            installing.tidy(site, journal)
    except LockHeld as why:
        site.warn(COMMAND, f"older versions stay for now: {why.message}")
    return path


# --- which one --------------------------------------------------------------------------------------------------------
def _find(site: Site, choice: Choice, before: Build) -> Optional[Found]:
    """The candidate, by what is said without a signature; None when nothing is newer."""
    if choice.file:
        return _found_file(site, choice)
    source = site.source()
    channel = _channel(site, source, choice)
    if choice.image:
        return _found_image(source, choice, channel, before)
    rejected = installed.read_pair(site.doors.files, installed.REJECTED)
    stamps = {rejected.stamp} if rejected and rejected.stamp else set()
    chosen = choose(source.images(NAME, channel), before, stamps, choice.allow_major)
    for text in chosen.passed:
        site.note(COMMAND, f"passed over {text}")
    return None if chosen.image is None else Found(source, channel, chosen.image)


def _channel(site: Site, source: Source, choice: Choice) -> str:
    """As for every image; with SAPI down the server's own default."""
    from sdcupgrade.dc.inventory import update_channel
    from sdcupgrade.updates.channel import channel_of

    own = None
    if not choice.channel and source.channels():
        try:
            own = update_channel(site.datacenter)
        except SdcupgradeError as why:
            site.warn(COMMAND, f"the datacenter's own channel is unknown, the source's default is used: {why.message}")
    return channel_of(source, choice.channel, own)


def _found_image(source: Source, choice: Choice, channel: str, before: Build) -> Optional[Found]:
    image = source.image(choice.image)
    if image is None or image.name != NAME:
        what = "there is no such image" if image is None else f"that is an image of {image.name}"
        raise BadInput(f"{choice.image}: {what} on {source.name}; nothing was changed", LATEST)
    build = build_of(image)
    if build == before:
        return None
    _check_order(build, before, choice.allow_major)
    return Found(source, channel, image)


def _check_order(build: Build, before: Build, allow_major: bool) -> None:
    """Raises Refused for what is no way forward."""
    if not build.valid:
        raise Refused(f"{build} is no release; nothing was changed", LATEST)
    if why := build.behind(before):
        raise Refused(f"{why}; nothing was changed", BACK)
    if build.major != before.major and not allow_major:
        raise Refused(f"{build} is another major version than {before}; nothing was changed", "--allow-major takes it")


def _found_file(site: Site, choice: Choice) -> Found:
    """A bundle vouches for its own program; anything else is looked up in the metadata of the usual source."""
    from sdcupgrade.updates.bundle import inside, placed
    from sdcupgrade.updates.bundle_source import BundleSource

    files = site.doors.files
    path = placed(files, choice.file)
    if not files.exists(path) or files.is_dir(path):
        raise NoInput(f"{choice.file}: there is no such file; nothing was changed", "give an image's uuid, or a file")
    bundle = inside(files, path)
    if bundle is not None:
        return Found(BundleSource(bundle), "", part=bundle.program)
    size = files.size(path)
    with files.open_read(path) as file:
        start = file.read(80)
    if not start.startswith(b"#!/bin/sh\n# sdcupgrade: ") or size > SIZE_LIMIT:
        raise BadInput(f"{choice.file}: is no sdcupgrade; nothing was changed", "give the one file, or a bundle")
    source = site.source()
    return Found(source, _channel(site, source, choice), part=Part(path, 0, size))


# --- whether it may be believed ---------------------------------------------------------------------------------------
def _believed(site: Site, found: Found) -> Parcel:
    """What is signed of it. Raises Untrusted when nobody signed it, or the signer says otherwise than the source."""
    believed = site.believed(found.source, found.channel)
    if believed is None:
        raise Untrusted(
            f"{found.source.name} has no signed metadata, or there is no root of trust here, so no new sdcupgrade can"
            " be verified; nothing was changed",
            "name what you were given: --metadata WHERE, --trust-root FILE",
        )
    if found.image is not None:
        return _image_parcel(site, found, found.image, believed.find(NAME, found.image.uuid))
    part = found.part or Part("", 0, 0)
    digest = installing.digest_of(site.doors.files, part.path, part.offset, part.size)
    promise = _promise(believed.by_digest(NAME, digest, part.size), part.path)
    return Parcel(promise.build, part.size, digest, part.path, lambda path: installing.copy(site, part, digest, path))


def _image_parcel(site: Site, found: Found, image: Image, info: Optional[FileInfo]) -> Parcel:
    what, build = f"image {image.uuid} ({NAME} {image.version})", build_of(image)
    promise = _promise(info, what)
    if promise.build != build or image.file is None or image.file.size != promise.info.length:
        raise Untrusted(
            f"{what}: {found.source.name} says it is {build}, the signer {promise.build}; nothing was changed", TELL
        )

    def bring(path: str) -> None:
        from sdcupgrade.updates.believed import fetch_signed

        fetch_signed(found.source, image, found.channel, promise.info, site.doors.files, path)

    origin = f"{found.source.name}, channel {found.channel}" if found.channel else found.source.name
    return Parcel(build, image.file.size, promise.info.hashes["sha256"], origin, bring)


@dataclass(frozen=True)
class Promise:
    """What is signed: which build it is, and its length and digest."""

    build: Build
    info: FileInfo


def _promise(info: Optional[FileInfo], what: str) -> Promise:
    """Raises Untrusted unless everything that matters is signed."""
    if info is None or info.length is None or "sha256" not in info.hashes:
        raise Untrusted(f"{what}: nobody who is trusted has signed it; nothing was changed", TELL)
    words = (info.custom.get("version"), info.custom.get("buildstamp"))
    build = Build(*(word if isinstance(word, str) else "" for word in words))
    if not build.valid:
        raise Untrusted(f"{what}: the signer does not tell its version and buildstamp; nothing was changed", TELL)
    return Promise(build, info)


def _is_this(site: Site, choice: Choice, parcel: Parcel, old: str) -> bool:
    """Whether the parcel is what is in use. Raises Refused when it is no way forward, by the signer's own words."""
    before = own_build(site)
    if parcel.build == before and installing.digest_of(site.doors.files, old) == parcel.sha256:
        return True
    _check_order(parcel.build, before, choice.allow_major)
    return False
