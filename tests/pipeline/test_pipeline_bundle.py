"""The whole upgrade from one file: made from the box's updates server, and carried out when that is gone."""

from __future__ import annotations

import json
import pathlib

import pytest
from bundle_makers import flipped, one_file
from mockdc.core import faults
from site_in_a_box import Ran, Site
from untouched import changes, everything, refused, told

from sdcupgrade import version
from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.errors import StorageError
from sdcupgrade.updates.bundle import Bundle
from sdcupgrade.updates.bundle_write import Writer

GO = "--yes --pause never"
FOO = "foo.sdcupgrade"


@pytest.fixture
def site(coal: Site) -> Site:
    """With a spec, and a program to put into bundles (it is told as ``--program program``)."""
    coal.spec(imgapi="latest", vmapi="latest", adminui="latest")
    one_file(coal.ops).rename(coal.ops / "program")
    return coal


def create(site: Site, more: str = "") -> Ran:
    """Make it."""
    return site.run(f"bundle create foo.json --program program {more}")


def opened(site: Site, name: str = FOO) -> Bundle:
    """Open it."""
    return Bundle.open(RootedFiles("/"), str(site.ops / name))


def offline(site: Site) -> None:
    """The site has no network from here on."""
    site.fault("updates * * refuse")


def versions(site: Site) -> dict[str, str]:
    """The images that the services run."""
    return {name: site.vm(name)["image_uuid"] for name in ("imgapi", "vmapi", "adminui")}


# --- the whole way ----------------------------------------------------------------------------------------------------
def test_an_upgrade_and_back_without_the_updates_server(site: Site) -> None:
    before = versions(site)
    create(site).ok()
    offline(site)
    assert site.run(f"bundle verify {FOO}").ok().out.startswith(f"{FOO}: whole: ")
    plan = site.run(f"prepare foo.json --source {FOO}").ok().out
    assert f"from {site.ops / FOO}" in plan
    site.run("download foo").ok()
    site.upgrade().ok()
    assert versions(site) == opened(site).spec()
    site.run(f"rollback foo {GO}").ok()
    assert versions(site) == before


def test_it_carries_everything_that_the_spec_needs_and_nothing_else(site: Site) -> None:
    assert "3 images" not in create(site).ok().out  # an origin that the datacenter lacks is the fourth
    bundle = opened(site)
    assert list(bundle.spec()) == ["imgapi", "vmapi", "adminui"]
    images = [bundle.image(uuid) for uuid in bundle.index.images]
    assert [image.name for image in images if image] == ["triton-origin-x86_64-23.4.0", "imgapi", "vmapi", "adminui"]
    assert bundle.index.left_out() == () and bundle.index.gzbits == ""
    assert (bundle.index.channel, bundle.index.program.version) == ("dev", "1.2.3")
    assert sorted(path.name for path in site.ops.iterdir()) == ["foo.json", FOO, "program"]


def test_nothing_of_the_datacenter_is_asked_for_it(site: Site) -> None:
    create(site).ok()
    assert {call["name"] for call in site.dc.store.calls()} == {"updates"}


