"""The program installs, updates and takes back itself: what it goes to, what it refuses, and what is left where."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

pytest.importorskip("tuf", reason="python-tuf is the repository side, and needs a newer python")

import trust_repo
from bundle_makers import one_file
from crashes import small_site
from mockdc.core import faults
from mockdc.faces.crash import Crash, crashing
from site_in_a_box import Ran, Site
from trust_repo import DAY, Repository
from untouched import changes, told
from versions import LATEST, Headnode, program, stamp

from sdcupgrade.run import installed
from sdcupgrade.run.installed import Pair, read_pair


def everything(node: Headnode) -> dict[str, object]:
    """Every file of the headnode but the logs."""
    found: dict[str, object] = {}
    for path in node.site.gz.rglob("*"):
        name = str(path.relative_to(node.site.gz))
        if path.is_symlink():
            found[name] = path.readlink()
        elif path.is_file() and not name.startswith("var/log/"):
            found[name] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One site for all tests here: a self-update changes files only."""
    return small_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def bare(shared: Site, monkeypatch: pytest.MonkeyPatch) -> Headnode:
    """A headnode without any version, and a signer."""
    for place in ("opt/custom", "var/sdcupgrade", "var/tmp", "metadata"):
        shutil.rmtree(shared.gz / place, ignore_errors=True)
    for path in shared.ops.iterdir():
        path.unlink()
    for key, image in shared.dc.store.items("image"):
        if image["name"] == "sdcupgrade":
            shared.dc.store.delete("image", key)
    faults.reset(shared.dc)
    (shared.gz / "var/tmp").mkdir()
    monkeypatch.chdir(shared.ops)
    monkeypatch.setattr(trust_repo, "NOW", shared.dc.clock.now())
    node = Headnode(shared, Repository())
    node.metadata()
    return node


@pytest.fixture
def node(bare: Headnode) -> Headnode:
    """Version 1.0.0 of the first of November is in use."""
    bare.install("1.0.0", 1)
    return bare


STAYS = ("gz/opt", "opt/", "var/sdcupgrade/trust/", "var/sdcupgrade/lock", "var/sdcupgrade/self-update.jsonl")


def refused(node: Headnode, line: str, status: int, *words: str) -> Ran:
    """A command that fails so, and leaves the version in use and every file of it."""
    before = everything(node)
    ran = told(node.run(line), status, *words)
    assert changes(before, everything(node), STAYS[2:]) == []
    return ran


# --- install ----------------------------------------------------------------------------------------------------------
def test_a_dropped_file_installs_itself(bare: Headnode) -> None:
    said = bare.run("install", bare.dropped("1.0.0", 1)).ok().out
    assert said.startswith(f"Installed sdcupgrade 1.0.0 ({stamp(1)}) as /opt/custom/sdcupgrade/1.0.0/sdcupgrade.")
    link = bare.site.gz / "opt/custom/bin/sdcupgrade"
    assert str(link.readlink()) == "../sdcupgrade/1.0.0/sdcupgrade"
    assert (link.resolve().stat().st_mode & 0o777, link.read_bytes()) == (0o555, program("1.0.0", 1))
    assert installed.previous(bare.files) is None


def test_typed_again_it_changes_nothing(node: Headnode) -> None:
    path, before = node.dropped("1.0.0", 1), everything(node)
    assert "is installed already" in node.run("install", path).ok().out
    assert changes(before, everything(node), ("var/tmp/sdcupgrade",)) == []


def test_a_newer_one_may_be_gone_back_from(node: Headnode) -> None:
    node.run("install", node.dropped("1.1.0", 2)).ok()
    assert (node.version(), installed.previous(node.files)) == ("1.1.0", installed.path_of("1.0.0"))
    assert installed.told(node.files)["trial"] == installed.path_of("1.1.0")
    node.run("version -j").ok()
    assert installed.told(node.files)["trial"] is None
    assert installed.told(node.files)["good"] == installed.path_of("1.1.0")


