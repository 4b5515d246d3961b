"""gzbits on a headnode: looked at, put in place, compared, put back; and everything that may be wrong with that."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest
from bits_site import NEW, OLD, File, Tree, differences, headnode, key_is_mounted, pack, snapshot, staging
from mockdc.core import faults, scenario
from mockdc.core.store import Doc
from mockdc.faces.crash import Crash, crashing
from site_in_a_box import Ran, Site

STATE = "var/sdcupgrade/gzbits"
MIB = 1 << 20
THEIRS = ("usbkey/config", "usbkey/extra/joysetup/node.config", "usbkey/private/key", "opt/smartdc/config/node.config",
          "opt/smartdc/sdcadm/etc/x", "opt/smartdc/agents/x")  # fmt: skip


@pytest.fixture
def site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A headnode on which no gzbits were ever put in place; it has files of its own where ours go."""
    made = headnode(tmp_path)
    monkeypatch.chdir(made.ops)
    return made


@pytest.fixture
def old(site: Site) -> Site:
    """One that has the old ones."""
    site.run("gzbits apply --headnode-only old.tgz --yes").ok()
    return site


def told(site: Site, line: str) -> Doc:
    """What a command says as JSON."""
    found: Doc = json.loads(site.run(line).out)
    return found


def with_tree(site: Site, tree: Tree, version: str = "3.0") -> None:
    """Another tarball, other.tgz."""
    (site.ops / "other.tgz").write_bytes(pack(tree, version))


def refused(ran: Ran, status: int, *words: str) -> None:
    """It ended so, in one line that has these words, and no traceback."""
    assert ran.status == status, ran.err + ran.out
    for word in words:
        assert word in ran.err, ran.err
    assert "Traceback" not in ran.err


# --- put in place -----------------------------------------------------------------------------------------------------
def test_everything_is_as_the_tarball_says(old: Site) -> None:
    one = old.gz / "opt/smartdc/bin/sdc-one"
    assert (one.read_text(encoding="utf-8"), one.stat().st_mode & 0o7777) == ("#!/bin/sh\necho one\n", 0o755)
    assert (old.gz / "opt/smartdc/bin/sdc-two").readlink() == pathlib.Path("sdc-one")
    assert (old.gz / "usbkey/scripts/Update-Things.sh").exists()
    assert (old.gz / ".mockdc/key/scripts/update-things.sh").read_bytes() == b"things 1\n"
    assert (old.gz / "usbkey/extra/imgapi/setup").exists()
    assert old.run("gzbits verify --headnode-only").ok().out.endswith("all 22 paths as installed.\n")


def test_nothing_of_the_work_is_left_and_the_key_is_as_it_was(site: Site) -> None:
    site.run("gzbits apply --headnode-only old.tgz --yes").ok()
    assert (staging(site), key_is_mounted(site)) == ([], False)
    site.doors.run.run(("sdc-usbkey", "mount"))
    site.run("gzbits apply --headnode-only new.tgz --yes").ok()
    assert key_is_mounted(site)
    assert not (site.gz / STATE / "key-was-unmounted").exists()


def test_what_others_keep_there_is_never_touched(site: Site) -> None:
    kept = [site.gz / name for name in THEIRS]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret", encoding="utf-8")
    seen = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in kept]
    site.run("gzbits apply --headnode-only old.tgz --yes").ok()
    site.run("gzbits apply --headnode-only new.tgz --yes").ok()
    site.run("gzbits rollback --headnode-only --yes").ok()
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in kept] == seen


def test_the_same_again_writes_nothing_but_its_log(old: Site) -> None:
    doors, crasher = crashing(old.doors, 0)
    before = snapshot(old)
    ran = old.run("gzbits apply --headnode-only old.tgz", doors).ok()
    assert "nothing was left to change" in ran.out
    assert set(crasher.names) <= {"run", "lock", "write", "remove"}  # the key's note
    assert differences(before, snapshot(old)) == []


