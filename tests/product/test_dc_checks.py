"""Each check finds its own trouble, says what it saw and what to do, and hides no other."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest
from dc_box import Boxed, boxed

from sdcupgrade.dc.checks import CHECKS, RESERVE, Scope, run_checks, scope_here, scope_of
from sdcupgrade.dc.inventory import take
from sdcupgrade.errors import Unreachable
from sdcupgrade.model import Finding


@pytest.fixture
def coal(tmp_path: pathlib.Path) -> Boxed:
    return boxed(tmp_path)


@pytest.fixture
def luna(tmp_path: pathlib.Path) -> Boxed:
    return boxed(tmp_path, "dc")


def scope(coal: Boxed, *services: str) -> Scope:
    """The zones of *services*, read before anything goes wrong."""
    return scope_of(take(coal.dc), services or None)


def bad(coal: Boxed, given: Scope, *ids: str) -> list[Finding]:
    """What those checks find wrong."""
    return [finding for finding in run_checks(coal.dc, given, ids) if not finding.ok]


def test_a_healthy_datacenter_passes_all_checks(coal: Boxed) -> None:
    findings = run_checks(coal.dc, scope(coal))
    assert [finding for finding in findings if not finding.ok] == []
    assert {finding.id for finding in findings} == {check.id for check in CHECKS}


def test_a_healthy_datacenter_of_many_servers_passes_too(luna: Boxed) -> None:
    assert bad(luna, scope(luna, "adminui", "mahi", "vmapi"), *(check.id for check in CHECKS)) == []


def garbled(coal: Boxed, target: str, answer: object) -> None:
    """Let an endpoint give *answer*."""
    coal.fault(json.dumps({"target": target, "kind": "garbage", "value": json.dumps(answer)}))


@pytest.mark.parametrize("service", ["sapi", "vmapi", "cnapi", "imgapi", "workflow"])
def test_a_service_that_does_not_answer_is_found(coal: Boxed, service: str) -> None:
    given = scope(coal)
    coal.fault(f"{service} GET /ping refuse")
    found = bad(coal, given, f"{service}-up")
    assert [finding.id for finding in found] == [f"{service}-up"]
    assert "refused" in found[0].evidence
    assert found[0].remedy.endswith(f"svcs -xvz {coal.vm(service + '0')['uuid']}")


def test_what_a_service_stands_on_is_named_by_its_ping(coal: Boxed) -> None:
    given = scope(coal, "papi")
    garbled(coal, "cnapi GET /ping", {"ready": True, "services": {"amqp": "offline", "moray": "online"}})
    assert bad(coal, given, "cnapi-up")[0].evidence == "/ping says that these are offline: amqp"


def test_sapi_in_proto_mode_is_found(coal: Boxed) -> None:
    given = scope(coal, "papi")
    coal.box.store.set_meta("sapi_mode", "proto")
    assert bad(coal, given, "sapi-mode")[0].evidence == "GET /mode says proto"


def test_a_zone_that_stands_still_is_found(coal: Boxed) -> None:
    given = scope(coal, "papi", "napi")
    coal.box.stop(coal.vm("papi0")["uuid"])
    found = bad(coal, given, "zones-running")
    assert [(finding.subject, finding.evidence) for finding in found] == [("papi0", "the zone is stopped")]


def test_a_name_that_lacks_an_address_is_found(coal: Boxed) -> None:
    given = scope(coal, "papi", "napi")
    for one in coal.box.store.all("dns"):
        if one["name"].startswith("papi."):
            coal.box.store.delete("dns", f"{one['name']}/{one['ip']}")
    found = bad(coal, given, "dns")
    assert [(finding.subject, finding.evidence.partition(",")[0]) for finding in found] == [
        ("papi.coal.example.com", "gives nothing")
    ]
    assert f"svcs -z {coal.vm('papi0')['uuid']} registrar;" in found[0].remedy


def test_one_of_two_addresses_is_not_enough(luna: Boxed) -> None:
    given = scope(luna, "cloudapi")
    lost = given.subjects[0].admin_ip
    luna.box.store.delete("dns", f"{given.subjects[0].domain}/{lost}")
    found = bad(luna, given, "dns")
    assert [finding.evidence for finding in found] == [f"gives {given.subjects[1].admin_ip}, lacks {lost}"]
    there = given.hostnames[given.subjects[0].server]
    assert f"svcs -z {given.subjects[0].vm} registrar (on {there});" in found[0].remedy
    assert given.subjects[1].vm not in found[0].remedy


def test_a_dns_that_is_down_is_found(coal: Boxed) -> None:
    given = scope(coal, "papi")
    coal.box.stop(coal.vm("binder0")["uuid"])
    found = bad(coal, given, "dns")
    assert "no DNS server answered" in found[0].evidence
    assert found[0].remedy == "see that binder runs"


def test_a_service_in_maintenance_is_found_with_its_zone(coal: Boxed) -> None:
    given = scope(coal)
    coal.fault("zone=papi0 maintenance")
    coal.box.reprovision(coal.vm("papi0")["uuid"], coal.vm("papi0")["image_uuid"])
    coal.box.wait(120)
    found = bad(coal, given, "zones-smf")
    assert [finding.subject for finding in found] == ["papi0"]
    assert "is maintenance" in found[0].evidence
    assert f"svcadm -z {coal.vm('papi0')['uuid']} clear" in found[0].remedy


def test_a_zone_that_was_not_asked_about_does_not_count(coal: Boxed) -> None:
    given = scope(coal, "napi")
    coal.fault("zone=papi0 maintenance")
    coal.box.reprovision(coal.vm("papi0")["uuid"], coal.vm("papi0")["image_uuid"])
    coal.box.wait(120)
    assert bad(coal, given, "zones-smf") == []


def wanting(given: Scope, image: str) -> Scope:
    """The same zones, to get *image*."""
    return dataclasses.replace(given, subjects=tuple(dataclasses.replace(one, image=image) for one in given.subjects))


def test_images_that_were_not_downloaded_are_found_in_both_places(coal: Boxed) -> None:
    given = wanting(scope(coal, "imgapi"), "4803c1cd-5882-9c48-bc2a-fc81c1429a89")
    found = bad(coal, given, "images-present")
    assert [finding.subject for finding in found] == ["4803c1cd-5882-9c48-bc2a-fc81c1429a89", "headnode"]
    assert {finding.remedy for finding in found} == {"run sdcupgrade download"}


def test_images_that_run_already_are_present(luna: Boxed) -> None:
    given = wanting(scope(luna, "adminui"), luna.vm("adminui0")["image_uuid"])
    assert bad(luna, given, "images-present") == []


def test_a_server_that_is_down_is_found_by_status_and_by_transport(luna: Boxed) -> None:
    given = scope(luna, "mahi", "vmapi")
    luna.fault("server=moon-03 down")
    luna.box.wait(60)
    found = bad(luna, given, "servers-up", "transport")
    assert {finding.id for finding in found} == {"servers-up", "transport"}
    assert any(finding.subject == "moon-03" for finding in found)


def test_the_headnode_needs_no_transport(coal: Boxed) -> None:
    given = scope(coal)
    coal.box.stop(coal.vm("rabbitmq0")["uuid"])
    assert bad(coal, given, "transport") == []


def test_a_pool_without_room_is_found(coal: Boxed) -> None:
    given = scope(coal, "papi")
    server = given.subjects[0].server
    full = dataclasses.replace(given, space={server: 1 << 60})
    assert bad(coal, full, "pool-space")[0].evidence.endswith(f"{((1 << 60) + RESERVE) >> 20} MiB are needed")


def test_leftovers_of_a_reprovision_are_found(coal: Boxed) -> None:
    from mockdc.core import datasets

    given = scope(coal, "papi")
    name = f"zones/{coal.vm('papi0')['uuid']}-reprovisioning-root"
    datasets.create(coal.box, coal.box.headnode, name)
    assert [finding.evidence for finding in bad(coal, given, "leftovers")] == [f"a reprovision died and left {name}"]


def test_jobs_under_way_are_a_warning_only(coal: Boxed) -> None:
    given = scope(coal, "papi")
    garbled(coal, "workflow GET /jobs", [{"name": "provision-7.2.1", "execution": "running"}])
    found = run_checks(coal.dc, given, ["jobs-idle"])
    assert found[0].ok
    assert "2 jobs under way, which may fail: provision-7.2.1" in found[0].evidence


def test_a_workflow_that_is_down_is_not_told_as_jobs_under_way(coal: Boxed) -> None:
    given = scope(coal, "papi")
    coal.fault("workflow * refuse")
    found = run_checks(coal.dc, given, ["jobs-idle"])
    assert found[0].ok
    assert found[0].evidence.startswith("nobody knows whether jobs are under way: ")


DOWN = Unreachable("cnapi: GET /servers: the service answered 503", "see cnapi")


def test_without_an_inventory_the_zones_here_are_looked_at(luna: Boxed) -> None:
    given = scope_here(luna.dc, DOWN)
    assert {one.vm for one in given.subjects} == {zone.uuid for zone in luna.dc.local_zones() if not zone.manta}
    assert given.servers() == (luna.dc.headnode.uuid,)
    assert given.hostnames[luna.dc.headnode.uuid] == "hn-4f.core"


def test_an_inventory_that_cannot_be_taken_is_a_finding_of_its_own(coal: Boxed) -> None:
    found = bad(coal, scope_here(coal.dc, DOWN), *(check.id for check in CHECKS))
    assert [(finding.id, finding.remedy) for finding in found] == [("inventory", "see cnapi")]
    assert found[0].evidence.startswith(DOWN.message)


def test_without_an_inventory_names_that_are_asked_are_looked_up_all_the_same(coal: Boxed) -> None:
    coal.box.store.delete("dns", f"vmapi.coal.example.com/{coal.dc.addresses.of('vmapi')()[0][len('http://'):]}")
    found = bad(coal, scope_here(coal.dc, DOWN), "dns")
    assert [finding.subject for finding in found] == ["vmapi.coal.example.com"]


def test_a_vmadm_that_fails_is_not_told_as_zones_that_are_well(coal: Boxed) -> None:
    coal.fault("vmadm lookup fail")
    found = bad(coal, scope_here(coal.dc, DOWN), "dns", "zones-running")
    assert [finding.id for finding in found] == ["dns", "zones-running"]


def test_the_lock_of_sdcadm_is_respected(coal: Boxed) -> None:
    coal.doors.files.write("/var/sdcadm/reprovFailLock.json", b'{"reason":"x"}')
    assert bad(coal, Scope(()), "reprov-fail-lock")[0].subject == "sdcadm"


def test_a_check_that_cannot_run_hides_no_other(coal: Boxed) -> None:
    given = scope(coal, "papi")
    coal.fault("svcs fail=1:ouch")
    coal.fault("zfs fail=1:broken")
    found = bad(coal, given, *(check.id for check in CHECKS))
    assert {finding.id for finding in found} == {"zones-smf", "images-present", "transport", "pool-space", "leftovers"}