@pytest.mark.parametrize(("version", "day"), [("0.9.0", 9), ("1.0.0-rc.1", 9), ("1.0.0", 0)])
def test_it_does_not_go_backwards_unless_forced(bare: Headnode, version: str, day: int) -> None:
    bare.install("1.0.0", 2)
    path, before = bare.dropped(version, day or 1), everything(bare)
    told(bare.run("install", path), 3, "--force")
    assert changes(before, everything(bare), STAYS[3:]) == []
    bare.run("install --force", path).ok()
    assert bare.version() == version


def test_another_build_of_the_same_version_has_a_folder_of_its_own(node: Headnode) -> None:
    node.run("install", node.dropped("1.0.0", 5)).ok()
    assert node.versions() == ["1.0.0", f"1.0.0+{stamp(5)}"]


def test_what_is_installed_and_does_not_work_is_replaced(node: Headnode) -> None:
    path = node.site.gz / "opt/custom/sdcupgrade/1.0.0/sdcupgrade"
    path.chmod(0o755)
    path.write_bytes(b"damaged")
    ran = node.run("install", node.dropped("0.9.0", 1))
    assert "there is no way back" in ran.ok().err
    assert node.version() == "0.9.0"


def test_a_foreign_file_in_the_links_place_is_not_replaced(bare: Headnode) -> None:
    bare.place(installed.LINK, b"somebody's own")
    told(bare.run("install", bare.dropped("1.0.0", 1)), 3, "no link to an installed version", "--force")
    bare.run("install --force", "/var/tmp/sdcupgrade").ok()
    assert bare.version() == "1.0.0"


def test_a_file_that_was_dropped_in_the_links_place_becomes_the_link(bare: Headnode) -> None:
    bare.place(installed.LINK, program("1.0.0", 1))
    bare.run("install").ok()
    assert installed.current(bare.files) == installed.path_of("1.0.0")


# --- self-update ------------------------------------------------------------------------------------------------------
def test_to_the_newest_of_the_channel(node: Headnode) -> None:
    node.release("1.2.0", 4)
    node.release("1.10.0", 3)
    said = node.run(LATEST).ok()
    assert said.out == f"Updated to sdcupgrade 1.10.0 ({stamp(3)}). To go back: sdcupgrade self-update --rollback\n"
    assert (node.version(), node.versions()) == ("1.10.0", ["1.0.0", "1.10.0"])
    state = installed.told(node.files)
    assert (state["previous"], state["good"], state["trial"]) == (
        installed.path_of("1.0.0"), installed.path_of("1.10.0"), None,
    )  # fmt: skip
    node.run(LATEST).ok()


def test_nothing_newer_is_no_error_and_writes_nothing(node: Headnode) -> None:
    node.publish(program("1.0.0", 1), "1.0.0", 1, "4803c1cd-5882-9c48-bc2a-fc81c1429a8c")
    node.publish(program("1.5.0", 1), "1.5.0", 1, "4803c1cd-5882-9c48-bc2a-fc81c1429a8a")  # as old as what runs
    node.publish(program("0.9.0", 9), "0.9.0", 9, "4803c1cd-5882-9c48-bc2a-fc81c1429a8b")
    before = everything(node)
    said = node.run(LATEST).ok().out
    assert said == f'sdcupgrade 1.0.0 ({stamp(1)}) is up to date (using channel "dev"); nothing was changed.\n'
    assert changes(before, everything(node)) == []


def test_another_major_version_only_when_asked_for(node: Headnode) -> None:
    number = node.release("2.0.0", 5)
    ran = node.run(LATEST).ok()
    assert "passed over 2.0.0" in ran.err
    assert node.version() == "1.0.0"
    refused(node, f"self-update {number} --metadata /metadata", 3, "another major version", "--allow-major")
    node.run(f"{LATEST} --allow-major").ok()
    assert node.version() == "2.0.0"


