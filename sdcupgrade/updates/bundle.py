"""One file that is a whole upgrade, read in place: opened, every byte accounted for, never unpacked.

:meth:`Bundle.open` believes nothing: form, index, header and frame are verified before it returns, and so is a member
when it is read into memory. The large ones are left to who uses them (each has its digest in the index), or to
:meth:`Bundle.verify`, which reads every byte of the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sdcupgrade.errors import BadInput, Corrupt, NoInput
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.model import Event, Image
from sdcupgrade.updates import bundle_form as form
from sdcupgrade.updates.bundle_index import INDEX, INDEX_LIMIT, REMEDY, SIGNATURE, SPEC, Index, Member, parse_index
from sdcupgrade.updates.source import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Optional
    from zipfile import ZipFile, ZipInfo

    from sdcupgrade.doors.files import Files
    from sdcupgrade.model import Emit

READ_LIMIT = 64 << 20
"""Bytes of a member that is read into memory; manifests have some thousand."""

TICK = 16 << 20
"""Bytes between two events of :meth:`Bundle.verify`."""


@dataclass(frozen=True)
class Bundle:
    """The bundle in the file *path*. *signature* is the armoured ssh signature of *raw*, the bytes of the index; empty
    when it is not signed."""

    files: Files
    path: str
    size: int
    index: Index
    raw: bytes
    signature: bytes

    @staticmethod
    def open(files: Files, path: str) -> Bundle:
        """Raises NoInput when there is no such file, BadInput when it is no bundle or one of another schema, Corrupt
        when it is damaged."""
        size = files.size(path)
        with files.open_read(path) as file:
            start = _payload_end(file, size, path)
            raw, signature, names = _read_payload(file, start, path)
            index = parse_index(raw, f"{path}: {INDEX}")
            _check_names(names, index, signature, path)
            found = Bundle(files, path, size, index, raw, signature)
            found._check_frame(file, start)
        return found

    @property
    def program(self) -> Part:
        """The program: byte for byte the released one file."""
        return Part(self.path, self.size - self.index.program.size, self.index.program.size)

    def part(self, name: str) -> Optional[Part]:
        """Where the bytes of a member lie."""
        member = self.index.find(name)
        return None if member is None else Part(self.path, member.offset, member.size)

    def read(self, name: str) -> bytes:
        """A small member, verified. Raises NoInput, Corrupt."""
        member = self.index.find(name)
        if member is None:
            raise NoInput(f"{self.path}: has no member {name}")
        if member.size > READ_LIMIT:
            raise Corrupt(f"{self.path}: {name} is too large for what it is", REMEDY)
        with self.files.open_read(self.path) as file:
            data = b"".join(form.pieces(file, member.offset, member.size))
        if hashlib.sha256(data).hexdigest() != member.sha256:
            raise Corrupt(f"{self.path}: {name} is damaged", REMEDY)
        return data

    def image(self, uuid: str) -> Optional[Image]:
        """The manifest of an image. Raises Corrupt, also when the bytes inside are not as many as it promises."""
        name = f"manifests/{uuid}.json"
        if self.index.find(name) is None:
            return None
        where = f"{self.path}: {name}"
        image = Image.read(Record(loads(self.read(name), where, Corrupt, REMEDY), where, Corrupt, REMEDY))
        if image.uuid != uuid:
            raise Corrupt(f"{where}: is the manifest of {image.uuid}", REMEDY)
        file = self.file_of(uuid)
        if file is not None and (image.file is None or image.file.size != file.size):
            raise Corrupt(f"{self.path}: image {uuid} is not as long as its manifest says", REMEDY)
        return image

    def file_of(self, uuid: str) -> Optional[Part]:
        """The bytes of an image; None when they were left out."""
        return self.part(f"images/{uuid}") or self.part(f"gzbits/{uuid}")

    def spec(self) -> dict[str, str]:
        """The resolved spec: the uuid of an image for each service."""
        where = f"{self.path}: {SPEC}"
        record = Record(loads(self.read(SPEC), where, Corrupt, REMEDY), where, Corrupt, REMEDY)
        found = {service: record.text(service) for service in record.value}
        for service, uuid in found.items():
            if uuid not in self.index.images:
                raise record.fail(service, f"image {uuid} is not in this bundle")
        return found

    def verify(self, emit: Emit) -> None:
        """Read every byte there is left to verify, telling how far it is. Raises Corrupt naming all damaged members."""
        index = self.index
        done, total = 0, sum(member.size for member in index.members) + index.program.size
        bad: list[str] = []
        with self.files.open_read(self.path) as file:
            program = Member("the program", self.program.offset, index.program.size, index.program.sha256)
            for member in (*index.members, program):
                found, told = hashlib.sha256(), done
                for piece in form.pieces(file, member.offset, member.size):
                    found.update(piece)
                    done += len(piece)
                    if done - told >= TICK:
                        told = done
                        emit(Event("progress", "verify", member.name, done, total))
                if found.hexdigest() != member.sha256:
                    bad.append(member.name)
            emit(Event("progress", "verify", "all members", done, total))
        if bad:
            raise Corrupt(f"{self.path}: damaged: {', '.join(bad)}", REMEDY)
        self._check_images()

    def _check_images(self) -> None:
        for uuid in (*self.index.images, *filter(None, [self.index.gzbits])):
            self.image(uuid)
        self.spec()

    def _check_frame(self, file: BinaryIO, start: int) -> None:
        """Header and frame are those that were written."""
        header = self.index.header
        found = hashlib.sha256(b"".join(form.pieces(file, 0, header.size))).hexdigest()
        if header.size > form.HEADER_LIMIT or found != header.sha256:
            raise Corrupt(f"{self.path}: the header is damaged", REMEDY)
        if self.index.members[-1].end > start or self.size - start != self.index.program.size:
            raise Corrupt(f"{self.path}: the index is that of another bundle", REMEDY)
        file.seek(start - form.COMMENT)
        told = file.read(form.COMMENT)
        if form.frame_digest(file, self.index.members, header.size, start - form.COMMENT).encode() != told:
            raise Corrupt(f"{self.path}: what is between the members ({INDEX}, directory) is damaged", REMEDY)


def inside(files: Files, path: Optional[str]) -> Optional[Bundle]:
    """The bundle that the running program is in; None when its file *path* is no bundle, or there is no file."""
    if path is None:
        return None
    place = placed(files, path)
    with files.open_read(place) as file:
        carried = form.promised_program(file) is not None
    return Bundle.open(files, place) if carried else None


def placed(files: Files, path: str) -> str:
    """*path* as the door knows it: a real path that lies outside the root is told by the way to it from here."""
    if files.exists(path):
        return path
    from os.path import exists, relpath

    return relpath(path) if exists(path) else path


def _payload_end(file: BinaryIO, size: int, path: str) -> int:
    promised = form.promised_program(file)
    start = form.program_start(file, size)
    if promised is None:
        what = "is the program alone, no bundle" if start == 0 else "is no bundle"
        raise BadInput(f"{path}: {what}", "bundles are made by sdcupgrade bundle create")
    if start is None or start != size - promised:
        raise Corrupt(f"{path}: damaged or cut off: its program is not at its end", REMEDY)
    return start


def _read_payload(file: BinaryIO, start: int, path: str) -> tuple[bytes, bytes, list[tuple[str, int]]]:
    """The index, its signature, and all names with their sizes, as the archive has them."""
    from zipfile import BadZipFile, LargeZipFile, ZipFile

    from sdcupgrade.doors.window import Window

    try:
        with ZipFile(Window(file, 0, start)) as archive:
            infos = archive.infolist()
            raw = _text_member(archive, infos, INDEX, path)
            signed = any(info.filename == SIGNATURE for info in infos)
            signature = _text_member(archive, infos, SIGNATURE, path) if signed else b""
            return raw, signature, [(info.filename, info.file_size) for info in infos]
    except (BadZipFile, LargeZipFile, ValueError, NotImplementedError, EOFError, RuntimeError) as why:
        raise Corrupt(f"{path}: the directory of its payload is damaged: {why}", REMEDY) from why


def _text_member(archive: ZipFile, infos: list[ZipInfo], name: str, path: str) -> bytes:
    from zipfile import BadZipFile

    found = [info for info in infos if info.filename == name]
    if len(found) != 1:
        raise Corrupt(f"{path}: {name} is {'missing' if not found else 'there twice'}", REMEDY)
    if found[0].file_size > INDEX_LIMIT:
        raise Corrupt(f"{path}: {name} is too large for what it is", REMEDY)
    try:
        return archive.read(found[0])
    except BadZipFile as why:
        raise Corrupt(f"{path}: {name} is damaged: {why}", REMEDY) from why


def _check_names(names: list[tuple[str, int]], index: Index, signature: bytes, path: str) -> None:
    """The archive's directory and the index name the same members in the same order."""
    wanted = [(member.name, member.size) for member in index.members]
    there = [(name, size) for name, size in names if name not in (INDEX, SIGNATURE)]
    if there == wanted:
        return
    for name, _ in there:
        if sum(name == other for other, _ in there) > 1:
            raise Corrupt(f"{path}: {name} is there twice", REMEDY)
    for name, size in there:
        if (name, size) not in wanted:
            raise Corrupt(f"{path}: {name} is not the one that the index names", REMEDY)
    missing = [name for name, size in wanted if (name, size) not in there]
    raise Corrupt(f"{path}: {missing[0]} is missing" if missing else f"{path}: the members are out of order", REMEDY)
