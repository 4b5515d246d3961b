"""The bundle's file: every byte of it counts, and whatever is wrong is told by name."""

from __future__ import annotations

import io
import pathlib
import warnings
import zipfile
from dataclasses import replace

import pytest
from bundle_makers import DATA, IMGAPI, ORIGIN, TOOLS, Maker, flipped, listed, one_file, parts, whole

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.doors.window import Window
from sdcupgrade.errors import BadInput, Corrupt, NoInput
from sdcupgrade.model import Event
from sdcupgrade.updates import bundle_form as form
from sdcupgrade.updates import bundle_index, bundle_write
from sdcupgrade.updates.bundle import inside, placed
from sdcupgrade.updates.bundle_index import Index, Member
from sdcupgrade.updates.bundle_write import Writer, carrier
from sdcupgrade.updates.source import Part


@pytest.fixture
def maker(tmp_path: pathlib.Path) -> Maker:
    """Writes bundles."""
    return Maker(tmp_path)


def bytes_of(part: Part | None) -> bytes:
    """What lies there."""
    assert part is not None
    with pathlib.Path(part.path).open("rb") as file:
        file.seek(part.offset)
        return file.read(part.size)


# --- what is right ----------------------------------------------------------------------------------------------------
def test_members_are_read_where_they_lie(maker: Maker) -> None:
    bundle = maker.open(maker.write())
    for name, data in parts().items():
        assert bytes_of(bundle.part(name)) == data
    assert bundle.read("spec.json") == parts()["spec.json"]
    assert bundle.spec() == {"imgapi": IMGAPI}
    assert bytes_of(bundle.file_of(TOOLS)) == DATA[TOOLS]
    assert bundle.part("images/other") is None
    with pytest.raises(NoInput):
        bundle.read("images/other")
    whole(bundle)


def test_the_program_is_in_it_byte_for_byte_and_runs_from_there(maker: Maker) -> None:
    place = maker.write()
    bundle = maker.open(place)
    assert bytes_of(bundle.program) == one_file(maker.folder).read_bytes()
    assert (bundle.index.program.version, bundle.index.program.buildstamp[:5]) == ("1.2.3", "main-")
    with zipfile.ZipFile(place) as archive:
        assert archive.namelist()[0] == "site-packages/sdcupgrade/__init__.py"


def test_tools_for_zip_archives_can_read_the_payload(maker: Maker) -> None:
    bundle = maker.open(maker.write())
    payload = pathlib.Path(bundle.path).read_bytes()[: bundle.program.offset]
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*parts(), "index.json"]


def test_the_same_is_written_from_the_same(maker: Maker) -> None:
    assert maker.write().read_bytes() == maker.write().read_bytes()