def test_dry_it_writes_nothing_and_takes_no_lock(node: Headnode) -> None:
    node.release("1.1.0", 2)
    node.files.remove("/var/sdcupgrade/lock")
    before = everything(node)
    said = node.run(f"{LATEST} -n").ok().out
    assert said.startswith(f"Would update to sdcupgrade 1.1.0 ({stamp(2)}), from https://updates.")
    assert changes(before, everything(node)) == []
    node.run(LATEST).ok()
    assert "nothing would be changed" in node.run(f"{LATEST} -n").ok().out


def test_an_image_by_its_uuid(node: Headnode) -> None:
    number = node.release("1.1.0", 2)
    node.release("1.2.0", 3)
    node.run(f"self-update {number} --metadata /metadata").ok()
    assert node.version() == "1.1.0"
    assert "is up to date" in node.run(f"self-update {number} --metadata /metadata").ok().out


def test_an_older_image_is_refused(node: Headnode) -> None:
    older = node.release("0.9.0", 9)
    node.install("1.0.5", 5)
    node.run("version -j").ok()
    earlier = node.release("1.1.0", 2)
    for number, word in ((older, "is an older version than"), (earlier, "was built before")):
        refused(node, f"self-update {number} --metadata /metadata", 3, word, "--rollback")


def test_a_spoilt_journal_is_not_in_the_way(node: Headnode) -> None:
    node.release("1.1.0", 2)
    journal = node.site.gz / "var/sdcupgrade/self-update.jsonl"
    with journal.open("a") as file:
        file.write("rubbish\n")
    spoilt = journal.read_bytes()
    node.run("self-update --metadata /metadata").ok()
    (aside,) = journal.parent.glob("self-update.jsonl.*")
    assert aside.read_bytes() == spoilt


@pytest.mark.parametrize("line", ["self-update --latest --rollback", "self-update x --latest"])
def test_only_one_of_them_may_be_said(node: Headnode, line: str) -> None:
    assert node.run(line).status == 2


def test_the_datacenters_own_channel_counts(node: Headnode) -> None:
    node.release("1.1.0", 2)
    application = next(doc for doc in node.site.dc.store.all("sapi_application") if doc["name"] == "sdc")
    changed = {**application, "metadata": {**application["metadata"], "update_channel": "release"}}
    node.site.dc.store.put("sapi_application", application["uuid"], changed)
    assert 'channel "release"' in node.run("self-update --latest --metadata /metadata").ok().out
    node.site.fault("sapi * * refuse")
    ran = node.run("self-update --latest --metadata /metadata -n").ok()
    assert "the source's default is used" in ran.err
    assert "Would update to sdcupgrade 1.1.0" in ran.out
    node.site.dc.store.put("sapi_application", application["uuid"], application)


def test_older_versions_go_and_the_way_back_stays(node: Headnode) -> None:
    for version, day in (("1.1.0", 2), ("1.2.0", 3), ("1.3.0", 4)):
        node.release(version, day)
        node.run(LATEST).ok()
    assert node.versions() == ["1.2.0", "1.3.0"]


def test_what_somebody_runs_stays(node: Headnode) -> None:
    import fcntl

    running = (node.site.gz / "opt/custom/sdcupgrade/1.0.0/sdcupgrade").open("rb")
    with running:
        fcntl.flock(running, fcntl.LOCK_SH)
        for version, day in (("1.1.0", 2), ("1.2.0", 3)):
            node.release(version, day)
            node.run(LATEST).ok()
        assert node.versions() == ["1.0.0", "1.1.0", "1.2.0"]
    node.release("1.3.0", 4)
    node.run(LATEST).ok()
    assert node.versions() == ["1.2.0", "1.3.0"]


# --- files ------------------------------------------------------------------------------------------------------------
def test_a_signed_file(node: Headnode) -> None:
    data = program("1.1.0", 2)
    node.sign(data, "1.1.0", 2)
    path = node.place("/var/tmp/new", data)
    node.run(f"self-update {path} -C dev --metadata /metadata").ok()
    assert node.version() == "1.1.0"


