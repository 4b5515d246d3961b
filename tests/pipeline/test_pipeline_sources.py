"""Images from elsewhere than an updates server: a folder, the datacenter's own IMGAPI; and what is signed of them."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import shutil
from typing import Any

import pytest
from site_in_a_box import CUSTOMERS, Site
from untouched import refused, told

from sdcupgrade.cli.main import run

GO = "--yes --pause never"


def published(site: Site, number: str) -> dict[str, Any]:
    """What the box's updates server has of an image."""
    found: dict[str, Any] = dict(site.dc.store.get("image", f"updates/{number}") or {})
    return found


def carry(site: Site, into: pathlib.Path, number: str) -> list[str]:
    """An image and its origins, as files in a folder; their uuids."""
    manifest = published(site, number)
    into.mkdir(exist_ok=True)
    (into / f"{number}.imgmanifest").write_text(json.dumps(manifest))
    site.doors.web.request("GET", f"https://updates.tritondatacenter.com/images/{number}/file?channel=dev")
    shutil.copyfile(site.dc.image_path("updates", number), into / f"{number}.imgfile")
    return [number, *(carry(site, into, manifest["origin"]) if manifest.get("origin") else [])]


@pytest.fixture
def folder(coal: Site) -> pathlib.Path:
    """Everything for the customer's image of imgapi."""
    place = coal.ops / "images"
    carry(coal, place, CUSTOMERS["imgapi"])
    coal.spec(imgapi=CUSTOMERS["imgapi"])
    return place


