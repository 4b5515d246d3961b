"""The workflow API: what a drain sees, cancelling; and a job's own time."""

from __future__ import annotations

import pathlib

import pytest
from mockdc.apis import workflow_jobs as jobs
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc
from small_dc import ask, furnished, get, the_vm

ACTION = "test_mock_workflow:step_on"
QUICK = jobs.Workflow("quick-1.0.0", 60, ("one", "two:5"))


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path)


def step_on(dc: Datacenter, job: str) -> None:
    """The event of the tests' own jobs."""
    jobs.advance(dc, job, {"one": lambda dc, job, at: "done", "two": patient}, note_failure)


def patient(dc: Datacenter, job: Doc, at: float) -> jobs.Again:
    return jobs.Again(1)


def note_failure(dc: Datacenter, job: Doc, at: float) -> None:
    dc.store.set_meta("cleaned up at", at)


def execution(dc: Datacenter, job: str) -> str:
    return str(get(dc, "workflow", f"/jobs/{job}")["execution"])


def test_a_drain_sees_a_job_until_it_is_over(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    ask(dc, "vmapi", "POST", f"/vms/{uuid}?action=stop", {})
    assert len(get(dc, "workflow", "/jobs?limit=20&execution=queued")) == 1
    dc.wait(60)
    assert get(dc, "workflow", "/jobs?execution=queued") == get(dc, "workflow", "/jobs?execution=running") == []


def test_a_step_that_waits_too_long_fails_the_job(dc: Datacenter) -> None:
    job = jobs.create(dc, QUICK, {}, ACTION)
    dc.wait(4)
    assert execution(dc, job) == "running"
    dc.wait(3)
    assert execution(dc, job) == "failed"
    assert dc.store.meta("cleaned up at") is not None


def test_a_job_keeps_its_own_time_however_late_somebody_looks(dc: Datacenter) -> None:
    job, begun = jobs.create(dc, QUICK, {}, ACTION), dc.now()
    dc.wait(1000)
    assert dc.store.meta("cleaned up at") < begun + 10
    assert execution(dc, job) == "failed"


def test_cancelling_an_open_job(dc: Datacenter) -> None:
    job = jobs.create(dc, QUICK, {}, ACTION)
    assert ask(dc, "workflow", "POST", f"/jobs/{job}/cancel").body["execution"] == "canceled"
    dc.wait(10)
    assert execution(dc, job) == "canceled"


def test_a_job_that_is_over_cannot_be_cancelled(dc: Datacenter) -> None:
    job = jobs.create(dc, QUICK, {}, ACTION)
    dc.wait(10)
    assert ask(dc, "workflow", "POST", f"/jobs/{job}/cancel").status == 409


def test_an_unknown_job_is_404_and_jobs_cannot_be_put(dc: Datacenter) -> None:
    assert ask(dc, "workflow", "GET", f"/jobs/{dc.headnode}").status == 404
    assert ask(dc, "workflow", "PUT", f"/jobs/{dc.headnode}").status == 405


def test_packages_by_wildcard(dc: Datacenter) -> None:
    answer = ask(dc, "papi", "GET", "/packages?name=sdc_1*")
    assert [each["name"] for each in answer.body] == ["sdc_1024", "sdc_128", "sdc_16384"]
    assert answer.headers["x-resource-count"] == "3"


def test_the_package_of_a_zone_is_known(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    assert get(dc, "papi", f"/packages/{vm['billing_id']}")["name"] == vm["package_name"]


def test_the_nics_of_a_zone(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    found = get(dc, "napi", f"/nics?belongs_to_uuid={vm['uuid']}")
    assert [nic["ip"] for nic in found] == [vm["nics"][0]["ip"]]
    assert get(dc, "napi", "/networks?name=admin")[0]["uuid"] == vm["nics"][0]["network_uuid"]