def test_files_that_are_refused(node: Headnode) -> None:
    data = program("1.1.0", 2)
    node.sign(data, "1.1.0", 2)
    node.sign(program("2.0.0", 3), "2.0.0", 3)
    node.sign(program("0.9.0", 3), "0.9.0", 3)
    more = "-C dev --metadata /metadata"
    for name, content, status, word in (
        ("foreign", b"#!/bin/sh\necho", 65, "is no sdcupgrade"),
        ("empty", b"", 65, "is no sdcupgrade"),
        ("cut", data[:-1], 78, "nobody who is trusted has signed it"),
        ("unsigned", program("1.1.0", 3), 78, "nobody who is trusted has signed it"),
        ("major", program("2.0.0", 3), 3, "--allow-major"),
        ("older", program("0.9.0", 3), 3, "is an older version"),
    ):
        path = node.place(f"/var/tmp/{name}", content)
        refused(node, f"self-update {path} {more}", status, word)
    refused(node, f"self-update /nowhere {more}", 66, "there is no such file")
    refused(node, f"self-update /var/tmp {more}", 66, "there is no such file")


def test_the_program_of_a_bundle(node: Headnode) -> None:
    data = one_file(node.site.ops, "1.2.3").rename(node.site.ops / "program").read_bytes()
    node.sign(data, "1.2.3", 23)
    node.site.spec(imgapi="latest")
    made = "bundle create foo.json --program program -C dev"
    node.site.run(f"{made} -o vouched --metadata /metadata").ok()
    node.site.run(f"{made} -o mute").ok()
    node.site.fault("updates * * refuse")
    refused(node, "self-update mute", 78, "mute has no signed metadata")
    node.run("self-update vouched").ok()
    assert installed.current(node.files) == installed.path_of("1.2.3")
    assert node.files.read(installed.path_of("1.2.3")) == data


# --- as the first step of run -----------------------------------------------------------------------------------------
RUN = "run foo.json --yes --pause never -C dev --metadata /metadata"


def test_run_goes_on_in_the_newest_version(node: Headnode) -> None:
    node.release("1.1.0", 2)
    node.site.spec(adminui="latest")
    node.run(RUN).ok()
    plan = node.site.plan()["services"][0]
    assert (node.version(), node.site.vm("adminui")["image_uuid"]) == ("1.1.0", plan["target"]["uuid"])
    assert installed.told(node.files)["trial"] is None


def test_run_from_a_dropped_file_goes_on_as_it_is(node: Headnode) -> None:
    node.release("1.1.0", 2)
    node.site.spec(adminui="latest")
    ran = node.run(RUN, node.dropped("1.0.0", 1)).ok()
    assert "is not the installed sdcupgrade" in ran.err
    assert node.version() == "1.0.0"
    assert node.site.plan()["services"]


def test_run_does_not_begin_with_a_version_that_is_not_to_be_believed(node: Headnode) -> None:
    disagreeing(node)
    node.site.spec(adminui="latest")
    refused(node, RUN, 78, "the signer 1.0.9", "--no-self-update")
    node.run(f"{RUN} --no-self-update").ok()
    assert node.version() == "1.0.0"


def test_what_is_gone_back_from_does_not_go_on_becoming(node: Headnode) -> None:
    node.release("1.1.0", 2)
    for line in (LATEST, RUN):
        node.site.spec(adminui="latest")
        told(node.run(line, continues="/opt/custom/sdcupgrade/1.0.1/sdcupgrade", file=node.dropped("1.0.1", 2)), 4,
             "did not come through")  # fmt: skip


# --- what must not be believed ----------------------------------------------------------------------------------------
def unsigned(node: Headnode) -> None:
    node.publish(program("1.1.0", 2), "1.1.0", 2, "4803c1cd-5882-9c48-bc2a-fc81c1429a8c")


def disagreeing(node: Headnode) -> None:
    data = program("1.1.0", 2)
    node.publish(data, "1.1.0", 2, node.sign(data, "1.0.9", 2))


def other_stamp(node: Headnode) -> None:
    data = program("1.1.0", 2)
    node.publish(data, "1.1.0", 2, node.sign(data, "1.1.0", 2, buildstamp=stamp(2, "other")))