def test_an_upgrade_from_a_folder_asks_no_updates_server_and_copies_nothing(coal: Site, folder: pathlib.Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    calls = len(asked(coal))
    coal.run("prepare foo.json --source images").ok()
    assert coal.plan()["source"] == str(folder)
    done = coal.run("download foo").ok()
    assert "into IMGAPI" in done.out
    assert list((coal.gz / "var/tmp/upgrade-foo/images").iterdir()) == []
    coal.upgrade().ok()
    assert coal.vm("imgapi")["image_uuid"] == CUSTOMERS["imgapi"]
    assert asked(coal)[calls:] == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def asked(site: Site) -> list[str]:
    """Calls that reached the updates server."""
    return [str(call["detail"]) for call in site.dc.store.all("call") if call["name"] == "updates"]


def test_latest_is_the_newest_in_the_folder(coal: Site, folder: pathlib.Path) -> None:
    coal.spec(imgapi="latest")
    coal.run("prepare foo.json --source images").ok()
    assert coal.plan()["services"][0]["target"]["uuid"] == CUSTOMERS["imgapi"]


def test_a_damaged_file_in_the_folder_never_reaches_imgapi(coal: Site, folder: pathlib.Path) -> None:
    coal.run("prepare foo.json --source images").ok()
    path = folder / f"{CUSTOMERS['imgapi']}.imgfile"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    refused(coal, "download foo", 79, CUSTOMERS["imgapi"], "promised was")
    path.write_bytes(bytes(data[:-1]))
    refused(coal, "download foo", 79, "promised were")


def test_a_folder_that_moved_is_told_and_may_be_named_anew(coal: Site, folder: pathlib.Path) -> None:
    coal.run("prepare foo.json --source images").ok()
    folder.rename(coal.ops / "elsewhere")
    refused(coal, "download foo", 65, "images", "if it moved, say where it is now")
    coal.run("download foo --source elsewhere").ok()


@pytest.mark.parametrize(("spoil", "status", "word"), [
    (lambda place: [path.unlink() for path in place.iterdir()], 65, "there is no image manifest in it"),
    (lambda place: (place / "more.json").write_text((place / f"{CUSTOMERS['imgapi']}.imgmanifest").read_text()), 65,
     "a second manifest of image"),
    (lambda place: (place / "broken.imgmanifest").write_text("{"), 65, "broken.imgmanifest: not valid JSON"),
    (lambda place: (place / f"{CUSTOMERS['imgapi']}.tgz").write_bytes(
        (place / f"{CUSTOMERS['imgapi']}.imgfile").read_bytes()), 65, "could both be the file of"),
])  # fmt: skip
def test_a_folder_that_is_not_in_order(
    coal: Site, folder: pathlib.Path, spoil: Any, status: int, word: str
) -> None:
    spoil(folder)
    refused(coal, "prepare foo.json --source images", status, word)


def test_an_image_without_its_file_is_told_when_it_is_wanted(coal: Site, folder: pathlib.Path) -> None:
    (folder / f"{CUSTOMERS['imgapi']}.imgfile").unlink()
    coal.run("prepare foo.json --source images").ok()
    refused(coal, "download foo", 65, f"the file of image {CUSTOMERS['imgapi']} is not there")


def test_other_files_in_the_folder_do_no_harm(coal: Site, folder: pathlib.Path) -> None:
    (folder / "notes.json").write_text("[]")
    (folder / "notes.txt").write_text("hello")
    (folder / f"{CUSTOMERS['imgapi']}.bad").write_bytes(b"shorter")
    coal.run("prepare foo.json --source images").ok()
    coal.run("download foo").ok()


@pytest.mark.parametrize("source", ["nowhere", "/nowhere", "imgapi2", "foo.json"])
def test_a_source_that_is_none(coal: Site, source: str) -> None:
    coal.spec()
    refused(coal, f"prepare foo.json --source {source}", 65, source)


def test_the_datacenters_own_imgapi(coal: Site) -> None:
    coal.spec(imgapi=CUSTOMERS["imgapi"])
    coal.ready()
    calls = len(asked(coal))
    coal.run("prepare foo.json --source imgapi --fresh --refresh").ok()
    assert coal.plan()["source"] == "imgapi"
    coal.run("download foo").ok()
    coal.upgrade().ok()
    assert asked(coal)[calls:] == []


def test_an_image_that_the_own_imgapi_lacks(coal: Site) -> None:
    coal.spec(imgapi=CUSTOMERS["imgapi"])
    refused(coal, "prepare foo.json --source imgapi", 65, "there is no image", "on imgapi")


def test_a_file_of_authorities_that_is_not_there(coal: Site) -> None:
    coal.spec()
    err = io.StringIO()
    environ = {"SDCUPGRADE_ROOT": str(coal.gz), "USER": "root"}
    status = run(["prepare", "foo.json", "--cacert", "nowhere.pem"], environ=environ, stderr=err, stdout=io.StringIO())
    assert (status, err.getvalue().splitlines()[0]) == (
        66, "sdcupgrade: --cacert nowhere.pem: there is no such file; nothing was changed",
    )  # fmt: skip


# --- signed and unsigned ----------------------------------------------------------------------------------------------
def test_a_plain_server_is_used_and_its_images_are_called_unsigned_once(coal: Site) -> None:
    coal.spec()
    out = coal.run("prepare foo.json").ok().out
    assert out.count("unsigned") == 1
    assert {one["signed"] for one in coal.plan()["downloads"]} == {False}


def test_where_signatures_are_required_nothing_unsigned_is_planned(coal: Site) -> None:
    coal.spec()
    refused(coal, "prepare foo.json --require-signed", 78, "no root of trust inside", "--trust-root FILE",
            but=("ops/foo.json.1",))  # fmt: skip


class Signed:
    """The box's updates server with metadata about some of its images."""

    def __init__(self, site: Site) -> None:
        trust_repo = pytest.importorskip("trust_repo", reason="python-tuf is the repository side")
        self.site = site
        self.repo = trust_repo.Repository()
        self.day = trust_repo.DAY
        (site.ops / "root.json").write_bytes(self.repo.first_root)
        # the repository was made at a time of its own: let the datacenter be then
        for role in self.repo.roles.values():
            role.expires = trust_repo.day(4000)

    def sign(self, *numbers: str, data: bytes = b"") -> None:
        """Say what these images are, or something else."""
        for number in numbers:
            manifest = published(self.site, number)
            path = self.site.dc.image_path("updates", number)
            self.repo.add_target("targets", f"{manifest['name']}/{number}", data or pathlib.Path(path).read_bytes())

    def carry(self, into: pathlib.Path) -> None:
        """Put the metadata into a folder."""
        self.repo.publish("root", "targets", "snapshot", "timestamp")
        (into / "trust").mkdir()
        for name, content in self.repo.files.items():
            (into / "trust" / name).write_bytes(content)


@pytest.fixture
def signed(coal: Site, folder: pathlib.Path) -> Signed:
    """With nothing signed yet."""
    return Signed(coal)


SIGNED = "--source images --trust-root root.json"


def uuids(folder: pathlib.Path) -> list[str]:
    """Of the images in it."""
    return [path.stem for path in folder.glob("*.imgmanifest")]


def test_signed_images_have_their_digest_in_the_plan(coal: Site, folder: pathlib.Path, signed: Signed) -> None:
    signed.sign(*uuids(folder))
    signed.carry(folder)
    out = coal.run(f"prepare foo.json {SIGNED} --require-signed").ok().out
    assert "unsigned" not in out
    for one in coal.plan()["downloads"]:
        data = (folder / f"{one['uuid']}.imgfile").read_bytes()
        assert (one["signed"], one["sha256"]) == (True, hashlib.sha256(data).hexdigest())
    coal.run("download foo").ok()


def test_what_is_not_signed_is_refused_by_name(coal: Site, folder: pathlib.Path, signed: Signed) -> None:
    signed.sign(*(number for number in uuids(folder) if number != CUSTOMERS["imgapi"]))
    signed.carry(folder)
    said = refused(coal, f"prepare foo.json {SIGNED} --require-signed", 3, "unsigned-image", CUSTOMERS["imgapi"],
                   but=("ops/foo.json.1", "gz/var/sdcupgrade/trust/"))  # fmt: skip
    assert said.out.count("unsigned-image") == 1


def test_bytes_that_are_not_the_signed_ones_are_not_imported(
    coal: Site, folder: pathlib.Path, signed: Signed
) -> None:
    signed.sign(*uuids(folder), data=b"something else")
    signed.carry(folder)
    coal.run(f"prepare foo.json {SIGNED}").ok()
    refused(coal, "download foo", 79, "signed is")


def test_metadata_that_is_not_to_be_believed(coal: Site, folder: pathlib.Path, signed: Signed) -> None:
    signed.sign(*uuids(folder))
    signed.carry(folder)
    path = folder / "trust" / "timestamp.json"
    path.write_bytes(path.read_bytes().replace(b'"version":', b'"Version":'))
    told(coal.run(f"prepare foo.json {SIGNED} --require-signed"), 78, "timestamp.json")
    (coal.gz / "var/sdcupgrade").mkdir(parents=True, exist_ok=True)
    shutil.copy(coal.ops / "root.json", coal.gz / "var/sdcupgrade/trust-root.json")
    done = coal.run("prepare foo.json --source images").ok()
    assert "all images count as unsigned" in done.err
    assert {one["signed"] for one in coal.plan()["downloads"]} == {False}


# --- inventory --------------------------------------------------------------------------------------------------------
def test_the_inventory_tells_what_the_site_has(coal: Site) -> None:
    found = json.loads(coal.run("inventory -j").ok().out)
    assert list(found) == ["schema", "datacenter", "sdcupgrade", "images", "services", "gzbits"]
    active = {one["uuid"] for key, one in coal.dc.store.items("image") if key.startswith("imgapi/")}
    assert {one["uuid"] for one in found["images"]} == active
    assert found["services"]["imgapi"] == {
        "image": coal.vm("imgapi")["image_uuid"], "version": "master-20240118T160255Z-g6598a8e", "instances": 1,
    }  # fmt: skip
    assert found["gzbits"] is None
    (coal.gz / "var/sdcupgrade/gzbits").mkdir(parents=True)
    (coal.gz / "var/sdcupgrade/gzbits/installed.json").write_text('{"version": "1.0.0", "buildstamp": "b"}')
    assert json.loads(coal.run("inventory -j").ok().out)["gzbits"]["version"] == "1.0.0"
    assert "imgapi" in coal.run("inventory").ok().out
