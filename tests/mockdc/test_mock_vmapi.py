"""VMAPI answers as recorded; its lists, its jobs, and how its belief lags behind the truth."""

from __future__ import annotations

import json
import pathlib
import urllib.parse

import pytest
from core_box import box
from mockdc.apis import vmapi
from mockdc.core import faults
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc
from replay import differences, worse_than
from small_dc import ask, furnished, get, in_time, newer, the_vm

ADMIN = "930896af-bf8c-48d4-885c-6573a94b1853"


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path)


def aliases(dc: Datacenter, **query: str) -> list[str]:
    """Aliases of a list, in its order."""
    return [vm["alias"] for vm in get(dc, "vmapi", "/vms?" + urllib.parse.urlencode({**query, "fields": "alias"}))]


def act(dc: Datacenter, alias: str, action: str, **body: object) -> str:
    """Start an action; returns the job's uuid."""
    answer = ask(dc, "vmapi", "POST", f"/vms/{the_vm(dc, alias)['uuid']}?action={action}", body)
    assert answer.status == 202, answer.body
    return str(answer.body["job_uuid"])


def ended(dc: Datacenter, job: str) -> Doc:
    """The job when it is over."""
    found: Doc = get(dc, "vmapi", f"/jobs/{job}/wait")
    return found


def test_answers_as_recorded(tmp_path: pathlib.Path) -> None:
    dc = box(tmp_path, "empty")
    assert worse_than(differences(in_time(dc, vmapi.handle), "vmapi"), "value") == []


def test_alias_matches_by_prefix(dc: Datacenter) -> None:
    dc.store.put("vmapi_vm", ADMIN, {"uuid": ADMIN, "alias": "papi01"})
    assert sorted(aliases(dc, alias="papi0")) == ["papi0", "papi01"]
    assert aliases(dc, query="(alias=papi0)") == ["papi0"]


def test_destroyed_machines_stay_in_unfiltered_lists(dc: Datacenter) -> None:
    dc.store.put("vmapi_vm", ADMIN, {"uuid": ADMIN, "alias": "old0", "state": "destroyed"})
    assert "old0" in aliases(dc)
    assert "old0" not in aliases(dc, state="active")


def test_paging_by_marker_meets_every_machine_once(dc: Datacenter) -> None:
    found: list[str] = []
    query = "limit=5&fields=uuid"
    while page := get(dc, "vmapi", f"/vms?{query}"):
        found += [vm["uuid"] for vm in page]
        query = "limit=5&fields=uuid&marker=" + json.dumps({"uuid": found[-1]})
    assert sorted(found) == sorted(vm["uuid"] for vm in dc.store.all("vmapi_vm"))


@pytest.mark.parametrize(("query", "wanted"), [
    ("(&(alias=pap*)(state=running))", ["papi0"]),
    ("(|(alias=papi0)(alias=napi0))", ["napi0", "papi0"]),
    ("(&(alias=*api0)(!(ram>=1024)))", ["imgapi0", "napi0", "sapi0"]),
    ("(tag.smartdc_role=papi)", ["papi0"]),
])
def test_ldap_queries(dc: Datacenter, query: str, wanted: list[str]) -> None:
    assert aliases(dc, query=query, sort="alias.asc") == wanted


@pytest.mark.parametrize(("predicate", "wanted"), [
    ({"eq": ["alias", "papi0"]}, ["papi0"]),
    ({"and": [{"ge": ["ram", 512]}, {"lt": ["ram", 1024]}]}, ["imgapi0", "sapi0"]),
])
def test_predicates(dc: Datacenter, predicate: object, wanted: list[str]) -> None:
    assert aliases(dc, predicate=json.dumps(predicate), sort="alias") == wanted


def test_a_reprovision_job_swaps_the_root(dc: Datacenter) -> None:
    image, uuid = newer(dc, "papi"), the_vm(dc, "papi0")["uuid"]
    job = ended(dc, act(dc, "papi0", "reprovision", image_uuid=image))
    assert job["execution"] == "succeeded"
    assert the_vm(dc, "papi0")["image_uuid"] == get(dc, "vmapi", f"/vms/{uuid}")["image_uuid"] == image
    assert (dc.store.get("zone", uuid) or {})["reprovisions"] == 1


def test_a_reprovision_is_seen_while_it_runs(dc: Datacenter) -> None:
    job = act(dc, "papi0", "reprovision", image_uuid=newer(dc, "papi"))
    dc.wait(30)                                                   # the image comes first, it is not on the node
    assert get(dc, "vmapi", f"/jobs/{job}")["execution"] == "running"
    assert the_vm(dc, "papi0")["state"] == "provisioning"
    assert [one["uuid"] for one in get(dc, "workflow", "/jobs?execution=running")] == [job]


