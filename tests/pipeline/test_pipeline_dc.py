"""A datacenter of nine servers: services on compute nodes, several of a kind, and much that only looks like one."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from mockdc.core import scenario
from mockdc.core.store import Doc
from site_in_a_box import Site
from untouched import changes, everything, refused

from sdcupgrade.doors.http import Response
from sdcupgrade.doors.run import Completed
from sdcupgrade.errors import Unreachable

REMOTE = {"mahi": "latest", "adminui": "latest"}
GO = "--yes --pause never"


@pytest.fixture
def luna(make_site: Callable[[str], Site]) -> Site:
    """The datacenter luna-2."""
    return make_site("dc")


@pytest.fixture
def remote(luna: Site) -> Site:
    """The same, with two services of compute nodes ready to be upgraded."""
    luna.spec(**REMOTE)
    luna.ready()
    return luna


def luna_with(make_site: Callable[[Doc], Site], **services: Doc) -> Site:
    """The datacenter, with some services placed otherwise."""
    spec = scenario.read("dc")
    spec["services"].update(services)
    site = make_site(spec)
    site.spec(**REMOTE)
    return site


def done(site: Site, program: str, server: str) -> list[str]:
    """What a program was asked to do on a server."""
    details = [call["detail"] for call in site.dc.store.calls() if call["name"] == program]
    return [detail for detail in details if detail.endswith(f" (on {server})")]


# --- services on compute nodes ----------------------------------------------------------------------------------------
def test_a_service_on_a_compute_node_is_replaced_there(remote: Site) -> None:
    remote.upgrade().ok()
    for name in REMOTE:
        vm = remote.vm(name)
        assert vm["server_uuid"] != remote.dc.headnode
        assert [call for call in done(remote, "vmadm", vm["server_uuid"]) if "reprovision" in call]
        assert remote.reprovisions(name) == 1


def test_images_are_on_the_compute_node_before_anything_is_replaced(remote: Site) -> None:
    for service in remote.plan()["services"]:
        server, image = service["facts"]["server"], service["target"]["uuid"]
        installed = remote.dc.installed(server, image)
        assert installed is not None
        assert remote.dc.installed(server, installed["manifest"]["origin"]) is not None
    assert remote.reprovisions("mahi") == 0


def test_logs_of_a_compute_nodes_zone_come_to_the_headnode(remote: Site) -> None:
    old = remote.vm("mahi")["image_uuid"]
    remote.upgrade().ok()
    (kept,) = (remote.gz / "var/sdcupgrade/logs").rglob(f"mahi0.{old}.tar.gz")
    with tarfile.open(kept) as packed:
        names = packed.getnames()
    assert "var/svc/setup.log" in names
    assert any(name.startswith("var/log/sdc/upload/mahi_") for name in names)
    assert any(name.startswith("var/svc/log/") for name in names)


def test_the_old_root_of_a_compute_nodes_zone_is_kept_when_asked(remote: Site) -> None:
    vm = remote.vm("mahi")
    remote.run(f"upgrade foo --snapshot {GO}").ok()
    (kept,) = (remote.gz / "var/sdcupgrade/snapshots").rglob(f"mahi0.{vm['image_uuid']}.zfs")
    assert kept.stat().st_size > 0
    assert [call for call in done(remote, "zfs", vm["server_uuid"]) if call.startswith("send ")]


def test_nothing_is_left_behind_on_a_compute_node(remote: Site) -> None:
    servers = {remote.vm(name)["server_uuid"] for name in REMOTE}
    remote.run(f"upgrade foo --snapshot {GO}").ok()
    remote.run(f"rollback foo {GO}").ok()
    for server in servers:
        scratch = remote.dc.root(server) / "var/tmp"
        assert not scratch.exists() or list(scratch.iterdir()) == []
        assert not [doc for doc in remote.dc.store.all("dataset", f"{server}:") if "@sdcupgrade" in doc["name"]]


def test_rollback_of_a_compute_nodes_service_is_byte_for_byte(remote: Site) -> None:
    before = {name: (remote.vm(name), remote.sapi(name)) for name in REMOTE}
    remote.upgrade().ok()
    remote.run(f"rollback foo {GO}").ok()
    for name, (vm, service) in before.items():
        now = remote.vm(name)
        assert {key for key in vm if now[key] != vm[key]} <= {"last_modified", "boot_timestamp", "zoneid", "pid"}
        assert remote.sapi(name) == service
    data = remote.dc.root(before["mahi"][0]["server_uuid"]) / before["mahi"][0]["datasets"][0]
    assert (data / "precious").read_text() == "data of mahi0\n"


@pytest.mark.parametrize("seconds", [5, 12, 16, 20, 26, 40])
def test_a_compute_node_loses_its_power_in_the_middle_of_it(luna: Site, seconds: int) -> None:
    luna.spec(mahi="latest")
    luna.ready()
    luna.dc.later(seconds, "mockdc.core.faults:power", hostname="moon-03", state="down")
    ran = luna.upgrade()
    assert ran.status == 5 and "moon-03" in ran.err and "sdcupgrade resume foo" in ran.err
    begun, image = luna.reprovisions("mahi"), luna.vm("mahi")["image_uuid"]
    luna.fault("server=moon-03 up")
    luna.dc.wait(120)
    luna.run(f"resume foo {GO}").ok()
    target = luna.plan()["services"][0]["target"]["uuid"]
    assert luna.vm("mahi")["image_uuid"] == target and luna.vm("mahi")["state"] == "running"
    # a root that was half made when the power went is made anew
    assert luna.reprovisions("mahi") == (2 if begun and image != target else 1)
    assert not [doc for doc in luna.dc.store.all("dataset") if "-reprovisioning-" in doc["name"]]


# --- everything -------------------------------------------------------------------------------------------------------
def all_but_the_refused(site: Site) -> dict[str, str]:
    """Every ordinary service of luna-2 that has one instance, and one that has none."""
    spec = {**site.ordinary(), "manta": "latest"}
    for several_or_stale in ("cloudapi", "fwapi"):
        del spec[several_or_stale]
    return spec


def test_everything_up_and_down_again(luna: Site) -> None:
    luna.spec(**all_but_the_refused(luna))
    luna.ready()
    vms, sapi = luna.dc.store.all("vm"), luna.dc.store.all("sapi_service")
    luna.upgrade().ok()
    for service in luna.plan()["services"]:
        name, image = service["service"], service["target"]["uuid"]
        assert name == "manta" or (luna.vm(name)["image_uuid"], luna.reprovisions(name)) == (image, 1)
        assert name == "assets" or luna.sapi(name)["params"]["image_uuid"] == image
    luna.run(f"rollback foo {GO}").ok()
    assert luna.dc.store.all("sapi_service") == sapi
    kept = ("image_uuid", "customer_metadata", "quota", "datasets", "nics", "tags", "state")
    pairs = zip(vms, luna.dc.store.all("vm"))
    assert [old["alias"] for old, new in pairs if any(old[key] != new[key] for key in kept)] == []


def test_what_only_looks_like_a_service_is_never_touched(luna: Site) -> None:
    luna.spec(**all_but_the_refused(luna))
    luna.ready()
    before = everything(luna)
    luna.upgrade().ok()
    plan = luna.plan()["services"]
    ours = tuple(f"{kind}/{one['facts']['instance']}" for one in plan for kind in ("vm", "zone"))
    services = tuple(f"sapi_service/{one['facts']['service_uuid']}" for one in plan if one["facts"]["service_uuid"])
    kinds = ("vm/", "zone/", "sapi_")
    changed = [id for id in changes(before, everything(luna)) if id.startswith(kinds)]
    assert set(changed) <= {*ours, *services}


def test_an_alias_that_begins_like_anothers_is_another(luna: Site) -> None:
    luna.spec(imgapi="latest", vmapi="latest")
    luna.run("prepare foo.json").ok()
    aliases = [vm["alias"] for vm in luna.dc.store.all("vm") if vm["alias"].startswith(("imgapi0", "vmapi0"))]
    assert len(aliases) > 4
    for service in luna.plan()["services"]:
        assert service["facts"]["instance"] == luna.vm(service["service"])["uuid"]


# --- what is refused --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("service", "where"),
    [
        ("cloudapi", "cloudapi0 on moon-01, cloudapi1 on moon-07.rack2"),
        ("binder", "binder0 on hn-4f.core, binder1 on moon-01, binder2 on MOON-02"),
        ("manatee", "manatee0 on hn-4f.core, manatee1 on moon-01, manatee2 on MOON-02"),
        ("moray", "moray0 on hn-4f.core, moray1 on moon-03"),
    ],
)
def test_several_instances_are_refused_and_named(luna: Site, service: str, where: str) -> None:
    luna.spec(**{service: "latest"})
    refused(luna, "prepare foo.json", 3, "[several-instances]", where, but=("ops/foo.json.1",))


def test_a_record_in_sapi_without_a_vm_is_refused(luna: Site) -> None:
    luna.spec(fwapi="latest")
    ghost = luna.dc.name_uuid("stale/fwapi")
    refused(luna, "prepare foo.json", 3, "[stale-sapi-instance]", ghost, but=("ops/foo.json.1",))


def test_a_zone_on_a_linux_server_is_refused(make_site: Callable[[Doc], Site]) -> None:
    site = luna_with(make_site, mahi={"on": ["penguin-1"]})
    refused(site, "prepare foo.json", 3, "[server-not-smartos]", "penguin-1, which runs Linux", but=("ops/foo.json.1",))


def test_a_zone_on_a_server_that_is_not_set_up_is_refused(make_site: Callable[[Doc], Site]) -> None:
    site = luna_with(make_site, mahi={"on": ["moon-08"]})
    refused(site, "prepare foo.json", 3, "[server-not-set-up]", "moon-08", but=("ops/foo.json.1",))


def test_a_zone_on_a_server_that_is_down_is_refused(luna: Site) -> None:
    luna.spec(**REMOTE)
    luna.fault("server=moon-03 down")
    words = ("[server-not-running]", "mahi0 is on moon-03, whose status in CNAPI is unknown")
    refused(luna, "prepare foo.json", 3, *words, but=("ops/foo.json.1",))


def test_an_upgrade_does_not_begin_while_a_server_is_down(remote: Site) -> None:
    remote.fault("server=moon-03 down")
    ran = refused(remote, f"upgrade foo {GO}", 4, "servers-up", "transport")
    assert "moon-03: the server's status is unknown" in ran.err
    assert "zones-smf" not in ran.err


def test_check_tells_which_server_is_down_and_still_looks_at_the_others(luna: Site) -> None:
    luna.fault("server=moon-03 down")
    ran = luna.run("check -H -o check,result,subject")
    lines = [line.split() for line in ran.out.splitlines()]
    assert ran.status == 4
    assert ["servers-up", "failed", "moon-03"] in lines and ["transport", "failed", "moon-03"] in lines
    assert ["zones-smf", "ok", "-"] in lines and ["pool-space", "ok", "-"] in lines


# --- what is put right ------------------------------------------------------------------------------------------------
def test_a_zone_without_quota_gets_one_and_loses_it_again_on_rollback(luna: Site) -> None:
    luna.spec(dhcpd="latest")
    assert luna.vm("dhcpd")["quota"] == 0
    luna.ready()
    luna.upgrade().ok()
    assert luna.vm("dhcpd")["quota"] == 25
    luna.run(f"rollback foo {GO}").ok()
    assert luna.vm("dhcpd")["quota"] == 0


def test_a_record_that_a_failed_import_left_is_repaired(luna: Site) -> None:
    luna.spec(papi="latest")
    luna.run("prepare foo.json").ok()
    uuid = luna.plan()["services"][0]["target"]["uuid"]
    left = luna.dc.store.get("image", f"imgapi/{uuid}")
    assert left is not None and left["state"] == "unactivated"
    luna.run("download foo").ok()
    image, published = (luna.dc.store.get("image", f"{store}/{uuid}") for store in ("imgapi", "updates"))
    assert image is not None and published is not None
    assert image["state"] == "active"
    assert image["files"][0]["sha1"] == published["files"][0]["sha1"]


# --- a service is not needed while it is being replaced ---------------------------------------------------------------
def overheard(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that got no answer, and the programs that failed, as they come."""
    failures: list[str] = []
    ask, run = site.doors.admin.request, site.doors.run.run

    def request(method: str, url: str, **named: Any) -> Response:
        try:
            return ask(method, url, **named)
        except Unreachable:
            failures.append(f"{method} {url}")
            raise

    def program(argv: Sequence[str], **named: Any) -> Completed:
        done = run(argv, **named)
        if done.status:
            failures.append(argv[0])
        return done

    monkeypatch.setattr(site.doors.admin, "request", request)
    monkeypatch.setattr(site.doors.run, "run", program)
    return failures


@pytest.mark.parametrize("service", ["sdc", "sapi", "rabbitmq", "imgapi", "vmapi", "cnapi", "workflow", "napi"])
@pytest.mark.parametrize("command", ["upgrade", "rollback"])
def test_a_service_is_not_needed_while_it_is_replaced(
    luna: Site, monkeypatch: pytest.MonkeyPatch, service: str, command: str
) -> None:
    luna.spec(**{service: "latest", "mahi": "latest"})
    luna.ready()
    if command == "rollback":
        luna.upgrade().ok()
    failures = overheard(luna, monkeypatch)
    luna.run(f"{command} foo {GO}").ok()
    pings = {failure for failure in failures if failure.startswith("GET http://10.") and failure.endswith("/ping")}
    # zfs and svcs are asked for what need not be there
    assert set(failures) - pings <= {"zfs", "svcs"}