def no_words(node: Headnode) -> None:
    data = program("1.1.0", 2)
    node.publish(data, "1.1.0", 2, node.sign(data, "1.1.0", 2, buildstamp=""))


def other_bytes(node: Headnode) -> None:
    data = program("1.1.0", 2)
    node.publish(data[:-1] + b"x", "1.1.0", 2, node.sign(data, "1.1.0", 2))


def longer(node: Headnode) -> None:
    data = program("1.1.0", 2)
    node.publish(data + b"x", "1.1.0", 2, node.sign(data, "1.1.0", 2))


def cut(node: Headnode) -> None:
    node.release("1.1.0", 2)
    node.site.fault("updates GET /images/*/file cut=100")


def fails(node: Headnode) -> None:
    node.release("1.1.0", 2, "fail")


def garbage(node: Headnode) -> None:
    node.release("1.1.0", 2, "garbage")


def hangs(node: Headnode) -> None:
    node.release("1.1.0", 2, "hang")


def lies(node: Headnode) -> None:
    node.release("1.1.0", 2, says="1.1.1")


def expired(node: Headnode) -> None:
    node.release("1.1.0", 2)
    node.site.dc.wait(40 * DAY)


def foreign(node: Headnode) -> None:
    node.release("1.1.0", 2)
    node.files.write("/var/sdcupgrade/trust-root.json", Repository().first_root)


WRONG: list[tuple[Callable[[Headnode], None], int, str]] = [
    (unsigned, 78, "nobody who is trusted has signed it"),
    (disagreeing, 78, "the signer 1.0.9"),
    (other_stamp, 78, "the signer 1.1.0 (other-"),
    (no_words, 78, "does not tell its version and buildstamp"),
    (other_bytes, 79, ""),
    (longer, 78, "the signer 1.1.0"),
    (cut, 79, ""),
    (fails, 4, "does not stand its own selftest: x is broken"),
    (garbage, 4, "exited 70: sdcupgrade: cannot be started"),
    (hangs, 4, "did not end within 60 s"),
    (lies, 78, "was promised as 1.1.0"),
    (expired, 78, "expired"),
    (foreign, 78, ""),
]


@pytest.mark.parametrize(("spoil", "status", "word"), WRONG, ids=[row[0].__name__ for row in WRONG])
def test_what_is_wrong_is_refused_and_nothing_is_left_of_it(
    node: Headnode, spoil: Callable[[Headnode], None], status: int, word: str
) -> None:
    spoil(node)
    refused(node, LATEST, status, word)


def test_replayed_metadata_is_refused(node: Headnode) -> None:
    node.release("1.1.0", 2)
    old = dict(node.repository.files)
    node.release("1.2.0", 3)
    node.run(LATEST).ok()
    node.release("1.3.0", 4)
    node.repository.files = old
    node.metadata()
    refused(node, LATEST, 78, "older than")


def test_without_a_root_of_trust_or_metadata_nothing_is_believed(node: Headnode) -> None:
    node.release("1.1.0", 2)
    refused(node, "self-update --latest -C dev", 78, "no signed metadata, or there is no root of trust")


def test_places_that_are_not_there(node: Headnode) -> None:
    refused(node, "self-update --latest -C nowhere", 65, "there is no channel 'nowhere'")
    refused(node, "self-update 4803c1cd-5882-9c48-bc2a-fc81c1429a80 -C dev", 65, "there is no such image")
    refused(node, "self-update 4803c1cd-5882-9c48-bc2a-fc81c1429a89 -C dev", 65, "that is an image of imgapi")
    node.site.fault("updates * * refuse")
    refused(node, "self-update --latest -C dev", 69)


# --- who may ----------------------------------------------------------------------------------------------------------
def test_only_the_version_in_use_updates_itself(bare: Headnode) -> None:
    told(bare.run(LATEST, bare.dropped("1.0.0", 1)), 3, "is not the installed sdcupgrade", "sdcupgrade install")
    bare.install("1.0.0", 1)
    told(bare.run(LATEST, bare.dropped("1.0.1", 2)), 3, "use /opt/custom/bin/sdcupgrade")
    told(bare.site.run(LATEST), 3, "a checkout is not the installed sdcupgrade")


