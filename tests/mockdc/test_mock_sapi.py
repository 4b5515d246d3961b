"""SAPI answers as recorded, and behaves around modes, moray and VMs as reference 2.1 says."""

from __future__ import annotations

import pathlib

import pytest
from mockdc.apis import sapi
from mockdc.core import faults
from mockdc.core.datacenter import Datacenter
from replay import differences
from small_dc import ask, furnished, get, in_time, newer, the_vm


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path)


def service(dc: Datacenter, name: str) -> str:
    return str(get(dc, "sapi", f"/services?name={name}")[0]["uuid"])


def new_papi(dc: Datacenter) -> dict[str, object]:
    params = {"alias": "papi1", "server_uuid": dc.headnode}
    return {"service_uuid": service(dc, "papi"), "params": params, "metadata": {"k": "v"}}


def test_answers_as_recorded_down_to_the_values(tmp_path: pathlib.Path) -> None:
    assert differences(in_time(Datacenter.empty(tmp_path), sapi.handle), "sapi") == []


def test_without_accept_version_there_is_no_type(dc: Datacenter) -> None:
    target = f"/services/{service(dc, 'papi')}"
    assert ask(dc, "sapi", "GET", target).body == {
        key: value for key, value in get(dc, "sapi", target).items() if key != "type"}


def test_a_service_update_does_not_touch_the_zone(dc: Datacenter) -> None:
    before = the_vm(dc, "papi0")["image_uuid"]
    image = newer(dc, "papi")
    answer = ask(dc, "sapi", "PUT", f"/services/{service(dc, 'papi')}", {"params": {"image_uuid": image}})
    assert answer.body["params"]["image_uuid"] == image
    assert the_vm(dc, "papi0")["image_uuid"] == before


def test_an_upgrade_reprovisions_the_zone_and_leaves_the_record(dc: Datacenter) -> None:
    vm, image = the_vm(dc, "papi0"), newer(dc, "papi")
    record = get(dc, "sapi", f"/instances/{vm['uuid']}")
    answer = ask(dc, "sapi", "PUT", f"/instances/{vm['uuid']}/upgrade", {"image_uuid": image}, accept_version="*")
    assert (answer.status, answer.body) == (200, record)
    assert the_vm(dc, "papi0")["image_uuid"] == image