def test_what_did_not_change_is_not_written(old: Site) -> None:
    same = old.gz / "opt/smartdc/lib/same.js"
    before = (same.stat().st_ino, same.stat().st_mtime_ns)
    doors, crasher = crashing(old.doors, 0)
    with_tree(old, {**OLD, "tools/lib/modes.js": File("other\n")})
    old.run("gzbits apply --headnode-only other.tgz --yes", doors).ok()
    assert (crasher.names.count("swap_in"), same.stat().st_ino, same.stat().st_mtime_ns) == (2, *before)  # one is kept


def test_the_way_into_the_sdc_zone_is_made_right_and_never_missing(site: Site) -> None:
    link = site.gz / "opt/smartdc/sdc"
    right = link.readlink()
    link.unlink()
    link.symlink_to("../../zones/0b0b0b0b-0000-0000-0000-000000000000/root/opt/smartdc/sdc")
    doors, crasher = crashing(site.doors, 0)
    crasher.watch = lambda: assert_link(link)
    site.run("gzbits apply --headnode-only old.tgz --yes", doors).ok()
    assert link.readlink() == right
    link.unlink()
    link.symlink_to(f"/zones/{site.vm('sdc')['uuid']}/root/opt/smartdc/sdc")  # as headnode.sh makes it
    site.run("gzbits apply --headnode-only new.tgz --yes").ok()
    assert str(link.readlink()).startswith("/zones/")


def assert_link(path: pathlib.Path) -> None:
    """It is there."""
    assert path.is_symlink()


def test_it_needs_no_service_and_no_sdc_zone(site: Site) -> None:
    for zone in site.dc.store.all("vm"):
        site.doors.run.run(("vmadm", "stop", zone["uuid"], "-F"))
    before = (site.gz / "opt/smartdc/sdc").readlink()
    ran = site.run("gzbits apply --headnode-only old.tgz --yes").ok()
    assert "no sdc zone runs" in ran.err
    assert (site.gz / "opt/smartdc/sdc").readlink() == before
    site.run("gzbits verify --headnode-only").ok()


def test_a_folder_that_becomes_a_file_and_back(old: Site) -> None:
    tree = {name: what for name, what in OLD.items() if not name.startswith("tools/lib/deep")}
    with_tree(old, {**tree, "tools/lib/deep": File("a file now\n")})
    before = snapshot(old)
    old.run("gzbits apply --headnode-only other.tgz --yes").ok()
    assert (old.gz / "opt/smartdc/lib/deep").is_file()
    old.run("gzbits verify --headnode-only").ok()
    old.run("gzbits rollback --headnode-only --yes").ok()
    assert differences(before, snapshot(old)) == []


# --- adopted, foreign, drift ------------------------------------------------------------------------------------------
def test_the_first_install_over_what_was_there_goes_back_to_it(site: Site) -> None:
    (site.gz / "usbkey/scripts/joysetup.sh").chmod(0o700)
    before = snapshot(site)
    site.run("gzbits apply --headnode-only old.tgz --yes").ok()
    assert told(site, "gzbits status -j")["rollback"] == "what was there before gzbits"
    site.run("gzbits rollback --headnode-only --yes").ok()
    assert differences(before, snapshot(site)) == []
    assert told(site, "gzbits status -j")["version"] is None
    refused(site.run("gzbits verify --headnode-only"), 66, "no gzbits are installed")
    refused(site.run("gzbits rollback --headnode-only --yes"), 3, "nothing to roll back to")


def test_rollback_brings_back_content_links_modes_and_what_was_removed(old: Site) -> None:
    before = snapshot(old)
    old.run("gzbits apply --headnode-only new.tgz --yes").ok()
    assert len(differences(before, snapshot(old))) > 15
    old.run("gzbits rollback --headnode-only --yes").ok()
    assert differences(before, snapshot(old)) == []
    assert told(old, "gzbits status -j")["version"] == "1.0"
    old.run("gzbits verify --headnode-only").ok()