def test_its_progress_reaches_the_end(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcupgrade.updates.bundle.TICK", 100)
    seen: list[Event] = []
    maker.open(maker.write()).verify(seen.append)
    assert [one.text for one in seen if one.text == f"images/{IMGAPI}"]
    assert seen[-1].done == seen[-1].total == sum(map(len, parts().values())) + one_file(maker.folder).stat().st_size


def test_the_running_program_knows_whether_it_is_in_one(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    place = maker.write()
    found = inside(maker.files, str(place))
    assert found is not None and found.index.name == "foo"
    assert inside(maker.files, str(one_file(maker.folder))) is None
    assert inside(maker.files, None) is None
    elsewhere = maker.folder / "root"
    elsewhere.mkdir()
    monkeypatch.chdir(maker.folder)
    assert placed(RootedFiles(str(elsewhere)), str(place)) == "foo.sdcupgrade"


def test_a_window_is_a_file_of_its_own() -> None:
    window = Window(io.BytesIO(b"0123456789"), 2, 5)
    assert window.read() == b"23456" and window.read(1) == b""
    assert (window.seek(-2, io.SEEK_END), window.tell(), window.read(9)) == (3, 3, b"56")
    assert (window.seek(1), window.seek(1, io.SEEK_CUR), window.read(2)) == (1, 2, b"45")
    assert window.readable() and window.seekable()
    window.seek(99)
    assert window.read(1) == b""
    with pytest.raises(ValueError):
        window.seek(-1)


# --- what is damaged --------------------------------------------------------------------------------------------------
def refused(maker: Maker, data: bytes) -> str:
    """What is said of a file with *data*."""
    place = maker.folder / "spoilt"
    place.write_bytes(data)
    with pytest.raises((Corrupt, BadInput)) as caught:
        whole(maker.open(place))
    return caught.value.message


@pytest.mark.parametrize("name", [*parts(), "the program"])
def test_a_flipped_bit_is_found_and_its_member_named(maker: Maker, name: str) -> None:
    place = maker.write()
    bundle = maker.open(place)
    part = bundle.part(name) or bundle.program
    data = place.read_bytes()
    for at in (part.offset, part.offset + part.size // 2):
        assert name in refused(maker, flipped(data, at))


@pytest.mark.parametrize("offset", range(13))
def test_any_flipped_bit_anywhere_is_found(maker: Maker, offset: int) -> None:
    """Header, local headers, index, directory, its end, the comment, the program: a third of all bytes."""
    data = maker.write(signature=lambda raw: b"signature").read_bytes()
    for at in range(offset, len(data), 13 * 3):
        refused(maker, flipped(data, at))


def test_the_index_is_named_when_it_is_damaged(maker: Maker) -> None:
    data = maker.write().read_bytes()
    assert "index.json is damaged" in refused(maker, flipped(data, data.index(b'"created_at"') + 20))


def test_one_that_is_cut_off_anywhere_is_refused(maker: Maker) -> None:
    data = maker.write().read_bytes()
    for size in [0, 1, 30, 1000, *range(2000, len(data), 97), len(data) - 22, len(data) - 1]:
        refused(maker, data[:size])
    assert "cut off" in refused(maker, data[:-1])


def test_bytes_too_many_are_refused(maker: Maker) -> None:
    data = maker.write().read_bytes()
    start = maker.open(maker.write()).program.offset
    refused(maker, data + b"x")
    refused(maker, data[:start] + b"x" + data[start:])
    refused(maker, b"x" + data)


def test_what_is_no_bundle_is_bad_input_and_says_what_it_is(maker: Maker) -> None:
    with pytest.raises(BadInput, match="is the program alone"):
        maker.open(one_file(maker.folder))
    with pytest.raises(BadInput, match="is no bundle"):
        maker.open(pathlib.Path(__file__))
    with pytest.raises(NoInput):
        maker.open(maker.folder / "nothing")


# --- what does not belong together ------------------------------------------------------------------------------------
def swapped(members: list[Member]) -> list[Member]:
    """The digests of the two images are each other's."""
    at = {member.name: number for number, member in enumerate(members)}
    one, other = at[f"images/{ORIGIN}"], at[f"images/{IMGAPI}"]
    found = list(members)
    found[one] = replace(members[one], sha256=members[other].sha256)
    found[other] = replace(members[other], sha256=members[one].sha256)
    return found


def test_swapped_members_are_both_named(maker: Maker) -> None:
    with pytest.raises(Corrupt) as caught:
        whole(maker.open(maker.write(change=listed(swapped))))
    assert f"images/{ORIGIN}, images/{IMGAPI}" in caught.value.message


def test_a_member_of_another_bundle_is_named(maker: Maker) -> None:
    other = dict(parts(), **{f"images/{IMGAPI}": b"IMGAPI" * 50})
    index = maker.open(maker.write()).index
    with pytest.raises(Corrupt, match=f"damaged: images/{IMGAPI}"):
        whole(maker.open(maker.write("oof", list(other.items()), lambda found: replace(index, header=found.header))))


def test_the_index_of_another_bundle_is_refused(maker: Maker) -> None:
    longer = dict(parts(), **{f"images/{IMGAPI}": b"imgapi" * 51})
    index = maker.open(maker.write("oof", list(longer.items()))).index
    with pytest.raises(Corrupt, match=f"images/{IMGAPI} is not the one that the index names"):
        maker.open(maker.write(change=lambda _: index))


def test_the_program_of_another_bundle_is_refused(maker: Maker) -> None:
    data = maker.write().read_bytes()
    start = maker.open(maker.write()).program.offset
    assert "the program" in refused(maker, data[:start] + one_file(maker.folder, "3.2.1").read_bytes())
    assert "cut off" in refused(maker, data[:start] + one_file(maker.folder, "1.2.30").read_bytes())


def test_a_manifest_of_another_image_is_refused(maker: Maker) -> None:
    other = dict(parts())
    other[f"manifests/{IMGAPI}.json"] = other[f"manifests/{ORIGIN}.json"]
    with pytest.raises(Corrupt, match=f"manifests/{IMGAPI}.json: is the manifest of {ORIGIN}"):
        whole(maker.open(maker.write(members=list(other.items()))))


def test_an_image_that_is_not_as_long_as_promised_is_refused(maker: Maker) -> None:
    other = dict(parts(), **{f"images/{IMGAPI}": b"imgapi" * 51})
    with pytest.raises(Corrupt, match=f"image {IMGAPI} is not as long"):
        whole(maker.open(maker.write(members=list(other.items()))))


def test_a_spec_that_names_what_is_not_inside_is_refused(maker: Maker) -> None:
    other = dict(parts(), **{"spec.json": b'{"imgapi": "%s"}' % TOOLS.encode()})
    with pytest.raises(Corrupt, match=rf"spec.json.imgapi: image {TOOLS} is not in this bundle"):
        whole(maker.open(maker.write(members=list(other.items()))))


SURPLUS = "images/00000000-0000-4000-8000-000000000009"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found[1:], "spec.json is missing"),
        (lambda found: [one for one in found if "manifests" not in one.name], f"manifests/{ORIGIN}.json is missing"),
        (lambda found: [one for one in found if "gzbits" not in one.name], f"gzbits/{TOOLS} is missing"),
        (lambda found: [*found, replace(found[-1], name=SURPLUS, offset=found[-1].end)], f"{SURPLUS} is surplus"),
        (lambda found: [*found, replace(found[-1], name="x/../y", offset=found[-1].end)], "'x/../y' is no member"),
        (lambda found: [found[0], *found], "spec.json is there twice"),
        (lambda found: [*found, replace(found[0], offset=found[-1].end)], "spec.json is there twice"),
        (lambda found: [*found[:-1], replace(found[-1], size=-1)], "lies where another member is"),
        (lambda found: [*found[:-1], replace(found[-1], offset=found[-2].offset)], "lies where another member is"),
        (lambda found: [*found[:-1], replace(found[-1], offset=1 << 30)], "the index is that of another bundle"),
        (lambda found: [*found[:-1], replace(found[-1], sha256="x")], "expected 64 hex digits"),
        (lambda found: [one for one in found if one.name != f"images/{IMGAPI}"], f"images/{IMGAPI} is not the one"),
    ],
)
def test_an_index_that_does_not_hold_together_is_refused(maker: Maker, change: object, said: str) -> None:
    with pytest.raises(Corrupt) as caught:
        maker.open(maker.write(change=listed(change)))  # type: ignore[arg-type]
    assert said in caught.value.message


