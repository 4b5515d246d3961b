"""What sdcupgrade refuses on purpose, end to end: the plan, moved facts, ill health, a held lock, the wrong place."""

from __future__ import annotations

import io
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, Union

import pytest
from mockdc.core import scenario
from mockdc.core.store import Doc
from mockdc.faces.publish import Image, publish
from site_in_a_box import Ran, Site
from untouched import changes, everything, refused, told

from sdcupgrade.cli.main import run

Make = Callable[[Union[str, Doc]], Site]
CACHE = ("ops/foo.json.1",)
"""What latest meant is kept also when the plan is refused."""


def coal_with(**services: dict[str, object]) -> Doc:
    """The scenario ``coal`` with other rows for some services."""
    spec = scenario.read("coal")
    rows = {name: {**spec["services"].get(name, {}), **row} for name, row in services.items()}
    return {**spec, "services": {**spec["services"], **rows}}


def release(spec: Doc, key: str, **row: object) -> Doc:
    """The scenario with another row for the release of that key."""
    rows = [{**old, **row} if old["key"] == key else old for old in spec["releases"]]
    return {**spec, "releases": rows}


def change(site: Site, kind: str, doc: Doc, edit: Callable[[Doc], Any]) -> None:
    """Let a document of the box be otherwise."""
    edit(doc)
    site.dc.store.put(kind, doc["uuid"], doc)


def versions(site: Site, name: str) -> list[str]:
    """The published versions of an image, oldest first."""
    found = [image for image in site.dc.store.all("image", "updates/") if image["name"] == name]
    return [image["version"] for image in sorted(found, key=lambda image: str(image["published_at"]))]


# --- the plan ---------------------------------------------------------------------------------------------------------
def test_two_instances_are_named(make_site: Make) -> None:
    site = make_site(coal_with(papi={"on": ["headnode", "headnode"]}))
    site.spec(papi="latest", napi="latest")
    ran = refused(site, "prepare foo.json", 3, "papi has 2 instances: papi0 on headnode, papi1 on headnode", but=CACHE)
    assert "[several-instances]" in ran.out and "not yet supported" in ran.out


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("moray", "a second moray has to take over"),
        ("manatee", "asyncs, sync and primary go one by one"),
        ("binder", "every name look-up fails while it is away"),
        ("ufds", "its buckets have to be dumped first"),
    ],
)
def test_special_procedures_are_not_yet_supported(coal: Site, name: str, because: str) -> None:
    coal.spec(**{name: "latest", "papi": "latest"})
    ran = refused(coal, "prepare foo.json", 3, f"{name} is not yet supported: {because}", but=CACHE)
    assert f"take {name} out of the spec, and upgrade it with sdcadm" in ran.out


def test_a_sapi_that_cannot_boot_alone(make_site: Make) -> None:
    site = make_site(release(scenario.read("coal"), "running", stamp="20180601T000000Z"))
    site.spec(sapi="latest")
    refused(site, "prepare foo.json", 3, "too old to boot from its own records (before 20180622T144529Z)", but=CACHE)


def test_an_imgapi_that_would_lose_its_files(make_site: Make) -> None:
    site = make_site(coal_with(imgapi={"delegated": False}))
    site.spec(imgapi="latest")
    words = ("data would be lost with its root: every image file of the datacenter", "[no-delegated-dataset]")
    refused(site, "prepare foo.json", 3, *words, but=CACHE)


def test_a_downgrade_and_that_it_may_be_asked_for(coal: Site) -> None:
    coal.spec(vmapi=versions(coal, "vmapi")[0])
    refused(coal, "prepare foo.json", 3, "is older than the current", "[downgrade]", "--allow-downgrade", but=CACHE)
    ran = coal.run("prepare foo.json --allow-downgrade").ok()
    assert "Note: vmapi: " in ran.out and "is older than the current" in ran.out