def test_foreign_files_are_named_and_kept_and_keep_their_folder(old: Site) -> None:
    mine = old.gz / "opt/smartdc/lib/deep/er/mine"
    mine.write_text("mine", encoding="utf-8")
    found = told(old, "gzbits diff new.tgz -j")
    assert "/opt/smartdc/lib/deep/er/mine" in found["foreign"]
    assert found["kept"] == ["/opt/smartdc/lib/deep", "/opt/smartdc/lib/deep/er"]
    old.run("gzbits apply --headnode-only new.tgz --yes").ok()
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]
    assert "/opt/smartdc/bin/sdc-usbkey" in told(old, "gzbits verify --headnode-only -j")["foreign"]


def test_a_folder_stays_at_rollback_if_something_was_put_into_it(old: Site) -> None:
    old.run("gzbits apply --headnode-only new.tgz --yes").ok()
    (old.gz / "opt/smartdc/share/new/mine").write_text("mine", encoding="utf-8")
    ran = old.run("gzbits rollback --headnode-only --yes").ok()
    assert "/opt/smartdc/share/new stays" in ran.err
    assert [path.name for path in (old.gz / "opt/smartdc/share/new").iterdir()] == ["mine"]


def test_every_drift_is_named_and_put_right(old: Site) -> None:
    before, back = snapshot(old), (old.gz / STATE / "previous.json").read_bytes()
    gz = old.gz
    (gz / "opt/smartdc/bin/sdc-one").write_text("mine", encoding="utf-8")
    (gz / "opt/smartdc/lib/modes.js").chmod(0o640)
    (gz / "opt/smartdc/bin/sdc-gone").unlink()
    (gz / "opt/smartdc/bin/sdc-two").unlink()
    (gz / "opt/smartdc/bin/sdc-two").symlink_to("elsewhere")
    (gz / "opt/smartdc/bin/turns-link").unlink()
    (gz / "opt/smartdc/bin/turns-link").mkdir()
    (gz / ".mockdc/key/scripts/leaves.sh").write_text("mine", encoding="utf-8")
    assert told(old, "gzbits status -j")["drift"] == 5
    ran = old.run("gzbits verify --headnode-only")
    refused(ran, 4, "6 paths of gzbits 1.0")
    for line in ("sdc-one: its content", "modes.js: mode 0640", "sdc-gone: it is gone", "sdc-two: it leads somewhere",
                 "turns-link: it is something else", "/mnt/usbkey/scripts/leaves.sh: its content"):  # fmt: skip
        assert line in ran.out
    old.run("gzbits apply --headnode-only old.tgz --yes").ok()
    assert differences(before, snapshot(old)) == []
    assert (gz / STATE / "previous.json").read_bytes() == back  # a rollback still goes to what was before


def test_a_hand_edit_comes_back_with_the_rollback(old: Site) -> None:
    (old.gz / "opt/smartdc/bin/sdc-one").write_text("mine", encoding="utf-8")
    before = snapshot(old)
    old.run("gzbits apply --headnode-only new.tgz --yes").ok()
    old.run("gzbits rollback --headnode-only --yes").ok()
    assert differences(before, snapshot(old)) == []


def test_only_what_a_rollback_needs_is_kept(old: Site) -> None:
    old.run("gzbits apply --headnode-only new.tgz --yes").ok()
    previous = json.loads((old.gz / STATE / "previous.json").read_text(encoding="utf-8"))
    needed = {one["before"]["sha256"] for one in previous["changes"] if one["before"] and "sha256" in one["before"]}
    assert {path.name for path in (old.gz / STATE / "kept").iterdir()} == needed


# --- looked at --------------------------------------------------------------------------------------------------------
def test_diff_tells_every_kind_of_change_and_changes_nothing(old: Site) -> None:
    before = snapshot(old)
    found = told(old, "gzbits diff new.tgz -j")
    words = {one["path"]: one["change"] for one in found["changes"]}
    assert [words[f"/opt/smartdc/bin/sdc-{name}"] for name in ("one", "two", "three", "gone")] == [
        "changed", "link", "added", "removed",
    ]  # fmt: skip
    assert (words["/opt/smartdc/lib/modes.js"], words["/opt/smartdc/bin/turns-file"]) == ("mode", "kind")
    assert (words["key:scripts/leaves.sh"], words["key:scripts/update-things.sh"]) == ("removed", "changed")
    assert "/opt/smartdc/lib/same.js" not in words
    shown = old.run("gzbits diff new.tgz").ok().out
    assert "the boot key: 4 changes" in shown
    assert differences(before, snapshot(old)) == []
    assert not key_is_mounted(old)


