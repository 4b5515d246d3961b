"""What the operator reads while a service of the datacenter is down: every check that can run, in ``check`` and at the
gate of ``upgrade``, and never only the first error."""

from __future__ import annotations

import json

import pytest
from site_in_a_box import Site
from untouched import refused, told

DOWN = [
    ("sapi", "sapi * * refuse"),
    ("cnapi", "cnapi * * refuse"),
    ("imgapi", "imgapi * * refuse"),
    ("vmapi", "vmapi * * status=503"),
]
down = pytest.mark.parametrize(("service", "rule"), DOWN)


def results(site: Site) -> dict[str, str]:
    """The result of each check, of a ``check`` that finds something."""
    ran = site.run("check -j")
    assert ran.status == 4
    rows = json.loads(ran.out)
    return {row["check"]: row["result"] for row in sorted(rows, key=lambda row: str(row["result"] == "failed"))}


@down
def test_a_service_that_is_down_is_one_row_of_the_table(coal: Site, service: str, rule: str) -> None:
    coal.fault(rule)
    found = results(coal)
    assert (found[f"{service}-up"], found["inventory"]) == ("failed", "failed")
    well = ("headnode", "dns", "zones-running", "zones-smf", "transport", "pool-space", "leftovers", "jobs-idle")
    assert [found[check] for check in well] == ["ok"] * len(well)
    assert [id for id in found if id.endswith("-up") and found[id] == "failed" and id != "servers-up"] == [
        f"{service}-up"
    ]


@down
def test_the_remedy_is_to_look_into_the_zone_and_never_the_check_itself(coal: Site, service: str, rule: str) -> None:
    coal.fault(rule)
    ran = told(coal.run("check"), 4, "the remedies are above; nothing was changed")
    assert f"{service}-up: see what ails {service}: sdc-healthcheck; svcs -xvz {coal.vm(service)['uuid']}\n" in ran.out
    assert "sdcupgrade check" not in ran.out + ran.err


def test_a_zone_that_is_ill_is_found_while_sapi_is_down_too(coal: Site) -> None:
    coal.dc.stop(coal.vm("papi")["uuid"])
    coal.fault("sapi * * refuse")
    ran = told(coal.run("check"), 4, "papi0     the zone is stopped", "zones-running: look at vmadm get")
    assert "4 checks failed: inventory, sapi-mode, sapi-up, zones-running" in ran.err


def test_garbage_in_place_of_the_inventory_hides_no_check(coal: Site) -> None:
    coal.fault("cnapi GET /servers garbage")
    found = results(coal)
    assert (found["inventory"], found["cnapi-up"], found["zones-running"]) == ("failed", "ok", "ok")


def test_one_check_is_not_called_checks(coal: Site) -> None:
    coal.fault("workflow * * refuse")
    assert "sdcupgrade: 1 check failed: workflow-up\n" in coal.run("check").err


@down
def test_an_upgrade_tells_which_service_is_down_before_it_ends(coal: Site, service: str, rule: str) -> None:
    coal.spec()
    coal.ready()
    coal.fault(rule)
    words = ("the plan cannot be compared with the datacenter: ", service, "; nothing was changed", "svcs -xvz")
    ran = refused(coal, "upgrade foo --yes", 69, *words)
    assert f"warning: {service}-up: {service}: " in ran.err
    assert f"svcs -xvz {coal.vm(service)['uuid']}" in ran.err


def test_a_plan_that_cannot_be_compared_is_not_carried_out_whatever_is_ignored(coal: Site) -> None:
    coal.spec()
    coal.ready()
    coal.fault("cnapi * * refuse")
    ignored = "--ignore cnapi-up=known --ignore servers-up=known --ignore inventory=known"
    ran = refused(coal, f"upgrade foo --yes {ignored}", 69, "the plan cannot be compared with the datacenter")
    assert "warning: ignored (known): cnapi-up" in ran.err


def test_a_workflow_that_is_down_is_one_check_to_ignore(coal: Site) -> None:
    coal.spec()
    coal.ready()
    coal.fault("workflow * * refuse")
    refused(coal, "upgrade foo --yes", 4, "1 health check failed (workflow-up)")
    coal.run("upgrade foo --yes --pause never --ignore workflow-up=known").ok()
