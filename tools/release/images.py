"""What is released, as image manifests: the program, the metadata that vouches for it, the bits of the global zone.

A uuid is derived from name and content, so that releasing the same file again is the same image. Forms: reference 3.1
and 3.3, as `imgmanifest` checks them.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import json
import pathlib
import re
import tarfile
import uuid
import zipfile
from dataclasses import dataclass, field
from typing import Any

from release.failed import Failed
from release.repository import Repository
from sdcupgrade.updates.bundle_form import program_start

PROGRAM, TRUST = "sdcupgrade", "sdcupgrade-trust"
NOBODY = "00000000-0000-0000-0000-000000000000"
SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/sdcupgrade/images")
DESCRIPTIONS = {
    PROGRAM: "sdcupgrade: upgrades a Triton datacenter from one spec",
    TRUST: "who signed what of sdcupgrade's releases (TUF metadata)",
    "gzbits": "the bits of the global zone: tools, default, zones, config",
}
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
STAMP = re.compile(r".+-\d{8}T\d{6}Z-g[0-9a-f]{7,40}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Release:
    """An image and its file. *tags* are its own; *published_at* is left to the server."""

    name: str
    version: str
    buildstamp: str
    compression: str
    file: pathlib.Path
    uuid: str
    sha1: str
    size: int
    sha256: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Its path in the metadata."""
        return f"{self.name}/{self.uuid}"

    @property
    def custom(self) -> dict[str, str]:
        """What the signer says of it."""
        said = {"name": self.name, "uuid": self.uuid, "version": self.version}
        return {**said, "buildstamp": self.buildstamp} if self.buildstamp else said

    def manifest(self) -> dict[str, Any]:
        """For an updates server."""
        tags = {"buildstamp": self.buildstamp} if self.buildstamp else {}
        return {
            "v": 2,
            "uuid": self.uuid,
            "owner": NOBODY,
            "name": self.name,
            "version": self.version,
            "description": DESCRIPTIONS.get(self.name, self.name),
            "state": "active",
            "disabled": False,
            "public": False,
            "type": "other",
            "os": "other",
            "files": [{"sha1": self.sha1, "size": self.size, "compression": self.compression}],
            "tags": tags,
            **self.extra,
        }


def release_of(file: pathlib.Path) -> Release:
    """What *file* is: an image with its manifest beside it, else the one file, by what is baked in. Raises Failed."""
    parts = file.name.split(".")
    # of UUID.zfs.gz it is UUID.imgmanifest, too
    stems = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    beside = [file.with_name(stem + ending) for stem in stems if stem for ending in (".imgmanifest", ".json")]
    manifests = [path for path in beside if path.exists() and path != file]
    if manifests:
        return _by_manifest(file, manifests[0])
    return program(file)


def program(file: pathlib.Path) -> Release:
    """The one file. Raises Failed for anything else, and for one without a buildstamp."""
    try:
        with file.open("rb") as data:
            start = program_start(data, file.stat().st_size)
        with zipfile.ZipFile(file) as archive:
            version = _constant(archive.read("site-packages/sdcupgrade/__init__.py"), "__version__")
            stamp = _constant(archive.read("site-packages/sdcupgrade/_build.py"), "STAMP")
    except (KeyError, SyntaxError, ValueError, zipfile.BadZipFile) as why:
        raise Failed(f"{file}: neither sdcupgrade as one file, nor with an image manifest beside it: {why}") from why
    if start != 0:
        raise Failed(f"{file}: has more in it than the program, as a bundle has; only the one file is released")
    if not SEMVER.fullmatch(version):
        raise Failed(f"{file}: its version {version!r} is no semantic version")
    if not STAMP.fullmatch(stamp):
        raise Failed(f"{file}: has no buildstamp of a clean commit ({stamp!r}); commit, and build it with `make pyz`")
    return _release(PROGRAM, version, stamp, "none", file)


def trust(folder: pathlib.Path, into: pathlib.Path) -> Release:
    """The metadata in *folder* that is in force, packed into ``sdcupgrade-trust-N.tgz`` below *into*: the same bytes
    for the same metadata. Raises Failed."""
    repository = Repository(folder)
    version = repository.metadata("timestamp").signed.version
    file = into / f"{TRUST}-{version}.tgz"
    file.write_bytes(_packed(folder, sorted(repository.in_force())))
    return _release(TRUST, f"{version}.0.0", "", "gzip", file)


def _packed(folder: pathlib.Path, names: list[str]) -> bytes:
    out = io.BytesIO()
    # mtime 0, and no name: nothing of the machine is in it
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in names:
            data = (folder / name).read_bytes()
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _by_manifest(file: pathlib.Path, beside: pathlib.Path) -> Release:
    try:
        manifest = json.loads(beside.read_text(encoding="utf-8"))
        name, version, number = manifest["name"], manifest["version"], manifest["uuid"]
        promised = manifest["files"][0]
        stamp = manifest.get("tags", {}).get("buildstamp", "")
        compression, sha1, size = promised["compression"], promised["sha1"], promised["size"]
        named = (NAME.fullmatch(name), str(uuid.UUID(number)) == number, version + stamp + compression)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as why:
        raise Failed(f"{beside}: not an image manifest: {why!r}") from why
    if not all(named):
        raise Failed(f"{beside}: name {name!r} or uuid {number!r} is not as an image's is")
    if stamp.endswith("-dirty"):
        raise Failed(f"{beside}: was built from files that are not committed ({stamp}); nobody could build it again")
    made = _release(name, version, stamp, compression, file)
    if (made.sha1, made.size) != (sha1, size):
        raise Failed(f"{file}: is not the file that {beside} describes (sha1 {made.sha1}, {made.size} bytes)")
    kept = {key: value for key, value in manifest.items() if key not in ("files", "channels", "published_at")}
    files = [{"sha1": sha1, "size": size, "compression": compression}]
    return Release(name, version, stamp, compression, file, number, sha1, size, made.sha256, {**kept, "files": files})


def _release(name: str, version: str, stamp: str, compression: str, file: pathlib.Path) -> Release:
    sha1, sha256, size = hashlib.sha1(usedforsecurity=False), hashlib.sha256(), 0
    with file.open("rb") as source:
        while piece := source.read(1 << 20):
            sha1.update(piece)
            sha256.update(piece)
            size += len(piece)
    if not size:
        raise Failed(f"{file}: is empty")
    number = str(uuid.uuid5(SPACE, f"{name} {sha256.hexdigest()}"))
    return Release(name, version, stamp, compression, file, number, sha1.hexdigest(), size, sha256.hexdigest())


def _constant(source: bytes, name: str) -> str:
    """The text that a module assigns to *name*; nothing is run."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets):
            return str(ast.literal_eval(node.value))
    return ""
