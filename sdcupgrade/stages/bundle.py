"""Make a bundle: everything that an upgrade needs, fetched and verified, and written into one file with the program.

Needs no datacenter. What is fetched lies in ``OUTPUT.parts`` beside the file meanwhile. The file gets its name when all
of it is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade import version
from sdcupgrade.doors.clock import iso
from sdcupgrade.errors import BadInput, Corrupt, NoInput
from sdcupgrade.plan import stack
from sdcupgrade.plan.spec import UUID, parse_spec
from sdcupgrade.run.workdir import Named
from sdcupgrade.stages.bundle_base import read_base
from sdcupgrade.stages.bundle_fill import Filling, Wanted
from sdcupgrade.stages.bundle_trust import vouched
from sdcupgrade.updates import bundle_form as form
from sdcupgrade.updates import bundle_sign
from sdcupgrade.updates.bundle import inside, placed
from sdcupgrade.updates.bundle_index import Index
from sdcupgrade.updates.bundle_write import Writer, carrier
from sdcupgrade.updates.channel import LATEST, channel_of, resolve, with_origins
from sdcupgrade.updates.source import Part, file_channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdcupgrade.doors.files import Files
    from sdcupgrade.model import Image
    from sdcupgrade.plan.spec import Spec
    from sdcupgrade.stages.bundle_base import Base
    from sdcupgrade.stages.site import Site
    from sdcupgrade.updates.bundle_index import Member, Program
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
    chosen = _choose(source, spec, channel, _bits(spec, choices.gzbits), base)
    carried = {image.uuid: image for image in (*chosen.images, *chosen.gzbits)}
    proof = vouched(site, source, channel, carried, program.program, f"{output}.parts/trust")
    filling = Filling(site, source, chosen, proof, f"{output}.parts")
    filling.fetch(choices.parallel)
    filling.check_room(program.program.size)
    with files.replacing(output, MODE) as target, Writer(target.file, program, named.name) as writer:
        filling.write(writer)

        def describe(header: Member, inside: Program, members: tuple[Member, ...]) -> Index:
            return Index(
                name=named.name,
                created_at=iso(site.doors.clock.time()),
                channel=channel,
                source=source.name,
                base=base.name,
                images=tuple(image.uuid for image in chosen.images),
                gzbits=chosen.gzbits[0].uuid if chosen.gzbits else "",
                header=header,
                program=inside,
                members=members,
            )

        def sign(raw: bytes) -> bytes:
            return bundle_sign.sign(site.doors, choices.sign_key, raw) if choices.sign_key else b""

        index = writer.finish(files, describe, sign)
    filling.tidy()
    return Created(output, files.size(output), index, len(proof.digests))


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


def _bits(spec: Spec, asked: bool) -> str:
    """The word for the gzbits that travel along. Raises BadInput for a path: a bundle carries images."""
    if spec.gzbits and spec.gzbits != LATEST and not UUID.fullmatch(spec.gzbits):
        raise BadInput(
            f"{spec.where}: {GZBITS}: a bundle carries an image, not the file {spec.gzbits}; nothing was written",
            'publish it, or put it into a folder with its manifest (--source FOLDER), and write "latest"',
        )
    return spec.gzbits or (LATEST if asked else "")


def _choose(source: Source, spec: Spec, channel: str, gzbits: str, base: Base) -> Chosen:
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
    tools = (resolve(source, GZBITS, (GZBITS,), gzbits, channel),) if gzbits else ()
    missing = [*(image for image in images.values() if image.uuid not in base.images), *tools]
    return Chosen(targets, tuple(images.values()), tools, tuple(_wanted(image, channel) for image in missing))


def _wanted(image: Image, channel: str) -> Wanted:
    if image.file is None:
        raise Corrupt(f"the manifest of image {image.uuid} ({image.name} {image.version}) names no file")
    file = image.file
    return Wanted(image.uuid, image.name, image.version, file.size, file.sha1, file_channel(image, channel))