def test_status_tells_what_since_when_and_how_to_go_back(old: Site) -> None:
    old.run("gzbits apply --headnode-only new.tgz --yes").ok()
    found = told(old, "gzbits status -j")
    assert (found["version"], found["rollback"], found["drift"], found["signed"]) == (
        "2.0", "gzbits 1.0 (test-20261123T101500Z-1.0)", 0, False,
    )  # fmt: skip
    text = old.run("gzbits status").ok().out
    assert found["since"] in text
    assert "unsigned" in text


def test_status_and_verify_tell_of_a_run_that_was_cut_off(old: Site) -> None:
    cut_in_the_middle(old)
    assert "to go on: sdcupgrade gzbits resume" in old.run("gzbits status").ok().out
    refused(old.run("gzbits verify --headnode-only"), 4, "gzbits apply was cut off")


def cut_in_the_middle(site: Site) -> None:
    """An apply of the new ones that ends in the midst of its renames."""
    doors, crasher = crashing(site.doors, 60)
    with pytest.raises(Crash):
        site.run("gzbits apply --headnode-only new.tgz --yes", doors)
    assert crasher.names.count("append") == 2


# --- what may be wrong ------------------------------------------------------------------------------------------------
Break = Callable[[Site], object]


def full(path: str) -> Break:
    """No room below *path*."""
    return lambda site: faults.add(site.dc, f"disk-full={path}")


def no_key(word: str) -> Break:
    """sdc-usbkey fails."""
    return lambda site: faults.add(site.dc, f"sdc-usbkey {word} 'fail=1:sdc-usbkey: no USB key was found'")


@pytest.mark.parametrize(
    ("broken", "status", "words"),
    [
        (full("/opt/smartdc/.gzbits*"), 73, ("/opt/smartdc/.gzbits", "no space left", "nothing in use was changed")),
        (full("/mnt/usbkey/.gzbits*"), 73, ("/mnt/usbkey/.gzbits", "no space left")),
        (full("/var/sdcupgrade/gzbits/kept*"), 73, ("/var/sdcupgrade/gzbits/kept", "no space left")),
        (no_key("mount"), 71, ("the boot key", "no USB key was found", "sdc-usbkey mount")),
        (no_key("sta*"), 71, ("the boot key", "no USB key was found")),
    ],
)
def test_what_fails_before_the_swap_leaves_everything_as_it_was(
    old: Site, broken: Break, status: int, words: tuple[str, ...]
) -> None:
    before = snapshot(old)
    broken(old)
    refused(old.run("gzbits apply --headnode-only new.tgz --yes"), status, *words)
    assert (differences(before, snapshot(old)), staging(old)) == ([], [])
    faults.reset(old.dc)
    old.run("gzbits verify --headnode-only").ok()
    assert not key_is_mounted(old)
    old.run("gzbits apply --headnode-only new.tgz --yes").ok()


def test_too_little_room_is_told_before_anything_is_written(old: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(old.doors.files), "free", lambda self, path: 3 * MIB)
    before = snapshot(old)
    refused(old.run("gzbits apply --headnode-only new.tgz --yes"), 73, "has 3 MiB free", "nothing in use was changed")
    assert (differences(before, snapshot(old)), staging(old)) == ([], [])


