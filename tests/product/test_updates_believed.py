"""What is signed of images: the root of trust that counts, metadata from wherever it travels, and the answers."""

from __future__ import annotations

import hashlib
import io
import pathlib
import tarfile
from typing import Any, Optional, cast

import pytest
from product_fakes import files_in
from trust_repo import DAY, NOW, Repository

from sdcupgrade.doors import Doors
from sdcupgrade.errors import BadInput, Corrupt, NoInput, Unreachable, Untrusted
from sdcupgrade.updates import believed as place
from sdcupgrade.updates.believed import Believed, metadata_of, root_of_trust, store_of
from sdcupgrade.updates.trust_archive import HeldFetch, read_archive

UUID = "4803c1cd-5882-9c48-bc2a-fc81c1429a89"
DATA = b"the program"
SHA256 = hashlib.sha256(DATA).hexdigest()


def repository(path: str = f"sdcupgrade/{UUID}", **custom: str) -> Repository:
    """One target is signed."""
    made = Repository()
    made.add_target("targets", path, DATA)
    if custom:
        cast(Any, made.targets).targets[path].unrecognized_fields["custom"] = custom
    made.publish("targets", "snapshot", "timestamp")
    return made


def believed(tmp_path: pathlib.Path, made: Repository, now: float = NOW) -> Believed:
    """As a headnode sees it."""
    return Believed(files_in(tmp_path), made.first_root, made, now)


# --- what is signed ---------------------------------------------------------------------------------------------------
def test_an_image_is_found_by_name_and_uuid_with_what_the_signer_says(tmp_path: pathlib.Path) -> None:
    made = repository(name="sdcupgrade", uuid=UUID, version="1.4.0")
    found = believed(tmp_path, made).find("sdcupgrade", UUID)
    assert found is not None
    assert (found.length, found.hashes["sha256"], found.custom["version"]) == (len(DATA), SHA256, "1.4.0")


def test_nobody_speaks_of_another_name_or_uuid(tmp_path: pathlib.Path) -> None:
    asked = believed(tmp_path, repository())
    assert asked.find("imgapi", UUID) is None
    assert asked.find("sdcupgrade", UUID.replace("4", "5")) is None


@pytest.mark.parametrize("custom", [{"name": "imgapi"}, {"uuid": "another"}])
def test_a_signer_who_calls_it_something_else_is_not_believed(tmp_path: pathlib.Path, custom: dict[str, str]) -> None:
    with pytest.raises(Untrusted, match="the signer calls it"):
        believed(tmp_path, repository(**custom)).find("sdcupgrade", UUID)


def test_a_file_is_known_by_its_digest(tmp_path: pathlib.Path) -> None:
    asked = believed(tmp_path, repository())
    assert asked.by_digest("sdcupgrade", SHA256, len(DATA)) is not None
    assert asked.by_digest("sdcupgrade", SHA256, len(DATA) + 1) is None
    assert asked.by_digest("sdcupgrade", SHA256.replace("a", "b"), len(DATA)) is None
    assert asked.by_digest("gzbits", SHA256, len(DATA)) is None


def test_a_digest_counts_only_where_the_role_may_speak_of_the_path(tmp_path: pathlib.Path) -> None:
    made = Repository()
    made.delegate("targets", "site", ["imgapi/*"])
    made.add_target("site", f"sdcupgrade/{UUID}", DATA)
    made.add_target("site", f"imgapi/{UUID}", DATA)
    made.publish("site", "targets", "snapshot", "timestamp")
    asked = believed(tmp_path, made)
    assert asked.by_digest("sdcupgrade", SHA256, len(DATA)) is None
    assert asked.by_digest("imgapi", SHA256, len(DATA)) is not None


def test_metadata_is_brought_up_to_date_once(tmp_path: pathlib.Path) -> None:
    made = repository()
    asked = believed(tmp_path, made)
    asked.find("sdcupgrade", UUID)
    count = len(made.asked)
    asked.find("sdcupgrade", UUID)
    asked.by_digest("sdcupgrade", SHA256, len(DATA))
    assert len(made.asked) == count