def test_a_platform_too_old_for_the_image(make_site: Make) -> None:
    site = make_site(release(scenario.read("coal"), "newer", min_platform="20250101T000000Z"))
    site.spec(vmapi="latest")
    words = ("headnode runs platform 20240118T001122Z", "needs 20250101T000000Z", "[platform-too-old]")
    refused(site, "prepare foo.json", 3, *words, but=CACHE)


def test_a_full_pool(make_site: Make) -> None:
    spec = scenario.read("coal")
    spec["servers"] = [{"hostname": "headnode", "headnode": True, "free_gib": 0}]
    site = make_site(spec)
    site.spec(vmapi="latest")
    ran = refused(site, "prepare foo.json", 3, "pool of headnode: images need about", "[no-space]", but=CACHE)
    assert "imgapi's dataset: 1 MiB to download, 0 MiB are free" in ran.out


def test_a_full_file_system_of_the_work_dir(coal: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coal.spec(vmapi="latest")
    monkeypatch.setattr(coal.doors.files, "free", lambda path: 1000)
    refused(coal, "prepare foo.json", 3, "work dir: 1 MiB to download, 0 MiB are free [no-space]", but=CACHE)


def test_a_sapi_instance_without_a_zone(make_site: Make) -> None:
    site = make_site({**scenario.read("coal"), "stale_instances": ["fwapi"]})
    site.spec(fwapi="latest")
    words = ("fwapi: SAPI has instance", "(fwapi1), but there is no such VM [stale-sapi-instance]")
    refused(site, "prepare foo.json", 3, *words, "sdc-sapi /instances/", but=CACHE)


def test_a_zone_that_sapi_does_not_list(coal: Site) -> None:
    coal.dc.store.delete("sapi_instance", coal.vm("papi")["uuid"])
    coal.spec(papi="latest")
    words = "(papi0) has the role papi, but SAPI does not list it [vm-not-in-sapi]"
    refused(coal, "prepare foo.json", 3, words, but=CACHE)


def test_a_service_that_the_datacenter_lacks(coal: Site) -> None:
    publish(coal.dc, Image("docker", channel="dev"))
    coal.spec(docker="latest")
    refused(coal, "prepare foo.json", 3, "SAPI has no service 'docker' under the sdc application", but=CACHE)


def test_a_zone_that_does_not_run(coal: Site) -> None:
    coal.dc.stop(coal.vm("papi")["uuid"])
    coal.spec(papi="latest")
    refused(coal, "prepare foo.json", 3, "papi0 is stopped, not running", "start it: vmadm start", but=CACHE)


def test_an_image_that_is_no_zone(coal: Site) -> None:
    image = publish(coal.dc, Image("papi", channel="dev"))
    change(coal, "image", image, lambda doc: doc.update(type="lx-dataset"))
    coal.dc.store.put("image", f"updates/{image['uuid']}", image)
    coal.spec(papi="latest")
    refused(coal, "prepare foo.json", 3, "has type lx-dataset, not zone-dataset [image-type]", but=CACHE)


def test_an_origin_that_is_nowhere(coal: Site) -> None:
    for image in coal.dc.store.all("image", "updates/"):
        if image["name"] == "triton-origin-x86_64-23.4.0":
            coal.dc.store.delete("image", f"updates/{image['uuid']}")
    coal.spec(papi="latest")
    refused(coal, "prepare foo.json", 76, "needs origin", "bring the origin into IMGAPI by hand", but=CACHE)


@pytest.mark.parametrize(
    ("damage", "status", "words"),
    [
        (lambda path: path.unlink(), 3, ("user-script.common is not there", "sdc-usbkey mount")),
        (lambda path: path.write_bytes(b"#!\xff\n"), 76, ("user-script.common: not UTF-8 text", "sdc-usbkey mount")),
    ],
)
def test_a_headnode_without_a_good_user_script(
    coal: Site, damage: Callable[[pathlib.Path], object], status: int, words: tuple[str, ...]
) -> None:
    damage(coal.gz / "usbkey/default/user-script.common")
    coal.spec(papi="latest")
    refused(coal, "prepare foo.json", status, *words, but=CACHE)


def test_a_server_that_is_down(make_site: Make) -> None:
    site = make_site("dc")
    site.fault("server=00-25-90-aa-bb-cc down")
    site.spec(adminui="latest", papi="latest")
    words = ("adminui: adminui0 is on 00-25-90-aa-bb-cc", "[server-not-running]", "sdc-server get 3fd8cebc")
    refused(site, "prepare foo.json", 3, *words, but=CACHE)


def test_all_reasons_are_told_at_once(make_site: Make) -> None:
    site = make_site(coal_with(papi={"on": ["headnode", "headnode"]}, imgapi={"delegated": False}))
    site.spec(papi="latest", imgapi="latest", moray="latest", napi="latest")
    ran = refused(site, "prepare foo.json", 3, "the plan is refused for 3 reasons; nothing was changed", but=CACHE)
    marked = [line.partition(" ")[0] for line in ran.out.splitlines() if line.endswith("REFUSED")]
    assert marked == ["moray", "imgapi", "papi"]


# --- what looks like a refusal and is none ----------------------------------------------------------------------------
def test_a_service_without_instances_is_changed_in_sapi_alone(coal: Site) -> None:
    coal.spec(cloudapi="latest")
    ran = coal.run("prepare foo.json").ok()
    assert "SAPI only" in ran.out and "cloudapi has no instance: only the image in SAPI changes" in ran.out
    coal.run("download foo").ok()
    vms = coal.dc.store.all("vm")
    old = coal.sapi("cloudapi")
    coal.upgrade().ok()
    assert coal.sapi("cloudapi")["params"]["image_uuid"] == coal.plan()["services"][0]["target"]["uuid"]
    assert coal.dc.store.all("vm") == vms
    coal.run("rollback foo --yes").ok()
    assert coal.sapi("cloudapi") == old


def test_what_is_current_already_is_nothing_to_do(coal: Site) -> None:
    coal.spec(papi=coal.vm("papi")["image_uuid"])
    before = everything(coal)
    assert "papi has master-20240118T154155Z-g7a0f402 already" in coal.run("prepare foo.json").ok().out
    assert "nothing was changed" in coal.run("download foo").ok().out
    assert "nothing was changed" in coal.upgrade().ok().err
    assert changes(before, everything(coal), ("gz/var/tmp/upgrade-foo", *CACHE)) == []


# --- facts that moved -------------------------------------------------------------------------------------------------
MOVES: dict[str, tuple[Callable[[Site], object], str]] = {
    "another image by hand": (
        lambda site: site.dc.reprovision(site.vm("adminui")["uuid"], site.plan()["services"][1]["target"]["uuid"]),
        "adminui: the image of its zone was bd526761-",
    ),
    "another user-script in the zone": (
        lambda site: change(site, "vm", site.vm("papi"), lambda vm: vm.update(customer_metadata={"user-script": "x"})),
        "papi: the user-script of its zone (sha256) was",
    ),
    "another image in SAPI": (
        lambda site: change(site, "sapi_service", site.sapi("papi"), lambda doc: doc["params"].update(image_uuid="x")),
        "papi: the image that SAPI would provision was",
    ),
    "another quota": (
        lambda site: change(site, "vm", site.vm("papi"), lambda vm: vm.update(quota=7)),
        "papi: the quota of its zone in GiB was 25 when the plan was made, and is 7 now",
    ),
    "no longer in SAPI": (
        lambda site: site.dc.store.delete("sapi_instance", site.vm("papi")["uuid"]),
        "papi: SAPI no longer lists papi0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MOVES)
def test_facts_that_moved_between_prepare_and_upgrade(coal: Site, what: str) -> None:
    move, words = MOVES[what]
    coal.spec(papi="latest", adminui="latest")
    coal.ready()
    move(coal)
    moved = "the datacenter is not what the plan was made from"
    refused(coal, "upgrade foo --yes", 7, moved, words, "sdcupgrade prepare foo.json --fresh")


def test_facts_that_moved_behind_a_run_that_was_cut_off(coal: Site) -> None:
    coal.spec(papi="latest", adminui="latest")
    coal.ready()
    coal.fault("vmadm reprovision fail #1")
    assert coal.upgrade().status == 5
    coal.dc.reprovision(coal.vm("adminui")["uuid"], coal.plan()["services"][1]["target"]["uuid"])
    refused(coal, "resume foo --yes", 7, "adminui: the image of its zone was")


# --- health -----------------------------------------------------------------------------------------------------------
def ill(site: Site) -> None:
    """A service in papi's zone is in maintenance."""
    zone = site.dc.store.get("zone", site.vm("papi")["uuid"])
    assert zone is not None
    zone["smf"][-1].update(state="maintenance", reason="Restarting too quickly.")
    site.dc.store.put("zone", site.vm("papi")["uuid"], zone)


def test_a_failed_check_is_told_with_evidence_and_remedy(coal: Site) -> None:
    coal.spec()
    coal.ready()
    ill(coal)
    ran = refused(coal, "upgrade foo --yes", 4, "1 health check failed (zones-smf)", "--ignore zones-smf='why")
    assert "warning: zones-smf: papi0: svc:/" in ran.err
    assert "is maintenance: Restarting too quickly.; svcs -xvz" in ran.err


def test_an_ignored_check_is_said_aloud_and_recorded(coal: Site) -> None:
    coal.spec(napi="latest")
    coal.ready()
    ill(coal)
    ran = coal.run("upgrade foo --yes --pause never --ignore zones-smf=known").ok()
    assert "ignored (known): zones-smf: papi0" in ran.err
    lines = (coal.gz / "var/tmp/upgrade-foo/journal.jsonl").read_text().splitlines()
    ignored = [entry for entry in map(json.loads, lines) if entry["event"] == "ignored"]
    assert [(entry["check"], entry["reason"]) for entry in ignored] == [("zones-smf", "known")]


def test_another_check_is_not_ignored_with_it(coal: Site) -> None:
    coal.spec(napi="latest")
    coal.ready()
    ill(coal)
    coal.fault("imgapi GET /ping status=503")
    refused(coal, "upgrade foo --yes --ignore zones-smf=known", 4, "1 health check failed (imgapi-up)")


def test_an_unknown_check_cannot_be_ignored(coal: Site) -> None:
    coal.spec(napi="latest")
    coal.ready()
    words = ("zone-smf: there is no such check", "sdcupgrade check lists them")
    refused(coal, "upgrade foo --yes --ignore zone-smf=known", 65, *words)


def test_an_upgrade_before_its_download(coal: Site) -> None:
    coal.spec()
    coal.run("prepare foo.json").ok()
    refused(coal, "upgrade foo --yes", 4, "1 health check failed (images-present)")


def test_check_alone_exits_as_the_gate_does(coal: Site) -> None:
    ill(coal)
    refused(coal, "check", 4, "zones-smf", "papi0", "svcs -xvz")


# --- nobody, no, and stop ---------------------------------------------------------------------------------------------
class Keyboard(io.StringIO):
    """Somebody at a terminal who types these lines."""

    def isatty(self) -> bool:
        return True


def typed(site: Site, line: str, answers: str) -> Ran:
    """A command line, and what is typed while it runs."""
    out, err = io.StringIO(), io.StringIO()
    environ = {"SDCUPGRADE_ROOT": str(site.gz), "USER": "root"}
    status = run(line.split(), environ=environ, doors=site.doors, stdin=Keyboard(answers), stdout=out, stderr=err)
    shown = err.getvalue().replace("[y/N] ", "[y/N]\n")  # the Enter that somebody typed
    return Ran(status, out.getvalue(), shown)


@pytest.mark.parametrize("line", ["upgrade foo", "rollback foo"])
def test_nobody_is_there_to_ask(coal: Site, line: str) -> None:
    coal.spec(papi="latest")
    coal.ready()
    if line.startswith("rollback"):
        coal.upgrade().ok()
    refused(coal, line, 6, "nobody is at a terminal to be asked; nothing was changed", "--yes")


@pytest.mark.parametrize("answer", ["n\n", "\n", "maybe\n", ""])
def test_everything_but_a_yes_is_a_no(coal: Site, answer: str) -> None:
    coal.spec(papi="latest")
    coal.ready()
    before = everything(coal)
    ran = typed(coal, "upgrade foo", answer)
    assert "Upgrade papi in coal, in this order? [y/N" in ran.err
    told(ran, 6, "stopped at the question; nothing was changed")
    assert changes(before, everything(coal)) == []


def test_stopping_between_two_services(coal: Site) -> None:
    coal.spec(papi="latest", adminui="latest")
    coal.ready()
    ran = typed(coal, "upgrade foo --pause each", "y\ns\n")
    assert ran.status == 130
    assert "Done in this run: papi. Not touched: adminui." in ran.err
    assert (coal.reprovisions("papi"), coal.reprovisions("adminui")) == (1, 0)
    coal.run("resume foo --yes --pause never").ok()
    assert (coal.reprovisions("papi"), coal.reprovisions("adminui")) == (1, 1)


# --- the lock ---------------------------------------------------------------------------------------------------------
HOLD = """
import fcntl, json, os, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
json.dump({"pid": os.getpid(), "user": "root", "host": "headnode", "started": "2024-06-03T09:00:00.000Z",
           "command": "upgrade", "name": "bar"}, file)
file.flush()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(coal: Site) -> Iterator[int]:
    """Another, living process holds the lock of coal; its pid."""
    lock = coal.gz / "var/sdcupgrade/lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-I", "-S", "-c", HOLD, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        yield process.pid
        process.stdin.close()


@pytest.mark.parametrize("line", ["download foo", "upgrade foo --yes", "rollback foo", "prepare foo.json --fresh"])
def test_the_lock_is_held_by_another_process(coal: Site, held: int, line: str) -> None:
    coal.spec(papi="latest")
    coal.run("prepare foo.json").ok()
    words = (f"the lock is held by pid {held} (root, upgrade bar, since 2024-06-03T09:00:00.000Z)", "status bar")
    refused(coal, line, 75, *words)


def test_looking_needs_no_lock(coal: Site, held: int) -> None:
    coal.spec(papi="latest")
    coal.run("prepare foo.json").ok()
    for line in ("status foo", "instances", "avail", "check"):
        coal.run(line).ok()


# --- the wrong place --------------------------------------------------------------------------------------------------
COMMANDS = ("prepare foo.json", "check", "instances", "avail")


@pytest.mark.parametrize("line", COMMANDS)
def test_not_on_a_headnode(coal: Site, line: str) -> None:
    coal.spec()
    server = coal.dc.store.get("server", coal.dc.headnode)
    assert server is not None
    change(coal, "server", server, lambda doc: doc["sysinfo"]["Boot Parameters"].pop("headnode"))
    refused(coal, line, 77, "headnode is not a headnode: sysinfo has no boot parameter headnode=true", "as root")


@pytest.mark.parametrize("line", COMMANDS)
def test_not_on_triton_at_all(coal: Site, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    coal.spec()
    monkeypatch.setattr("mockdc.commands.PROGRAMS", {})
    refused(coal, line, 77, "not the global zone of a headnode: sysinfo: there is no such program", "as root")


def test_not_root_on_a_real_headnode(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("sdcupgrade.log.FOLDER", str(tmp_path / "log"))
    out, err = io.StringIO(), io.StringIO()
    status = run(["prepare", "foo.json"], environ={}, stdin=io.StringIO(), stdout=out, stderr=err)
    assert (status, out.getvalue()) == (77, "")
    assert err.getvalue().startswith("sdcupgrade: sdcupgrade must be run as root\n  next: become root on the headnode;")