def test_a_read_only_key_is_told_before_anything_is_swapped(old: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    files, real = type(old.doors.files), type(old.doors.files).put_folder

    def put_folder(self: object, path: str, *more: object) -> None:
        if path.startswith("/mnt/usbkey/"):
            with told_as_read_only(path):
                raise OSError(30, "Read-only file system")
        real(self, path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "put_folder", put_folder)
    before = snapshot(old)
    refused(old.run("gzbits apply --headnode-only new.tgz --yes"), 73, "read-only", "nothing in use was changed")
    monkeypatch.undo()
    assert differences(before, snapshot(old)) == []


def told_as_read_only(path: str) -> object:
    """As the door tells it."""
    from sdcupgrade.doors.explained import explained

    return explained("made", path)


def test_a_failure_in_the_middle_says_so_and_can_be_undone(old: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(old)
    files, real = type(old.doors.files), type(old.doors.files).swap_in

    def swap_in(self: object, staged: str, path: str) -> None:
        if path == "/usbkey/scripts/joysetup.sh":
            from sdcupgrade.errors import StorageError

            raise StorageError(f"{path}: cannot be written: input/output error")
        real(self, staged, path)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "swap_in", swap_in)
    ran = old.run("gzbits apply --headnode-only new.tgz --yes")
    refused(ran, 5, "stopped in the middle", "input/output error", "gzbits resume")
    refused(old.run("gzbits resume"), 5, "stopped in the middle")
    monkeypatch.undo()
    old.run("gzbits rollback --headnode-only --yes").ok()
    assert differences(before, snapshot(old)) == []


def test_a_busy_key_does_not_undo_what_is_done(old: Site) -> None:
    faults.add(old.dc, "sdc-usbkey unmount 'fail=1:/mnt/usbkey is busy'")
    ran = old.run("gzbits apply --headnode-only new.tgz --yes").ok()
    assert "could not be unmounted" in ran.err
    assert "busy" in ran.err
    assert key_is_mounted(old)
    faults.reset(old.dc)
    old.run("gzbits verify --headnode-only").ok()
    assert not key_is_mounted(old)


def test_verify_goes_without_a_key_that_cannot_be_mounted_and_says_so(old: Site) -> None:
    no_key("mount")(old)
    assert "The boot key was not compared" in old.run("gzbits verify --headnode-only").ok().out


def test_the_lock_is_one_for_all(old: Site) -> None:
    lock = old.doors.files.lock("/var/sdcupgrade/lock", "{}")
    assert lock is not None
    for line in ("apply new.tgz --yes", "rollback --yes", "resume", "verify", "diff new.tgz"):
        refused(old.run(f"gzbits {line}"), 75, "lock is held")
    old.run("gzbits status").ok()
    lock.release()


def test_nobody_at_the_terminal_is_no_yes(old: Site) -> None:
    before = snapshot(old)
    assert old.run("gzbits apply --headnode-only new.tgz").status == 6
    assert old.run("gzbits rollback --headnode-only").status == 6
    assert (differences(before, snapshot(old)), staging(old)) == ([], [])


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 65, ("other.tgz",)),
        (b"not gzip", 65, ("no gzip file",)),
        (pack(OLD, "9.0")[:-200], 79, ("other.tgz",)),
        (pack(OLD, "9.0") + b"more", 79, ("other bytes follow",)),
    ],
)
def test_a_tarball_that_is_none_or_damaged_changes_nothing(
    old: Site, data: bytes, status: int, words: tuple[str, ...]
) -> None:
    (old.ops / "other.tgz").write_bytes(data)
    (old.gz / "opt/smartdc/lib/same.js").write_text("drift, so that there is something to do", encoding="utf-8")
    before = snapshot(old)
    refused(old.run("gzbits apply --headnode-only other.tgz --yes"), status, *words)
    assert (differences(before, snapshot(old)), staging(old)) == ([], [])


def test_words_that_mean_nothing_are_told(old: Site) -> None:
    refused(old.run("gzbits apply --headnode-only nowhere.tgz"), 66, "nowhere.tgz")
    refused(old.run("gzbits diff ."), 65, "not a gzbits tarball")
    refused(old.run("gzbits apply --headnode-only new.tgz --require-signed"), 78, "signed")


def test_a_device_in_the_way_is_refused(old: Site) -> None:
    import os

    os.mkfifo(old.gz / "opt/smartdc/bin/sdc-three")
    refused(old.run("gzbits apply --headnode-only new.tgz --yes"), 3, "sdc-three is neither file, folder nor link")