def test_an_index_that_tells_of_another_program_is_refused(maker: Maker) -> None:
    with pytest.raises(Corrupt, match="the index is that of another bundle"):
        maker.open(maker.write(change=lambda index: replace(index, program=replace(index.program, size=7))))


def test_a_member_that_only_the_index_knows_is_missing(maker: Maker) -> None:
    fewer = [(name, data) for name, data in parts().items() if not name.startswith("trust/")]
    index = maker.open(maker.write()).index
    with pytest.raises(Corrupt, match=r"trust/timestamp.json is missing"):
        maker.open(maker.write("oof", fewer, lambda _: index))


@pytest.mark.parametrize("name", ["spec.json", "index.json"])
def test_a_name_that_is_there_twice_is_refused(maker: Maker, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own
        place = maker.write(members=[*parts().items(), (name, b"{}")], change=listed(lambda found: found[:-1]))
    with pytest.raises(Corrupt, match=f"{name} is there twice"):
        maker.open(place)


@pytest.mark.parametrize(("what", "said"), [("SCHEMA", "schema 2"), ("SPEC_SCHEMA", "spec_schema 2")])
def test_one_of_another_schema_is_bad_input(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(bundle_index, what, 2)
        place = maker.write()
    with pytest.raises(BadInput) as caught:
        maker.open(place)
    assert said in caught.value.message and caught.value.status == 65


def test_one_of_another_format_is_refused(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(bundle_index, "FORMAT", "other")
        place = maker.write()
    with pytest.raises(Corrupt, match="expected 'sdcupgrade-bundle'"):
        maker.open(place)


def test_small_members_are_never_read_when_they_are_large(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = maker.open(maker.write())
    monkeypatch.setattr("sdcupgrade.updates.bundle.READ_LIMIT", 10)
    with pytest.raises(Corrupt, match=r"spec.json is too large"):
        bundle.read("spec.json")
    monkeypatch.setattr("sdcupgrade.updates.bundle.INDEX_LIMIT", 10)
    with pytest.raises(Corrupt, match=r"index.json is too large"):
        maker.open(pathlib.Path(bundle.path))


# --- large ------------------------------------------------------------------------------------------------------------
class Holed(Writer):
    """Writes an image of 5 GiB as a hole in the file, without a look at its bytes."""

    HOLE = 5 << 30

    def add_hole(self, name: str) -> None:
        """Its digest is nobody's."""
        with self._archive.open(bundle_write._info(name, self.HOLE), "w") as out:
            offset = self._file.tell()
            self._file.seek(self.HOLE, 1)
            out._file_size = self.HOLE  # type: ignore[attr-defined]
        self._members.append(Member(name, offset, self.HOLE, "0" * 64))


def test_more_than_4_gib_are_carried(maker: Maker) -> None:
    place = maker.folder / "large.sdcupgrade"
    given = parts()
    tools = given.pop(f"gzbits/{TOOLS}")
    last = given.pop(f"images/{IMGAPI}")
    del given[f"images/{ORIGIN}"]
    with maker.files.replacing(str(place)) as target, Holed(target.file, maker.program(), "large") as writer:
        for name, data in given.items():
            writer.add(name, len(data), [data])
        writer.add_hole(f"images/{ORIGIN}")
        for name, data in ((f"images/{IMGAPI}", last), (f"gzbits/{TOOLS}", tools)):
            writer.add(name, len(data), [data])
        writer.finish(maker.files, _large, lambda raw: b"")
    bundle = maker.open(place)
    assert bytes_of(bundle.part(f"images/{IMGAPI}")) == last
    assert bundle.program.offset > Holed.HOLE
    assert bytes_of(bundle.program) == one_file(maker.folder).read_bytes()
    with zipfile.ZipFile(place) as archive:
        assert archive.read("site-packages/sdcupgrade/__init__.py") == b'__version__ = "1.2.3"\n'
    assert place.stat().st_blocks * 512 < 1 << 20


def _large(header: Member, program: bundle_index.Program, members: tuple[Member, ...]) -> Index:
    return Index("large", "", "", "", "", (ORIGIN, IMGAPI), TOOLS, header, program, members)


def test_a_member_has_the_size_it_was_promised_with(maker: Maker) -> None:
    whole_or_not = maker.files.replacing(str(maker.folder / "it"))
    refused = pytest.raises(Corrupt, match=r"spec.json: 2 bytes came, 3 were promised")
    with refused, whole_or_not as target, Writer(target.file, maker.program(), "it") as writer:
        writer.add("spec.json", 3, [b"{", b"}"])
    assert not (maker.folder / "it").exists()


# --- the program that is carried --------------------------------------------------------------------------------------
def test_a_program_that_cannot_carry_is_refused(maker: Maker) -> None:
    program = one_file(maker.folder)
    data = program.read_bytes()
    cases = {
        b"#!/bin/sh\n": "is no sdcupgrade that can carry",
        data.replace(b"\ncheck=\n", b"\n"): "is no sdcupgrade that can carry",
        data.replace(b"sdcupgrade/_build.py", b"sdcupgrade/_other.py"): "is not the one file",
        data[:-30]: "is not the one file",
        flipped(data, data.index(b"STAMP")): "is damaged|is not the one file",
    }
    for spoilt, said in cases.items():
        program.write_bytes(spoilt)
        with pytest.raises((BadInput, Corrupt), match=said):
            carrier(maker.files, Part(str(program), 0, len(spoilt)))
    with pytest.raises(BadInput, match="is not the one file"):
        carrier(maker.files, Part(str(program), 0, 1 << 40))


def test_the_header_says_what_it_is_and_takes_no_words_for_code() -> None:
    header = form.bundle_header(b"#!/bin/sh\ncheck=\nboot\n", "foo'\n$(reboot)", 7, "0" * 64)
    assert b"\n# A bundle: payload and program in one file. fooreboot\n" in header
    assert form.promised_program(io.BytesIO(header)) == 7
    assert form.promised_program(io.BytesIO(b"#!/bin/sh\ncheck=\nboot\n")) is None
