"""Signed images: metadata as the image ``sdcupgrade-trust`` of the updates server, and ways in which it is wrong."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from mockdc.faces.publish import Image, publish
from site_in_a_box import Site
from trust_repo import DAY, NOW, Repository, day
from untouched import changes, everything, refused, told

STRICT = "prepare foo.json --require-signed"
STORE = "gz/var/sdcupgrade/trust/"
ROOT = "var/sdcupgrade/trust-root.json"
SEEN = (STORE, "ops/foo.json.1")
"""What a prepare may leave that comes to nothing: what was believed so far, and what latest meant."""


class Keeper:
    """Who signs the images of the updates server, and publishes metadata there."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.repo = Repository()
        self.today = (site.dc.now() - NOW) / DAY
        for signed in self.repo.roles.values():
            signed.expires = day(self.today + 30)
        self.repo.publish("root")
        self.root(2)

    def root(self, version: int) -> None:
        """Give that root of trust to the site."""
        path = self.site.gz / ROOT
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.repo.files[f"{version}.root.json"])

    def sign(self, but: str = "") -> None:
        """Sign all images that the updates server has, save those of that name."""
        for key, doc in self.site.dc.store.items("image"):
            if key.startswith("updates/") and doc["files"] and doc["name"] != but:
                self.repo.add_target("targets", f"{doc['name']}/{doc['uuid']}", self.file(doc["uuid"]))
        self.repo.publish_targets("targets")

    def file(self, uuid: str) -> bytes:
        """An image's bytes, as anybody gets them."""
        url = f"https://updates.tritondatacenter.com/images/{uuid}/file?channel=dev"
        return self.site.doors.web.request("GET", url).body

    def publish(self) -> None:
        """Put the metadata on the updates server, a minute after whatever is there."""
        self.site.dc.wait(60)
        path = self.site.ops / "trust.tgz"
        with tarfile.open(path, "w:gz") as archive:
            for name, data in self.repo.files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        publish(self.site.dc, Image("sdcupgrade-trust", channel="dev", file=path))
        path.unlink()


@pytest.fixture
def keeper(coal: Site) -> Keeper:
    """Everything is signed and published, the site has the root of trust and a spec."""
    coal.spec()
    found = Keeper(coal)
    found.sign()
    found.publish()
    return found


def downloads(site: Site) -> list[dict[str, Any]]:
    """Those of the plan."""
    found: list[dict[str, Any]] = site.plan()["downloads"]
    return found


def test_signed_images_are_downloaded_by_their_signed_digests(keeper: Keeper) -> None:
    site = keeper.site
    ran = site.run(STRICT).ok()
    assert "unsigned" not in ran.out + ran.err
    assert [one["sha256"] for one in downloads(site)] == [
        hashlib.sha256(keeper.file(one["uuid"])).hexdigest() for one in downloads(site)
    ]
    site.run("download foo").ok()
    site.upgrade().ok()


def test_one_that_nobody_has_signed_is_named_or_refused(coal: Site) -> None:
    coal.spec()
    keeper = Keeper(coal)
    keeper.sign(but="adminui")
    keeper.publish()
    refused(coal, STRICT, 3, "adminui", "[unsigned-image]", but=SEEN)
    ran = coal.run("prepare foo.json").ok()
    assert "1 of 3 unsigned" in ran.out
    assert [one["sha256"] == "" for one in downloads(coal)] == [one["name"] == "adminui" for one in downloads(coal)]


def test_bytes_that_are_not_the_signed_ones_are_not_imported(coal: Site) -> None:
    """Even where the updates server vouches for them by their sha1."""
    coal.spec()
    keeper = Keeper(coal)
    keeper.sign()
    targets = keeper.repo.targets.targets
    (path,) = [path for path in targets if path.endswith(CUSTOMER)]
    keeper.repo.add_target("targets", path, bytes(len(keeper.file(CUSTOMER))))
    keeper.repo.publish_targets("targets")
    keeper.publish()
    coal.run(STRICT).ok()
    held = {id for id, _ in coal.dc.store.items("image")}
    told(coal.run("download foo"), 79, CUSTOMER, "nothing was imported")
    assert f"imgapi/{CUSTOMER}" not in {id for id, _ in coal.dc.store.items("image")} - held


CUSTOMER = "4803c1cd-5882-9c48-bc2a-fc81c1429a89"


# --- what must not be believed ----------------------------------------------------------------------------------------
def another_signature(keeper: Keeper) -> None:
    keeper.repo.signers["targets"] = keeper.repo.signers["snapshot"]
    keeper.repo.publish_targets("targets")


def expired(keeper: Keeper) -> None:
    keeper.repo.timestamp.expires = day(keeper.today - 2)
    keeper.repo.publish("timestamp")


