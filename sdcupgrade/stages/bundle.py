"""Make a bundle: everything that an upgrade needs, fetched and verified, and written into one file with the program.

Needs no datacenter. What was fetched lies in ``OUTPUT.parts`` beside the file until that is whole, so that the same
command goes on where it was cut off; where the disk has no room for both, each image goes from there as soon as it is
in. The file gets its name when all of it is there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sdcupgrade import version
from sdcupgrade.doors.clock import iso
from sdcupgrade.errors import BadInput, Corrupt, NoInput, StorageError
from sdcupgrade.jsonvalue import pretty
from sdcupgrade.model import Event
from sdcupgrade.plan import stack
from sdcupgrade.plan.spec import parse_spec
from sdcupgrade.run.workdir import Named
from sdcupgrade.stages.bundle_base import read_base
from sdcupgrade.updates import bundle_form as form
from sdcupgrade.updates import bundle_sign
from sdcupgrade.updates.bundle import inside, placed
from sdcupgrade.updates.bundle_index import SPEC, Index
from sdcupgrade.updates.bundle_write import Writer, carrier
from sdcupgrade.updates.channel import LATEST, channel_of, resolve, with_origins
from sdcupgrade.updates.fetch import SPARE, fetch_all, forget, path_of
from sdcupgrade.updates.source import Part, file_channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdcupgrade.doors.files import Files
    from sdcupgrade.model import Image
    from sdcupgrade.plan.spec import Spec
    from sdcupgrade.stages.bundle_base import Base
    from sdcupgrade.stages.site import Site
    from sdcupgrade.updates.bundle_index import Member, Program
    from sdcupgrade.updates.bundle_write import Carrier
    from sdcupgrade.updates.source import Source

GZBITS = "gzbits"
MODE = 0o755


@dataclass(frozen=True)
class Choices:
    """What the operator chose. *base* is a file: an inventory, or an older bundle; *program* the one file to carry, the
    running one when empty; *sign_key* an ssh key."""

    output: str = ""
    channel: str = ""
    gzbits: bool = False
    base: str = ""
    sign_key: str = ""
    program: str = ""
    parallel: int = 4


@dataclass(frozen=True)
class Created:
    """What was written: *size* bytes as the file *path*; *signed* tells how many of the images signed metadata vouched
    for."""

    path: str
    size: int
    index: Index
    signed: int


@dataclass(frozen=True)
class Wanted:
    """An image whose bytes go in; a :class:`sdcupgrade.updates.fetch.Wanted`."""

    uuid: str
    name: str
    version: str
    size: int
    sha1: str
    channel: str
    sha256: str = ""


@dataclass(frozen=True)
class Chosen:
    """What the words of the spec mean: the image of each service, and all *images*, an origin before its child;
    *gzbits*, when it is to travel along; and of all these the ones whose bytes do."""

    targets: Mapping[str, str]
    images: tuple[Image, ...]
    gzbits: tuple[Image, ...]
    wanted: tuple[Wanted, ...]


def create(site: Site, text: str, choices: Choices) -> Created:
    """Write the bundle of the spec that *text* names."""
    files = site.doors.files
    named = Named.of(text)
    spec = parse_spec(files.read(named.spec(files)), named.spec(files))
    output = choices.output or f"{named.name}.sdcupgrade"
    _check_output(files, output)
    program = carrier(files, _program(files, choices.program))
    if choices.sign_key:
        bundle_sign.sign(site.doors, choices.sign_key, b"a trial, before an hour is spent on fetching")
    base = read_base(files, choices.base)
    source = site.source()
    channel = channel_of(source, choices.channel or None, None)
    chosen = _choose(source, spec, channel, choices.gzbits, base)
    making = _Making(site, source, chosen, f"{output}.parts")
    making.fetch(choices.parallel)
    making.check_room(program)
    with files.replacing(output, MODE) as target, Writer(target.file, program, named.name) as writer:
        making.write(writer)

        def describe(header: Member, carried: Program, members: tuple[Member, ...]) -> Index:
            return Index(
                name=named.name,
                created_at=iso(site.doors.clock.time()),
                channel=channel,
                source=source.name,
                base=base.name,
                images=tuple(image.uuid for image in chosen.images),
                gzbits=chosen.gzbits[0].uuid if chosen.gzbits else "",
                header=header,
                program=carried,
                members=members,
            )

        def sign(raw: bytes) -> bytes:
            return bundle_sign.sign(site.doors, choices.sign_key, raw) if choices.sign_key else b""

        index = writer.finish(files, describe, sign)
    making.tidy()
    return Created(output, files.size(output), index, making.signed)


def _check_output(files: Files, output: str) -> None:
    """Nothing but a bundle is written over."""
    if files.is_dir(output):
        raise BadInput(f"{output}: is a folder", "name the file to write with -o; nothing was written")
    if files.exists(output):
        with files.open_read(output) as file:
            if form.promised_program(file) is None:
                raise BadInput(
                    f"{output}: exists and is no bundle, so it is not written over", "name another file with -o"
                )


def _program(files: Files, named: str) -> Part:
    """The one file to carry: the named one, or the running one; a bundle's own when that is a bundle."""
    path = named or version.archive()
    if path is None:
        raise BadInput(
            "this sdcupgrade runs from a checkout, and a bundle carries the one file",
            "make it (make pyz) and name it: --program dist/sdcupgrade; nothing was written",
        )
    if not files.exists(placed(files, path)):
        raise NoInput(f"{path}: there is no such program", "name the one file with --program; nothing was written")
    bundle = inside(files, path)
    return bundle.program if bundle else Part(placed(files, path), 0, files.size(placed(files, path)))