def test_a_failed_upgrade_is_500(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    answer = ask(dc, "sapi", "PUT", f"/instances/{vm['uuid']}/upgrade", {"image_uuid": vm["uuid"]})
    assert (answer.status, answer.body["code"]) == (500, "ReprovisionFailedError")
    assert the_vm(dc, "papi0")["state"] == "running"


def test_while_moray_is_away_reads_come_from_the_copy(dc: Datacenter) -> None:
    wanted = get(dc, "sapi", "/services")
    dc.stop(the_vm(dc, "moray0")["uuid"])
    assert get(dc, "sapi", "/services") == wanted


def test_while_moray_is_away_writes_fail(dc: Datacenter) -> None:
    target = f"/services/{service(dc, 'papi')}"
    dc.stop(the_vm(dc, "moray0")["uuid"])
    assert ask(dc, "sapi", "PUT", target, {"params": {"x": 1}}).status >= 500
    assert "x" not in get(dc, "sapi", target)["params"]


def test_the_ping_tells_that_moray_is_away(dc: Datacenter) -> None:
    dc.stop(the_vm(dc, "moray0")["uuid"])
    answer = ask(dc, "sapi", "GET", "/ping")
    assert (answer.status, answer.body["storAvailable"]) == (500, False)


def test_in_proto_mode_moray_is_not_needed(dc: Datacenter) -> None:
    dc.store.set_meta("sapi_mode", "proto")
    dc.stop(the_vm(dc, "moray0")["uuid"])
    assert get(dc, "sapi", "/ping") == {"mode": "proto", "storType": "LocalStorage", "storAvailable": True}


def test_the_way_from_proto_to_full(dc: Datacenter) -> None:
    dc.store.set_meta("sapi_mode", "proto")
    assert ask(dc, "sapi", "POST", "/mode?mode=full").status == 204
    assert get(dc, "sapi", "/mode") == "full"


def test_configs_have_no_user_script(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    answer = ask(dc, "sapi", "GET", f"/configs/{vm['uuid']}")
    assert answer.body["metadata"]["SERVICE_NAME"] == "papi"
    assert answer.body["metadata"]["SERVER_UUID"] == dc.headnode
    assert "user-script" not in answer.body["metadata"]


def test_configs_unchanged_are_304(dc: Datacenter) -> None:
    target = f"/configs/{the_vm(dc, 'papi0')['uuid']}"
    etag = ask(dc, "sapi", "GET", target).headers["Etag"]
    assert ask(dc, "sapi", "GET", target, if_none_match=etag).status == 304
    ask(dc, "sapi", "PUT", f"/services/{service(dc, 'papi')}", {"metadata": {"new": "1"}})
    assert ask(dc, "sapi", "GET", target, if_none_match=etag).status == 200


def test_a_new_instance_is_a_zone_that_sets_itself_up(dc: Datacenter) -> None:
    made = ask(dc, "sapi", "POST", "/instances", new_papi(dc))
    assert made.status == 200, made.body
    vm = the_vm(dc, "papi1")
    assert (vm["uuid"], vm["state"], vm["tags"]["smartdc_role"]) == (made.body["uuid"], "running", "papi")
    dc.wait(120)
    assert dc.zone_answers(vm["uuid"])


def test_a_provision_that_fails_leaves_no_record(dc: Datacenter) -> None:
    ask(dc, "sapi", "PUT", f"/services/{service(dc, 'papi')}", {"params": {"image_uuid": dc.headnode}})
    answer = ask(dc, "sapi", "POST", "/instances", new_papi(dc))
    assert (answer.status, answer.body["code"]) == (500, "ProvisionFailedError")
    assert len(get(dc, "sapi", f"/instances?service_uuid={service(dc, 'papi')}")) == 1


def test_an_existing_zone_is_adopted(dc: Datacenter) -> None:
    adopted = {**new_papi(dc), "uuid": "e3000000-0000-4000-8000-000000000001", "exists": True}
    assert ask(dc, "sapi", "POST", "/instances", adopted).status == 200
    assert dc.vm_by_alias("papi1") is None


def test_deleting_an_instance_destroys_its_zone(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    assert ask(dc, "sapi", "DELETE", f"/instances/{uuid}").status == 204
    assert dc.vm_by_alias("papi0") is None
    assert ask(dc, "sapi", "GET", f"/instances/{uuid}").status == 404


def test_a_stale_instance_can_be_deleted(dc: Datacenter) -> None:
    uuid = "e3000000-0000-4000-8000-000000000001"
    dc.store.put("sapi_instance", uuid, {"uuid": uuid, "service_uuid": service(dc, "papi"), "type": "vm"})
    assert ask(dc, "sapi", "DELETE", f"/instances/{uuid}").status == 204


def test_an_upgrade_fails_while_vmapi_is_away(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    dc.stop(the_vm(dc, "vmapi0")["uuid"])
    answer = ask(dc, "sapi", "PUT", f"/instances/{vm['uuid']}/upgrade", {"image_uuid": newer(dc, "papi")})
    assert (answer.status, answer.body["code"]) == (500, "ReprovisionFailedError")


def test_a_zone_whose_set_up_fails_fails_the_upgrade(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    faults.add(dc, "zone=papi0 setup-fails")
    answer = ask(dc, "sapi", "PUT", f"/instances/{vm['uuid']}/upgrade", {"image_uuid": newer(dc, "papi")})
    assert answer.status == 500
    assert the_vm(dc, "papi0")["state"] == "failed"