def test_expired_metadata_is_not_believed(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Untrusted, match="expired"):
        believed(tmp_path, repository(), NOW + 40 * DAY).find("sdcupgrade", UUID)


def test_older_metadata_than_was_seen_is_not_believed(tmp_path: pathlib.Path) -> None:
    made = repository()
    old = dict(made.files)
    made.publish("snapshot", "timestamp")
    believed(tmp_path, made).find("sdcupgrade", UUID)
    with pytest.raises(Untrusted, match="older than"):
        Believed(files_in(tmp_path), made.first_root, HeldFetch(old), NOW).find("sdcupgrade", UUID)


def test_another_root_begins_anew(tmp_path: pathlib.Path) -> None:
    one, other = repository(), repository()
    believed(tmp_path, one).find("sdcupgrade", UUID)
    assert believed(tmp_path, other).find("sdcupgrade", UUID) is not None
    files = files_in(tmp_path)
    assert store_of(files, one.first_root) != store_of(files, other.first_root)


def test_the_root_in_a_newer_program_goes_on_with_what_was_seen(tmp_path: pathlib.Path) -> None:
    made = repository()
    old = dict(made.files)
    made.publish("root", "snapshot", "timestamp")
    believed(tmp_path, made).find("sdcupgrade", UUID)
    newer = made.files["2.root.json"]
    assert store_of(files_in(tmp_path), newer) == store_of(files_in(tmp_path), made.first_root)
    with pytest.raises(Untrusted, match="older than"):
        Believed(files_in(tmp_path), newer, HeldFetch(old), NOW).find("sdcupgrade", UUID)


