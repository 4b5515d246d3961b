"""Builds of sdcupgrade in order: which is newer, and which of those in a channel is the one to go to.

A build is a semantic version and a buildstamp, ``<branch>-<time>-g<commit>``. Newer is what is not behind in either: a
version may not go down, and time has to go on. Whole buildstamps are never compared, for they begin with a branch
(TOOLS-582).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Optional

    from sdcupgrade.model import Image

NAME = "sdcupgrade"
"""Of the images."""

SEMVER = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:-([0-9A-Za-z.-]{1,100}))?")
TIME = re.compile(r"-(\d{8}T\d{6}Z)(?=-|$)")


@dataclass(frozen=True)
class Build:
    """One build of the program; both empty for what is none."""

    version: str
    stamp: str

    def __str__(self) -> str:
        return f"{self.version} ({self.stamp or 'from a checkout'})"

    @property
    def valid(self) -> bool:
        """Whether it can be put in an order at all."""
        return bool(SEMVER.fullmatch(self.version) and self.time and "/" not in self.stamp)

    @property
    def time(self) -> str:
        """When its commit was made, ``20261123T101500Z``; empty when the stamp tells none."""
        found = TIME.findall(self.stamp)
        return found[-1] if found else ""

    @property
    def major(self) -> str:
        """Of the version."""
        return self.version.partition(".")[0]

    @property
    def order(self) -> tuple[object, ...]:
        """By version as semver.org has it (11), then by time."""
        found = SEMVER.fullmatch(self.version)
        if found is None:
            return ((-1,), (), self.time)
        return (tuple(int(found[part]) for part in (1, 2, 3)), _pre_release(found[4]), self.time)

    def behind(self, other: Build) -> str:
        """Why going from *other* to this would be going backwards; empty when it is not."""
        if self.order[:2] < other.order[:2]:
            return f"{self} is an older version than {other}"
        if self.time < other.time:
            return f"{self} was built before {other}"
        return ""


def _pre_release(text: Optional[str]) -> tuple[tuple[int, int, str], ...]:
    """``rc.1`` comes before the release, numbers before words."""
    if text is None:
        return ((2, 0, ""),)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))


def build_of(image: Image) -> Build:
    """What the manifest of an image says that it is."""
    tags = image.manifest.get("tags")
    stamp = tags.get("buildstamp") if isinstance(tags, dict) else None
    return Build(image.version, stamp if isinstance(stamp, str) else "")


@dataclass(frozen=True)
class Chosen:
    """The *image* to go to, None when there is nothing newer; *passed* tells what was passed over, and why."""

    image: Optional[Image]
    passed: tuple[str, ...] = ()


def choose(
    images: Iterable[Image], now: Build, rejected: Collection[str] = (), allow_major: bool = False
) -> Chosen:
    """The newest of *images*, of the same major version unless that may change. *rejected* are buildstamps."""
    fit: list[Image] = []
    passed: list[str] = []
    for image in images:
        build = build_of(image)
        if not build.valid:
            passed.append(f"image {image.uuid}: version {build.version!r}, buildstamp {build.stamp!r} is no release")
        elif build.behind(now) or build.time == now.time:
            continue
        elif build.major != now.major and not allow_major:
            passed.append(f"{build}: another major version (--allow-major takes it)")
        elif build.stamp in rejected:
            passed.append(f"{build}: it was tried and gone back from (self-update {image.uuid} takes it)")
        else:
            fit.append(image)
    return Chosen(max(fit, key=lambda image: build_of(image).order, default=None), tuple(passed))
