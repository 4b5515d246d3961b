"""Signed metadata on its way in a bundle: checked when it is made, and once more where it is used."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import trust_repo
from bundle_makers import one_file
from site_in_a_box import Ran, Site
from trust_repo import Repository
from untouched import refused, told

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.updates.bundle import Bundle

FOO = "foo.sdcupgrade"
PROGRAM = "00000000-0000-4000-8000-000000000007"


class Signed:
    """A site, and a repository whose role ``images`` signs what the spec needs."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.repository = Repository()
        self.repository.delegate("targets", "images", ["*/*"])
        site.spec(imgapi="latest", adminui="latest")
        one_file(site.ops).rename(site.ops / "program")
        self.create("").ok()
        self.images = list(bundle(site).index.images)

    def sign(self, spoilt: str = "", left_out: str = "", program: bool = True) -> None:
        """Publish; of the image named *spoilt* with other bytes, without the one named *left_out*."""
        made, site = self.repository, self.site
        for uuid in self.images:
            image = bundle(site).image(uuid)
            assert image is not None
            url = f"https://updates.tritondatacenter.com/images/{uuid}/file?channel=dev"
            data = site.doors.web.request("GET", url).body
            if image.name != left_out:
                made.add_target("images", f"{image.name}/{uuid}", data[::-1] if image.name == spoilt else data)
        if program:
            made.add_target("images", f"sdcupgrade/{PROGRAM}", (site.ops / "program").read_bytes())
        made.publish("images", "targets", "snapshot", "timestamp")
        made.rotate("timestamp")
        made.publish("root", "timestamp")
        self.write()

    def write(self) -> None:
        """Metadata as a folder, and the first root as a file."""
        folder = self.site.ops / "metadata"
        folder.mkdir(exist_ok=True)
        for name, data in self.repository.files.items():
            (folder / name).write_bytes(data)
        (self.site.ops / "root.json").write_bytes(self.repository.first_root)

    def create(self, more: str = "--metadata metadata --trust-root root.json") -> Ran:
        """Make the bundle."""
        return self.site.run(f"bundle create foo.json --program program {more}")


def bundle(site: Site) -> Bundle:
    """The one that was made."""
    return Bundle.open(RootedFiles("/"), str(site.ops / FOO))


@pytest.fixture
def signed(coal: Site, monkeypatch: pytest.MonkeyPatch) -> Signed:
    """Metadata of the box's own day."""
    monkeypatch.setattr(trust_repo, "NOW", coal.dc.clock.now())
    return Signed(coal)


def downloads(site: Site) -> list[dict[str, Any]]:
    """Of the plan."""
    found: list[dict[str, Any]] = json.loads(json.dumps(site.plan()["downloads"]))
    return found


def test_metadata_travels_and_counts_where_there_is_no_network(signed: Signed) -> None:
    signed.sign()
    made = signed.create().ok()
    assert "not signed" not in made.err and "3 of them signed" in made.out and "is good until " in made.out
    names = {one.name for one in bundle(signed.site).index.members if one.name.startswith("trust/")}
    assert {"trust/1.root.json", "trust/2.root.json", "trust/timestamp.json"} < names
    assert any(name.endswith(".images.json") for name in names)
    assert "good until" in signed.site.run(f"bundle list {FOO}").ok().out
    signed.site.fault("updates * * refuse")
    signed.site.run(f"prepare foo.json --source {FOO} --trust-root root.json --require-signed").ok()
    assert [one["signed"] for one in downloads(signed.site)] == [True, True, True]
    signed.site.run("download foo").ok()


def test_what_was_believed_is_not_kept_where_bundles_are_made(signed: Signed) -> None:
    signed.sign()
    signed.create().ok()
    left = [path for path in signed.site.gz.rglob("*.json") if "sdcupgrade/trust" in str(path)]
    assert left == [] and not (signed.site.ops / f"{FOO}.parts").exists()


def test_a_program_that_nobody_signed_is_told(signed: Signed) -> None:
    signed.sign(program=False)
    assert "the program 1.2.3 that goes into the bundle is not signed" in signed.create().ok().err


def test_an_unsigned_image_is_refused_where_nothing_unsigned_is_wanted(signed: Signed) -> None:
    signed.sign(left_out="adminui")
    line = "bundle create foo.json --program program --metadata metadata --trust-root root.json"
    refused(signed.site, f"{line} --require-signed", 78, "not signed: adminui ")
    assert "2 of them signed" in signed.create().ok().out


def test_bytes_that_are_not_the_signed_ones_make_no_bundle(signed: Signed) -> None:
    signed.sign(spoilt="adminui")
    (signed.site.ops / FOO).unlink()
    told(signed.create(), 79, "the bytes have ", "adminui")
    assert not (signed.site.ops / FOO).exists()


def test_metadata_that_must_not_be_believed_makes_no_bundle(signed: Signed) -> None:
    signed.sign()
    place = pathlib.Path(signed.site.ops / "metadata" / "timestamp.json")
    place.write_bytes(place.read_bytes().replace(b'"version"', b'"versiom"'))
    refused(signed.site, "bundle create foo.json --program program --metadata metadata --trust-root root.json", 78)


def test_without_a_root_of_trust_nothing_is_signed(signed: Signed) -> None:
    assert "signed" not in signed.create("").ok().out
    refused(signed.site, "bundle create foo.json --program program --require-signed", 78, "no root of trust")