def test_nothing_is_written_through_a_link_in_place_of_a_folder(old: Site, tmp_path: pathlib.Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (old.gz / "opt/smartdc/share/new").symlink_to(elsewhere)
    before = snapshot(old)
    old.run("gzbits apply --headnode-only new.tgz --yes").ok()
    assert list(elsewhere.iterdir()) == []
    assert (old.gz / "opt/smartdc/share/new/place.txt").exists()
    old.run("gzbits rollback --headnode-only --yes").ok()
    assert differences(before, snapshot(old)) == []


# --- where they come from ---------------------------------------------------------------------------------------------
def folder_of_images(site: Site, *names: str) -> None:
    """A folder with images to take gzbits from; published in that order."""
    import hashlib

    folder = site.ops / "images"
    folder.mkdir()
    for number, name in enumerate(names):
        data = (site.ops / f"{name}.tgz").read_bytes()
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        image = {"v": 2, "uuid": f"{number:08d}-0000-4000-8000-000000000000", "name": "gzbits", "version": name,
                 "type": "other", "os": "other", "state": "active", "published_at": f"2026-11-2{number}T00:00:00Z",
                 "files": [{"sha1": sha1, "size": len(data), "compression": "gzip"}]}  # fmt: skip
        (folder / f"{name}.imgmanifest").write_text(json.dumps(image), encoding="utf-8")
        (folder / f"{name}.tgz").write_bytes(data)


def test_latest_and_a_uuid_from_a_folder(site: Site) -> None:
    folder_of_images(site, "old", "new")
    site.run("gzbits apply --headnode-only --source images --yes").ok()
    assert told(site, "gzbits status -j")["image"] == "00000001-0000-4000-8000-000000000000"
    site.run("gzbits apply --headnode-only 00000000-0000-4000-8000-000000000000 --source images --yes").ok()
    assert told(site, "gzbits status -j")["version"] == "1.0"


def test_an_image_whose_bytes_are_others_is_refused(site: Site) -> None:
    folder_of_images(site, "old")
    (site.ops / "images/old.tgz").write_bytes((site.ops / "new.tgz").read_bytes())
    before = snapshot(site)
    assert site.run("gzbits apply --headnode-only latest --source images --yes").status == 79
    assert differences(before, snapshot(site)) == []




# --- with the compute nodes -------------------------------------------------------------------------------------------
def test_the_compute_nodes_come_after_the_headnode_and_go_back_with_it(make_site: Callable[[Doc], Site]) -> None:
    spec = scenario.read("dc")
    spec["servers"] = [row for row in spec["servers"] if row["hostname"] in ("hn-4f.core", "moon-01")]
    needed = ("assets", "sapi", "binder", "sdc", "rabbitmq", "cnapi", "moray", "manatee")
    spec["services"] = {name: {} for name in needed}
    site = make_site({**spec, "decoys": False, "leftover": [], "stale_instances": []})
    for name, tree in (("old", OLD), ("new", NEW)):
        (site.ops / f"{name}.tgz").write_bytes(pack(tree, name + "1"))
    (node,) = [one["uuid"] for one in site.dc.store.all("server") if one["hostname"] == "moon-01"]
    one = site.dc.root(node) / "opt/smartdc/bin/sdc-one"
    assert "1 done" in site.run("gzbits apply old.tgz --yes").ok().out
    site.run("gzbits apply new.tgz --yes").ok()
    assert one.read_text(encoding="utf-8") == "#!/bin/sh\necho one more\n"
    assert [row["outcome"] for row in told(site, "gzbits verify -j")["nodes"]]== ["done"]
    assert "1 done" in site.run("gzbits rollback --yes").ok().out
    assert one.read_text(encoding="utf-8") == "#!/bin/sh\necho one\n"
    one.write_text("drift", encoding="utf-8")
    refused(site.run("gzbits verify"), 4, "moon-01")


def test_without_cnapi_the_headnode_has_it_and_the_rest_is_told(old: Site) -> None:
    refused(old.run("gzbits apply new.tgz --yes"), 69, "the headnode has gzbits 2.0", "--catch-up")
    assert told(old, "gzbits status -j")["version"] == "2.0"
    old.run("gzbits verify --headnode-only").ok()


# --- signed -----------------------------------------------------------------------------------------------------------
TRUST = "--metadata metadata --trust-root root.json"


def sign(site: Site, monkeypatch: pytest.MonkeyPatch, **targets: bytes) -> None:
    """Metadata and a root of trust in the operator's folder; *targets* are bytes by the uuid's last digit."""
    trust_repo = pytest.importorskip("trust_repo", reason="python-tuf is the repository side")
    monkeypatch.setattr(trust_repo, "NOW", site.dc.now())
    made = trust_repo.Repository()
    for number, data in targets.items():
        made.add_target("targets", f"gzbits/0000000{number[1:]}-0000-4000-8000-000000000000", data)
    made.publish("targets", "snapshot", "timestamp")
    (site.ops / "metadata").mkdir()
    for name, data in made.files.items():
        (site.ops / "metadata" / name).write_bytes(data)
    (site.ops / "root.json").write_bytes(made.first_root)


def test_a_signed_image_and_a_signed_file_are_known_as_such(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_images(site, "old")
    sign(site, monkeypatch, n0=(site.ops / "old.tgz").read_bytes(), n1=(site.ops / "new.tgz").read_bytes())
    line = f"--headnode-only --yes --require-signed {TRUST}"
    ran = site.run(f"gzbits apply latest --source images {line}").ok()
    assert "unsigned" not in ran.err
    assert told(site, "gzbits status -j")["signed"] is True
    site.run(f"gzbits apply new.tgz {line}").ok()
    found = told(site, "gzbits status -j")
    assert (found["version"], found["signed"]) == ("2.0", True)


def test_what_is_signed_otherwise_or_not_at_all_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_images(site, "old")
    sign(site, monkeypatch, n0=(site.ops / "new.tgz").read_bytes())
    before = snapshot(site)
    refused(site.run(f"gzbits apply --headnode-only --yes --source images {TRUST}"), 79, "signed is")
    refused(site.run(f"gzbits apply old.tgz --headnode-only --yes --require-signed {TRUST}"), 78, "old.tgz is unsigned")
    assert differences(before, snapshot(site)) == []


def test_folders_that_only_the_new_ones_have_leave_the_key_again(old: Site) -> None:
    before = snapshot(old)
    with_tree(old, {**OLD, "scripts/more/deep/one.sh": File("one\n"), "scripts/more/two.sh": File("two\n")})
    old.run("gzbits apply --headnode-only other.tgz --yes").ok()
    assert (old.gz / ".mockdc/key/scripts/more/deep/one.sh").exists()
    old.run("gzbits rollback --headnode-only --yes").ok()
    assert differences(before, snapshot(old)) == []


def test_a_tree_in_the_layout_of_a_headnode_checkout_goes_there_and_back(site: Site, tmp_path: pathlib.Path) -> None:
    tree = tmp_path / "checkout"
    for name in ("tools/bin/sdc-x", "default/user-script.common", "scripts/headnode.sh", "config/generic"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"#!/usr/bin/bash\n# {name}\n", encoding="utf-8")
        (tree / name).chmod(0o755)
    (tree / "tools/bin/sdc-y").symlink_to("sdc-x")
    builder = pathlib.Path(__file__).parents[2] / "build" / "gzbits.py"
    words = ["-o", str(site.ops), "--version", "9.0", "--stamp", "test-20261123T101500Z-g0123abc"]
    subprocess.run([sys.executable, str(builder), str(tree), *words], check=True, capture_output=True)
    before = snapshot(site)
    site.run("gzbits apply --headnode-only gzbits-9.0.tgz --yes").ok()
    site.run("gzbits verify --headnode-only").ok()
    assert (site.gz / "usbkey/scripts/headnode.sh").exists()
    assert (site.gz / "opt/smartdc/bin/sdc-y").readlink() == pathlib.Path("sdc-x")
    site.run("gzbits rollback --headnode-only --yes").ok()
    assert differences(before, snapshot(site)) == []