def replayed(keeper: Keeper) -> None:
    old = dict(keeper.repo.files)
    keeper.repo.publish("snapshot", "timestamp")
    keeper.publish()
    keeper.site.run(f"{STRICT} --fresh").ok()
    keeper.repo.files = old


def expired_root(keeper: Keeper) -> None:
    keeper.repo.root.expires = day(keeper.today - 3)
    keeper.repo.publish("root")


def garbage(keeper: Keeper) -> None:
    keeper.repo.files["timestamp.json"] = b"<html>"


def missing(keeper: Keeper) -> None:
    del keeper.repo.files["timestamp.json"]


def too_much(keeper: Keeper) -> None:
    keeper.repo.files["timestamp.json"] += b" " * 20_000


def a_stranger_in_it(keeper: Keeper) -> None:
    keeper.repo.files["../../etc/passwd"] = b""


WRONG: list[tuple[Callable[[Keeper], None], int, str]] = [
    (another_signature, 78, "targets.json: signed by 0 of the 1 keys that root asks of targets"),
    (expired, 78, "timestamp.json: expired 2.0 days ago"),
    (replayed, 78, "timestamp: version 2 is older than 3, which was seen before"),
    (expired_root, 78, "root.json: expired 3.0 days ago"),
    (garbage, 78, "timestamp.json: not valid JSON"),
    (missing, 69, "timestamp.json: there is no such metadata"),
    (too_much, 79, "timestamp.json: longer than the 16384 bytes that are allowed"),
    (a_stranger_in_it, 79, "'../../etc/passwd' has no place in an archive of metadata"),
]


@pytest.mark.parametrize(("happens", "status", "words"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_metadata_that_must_not_be_believed(
    keeper: Keeper, happens: Callable[[Keeper], None], status: int, words: str
) -> None:
    site = keeper.site
    happens(keeper)
    keeper.publish()
    refused(site, f"{STRICT} --fresh", status, words, "updates.tritondatacenter.com: ", but=SEEN)
    ran = site.run("prepare foo.json --fresh").ok()
    assert "all images count as unsigned: " in ran.err
    assert words in ran.err
    assert {one["sha256"] for one in downloads(site)} == {""}


def test_a_clock_set_back_is_told_with_what_to_do(keeper: Keeper) -> None:
    site = keeper.site
    site.run(STRICT).ok()
    (clock,) = (site.gz / "var/sdcupgrade/trust").glob("*/clock")
    clock.write_text(str(int(site.dc.now() + 2 * DAY)))
    refused(site, f"{STRICT} --fresh", 78, "behind the last time metadata was verified", "set the clock right",
            f"is kept in {clock.parent.relative_to(site.gz)}".replace(" in ", " in /"))  # fmt: skip


def test_a_root_of_trust_that_has_expired_hands_over_to_the_next(keeper: Keeper) -> None:
    keeper.root(1)  # of which nothing is in force any more
    keeper.site.run(STRICT).ok()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (STRICT, ("no root of trust inside", "--trust-root FILE", "/var/sdcupgrade/trust-root.json")),
        ("prepare foo.json --metadata /nowhere.tgz", ("no root of trust inside",)),
    ],
)
def test_no_root_of_trust(keeper: Keeper, line: str, words: tuple[str, ...]) -> None:
    (keeper.site.gz / ROOT).unlink()
    refused(keeper.site, line, 78, *words, but=SEEN)
    before = everything(keeper.site)
    assert "unsigned" in keeper.site.run("prepare foo.json").ok().out
    assert not [name for name in changes(before, everything(keeper.site)) if name.startswith(STORE)]


def test_no_metadata(coal: Site) -> None:
    coal.spec()
    Keeper(coal)
    refused(coal, STRICT, 78, "has no signed metadata", "--metadata WHERE", but=SEEN)


@pytest.mark.parametrize(("line", "status", "words"), [
    ("--metadata /var/tmp/nowhere.tgz", 66, "/var/tmp/nowhere.tgz: there is no such file, nor a folder"),
    ("--trust-root /var/tmp/nowhere.json", 66, "/var/tmp/nowhere.json"),
    ("--trust-root foo.json", 65, "foo.json: is no root of trust: root.json.signed: missing"),
    ("--metadata foo.json", 79, "foo.json: not an archive of metadata"),
])  # fmt: skip
def test_options_that_name_the_wrong_thing(keeper: Keeper, line: str, status: int, words: str) -> None:
    refused(keeper.site, f"prepare foo.json {line}", status, words, but=SEEN)


def test_metadata_from_a_folder_and_a_root_by_name(keeper: Keeper) -> None:
    (keeper.site.gz / ROOT).rename(keeper.site.ops / "root.json")
    (keeper.site.ops / "signed").mkdir()
    for name, data in keeper.repo.files.items():
        (keeper.site.ops / "signed" / name).write_bytes(data)
    keeper.site.run(f"{STRICT} --trust-root root.json --metadata signed").ok()