def test_the_running_bundle_is_what_verify_and_list_mean(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    told(site.run("verify"), 2, "this sdcupgrade is not in a bundle", "bundle verify FILE")
    create(site).ok()
    monkeypatch.setattr(version, "bundle", lambda: str(site.ops / FOO))
    offline(site)
    assert ": whole: " in site.run("verify").ok().out
    found = json.loads(site.run("list -j").ok().out)
    assert [one["services"] for one in found["images"]] == [[], ["imgapi"], ["vmapi"], ["adminui"]]
    assert "left out" not in site.run("list").ok().out
    site.run("prepare foo.json").ok()  # and it is the source, when no other is named


def test_a_bundle_carries_the_program_of_the_bundle_that_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    create(site).ok()
    monkeypatch.setattr(version, "archive", lambda: str(site.ops / FOO))
    site.run(f"bundle create foo.json -o bar.sdcupgrade --source {FOO}").ok()
    assert opened(site, "bar.sdcupgrade").index.program == opened(site).index.program
    assert site.run(f"bundle diff {FOO} bar.sdcupgrade").ok().out == "They bring the same.\n"


def test_one_is_made_from_a_folder_and_wrong_bytes_there_are_found(site: Site) -> None:
    create(site).ok()
    bundle, folder = opened(site), site.ops / "folder"
    folder.mkdir()
    for uuid in bundle.index.images:
        part = bundle.file_of(uuid)
        assert part is not None
        with (site.ops / FOO).open("rb") as file:
            file.seek(part.offset)
            (folder / f"{uuid}.file").write_bytes(file.read(part.size))
        (folder / f"{uuid}.imgmanifest").write_bytes(bundle.read(f"manifests/{uuid}.json"))
    offline(site)
    create(site, "--source folder -o bar.sdcupgrade").ok()
    assert site.run(f"bundle diff {FOO} bar.sdcupgrade").ok().out == "They bring the same.\n"
    place = next(folder.glob("4803c1cd*.file"))
    place.write_bytes(flipped(place.read_bytes(), 9))
    told(create(site, "--source folder -o bad.sdcupgrade"), 79, "4803c1cd", "the bytes have sha1")
    assert not (site.ops / "bad.sdcupgrade").exists()


# --- what the site has ------------------------------------------------------------------------------------------------
def test_a_second_one_leaves_out_what_the_first_one_brought(site: Site) -> None:
    create(site).ok()
    site.spec(imgapi="latest", vmapi="latest", cnapi="latest")
    assert "1 image, 3 left out" in create(site, f"-o more.sdcupgrade --base {FOO}").ok().out
    more = opened(site, "more.sdcupgrade")
    assert len(more.index.left_out()) == 3 and more.index.base.startswith("bundle foo of 2024-06-03")
    assert "left out" in site.run("bundle list more.sdcupgrade").ok().out
    rows = json.loads(site.run(f"bundle diff -j {FOO} more.sdcupgrade").ok().out)
    assert {row["what"] for row in rows if row["old"] is None} == {"cnapi"}
    assert {row["what"] for row in rows if row["new"] is None} == {"adminui"}


def test_an_inventory_of_the_site_is_a_base(site: Site) -> None:
    (site.ops / "inventory.json").write_text(site.run("inventory -j").ok().out, encoding="utf-8")
    create(site, "--base inventory.json").ok()
    assert opened(site).index.left_out() == () and opened(site).index.base == "datacenter coal"
    site.run(f"prepare foo.json --source {FOO}").ok()
    site.run("download foo").ok()
    (site.ops / "inventory.json").write_text(site.run("inventory -j").ok().out, encoding="utf-8")
    assert "0 images, 4 left out" in create(site, "--base inventory.json -o next.sdcupgrade").ok().out
    assert site.upgrade().ok()


def test_what_was_left_out_and_is_not_there_stops_the_download_before_anything(site: Site) -> None:
    create(site).ok()
    create(site, f"-o less.sdcupgrade --base {FOO}").ok()
    offline(site)
    site.run("prepare foo.json --source less.sdcupgrade").ok()
    but = ("gz/var/tmp/upgrade-foo/images",)
    told(refused(site, "download foo", 65, "are not inside", "made for a site that has them", but=but), 65)


# --- making one goes wrong --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("bundle create foo.json", 65, ("runs from a checkout", "--program")),
        ("bundle create foo.json --program nothing", 66, ("nothing: there is no such program", "--program")),
        ("bundle create foo.json --program foo.json", 65, ("foo.json: is no sdcupgrade that can carry",)),
        ("bundle create foo.json --program program -o foo.json", 65, ("foo.json: exists and is no bundle",)),
        ("bundle create foo.json --program program -o .", 65, (".: is a folder",)),
        ("bundle create bar.json --program program", 66, ("bar.json", "there is no")),
        ("bundle create foo.json --program program -C nope", 65, ("no channel 'nope'", "it has: ")),
        ("bundle create foo.json --program program --base foo.json", 65, ("foo.json: is no inventory", "inventory -j")),
        ("bundle create foo.json --program program --base nothing", 66, ("nothing: there is no such file",)),
        ("bundle create foo.json --program program --sign-key nothing", 66, ("nothing: there is no such key",)),
        ("bundle create foo.json --program program --parallel 0", 2, ("--parallel 0",)),
        ("bundle create foo.json --program program --with gzbits", 65, ("no image named gzbits",)),
        ("bundle verify program", 65, ("is the program alone",)),
        ("bundle list foo.json", 65, ("is no bundle",)),
        ("bundle verify nothing", 66, ("nothing: there is no such file",)),
        ("bundle", 2, ("needs a word more", "bundle create")),
    ],
)
def test_what_cannot_be_made_or_read_is_told_in_words(
    site: Site, line: str, status: int, words: tuple[str, ...]
) -> None:
    refused(site, line, status, *words)


def test_a_download_that_was_cut_off_goes_on(site: Site) -> None:
    site.fault("updates GET /images/*/file refuse #3 times=50")
    told(create(site, "--parallel 1"), 69, "gave up after", "what was fetched is kept")
    assert not (site.ops / FOO).exists()
    assert len(list((site.ops / f"{FOO}.parts").glob("*.image"))) == 2
    faults.reset(site.dc)
    create(site).ok()
    assert not (site.ops / f"{FOO}.parts").exists()


def test_wrong_bytes_make_no_bundle(site: Site) -> None:
    site.fault("updates GET /images/*/file corrupt")
    told(create(site), 79, "the bytes have sha1")
    assert not (site.ops / FOO).exists()