def slow(dc: Datacenter, alias: str, seconds: float) -> None:
    """Let the next reprovisions of a zone take so long."""
    zone = dc.store.get("zone", the_vm(dc, alias)["uuid"]) or {}
    zone["durations"]["reprovision"] = seconds
    dc.store.put("zone", zone["uuid"], zone)


def test_a_slow_reprovision_fails_the_job_but_goes_on(dc: Datacenter) -> None:
    slow(dc, "papi0", 250.0)
    image = newer(dc, "papi")
    assert ended(dc, act(dc, "papi0", "reprovision", image_uuid=image))["execution"] == "failed"
    dc.wait(300)
    assert (the_vm(dc, "papi0")["state"], the_vm(dc, "papi0")["image_uuid"]) == ("running", image)


def test_the_whole_job_has_210_seconds(dc: Datacenter) -> None:
    vm, image = the_vm(dc, "papi0"), the_vm(dc, "papi0")["image_uuid"]
    slow(dc, "papi0", 110.0)
    ticket = ask(dc, "cnapi", "POST", f"/servers/{dc.headnode}/tickets", {
        "scope": "vm", "id": vm["uuid"], "expires_at": "2030-01-01T00:00:00.000Z"}).body["uuid"]
    job = act(dc, "papi0", "reprovision", image_uuid=image)
    dc.wait(110)                                                  # somebody else holds the machine so long
    ask(dc, "cnapi", "PUT", f"/tickets/{ticket}/release")
    found = ended(dc, job)
    assert (found["execution"], found["chain_results"][-1]["error"]) == ("failed", "timeout")


def test_an_image_that_nobody_has_fails_the_job_and_touches_nothing(dc: Datacenter) -> None:
    job = ended(dc, act(dc, "papi0", "reprovision", image_uuid=ADMIN))
    assert job["chain_results"][-1]["error"] == "reprovision failed: no such image"
    assert dc.zone_answers(the_vm(dc, "papi0")["uuid"])


def test_jobs_on_one_machine_wait_for_each_other(dc: Datacenter) -> None:
    first = act(dc, "papi0", "stop")
    dc.wait(1)                                                    # its ticket is taken by then
    second = act(dc, "papi0", "start")
    assert [ended(dc, first)["execution"], ended(dc, second)["execution"]] == ["succeeded", "succeeded"]
    assert the_vm(dc, "papi0")["state"] == "running"


def test_a_failed_job_gives_its_ticket_back(dc: Datacenter) -> None:
    ended(dc, act(dc, "papi0", "start"))
    assert get(dc, "cnapi", f"/servers/{dc.headnode}/tickets") == []


def test_belief_lags_until_asked_with_sync(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    dc.stop(the_vm(dc, "cnapi0")["uuid"])                         # now vm-agent cannot tell
    dc.wait(10)
    dc.stop(uuid)
    assert get(dc, "vmapi", f"/vms/{uuid}")["state"] == "running"
    assert get(dc, "vmapi", f"/vms/{uuid}?sync=true")["state"] == "stopped"


def test_sync_with_a_dead_server_is_409(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    faults.add(dc, "server=cn0 down")
    cn0 = next(server["uuid"] for server in dc.store.all("server") if not server["headnode"])
    dc.store.put("vmapi_vm", ADMIN, {**vm, "uuid": ADMIN, "server_uuid": cn0})
    assert ask(dc, "vmapi", "GET", f"/vms/{ADMIN}?sync=true").body["code"] == "ServerNotRunning"


def test_update_changes_metadata(dc: Datacenter) -> None:
    ended(dc, act(dc, "papi0", "update", customer_metadata={"user-script": "new"}))
    assert the_vm(dc, "papi0")["customer_metadata"] == {"user-script": "new"}


def test_sync_true_on_an_action_waits_for_its_job(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    answer = ask(dc, "vmapi", "POST", f"/vms/{uuid}?action=stop&sync=true", {})
    assert get(dc, "vmapi", f"/jobs/{answer.body['job_uuid']}")["execution"] == "succeeded"


def test_actions_need_workflow(dc: Datacenter) -> None:
    dc.stop(the_vm(dc, "workflow0")["uuid"])
    assert ask(dc, "vmapi", "POST", f"/vms/{the_vm(dc, 'papi0')['uuid']}?action=stop", {}).status == 503
    assert aliases(dc, alias="papi0") == ["papi0"]
