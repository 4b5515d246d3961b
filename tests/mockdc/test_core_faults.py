"""Faults: the grammar of rules, which calls they meet, and what they do to programs, endpoints and zones."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from core_box import box, ready, vm
from mockdc.apis.web import Request, Response
from mockdc.core import faults, zonefiles
from mockdc.core.datacenter import Datacenter, VmError
from mockdc.faces import dispatch


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return box(tmp_path)


def ping(dc: Datacenter, api: str = "fwapi") -> Response:
    return dispatch.http(dc, api, Request.make("GET", "/ping"))


@pytest.mark.parametrize(("rule", "wanted"), [
    ("vmadm reprovision fail", {"target": "vmadm reprovision", "kind": "fail", "value": "", "nth": 0, "times": 0}),
    ("vmadm fail=3:'no space left' times=2", {"value": "3:no space left", "times": 2}),
    ("sapi PUT /services/* status=503 #2", {"target": "sapi PUT /services/*", "value": "503", "nth": 2, "times": 1}),
    ('{"target": "imgadm import", "kind": "slow", "value": 20, "times": 1}', {"kind": "slow", "value": "20"}),
])
def test_rules_are_read(rule: str, wanted: dict[str, Any]) -> None:
    assert {key: faults.parse(rule)[key] for key in wanted} == wanted


@pytest.mark.parametrize("rule", ["", "vmadm reprovision", "fail", "vmadm slow=much", "vmadm fail surprisingly",
                                  "zone=vmapi0", "vmadm cut"])
def test_rules_without_sense_are_refused(rule: str) -> None:
    with pytest.raises(faults.BadRule):
        faults.parse(rule)


@pytest.mark.parametrize(("rule", "told"), [
    ("vmdam list fail", "no program or API is called 'vmdam' (did you mean vmadm?); programs: add-userscript, "),
    ('{"target": "vmpai * *", "kind": "fail"}', "'vmpai' (did you mean vmapi?)"),
])  # fmt: skip
def test_a_rule_that_could_never_fire_is_refused(rule: str, told: str) -> None:
    with pytest.raises(faults.BadRule) as why:
        faults.parse(rule)
    assert told in str(why.value) and "\n" not in str(why.value)


def test_a_glob_may_stand_for_a_program() -> None:
    assert faults.parse("*api * * fail")["target"] == "*api * *"


def test_a_rule_meets_what_begins_with_its_target_only(dc: Datacenter) -> None:
    faults.add(dc, "vmadm stop fail")
    met = [bool(faults.applying(dc, call)) for call in ("vmadm stop u", "vmadm stop", "vmadm stopper", "vmadm start u")]
    assert met == [True, True, False, False]


def test_the_nth_call_alone(dc: Datacenter) -> None:
    faults.add(dc, "vmadm fail #2")
    assert [len(faults.applying(dc, "vmadm list")) for _ in range(4)] == [0, 1, 0, 0]


def test_the_first_so_many_calls(dc: Datacenter) -> None:
    faults.add(dc, "vmadm fail times=2")
    assert [len(faults.applying(dc, "vmadm list")) for _ in range(4)] == [1, 1, 0, 0]


def test_an_endpoint_answers_the_status_it_is_told(dc: Datacenter) -> None:
    faults.add(dc, "fwapi GET /p* status=503")
    assert ping(dc).status == 503


def test_a_refused_connection(dc: Datacenter) -> None:
    faults.add(dc, "fwapi refuse")
    with pytest.raises(dispatch.Refused):
        ping(dc)


def test_slow_answers_take_the_datacenters_time(dc: Datacenter) -> None:
    faults.add(dc, "fwapi slow=12")
    before = dc.now()
    assert ping(dc).status == 200 and dc.now() == before + 12


def test_cut_and_corrupt_change_the_body_on_its_way(dc: Datacenter) -> None:
    good = dispatch.whole(ping(dc))
    faults.add(dc, "fwapi cut=5")
    faults.add(dc, "fwapi corrupt")
    bad = dispatch.whole(ping(dc))
    assert bad[1:] == good[1:5] and bad[0] != good[0]


def test_garbage_is_not_json(dc: Datacenter) -> None:
    faults.add(dc, "fwapi garbage")
    assert b"<html>" in dispatch.whole(ping(dc))


def test_reset_forgets_rules_and_troubles(dc: Datacenter) -> None:
    faults.add(dc, "fwapi refuse")
    faults.add(dc, "zone=vmapi0 setup-fails")
    faults.reset(dc)
    assert ping(dc).status == 200 and not any(zone["next"] for zone in dc.store.all("zone"))


def test_calls_are_written_down_with_their_results(dc: Datacenter) -> None:
    faults.add(dc, "fwapi refuse #2")
    ping(dc)
    with pytest.raises(dispatch.Refused):
        ping(dc)
    assert [(call["name"], call["detail"], call["result"]) for call in dc.store.calls()] == [
        ("fwapi", "GET /ping", "200"), ("fwapi", "GET /ping", "refused")]


def test_a_full_disk(dc: Datacenter) -> None:
    faults.add(dc, "disk-full=/var/tmp times=1")
    assert [faults.disk_full(dc, path) for path in ("/var/log/x", "/var/tmp/x", "/var/tmp/x")] == [False, True, False]


@pytest.mark.parametrize("rule", ["zone=nobody0 setup-fails", "zone=vmapi0 bad-luck", "server=nobody down",
                                  "server=headnode sideways"])
def test_trouble_for_nobody_is_refused(dc: Datacenter, rule: str) -> None:
    with pytest.raises(faults.BadRule):
        faults.add(dc, rule)


def reprovisioned_with(dc: Datacenter, trouble: str) -> str:
    uuid, image = ready(dc, "vmapi")
    faults.add(dc, f"zone=vmapi0 {trouble}")
    dc.reprovision(uuid, image)
    dc.wait(120)
    return uuid


def test_set_up_may_fail_after_vmadm_was_content(dc: Datacenter) -> None:
    zone = vm(dc, reprovisioned_with(dc, "late-setup-fails"))
    assert zone["state"] == "running" and zonefiles.exists(dc, zone, "var/svc/setup_failed")


def test_set_up_may_never_end(dc: Datacenter) -> None:
    zone = vm(dc, reprovisioned_with(dc, "setup-hangs"))
    assert not zonefiles.exists(dc, zone, "var/svc/setup_complete")
    assert not zonefiles.exists(dc, zone, "var/svc/setup_failed")


def test_a_service_may_end_in_maintenance(dc: Datacenter) -> None:
    uuid = reprovisioned_with(dc, "maintenance")
    states = {entry["fmri"]: entry["state"] for entry in dc.smf(uuid)}
    assert states["svc:/smartdc/site/vmapi:default"] == "maintenance" and dc.outage("vmapi") == "refused"


def test_provisioning_may_hang_until_its_time_is_up(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    faults.add(dc, "zone=vmapi0 provision-hangs")
    with pytest.raises(VmError, match="timed out"):
        dc.reprovision(uuid, image)
    assert vm(dc, uuid)["state"] == "failed"
