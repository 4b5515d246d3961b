"""Which source this is: the buildstamp, ``master-20261123T101500Z-g0123abc``, as Triton's images are stamped.

Branch, time of the commit in UTC, and the commit; ``-dirty`` when files that go into the build differ from it.
"""

from __future__ import annotations

import datetime
import pathlib
import re
import subprocess

FORM = re.compile(r"[A-Za-z0-9._]+(-[A-Za-z0-9._]+)*-\d{8}T\d{6}Z-g[0-9a-f]{7}(-dirty)?")
INPUTS = ("sdcupgrade", "build", "tools/interpreters.py")
"""All that the bytes of the one file depend on, besides shiv and the interpreters."""


class NoStamp(Exception):
    """The folder is no checkout, or the stamp given is not of the form."""


def git(root: pathlib.Path, *words: str) -> str:
    """What a git command prints. Raises NoStamp."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as why:
        raise NoStamp(f"{root}: git tells no commit; give --stamp BRANCH-YYYYMMDDTHHMMSSZ-gCOMMIT") from why
    return done.stdout.strip()


def stamp_of(root: pathlib.Path, inputs: tuple[str, ...] = INPUTS) -> str:
    """The buildstamp of a checkout, dirty when *inputs* (empty: anything) differ. Raises NoStamp."""
    branch = re.sub(r"[^A-Za-z0-9._-]+|^-+|-+$", "_", git(root, "rev-parse", "--abbrev-ref", "HEAD"))
    commit, seconds = git(root, "log", "-1", "--format=%H %ct").split()
    when = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
    dirty = "-dirty" if git(root, "status", "--porcelain", "--", *inputs) else ""
    return f"{branch}-{when:%Y%m%dT%H%M%SZ}-g{commit[:7]}{dirty}"


def time_of(stamp: str) -> int:
    """Seconds since 1970 of the commit that a stamp names. Raises NoStamp when it is none."""
    if not FORM.fullmatch(stamp):
        raise NoStamp(f"{stamp!r} is no buildstamp; they look like main-20261123T101500Z-g0123abc")
    text = next(part for part in reversed(stamp.split("-")) if re.fullmatch(r"\d{8}T\d{6}Z", part))
    when = datetime.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    return int(when.timestamp())