def _choose(source: Source, spec: Spec, channel: str, gzbits: bool, base: Base) -> Chosen:
    targets: dict[str, str] = {}
    images: dict[str, Image] = {}
    for target in spec.targets:
        entry = stack.find(target.service)
        names = entry.image_names() if entry else (target.service,)
        image = resolve(source, target.service, names, target.value, channel)
        targets[target.service] = image.uuid
        # the manifests of what the site has travel, too; but nobody need know an origin that it has
        for one in with_origins(source, image, lambda uuid: uuid in base.images and source.image(uuid) is None):
            images[one.uuid] = one
    tools = (resolve(source, GZBITS, (GZBITS,), LATEST, channel),) if gzbits else ()
    missing = [*(image for image in images.values() if image.uuid not in base.images), *tools]
    return Chosen(targets, tuple(images.values()), tools, tuple(_wanted(image, channel) for image in missing))


def _wanted(image: Image, channel: str) -> Wanted:
    if image.file is None:
        raise Corrupt(f"the manifest of image {image.uuid} ({image.name} {image.version}) names no file")
    file = image.file
    return Wanted(image.uuid, image.name, image.version, file.size, file.sha1, file_channel(image, channel))


class _Making:
    """Brings the bytes together: those that the source has on this machine are read there, the others are fetched into
    *scratch*."""

    def __init__(self, site: Site, source: Source, chosen: Chosen, scratch: str) -> None:
        self._site = site
        self._files = site.doors.files
        self._source = source
        self._chosen = chosen
        self._scratch = scratch
        self._keep = True
        self._local = {one.uuid: source.local(one.uuid) for one in chosen.wanted}
        self.signed = 0

    @property
    def _fetched(self) -> list[Wanted]:
        return [one for one in self._chosen.wanted if self._local[one.uuid] is None]

    def fetch(self, parallel: int) -> None:
        """Have everything here; what is here from an earlier try is taken."""
        if self._fetched:
            doors = self._site.doors
            fetch_all(self._fetched, self._scratch, self._source, self._files, doors.clock, self._site.emit, parallel)

    def check_room(self, program: Carrier) -> None:
        """Raises StorageError when the file cannot be written beside what was fetched, even if that goes bit by bit."""
        free = self._files.free(self._scratch)
        total = sum(one.size for one in self._chosen.wanted) + program.program.size
        own = sum(one.size for one in self._fetched)
        largest = max((one.size for one in self._fetched), default=0)
        self._keep = free >= total + SPARE
        least = total - own + largest + SPARE
        if free < least:
            raise StorageError(
                f"{self._scratch} has {free >> 20} MiB free; writing the bundle needs {least >> 20} MiB",
                "free space there, then type the same command again; what was fetched is kept",
            )

    def write(self, writer: Writer) -> None:
        """All members, the small ones first."""
        self._small(writer, SPEC, pretty(dict(self._chosen.targets)).encode())
        for image in (*self._chosen.images, *self._chosen.gzbits):
            self._small(writer, f"manifests/{image.uuid}.json", pretty(dict(image.manifest)).encode())
        tools = {image.uuid for image in self._chosen.gzbits}
        done, total = 0, sum(one.size for one in self._chosen.wanted)
        for one in self._chosen.wanted:
            folder = "gzbits" if one.uuid in tools else "images"
            writer.add(f"{folder}/{one.uuid}", one.size, self._bytes(one))
            done += one.size
            self._site.emit(Event("progress", "bundle", "images into the bundle", done, total))
            if not self._keep:
                forget(self._scratch, one.uuid, self._files)

    def _small(self, writer: Writer, name: str, data: bytes) -> None:
        writer.add(name, len(data), [data])

    def _bytes(self, one: Wanted) -> Iterator[bytes]:
        """The bytes of an image. Those that were fetched have been verified; those in place are now."""
        local = self._local[one.uuid]
        part = local or Part(path_of(self._scratch, one.uuid), 0, one.size)
        found = hashlib.sha1(usedforsecurity=False)
        with self._files.open_read(part.path) as file:
            for piece in form.pieces(file, part.offset, part.size):
                if local is not None:
                    found.update(piece)
                yield piece
        if local is not None and found.hexdigest() != one.sha1:
            raise Corrupt(
                f"image {one.uuid} ({one.name} {one.version}): the bytes have sha1 {found.hexdigest()}, promised was"
                f" {one.sha1}",
                "nothing was written; get the image anew",
            )

    def tidy(self) -> None:
        """What was fetched is in the bundle now."""
        for one in self._fetched:
            forget(self._scratch, one.uuid, self._files)
        self._files.rmdir(self._scratch)