def test_the_second_of_two_finds_the_work_done(node: Headnode) -> None:
    node.release("1.1.0", 2)

    class Late:
        """The door to files, by which another process is quicker to the lock."""

        def __getattr__(self, name: str) -> Any:
            return getattr(node.files, name)

        def lock(self, path: str, holder: str) -> Any:
            node.run(LATEST).ok()
            return node.files.lock(path, holder)

    ran = node.run(LATEST, doors=replace(node.site.doors, files=cast(Any, Late())))
    told(ran, 3, "another self-update was quicker", "type the same command again")
    assert node.version() == "1.1.0"


def test_the_trial_ends_before_anything_else_is_changed(node: Headnode) -> None:
    node.run("install", node.dropped("1.1.0", 2)).ok()
    node.release("1.2.0", 3)
    doors, crasher = crashing(node.site.doors, 0)
    began = read_pair(node.files, installed.TRIAL)
    node.run(f"{LATEST} -n", doors=doors).ok()
    installed.write_pair(node.files, installed.TRIAL, began or Pair("", ""))
    doors, crasher = crashing(node.site.doors, crasher.calls + 4)
    with pytest.raises(Crash):
        node.run(LATEST, doors=doors)
    assert "lock" in crasher.names
    assert (node.version(), read_pair(node.files, installed.TRIAL)) == ("1.1.0", None)


def test_two_at_once(node: Headnode) -> None:
    node.release("1.1.0", 2)
    lock = node.files.lock("/var/sdcupgrade/lock", "another")
    assert lock is not None
    refused(node, LATEST, 75, "the lock is held")
    lock.release()
    node.run(LATEST).ok()


# --- rollback ---------------------------------------------------------------------------------------------------------
def test_back_to_the_version_before_without_any_network(node: Headnode) -> None:
    node.release("1.1.0", 2)
    node.run(LATEST).ok()
    node.site.fault("updates * * refuse")
    assert "Would go back to /opt/custom/sdcupgrade/1.0.0/" in node.run("self-update --rollback -n").ok().out
    assert node.version() == "1.1.0"
    assert node.run("self-update --rollback").ok().out.startswith(f"Went back to sdcupgrade 1.0.0 ({stamp(1)}).")
    assert node.version() == "1.0.0"
    node.run("self-update --rollback").ok()
    assert node.version() == "1.1.0"


def test_latest_passes_over_what_was_gone_back_from(node: Headnode) -> None:
    number = node.release("1.1.0", 2)
    node.run(LATEST).ok()
    node.run("self-update --rollback").ok()
    ran = node.run(LATEST).ok()
    assert "it was tried and gone back from" in ran.err
    assert node.version() == "1.0.0"
    node.run(f"self-update {number} --metadata /metadata").ok()
    assert node.version() == "1.1.0"
    node.run("self-update --rollback").ok()
    node.release("1.1.1", 3)
    node.run(LATEST).ok()
    assert node.version() == "1.1.1"


def test_with_nothing_to_go_back_to(node: Headnode) -> None:
    for line in ("self-update --rollback", "self-update --rollback -n"):
        refused(node, line, 3, "there is no version to go back to")


def test_back_to_what_does_not_work_is_refused(node: Headnode) -> None:
    node.release("1.1.0", 2)
    node.run(LATEST).ok()
    path = node.site.gz / "opt/custom/sdcupgrade/1.0.0/sdcupgrade"
    path.chmod(0o755)
    path.write_bytes(b"damaged")
    refused(node, "self-update --rollback", 4, "does not work here")


def test_what_the_launcher_went_back_from_is_not_taken_again(node: Headnode) -> None:
    node.release("1.1.0", 2)
    trial = installed.Pair(installed.path_of("1.1.0"), installed.path_of("1.0.0"), stamp(2))
    installed.write_pair(node.files, installed.REJECTED, trial)
    assert "it was tried and gone back from" in node.run(LATEST).ok().err