def test_a_disk_that_is_full_half_way_leaves_the_old_bundle(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    create(site).ok()
    before = (site.ops / FOO).read_bytes()

    def full(*_: object) -> None:
        raise StorageError(f"{FOO}: cannot be written: no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "finish", full)
        told(create(site), 73, "no space left on device")
    assert (site.ops / FOO).read_bytes() == before
    assert sorted(path.name for path in site.ops.iterdir()) == ["foo.json", FOO, f"{FOO}.parts", "program"]
    create(site).ok()
    assert (site.ops / FOO).read_bytes() == before


@pytest.mark.parametrize(("room", "status"), [(2.0, 0), (1.0, 0), (0.2, 73)])
def test_a_small_disk_holds_each_image_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, room: float, status: int
) -> None:
    """Room for both, room for the largest image and the program only, and for less than that."""
    largest = 219 << 10
    needed = {2.0: 64 << 20, 1.0: largest + 8000, 0.2: 1000}[room]

    def free(_: object, path: str) -> int:
        return (64 << 20) + (needed if path.endswith("parts") else 0)

    monkeypatch.setattr("sdcupgrade.updates.fetch._check_space", lambda *words: None)
    monkeypatch.setattr(RootedFiles, "free", free)
    removed: list[str] = []
    monkeypatch.setattr("sdcupgrade.stages.bundle_fill.forget", lambda into, uuid, files: removed.append(uuid))
    ran = create(site)
    assert ran.status == status, ran.err
    assert len(removed) == {2.0: 4, 1.0: 8, 0.2: 0}[room]  # at the end, or as each is in as well


# --- using one that is damaged ----------------------------------------------------------------------------------------
def spoil(site: Site, name: str) -> str:
    """Flip a bit of a member; its name."""
    bundle = opened(site)
    member = next(one for one in bundle.index.members if one.name.startswith(name))
    place = site.ops / FOO
    place.write_bytes(flipped(place.read_bytes(), member.offset + 5))
    return member.name


@pytest.mark.parametrize("name", ["spec.json", "manifests/", "images/"])
def test_verify_names_what_is_damaged(site: Site, name: str) -> None:
    create(site).ok()
    told(refused(site, f"bundle verify {FOO}", 79, f"damaged: {spoil(site, name)}"), 79, "nothing was touched")


def test_a_damaged_manifest_is_never_planned_from(site: Site) -> None:
    create(site).ok()
    name = spoil(site, "manifests/4803c1cd")
    refused(site, f"prepare foo.json --source {FOO}", 79, f"{name} is damaged")


def test_a_damaged_image_never_reaches_the_datacenter(site: Site) -> None:
    create(site).ok()
    site.run(f"prepare foo.json --source {FOO}").ok()
    spoil(site, "images/4803c1cd")
    before = everything(site)
    told(site.run("download foo"), 79, "4803c1cd", "sha1")
    assert changes(before, everything(site), ("gz/var/tmp/upgrade-foo/images",)) == []


@pytest.mark.parametrize("name", ["spec.json", "manifests/", "images/"])
def test_run_reads_all_of_it_before_anything_is_done(site: Site, name: str) -> None:
    create(site).ok()
    spoilt = spoil(site, name)
    refused(site, f"run foo.json --source {FOO} {GO}", 79, f"damaged: {spoilt}", "nothing was touched")


def test_one_that_was_cut_off_is_no_source(site: Site) -> None:
    create(site).ok()
    place = site.ops / FOO
    place.write_bytes(place.read_bytes()[:-1])
    refused(site, f"prepare foo.json --source {FOO}", 79, "damaged or cut off")


def test_a_folder_that_is_not_ours_is_not_removed(site: Site) -> None:
    other = pathlib.Path(site.ops / f"{FOO}.parts")
    other.mkdir()
    (other / "mine").write_text("mine", encoding="utf-8")
    create(site).ok()
    assert (other / "mine").read_text(encoding="utf-8") == "mine"


# --- run --------------------------------------------------------------------------------------------------------------
def test_run_alone_carries_out_the_bundle_that_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    told(site.run("run"), 2, "run: this sdcupgrade is not in a bundle", "sdcupgrade run SPEC")
    create(site).ok()
    (site.ops / "foo.json").unlink()
    monkeypatch.setattr(version, "bundle", lambda: str(site.ops / FOO))
    offline(site)
    site.run(f"run {GO} --no-self-update").ok()
    assert versions(site) == opened(site).spec()
    assert "upgraded" in site.run("status foo").ok().out
    site.run(f"run {GO} --no-self-update").ok()  # and once more, which has nothing to do


def test_run_alone_does_not_take_another_spec_for_its_own(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    create(site).ok()
    monkeypatch.setattr(version, "bundle", lambda: str(site.ops / FOO))
    (site.gz / "var/tmp/foo.json").write_text('{"cnapi": "latest"}', encoding="utf-8")
    refused(site, f"run {GO} --no-self-update", 3, "/var/tmp/foo.json is there, and is not the spec of")


def test_a_site_that_says_who_signs_refuses_a_bundle_of_nobody(site: Site) -> None:
    create(site).ok()
    (site.gz / "var/sdcupgrade").mkdir(parents=True, exist_ok=True)
    (site.gz / "var/sdcupgrade/allowed_signers").write_text("ops@example.com ssh-ed25519 AAAA\n", encoding="utf-8")
    refused(site, f"prepare foo.json --source {FOO} --require-signed", 78, "a signature is required", "is not signed")
    site.run(f"prepare foo.json --source {FOO}").ok()