# --- the root of trust ------------------------------------------------------------------------------------------------
def test_the_named_root_comes_before_the_sites_and_that_before_the_one_inside(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_in(tmp_path)
    with pytest.raises(Untrusted, match="no root of trust inside"):
        root_of_trust(files)
    inside, sites, named = (Repository().first_root for _ in range(3))
    monkeypatch.setattr(place, "baked_root", lambda: inside)
    assert root_of_trust(files) == inside
    files.write(place.SITE_ROOT, sites)
    assert root_of_trust(files) == sites
    files.write("/tmp/named.json", named)
    assert root_of_trust(files, "/tmp/named.json") == named


def test_a_file_that_is_no_root_of_trust_makes_way_for_no_other(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "baked_root", lambda: Repository().first_root)
    files = files_in(tmp_path)
    files.write(place.SITE_ROOT, Repository().first_root.replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(BadInput, match=r"trust-root\.json: is no root of trust: root\.json: signed by 0 of"):
        root_of_trust(files)
    files.write("/tmp/named.json", b"{}")
    with pytest.raises(BadInput, match=r"/tmp/named\.json: is no root of trust"):
        root_of_trust(files, "/tmp/named.json")


def test_a_named_root_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NoInput):
        root_of_trust(files_in(tmp_path), "/nowhere.json")


# --- where metadata is ------------------------------------------------------------------------------------------------
class Carrier:
    """A source that carries metadata of its own, or none."""

    name = "carrier"

    def __init__(self, own: Optional[HeldFetch] = None) -> None:
        self.own = own

    def metadata(self) -> Optional[HeldFetch]:
        return self.own

    def images(self, name: str, channel: str) -> tuple[()]:
        return ()


def found(tmp_path: pathlib.Path, source: Carrier, named: str = "") -> Any:
    """Where metadata is said to be."""
    files = files_in(tmp_path)
    doors = Doors(*cast(Any, (None, None, None, files, None)))
    return metadata_of(doors, cast(Any, source), "dev", named)


def test_a_source_without_metadata(tmp_path: pathlib.Path) -> None:
    assert found(tmp_path, Carrier()) is None


def test_what_a_source_carries_counts_unless_another_place_is_named(tmp_path: pathlib.Path) -> None:
    source = Carrier(HeldFetch({"timestamp.json": b"carried"}))
    assert found(tmp_path, source)("timestamp.json", 10) == b"carried"
    files_in(tmp_path).write("/tmp/there/timestamp.json", b"in a folder")
    assert found(tmp_path, source, "/tmp/there")("timestamp.json", 20) == b"in a folder"
    files_in(tmp_path).write("/tmp/there.tgz", packed({"timestamp.json": b"packed"}))
    assert found(tmp_path, source, "/tmp/there.tgz")("timestamp.json", 20) == b"packed"
    with pytest.raises(NoInput):
        found(tmp_path, source, "/tmp/nowhere")


# --- metadata in an archive -------------------------------------------------------------------------------------------
def packed(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE, mode: Any = "w:gz") -> bytes:
    """A .tgz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_an_archive_gives_its_files_within_limits() -> None:
    fetch = HeldFetch(read_archive(packed({"timestamp.json": b"{}", "1.root.json": b"[]"}), "here"))
    assert (fetch("timestamp.json", 2), fetch("1.root.json", 2), fetch("2.root.json", 2)) == (b"{}", b"[]", None)
    with pytest.raises(Corrupt, match="longer than the 1 bytes"):
        fetch("timestamp.json", 1)


@pytest.mark.parametrize("name", ["../a.json", "/a.json", "a/b.json", "a.txt", ".json", "a\nb.json"])
def test_an_archive_with_another_name_in_it(name: str) -> None:
    with pytest.raises(Corrupt, match="no place in an archive of metadata"):
        read_archive(packed({name: b""}), "here")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_with_something_that_is_no_file(kind: bytes) -> None:
    with pytest.raises(Corrupt, match="no place in an archive of metadata"):
        read_archive(packed({"a.json": b""}, kind), "here")


def test_an_archive_that_unpacks_to_too_much() -> None:
    with pytest.raises(Corrupt, match="unpacks to more than"):
        read_archive(packed({"a.json": bytes(65 << 20)}), "here")


def test_a_broken_archive() -> None:
    whole = packed({"a.json": b"{}"})
    for data, word in (
        (b"", "cut off"),
        (b"no gzip", "not an archive"),
        (whole[:-9], "cut off"),
        (whole + b"more", "followed by other bytes"),
        (packed({"a.json": b"{}"}, mode="w"), "not an archive"),
    ):
        with pytest.raises(Corrupt, match=word):
            read_archive(data, "here")


@pytest.mark.parametrize(
    "claims",
    [
        {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(1 << 50), "GNU.sparse.map": "0,0"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"size": "9" * 40},
    ],
)
def test_an_archive_whose_headers_claim_anything(claims: dict[str, str]) -> None:
    """A sparse file has as many zeros as it says, in a handful of bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("timestamp.json")
        info.size, info.pax_headers = 350, claims
        archive.addfile(info, io.BytesIO(b"0" * 350))
    with pytest.raises(Corrupt):
        read_archive(out.getvalue(), "here")


def test_an_archive_with_the_same_file_twice() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a.json"))
    with pytest.raises(Corrupt, match="no place"):
        read_archive(out.getvalue(), "here")


# --- bytes ------------------------------------------------------------------------------------------------------------
def test_streamed_bytes_get_their_name_only_when_they_are_the_signed_ones(tmp_path: pathlib.Path) -> None:
    from sdcupgrade.updates.trusted import stream_target

    files = files_in(tmp_path)
    info = believed(tmp_path, repository()).find("sdcupgrade", UUID)
    assert info is not None
    for wrong in (DATA[:-1], DATA + b"!", DATA.replace(b"p", b"q")):
        with pytest.raises(Corrupt):
            stream_target(iter([wrong]), info, files, "/opt/new")
        assert files.listdir("/opt") == []

    def cut() -> Any:
        yield DATA[:3]
        raise Unreachable("cut")

    with pytest.raises(Unreachable):
        stream_target(cut(), info, files, "/opt/new")
    assert files.listdir("/opt") == []
    stream_target(iter([DATA[:3], DATA[3:]]), info, files, "/opt/new")
    assert files.read("/opt/new") == DATA
