"""The compute nodes' part of a gzbits tarball, published where they can fetch it.

It lies in /usbkey/extra/gzbits, which the assets zone serves (reference 1.2), under a temporary name until it is whole.
What was published, and what the nodes are to have, is written down, so that it can go on later.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from sdcupgrade.bits.manifest import Kind
from sdcupgrade.bits.node import FILES, LIST, MANIFEST, Package, digest_of, list_of, manifest_for
from sdcupgrade.bits.tarball import Tarball
from sdcupgrade.errors import BadInput, NoInput, PlanMoved, SdcupgradeError, Unreachable
from sdcupgrade.jsonvalue import Record, loads, pretty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from tarfile import TarFile
    from typing import BinaryIO, Optional

    from sdcupgrade.bits.manifest import Manifest
    from sdcupgrade.bits.tarball import Reader
    from sdcupgrade.dc.access import Datacenter
    from sdcupgrade.doors.files import Files
    from sdcupgrade.jsonvalue import Json

PUBLISHED = "/usbkey/extra/gzbits"
WANTED = "/var/sdcupgrade/gzbits/nodes.json"
SCHEMA = 1
PIECE = 1 << 20
AGAIN = "the headnode is not touched by this; when they run, sdcupgrade gzbits apply --catch-up goes on"
NEEDED = "compute nodes need cnapi, rabbitmq and the sdc zone to be reached, and the assets zone to fetch from"


@dataclass(frozen=True)
class Wanted:
    """What compute nodes are to have: *package*, or with *back* what they had before it. *before* is the package before
    that, where one was published."""

    package: Package
    back: bool = False
    before: Optional[Package] = None

    def to_json(self) -> dict[str, Json]:
        """As it is written."""
        before = asdict(self.before) if self.before else None
        return {"schema": SCHEMA, "package": asdict(self.package), "back": self.back, "before": before}


def read_wanted(files: Files) -> Optional[Wanted]:
    """What was published last; None when nothing was. Raises BadInput."""
    if not files.exists(WANTED):
        return None
    hint = "move that file away, then apply the tarball again"
    record = Record(loads(files.read(WANTED), WANTED, BadInput, hint), WANTED, BadInput, hint)
    if record.number("schema", 0) != SCHEMA:
        raise record.fail("schema", f"this sdcupgrade reads {SCHEMA}")
    before = None if record.value.get("before") is None else _package(record.record("before"))
    return Wanted(_package(record.record("package")), record.flag("back"), before)


def _package(record: Record) -> Package:
    return Package(
        name=record.text("name"),
        digest=record.text("digest"),
        sha256=record.text("sha256"),
        size=record.number("size"),
        unpacked=record.number("unpacked"),
        version=record.text("version"),
        image=record.text("image"),
    )


def want(files: Files, package: Package) -> None:
    """Write down that compute nodes are to have *package*. The same once more changes nothing of what was before."""
    last, before = read_wanted(files), None
    if last is not None:
        before = last.before if last.package.digest == package.digest else last.package
    files.write(WANTED, pretty(Wanted(package, before=before).to_json()).encode())


def publish(files: Files, manifest: Manifest, tarball: str, image: str) -> Package:
    """Put the compute nodes' part of *tarball* where the assets zone serves it; what was published before goes.

    Raises PlanMoved when the tarball is not the one of *manifest*, Corrupt when it is damaged, StorageError.
    """
    text = list_of(manifest)
    digest = digest_of(text)
    name = f"gzbits-{manifest.version}-{digest[:16]}.tgz"
    files.mkdir(PUBLISHED, 0o755)
    texts = {LIST: text, MANIFEST: manifest_for(manifest, image)}
    sha256, size, unpacked = _write(files, manifest, tarball, texts, f"{PUBLISHED}/{name}")
    for other in files.listdir(PUBLISHED):
        if other.startswith("gzbits-") and other != name:
            files.remove(f"{PUBLISHED}/{other}")
    return Package(name, digest, sha256, size, unpacked, manifest.version, image)


def _write(files: Files, manifest: Manifest, tarball: str, texts: Mapping[str, str], path: str) -> tuple[str, int, int]:
    """The package: sha256 and size of the file, and the bytes of what is in it."""
    import gzip
    import tarfile

    unpacked = 0
    with files.open_read(tarball) as source, files.replacing(path, 0o644) as target:
        bits = Tarball(source, tarball)
        if bits.manifest != manifest:
            raise PlanMoved(f"{tarball} is another tarball than the one that was looked at", "type the command again")
        summed = Summed(target.file)
        with (
            gzip.GzipFile("", "wb", 6, summed, 0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for member, content in texts.items():
                _member(tar, member, content.encode())
            seen: set[str] = set()
            for entry, reader in bits.members():
                if entry.kind is Kind.FILE and "cn" in entry.on and entry.sha256 not in seen:
                    seen.add(entry.sha256)
                    unpacked += entry.size
                    _copy(tar, f"{FILES}/{entry.sha256}", entry.size, reader)
        return summed.sha256.hexdigest(), summed.size, unpacked


def _member(tar: TarFile, name: str, data: bytes) -> None:
    import io
    from tarfile import TarInfo

    info = TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _copy(tar: TarFile, name: str, size: int, reader: Reader) -> None:
    from tarfile import TarInfo

    info = TarInfo(name)
    info.size = size
    tar.addfile(info, Whole(reader))  # type: ignore[arg-type]


class Whole:
    """A reader that gives all of what it is asked for, as tarfile wants it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        """Fewer only at the end."""
        found = bytearray()
        while len(found) < size and (piece := self._reader.read(size - len(found))):
            found += piece
        return bytes(found)


class Summed:
    """A file that is written, with the digest and the number of the bytes so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write all of it."""
        self.sha256.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Nothing is held here."""


def url_of(dc: Datacenter, package: Package) -> str:
    """Where a compute node fetches the package: by address, for its resolver may not know the datacenter."""
    address = dc.headnode.config.get("assets_admin_ip", "")
    base = f"http://{address}" if address else dc.addresses.of("assets")()[0]
    return f"{base}/extra/gzbits/{package.name}"


def refuse_unserved(files: Files, dc: Datacenter, package: Package) -> None:
    """The package is there and the assets zone serves it, seen from here. Raises NoInput, Unreachable."""
    path = f"{PUBLISHED}/{package.name}"
    if not files.exists(path) or files.size(path) != package.size:
        raise NoInput(f"{path} is gone", "publish it again: sdcupgrade gzbits apply with the tarball")
    url = url_of(dc, package)
    try:
        with dc.doors.admin.stream(url, timeout_s=30.0) as answer:
            status, length = answer.status, answer.headers.get("content-length", "")
    except SdcupgradeError as why:
        raise Unreachable(f"compute nodes could not fetch gzbits: {why.message}", f"{NEEDED}; {AGAIN}") from why
    if status != 200 or length != str(package.size):
        raise Unreachable(
            f"compute nodes could not fetch gzbits: {url} answers {status} with {length or 'no'} bytes, "
            f"and {package.size} were published",
            f"see that the assets zone has /usbkey/extra as /assets/extra; {AGAIN}",
        )
