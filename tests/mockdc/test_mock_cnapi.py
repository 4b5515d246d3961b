"""CNAPI answers as recorded; servers that live and die, tasks, the waitlist."""

from __future__ import annotations

import pathlib

import pytest
from core_box import box
from mockdc.apis import cnapi
from mockdc.core import faults
from mockdc.core.datacenter import Datacenter
from replay import differences, worse_than
from small_dc import ask, furnished, get, in_time, newer, the_vm


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path)


def cn0(dc: Datacenter) -> str:
    return next(str(server["uuid"]) for server in dc.store.all("server") if not server["headnode"])


def ticket(dc: Datacenter, id: str) -> dict[str, object]:
    wanted = {"scope": "vm", "id": id, "expires_at": "2030-01-01T00:00:00.000Z", "action": "test"}
    body: dict[str, object] = ask(dc, "cnapi", "POST", f"/servers/{dc.headnode}/tickets", wanted).body
    return body


def test_answers_as_recorded(tmp_path: pathlib.Path) -> None:
    found = differences(in_time(box(tmp_path, "empty"), cnapi.handle), "cnapi")
    assert {one.where.rpartition(".")[2] for one in found} <= {"unreserved_disk"}
    assert worse_than(found, "value") == []


def test_an_unknown_parameter_is_409_and_a_bad_value_500(dc: Datacenter) -> None:
    assert ask(dc, "cnapi", "GET", "/servers?role=x").body["message"] == "role is not an explicitly defined parameter"
    assert ask(dc, "cnapi", "GET", "/servers?role=x").status == 409
    assert ask(dc, "cnapi", "GET", "/servers?setup=maybe").status == 500
    assert ask(dc, "cnapi", "GET", "/servers?limit=1001").status == 400


def test_sysinfo_and_agents_only_on_demand(dc: Datacenter) -> None:
    plain, full = get(dc, "cnapi", "/servers")[0], get(dc, "cnapi", "/servers?extras=sysinfo,agents")[0]
    assert not {"sysinfo", "agents", "_alive"} & set(plain)
    assert full["sysinfo"]["UUID"] == full["uuid"]
    assert any(agent["name"] == "cn-agent" for agent in full["agents"])


def test_a_dead_server_becomes_unknown_and_refuses_tasks(dc: Datacenter) -> None:
    faults.add(dc, "server=cn0 down")
    assert get(dc, "cnapi", f"/servers/{cn0(dc)}")["status"] == "unknown"
    answer = ask(dc, "cnapi", "POST", f"/servers/{cn0(dc)}/ensure-image", {"image_uuid": newer(dc, "papi")})
    assert (answer.status, answer.body["code"]) == (409, "ServerNotRunning")


def test_ensure_image_imports_what_the_pool_lacks(dc: Datacenter) -> None:
    image = newer(dc, "papi")
    task = ask(dc, "cnapi", "POST", f"/servers/{cn0(dc)}/ensure-image", {"image_uuid": image}).body["id"]
    assert get(dc, "cnapi", f"/tasks/{task}")["status"] == "active"
    assert get(dc, "cnapi", f"/tasks/{task}/wait")["status"] == "complete"
    installed = dc.installed(cn0(dc), image)
    assert installed and dc.installed(cn0(dc), installed["manifest"]["origin"])


def test_ensure_image_of_an_unknown_image_fails(dc: Datacenter) -> None:
    task = ask(dc, "cnapi", "POST", f"/servers/{cn0(dc)}/ensure-image", {"image_uuid": dc.headnode}).body["id"]
    found = get(dc, "cnapi", f"/tasks/{task}/wait")
    assert (found["status"], found["history"][0]["event"]) == ("failure", {"error": "no such image"})


def test_waiting_for_a_task_ends_at_its_timeout(dc: Datacenter) -> None:
    task = ask(dc, "cnapi", "POST", f"/servers/{cn0(dc)}/ensure-image", {"image_uuid": newer(dc, "papi")}).body["id"]
    assert get(dc, "cnapi", f"/tasks/{task}/wait?timeout=2")["status"] == "active"


def test_the_node_shows_the_vm_as_vmadm_does(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    assert get(dc, "cnapi", f"/servers/{dc.headnode}/vms/{vm['uuid']}") == vm


def test_a_stop_past_vmapi(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    task = ask(dc, "cnapi", "POST", f"/servers/{dc.headnode}/vms/{uuid}/stop").body["id"]
    assert get(dc, "cnapi", f"/tasks/{task}/wait")["status"] == "complete"
    assert the_vm(dc, "papi0")["state"] == "stopped"


def test_a_second_ticket_waits_for_the_first(dc: Datacenter) -> None:
    first, second = ticket(dc, "a"), ticket(dc, "a")
    assert get(dc, "cnapi", f"/tickets/{second['uuid']}")["status"] == "queued"
    assert ask(dc, "cnapi", "PUT", f"/tickets/{first['uuid']}/release").status == 204
    assert get(dc, "cnapi", f"/tickets/{second['uuid']}")["status"] == "active"


def test_tickets_for_other_things_do_not_wait(dc: Datacenter) -> None:
    ticket(dc, "a")
    assert get(dc, "cnapi", f"/tickets/{ticket(dc, 'b')['uuid']}")["status"] == "active"


def test_the_ping_is_ready_only_with_rabbitmq(dc: Datacenter) -> None:
    assert get(dc, "cnapi", "/ping")["ready"] is True
    dc.stop(the_vm(dc, "rabbitmq0")["uuid"])
    assert get(dc, "cnapi", "/ping") == {
        "ready": False, "services": {"workflow": "online", "moray": "online", "amqp": "offline"}}


def test_platforms_are_those_on_the_key(dc: Datacenter) -> None:
    (dc.folder / "usbkey" / "os" / "20240118T001122Z").mkdir(parents=True)
    (dc.folder / "usbkey" / "os" / "20240601T001122Z").mkdir()
    assert get(dc, "cnapi", "/platforms") == {"20240118T001122Z": {}, "20240601T001122Z": {"latest": True}}


def test_capacity_counts_what_runs_there(dc: Datacenter) -> None:
    found = ask(dc, "cnapi", "POST", "/capacity", {"servers": [dc.headnode, cn0(dc)]}).body["capacities"]
    assert found[cn0(dc)]["ram"] - found[dc.headnode]["ram"] == sum(
        vm["max_physical_memory"] for vm in dc.store.all("vm"))
