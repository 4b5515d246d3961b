"""Versions of the program on a headnode in a box, in process: files that can be told from another and asked what they
are, signed and published; and commands that run as one of them, as the header would start it."""

from __future__ import annotations

import json
import os
import pathlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, Optional, cast

from mockdc.faces import publish
from mockdc.faces.crash import _Door
from site_in_a_box import Ran, Site
from trust_repo import Repository

from sdcupgrade.doors import Doors
from sdcupgrade.doors.run import Completed
from sdcupgrade.errors import CommandFailed
from sdcupgrade.run import installed

if TYPE_CHECKING:
    from sdcupgrade.doors.run import Runner

HEAD = b"#!/bin/sh\n# sdcupgrade: a stand-in for tests\n"
LATEST = "self-update --latest -C dev --metadata /metadata"


def stamp(day: int, branch: str = "main") -> str:
    """The buildstamp of a day in November."""
    return f"{branch}-202611{day:02d}T101500Z-g0123abc"


def program(version: str, day: int, does: str = "well", says: str = "") -> bytes:
    """The file of a version. *does* tells what comes of its selftest: well, fail, garbage, hang; *says* is the version
    that it says it is, when that is not true."""
    told = {"ok": does != "fail", "version": says or version, "buildstamp": stamp(day), "problems": ["x is broken"]}
    return HEAD + json.dumps({"does": does, "told": told}).encode() + b"\n" + bytes(10_000)


def inside(data: bytes) -> dict[str, Any]:
    """What such a file says; also a file of bundle_makers.py, which is an archive."""
    if not data.startswith(HEAD):
        found_in = [re.search(pattern, data) for pattern in (rb'__version__ = "(.+)"', rb"STAMP = '(.+)'")]
        if None in found_in:
            return {"does": "garbage"}
        version, made = (match[1].decode() for match in found_in if match)
        return {"does": "well", "told": {"ok": True, "version": version, "buildstamp": made}}
    found: dict[str, Any] = json.loads(data[len(HEAD) :].split(b"\n", 1)[0])
    return found


class Became(BaseException):
    """A process is another one now."""

    def __init__(self, path: str, words: Sequence[str]) -> None:
        super().__init__(path)
        self.path = path
        self.words = words


@dataclass
class FakeProcess:
    """The process of the program in a file."""

    file: Optional[str]
    words: Sequence[str]
    continues: str = ""
    settings: Sequence[str] = ("PATH=/usr/bin",)

    @property
    def _told(self) -> dict[str, Any]:
        path = pathlib.Path(self.file) if self.file else None
        told: dict[str, Any] = inside(path.read_bytes())["told"] if path else {"version": "1.0.0", "buildstamp": ""}
        return told

    @property
    def version(self) -> str:
        return str(self._told["version"])

    @property
    def stamp(self) -> str:
        return str(self._told["buildstamp"])

    def become(self, path: str, words: Sequence[str]) -> NoReturn:
        raise Became(path, words)


@dataclass
class Programs:
    """Runs versions that are asked what they are, and everything else as before."""

    before: Runner

    def run(self, argv: Sequence[str], **how: Any) -> Completed:
        """See Runner."""
        if argv[0] != "/usr/bin/env":
            return self.before.run(argv, **how)
        assert argv[1:3] == ("PATH=/usr/bin", "/bin/sh")
        found = inside(pathlib.Path(argv[3]).read_bytes())
        if found["does"] == "hang":
            raise CommandFailed("/usr/bin/env did not end within 60 s and was stopped")
        if found["does"] == "garbage":
            return Completed(tuple(argv), 70, "", "sdcupgrade: cannot be started", 0.1)
        return Completed(tuple(argv), 0 if found["told"]["ok"] else 4, json.dumps(found["told"]), "", 0.1)


class Headnode:
    """A site, and the versions on it. *repository* says what is signed; its files are below ``/metadata``."""

    def __init__(self, site: Site, repository: Repository) -> None:
        self.site = site
        self.repository = repository
        self.files = site.doors.files

    def place(self, path: str, data: bytes) -> str:
        """A file on the headnode."""
        self.files.write(path, data, 0o755)
        return path

    def dropped(self, version: str, day: int) -> str:
        """A version that somebody dropped there."""
        return self.place("/var/tmp/sdcupgrade", program(version, day))

    def install(self, version: str, day: int) -> None:
        """One that is installed, the ordinary way."""
        self.run("install", self.dropped(version, day)).ok()
        self.files.remove("/var/tmp/sdcupgrade")

    def sign(self, data: bytes, version: str, day: int, name: str = "", **custom: str) -> str:
        """Let the signer speak of these bytes, as an image; its uuid."""
        number = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{version}{day}{name}"))
        path = f"sdcupgrade/{number}"
        self.repository.add_target("targets", path, data)
        told = {"name": "sdcupgrade", "uuid": number, "version": version, "buildstamp": stamp(day), **custom}
        cast(Any, self.repository.targets).targets[path].unrecognized_fields["custom"] = told
        self.repository.publish("targets", "snapshot", "timestamp")
        self.metadata()
        return number

    def metadata(self) -> None:
        """Lay down what the signer has published."""
        for name, data in self.repository.files.items():
            self.files.write(f"/metadata/{name}", data)
        self.files.write("/var/sdcupgrade/trust-root.json", self.repository.first_root)

    def publish(self, data: bytes, version: str, day: int, number: str, channel: str = "dev", **tags: str) -> None:
        """Put an image on the updates server."""
        place = self.site.ops.parent / "image"
        place.write_bytes(data)
        told = {"buildstamp": stamp(day), **tags}
        publish.publish(self.site.dc, publish.Image("sdcupgrade", version, channel, file=place, uuid=number, tags=told))

    def release(self, version: str, day: int, does: str = "well", says: str = "") -> str:
        """Sign and publish a version; the uuid of its image."""
        data = program(version, day, does, says)
        number = self.sign(data, version, day)
        self.publish(data, version, day, number)
        return number

    def run(self, line: str, file: Optional[str] = None, doors: Optional[Doors] = None, continues: str = "") -> Ran:
        """A command of the version that the link leads to, or of *file*; in the one that it becomes, to the end."""
        real = os.path.realpath(self.files.real(file or installed.LINK))
        ready = replace(doors or self.site.doors, run=cast("Runner", Programs((doors or self.site.doors).run)))
        process = FakeProcess(real, line.split(), continues)
        guarded = _in_place_of(doors.process, process) if doors else process
        try:
            ran = self.site.run(line, replace(ready, process=cast(Any, guarded)))
        except Became as now:
            return self.run(" ".join(now.words), now.path, doors, now.path)
        installed.come_through(self.files, real)
        return ran

    def version(self) -> str:
        """The one in use, of those whose file is whole."""
        path = installed.current(self.files)
        assert path is not None
        return str(inside(self.files.read(path))["told"]["version"])

    def versions(self) -> list[str]:
        """The folders of versions."""
        place = installed.VERSIONS
        return [name for name in self.files.listdir(place) if self.files.is_dir(f"{place}/{name}")]


def _in_place_of(door: Any, process: FakeProcess) -> Any:
    """*process*, behind the guard of the crash's doors if *door* is one."""
    if isinstance(door, _Door):
        door._door = process
        return door
    return process
