"""``run`` with gzbits in the spec: the global zones first, then the services; and both out of one bundle."""

from __future__ import annotations

import json

import pytest
from bits_site import NEW, OLD, pack
from bundle_makers import one_file
from mockdc.faces.publish import Image, publish
from site_in_a_box import CUSTOMERS, Site
from untouched import refused

GO = "--yes --pause never"
BITS = "/opt/smartdc/bin/sdc-one"


@pytest.fixture
def site(coal: Site) -> Site:
    """With two tarballs in the operator's folder, the newer one published, too."""
    for name, tree, version in (("old", OLD, "1.0"), ("new", NEW, "2.0")):
        (coal.ops / f"{name}.tgz").write_bytes(pack(tree, version))
    publish(coal.dc, Image("gzbits", version="2.0", channel="dev", file=coal.ops / "new.tgz"))
    return coal


def one(site: Site) -> str:
    """A tool of the global zone."""
    return (site.gz / BITS[1:]).read_text(encoding="utf-8")


def test_the_global_zones_come_first_then_the_services(site: Site) -> None:
    site.spec(gzbits="latest", imgapi=CUSTOMERS["imgapi"])
    done = site.run(f"run foo.json {GO}").ok()
    assert one(site) == "#!/bin/sh\necho one more\n"
    assert site.vm("imgapi")["image_uuid"] == CUSTOMERS["imgapi"]
    assert done.out.index("gzbits") < done.out.index("SERVICE")
    assert [service["service"] for service in site.plan()["services"]] == ["imgapi"]


def test_a_tarball_by_its_path_and_nothing_else(site: Site) -> None:
    site.spec(gzbits="./old.tgz")
    site.run(f"run foo.json {GO}").ok()
    assert one(site) == "#!/bin/sh\necho one\n"
    assert not (site.gz / "var/tmp/upgrade-foo").exists()


def test_typed_again_it_applies_nothing_twice(site: Site) -> None:
    site.spec(gzbits="latest")
    site.run(f"run foo.json {GO}").ok()
    assert "nothing was left to change" in site.run(f"run foo.json {GO}").ok().out


def test_a_no_at_the_first_question_changes_nothing(site: Site) -> None:
    site.spec(gzbits="latest", imgapi="latest")
    refused(site, "run foo.json --pause never", 6, "nothing was changed", but=("gz/var/sdcupgrade/gzbits/",))
    assert not (site.gz / BITS[1:]).exists()


@pytest.mark.parametrize(("wanted", "word"), [
    ("newest", "neither latest nor uuid nor path"),
    ("", "no word for a tarball"),
    ("4803c1cd-5882-9c48-bc2a-fc81c1429a8", "is not a uuid"),
])  # fmt: skip
def test_a_word_that_means_no_tarball(site: Site, wanted: str, word: str) -> None:
    site.spec(gzbits=wanted, imgapi="latest")
    refused(site, f"run foo.json {GO}", 65, "foo.json: gzbits: ", word)


def test_nothing_but_gzbits_is_no_plan(site: Site) -> None:
    site.spec(gzbits="latest")
    refused(site, "prepare foo.json", 65, "names no service, only gzbits", "sdcupgrade gzbits apply")


def test_a_bundle_carries_them_when_the_spec_says_so(site: Site) -> None:
    one_file(site.ops).rename(site.ops / "program")
    site.spec(gzbits="latest", imgapi="latest")
    site.run("bundle create foo.json --program program").ok()
    listed = json.loads(site.run("bundle list -j foo.sdcupgrade").ok().out)
    assert any(row["name"] == "gzbits" for row in listed["images"])
    site.fault("updates * * refuse")
    site.run(f"run foo.json {GO} --source foo.sdcupgrade").ok()
    assert one(site) == "#!/bin/sh\necho one more\n"
    assert site.vm("imgapi")["image_uuid"] == CUSTOMERS["imgapi"]


def test_a_bundle_does_not_carry_a_file_that_is_no_image(site: Site) -> None:
    one_file(site.ops).rename(site.ops / "program")
    site.spec(gzbits="./new.tgz", imgapi="latest")
    refused(site, "bundle create foo.json --program program", 65, "a bundle carries an image")
