"""Build gzbits: ``make gzbits``, or ``python3 build/gzbits.py [TREE | GZ-TOOLS.tgz] [-o FOLDER]``.

TREE is a folder with tools/, default/, scripts/, zones/, config/ or some of them: our own gzbits/ (the default), or a
checkout of Triton's headnode. A gz-tools package from the updates server is converted. Writes ``gzbits-VERSION.tgz``
and ``gzbits-VERSION.imgmanifest``; the bytes depend on the tree, version and stamp only. Needs no package.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import pathlib
import re
import sys
import uuid
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

import sdcupgrade  # noqa: E402  (the path comes first)
from build.bits_pack import Item, manifest_of_items, pack, without_dangling  # noqa: E402
from build.bits_package import is_package, read_package  # noqa: E402
from build.bits_tree import read_tree  # noqa: E402
from build.stamp import NoStamp, stamp_of, time_of  # noqa: E402
from sdcupgrade.bits.manifest import HINT  # noqa: E402
from sdcupgrade.errors import BadInput, SdcupgradeError  # noqa: E402

OWN = ROOT / "gzbits"
INPUTS = ("gzbits", "build", "sdcupgrade/bits")
NAMESPACE = uuid.UUID("6f1d3c52-0c43-5b0e-9a55-0b8a0f3f4c11")
"""Of the uuids of gzbits images; any would do, and it may never change."""


@dataclass(frozen=True)
class Identity:
    """What a build calls itself."""

    version: str
    stamp: str


def identity_of(source: pathlib.Path, version: str, stamp: str) -> Identity:
    """What was given, or else what the source tells: ours, a checkout's package.json and commit, or the image manifest
    that lies beside a package. Raises BadInput and NoStamp."""
    if source.is_dir():
        told = sdcupgrade.__version__ if source == OWN else version_in(source / "package.json")
        return Identity(version or told, stamp or (stamp_of(ROOT, INPUTS) if source == OWN else stamp_of(source, ())))
    beside = next((path for path in manifests_beside(source) if path.is_file()), None)
    if beside is not None and not (version and stamp):
        image = read_json(beside)
        tags = image.get("tags")
        stamp = stamp or str(tags.get("buildstamp", "") if isinstance(tags, dict) else "")
        version = version or str(image.get("version", "")).replace(f"-{stamp}", "")
    return Identity(version, stamp)


def manifests_beside(source: pathlib.Path) -> list[pathlib.Path]:
    """Where the image manifest of a downloaded package may be."""
    stem = re.sub(r"\.(tgz|tar\.gz|imgfile|file)$", "", source.name)
    return [source.with_name(f"{stem}{ending}") for ending in (".imgmanifest", ".manifest", ".json")]


def version_in(path: pathlib.Path) -> str:
    """The version in a package.json; empty when there is none."""
    return str(read_json(path).get("version", "")) if path.is_file() else ""


def read_json(path: pathlib.Path) -> dict[str, object]:
    """A JSON object in a file. Raises BadInput."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as why:
        raise BadInput(f"{path}: not JSON: {why}") from why
    if not isinstance(value, dict):
        raise BadInput(f"{path}: not a JSON object")
    return value


def image_manifest(tarball: pathlib.Path, identity: Identity) -> dict[str, object]:
    """What describes *tarball* to an updates server (reference 3.1); its uuid follows from the bytes."""
    data = tarball.read_bytes()
    published = {}
    try:
        when = datetime.datetime.fromtimestamp(time_of(identity.stamp), datetime.timezone.utc)
        published = {"published_at": f"{when:%Y-%m-%dT%H:%M:%S}.000Z"}
    except NoStamp:
        pass  # another's stamp; the server sets the time
    return {
        "v": 2,
        "uuid": str(uuid.uuid5(NAMESPACE, hashlib.sha256(data).hexdigest())),
        "owner": "00000000-0000-0000-0000-000000000000",
        "name": "gzbits",
        "version": identity.version,
        "state": "active",
        "disabled": False,
        "public": False,
        **published,
        "type": "other",
        "os": "other",
        "files": [{"sha1": hashlib.sha1(data).hexdigest(), "size": len(data), "compression": "gzip"}],
        "description": "the bits of a global zone that live outside any zone",
        "tags": {"smartdc_service": "true", "buildstamp": identity.stamp},
    }


def build(source: pathlib.Path, folder: pathlib.Path, version: str = "", stamp: str = "") -> pathlib.Path:
    """Make tarball and image manifest in *folder*. Raises SdcupgradeError, NoStamp, ValueError and OSError."""
    items, left_out = read(source)
    items, dangling = without_dangling(items)
    identity = identity_of(source, version, stamp)
    if not identity.version or not identity.stamp:
        raise BadInput(f"{source}: tells no {'stamp' if identity.version else 'version'}", "give --version and --stamp")
    manifest = manifest_of_items(items, identity.version, identity.stamp)
    target = folder / f"gzbits-{identity.version}.tgz"
    pack(items, manifest, target)
    text = json.dumps(image_manifest(target, identity), indent=2) + "\n"
    target.with_suffix(".imgmanifest").write_text(text, encoding="utf-8")
    print(f"{target}: {identity.stamp}, {len(manifest.entries)} entries, {target.stat().st_size / 1024:.0f} KiB")
    print(f"sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")
    for path in left_out:
        print(f"left out: {path} (gzbits may not bring anything there)")
    for path in dangling:
        print(f"left out: {path} (a link to nothing)")
    return target


def read(source: pathlib.Path) -> tuple[list[Item], list[str]]:
    """What is in *source*. Raises BadInput."""
    if source.is_dir():
        return read_tree(source)
    if is_package(source):
        return read_package(source)
    raise BadInput(f"{source}: neither a folder nor a gz-tools package", "name one of these")


def main(argv: list[str]) -> int:
    """1 when the source cannot be packed."""
    parser = argparse.ArgumentParser(description="Build gzbits-VERSION.tgz.", allow_abbrev=False)
    parser.add_argument("source", nargs="?", type=pathlib.Path, default=OWN, metavar="TREE|GZ-TOOLS.tgz")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "dist", metavar="FOLDER")
    parser.add_argument("--version", default="", help="where the source does not tell")
    parser.add_argument("--stamp", default="", help="the buildstamp, where git cannot tell it")
    options = parser.parse_args(argv)
    try:
        build(options.source.resolve(), options.output, options.version, options.stamp)
    except SdcupgradeError as why:
        print(f"gzbits: {why.message}" + (f"; {why.hint}" if why.hint not in ("", HINT) else ""), file=sys.stderr)
        return 1
    except (NoStamp, ValueError, OSError) as why:
        print(f"gzbits: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
