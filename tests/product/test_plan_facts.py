"""What a plan rests on: every fact that moved is told, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from plan_builders import NODE, inventory, plan_of, row, targets, uuid, with_service, with_zone, zone

from sdcupgrade.model import Inventory
from sdcupgrade.plan.facts import check_facts, facts

BEFORE = inventory("vmapi", "papi")
PLAN = plan_of(BEFORE, targets("vmapi", "papi"))


def test_a_datacenter_that_did_not_move_is_as_planned() -> None:
    assert check_facts(PLAN, BEFORE) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda found: with_zone(found, "vmapi", image_uuid=uuid("image", 9)), "the image of its zone was 1"),
        (lambda found: with_zone(found, "vmapi", uuid=uuid("vm", 9)), "the uuid of its zone was 2"),
        (lambda found: with_zone(found, "vmapi", server_uuid=NODE), "the server of its zone was 4"),
        (lambda found: with_zone(found, "vmapi", quota_gib=0), "in GiB was 25 when the plan was made, and is 0"),
        (lambda found: with_zone(found, "vmapi", user_script="x"), "the user-script of its zone (sha256) was"),
        (lambda found: with_service(found, "vmapi", user_script=None), "and is absent now"),
        (lambda found: with_service(found, "vmapi", image_uuid=None), "the image that SAPI would provision was 1"),
        (lambda found: with_service(found, "vmapi", uuid=uuid("service", 99)), "the uuid of its SAPI service was 3"),
    ],
)
def test_each_fact_that_moved_is_told(change: Callable[[Inventory], Inventory], sentence: str) -> None:
    (only,) = check_facts(PLAN, change(BEFORE))
    assert only.startswith("vmapi: ")
    assert sentence in only


def test_a_service_that_was_begun_is_not_compared() -> None:
    moved = with_zone(BEFORE, "vmapi", image_uuid=uuid("image", 9))
    assert check_facts(PLAN, moved, {"vmapi"}) == []
    assert check_facts(PLAN, moved, {"papi"})


def test_a_second_zone_is_told_once() -> None:
    moved = replace(BEFORE, instances=(*BEFORE.instances, zone(row("vmapi"), 1)))
    assert check_facts(PLAN, moved) == ["vmapi: has 2 zones now"]


def test_a_zone_that_went_away_is_told() -> None:
    assert any("the uuid of its zone" in one for one in check_facts(PLAN, with_zone(BEFORE, "vmapi", state="missing")))


def test_a_state_that_comes_and_goes_is_no_fact() -> None:
    assert check_facts(PLAN, with_zone(BEFORE, "vmapi", state="stopped")) == []


def test_the_facts_of_what_is_not_there_are_absent() -> None:
    found = facts(inventory(), "vmapi")
    assert (found.service_uuid, found.service_image, found.instance, found.image, found.quota_gib) == (
        "",
        None,
        None,
        None,
        0,
    )


def test_sapi_that_lists_the_zone_no_longer_is_told() -> None:
    assert check_facts(PLAN, with_zone(BEFORE, "vmapi", in_sapi=False)) == ["vmapi: SAPI no longer lists vmapi0"]


def test_an_instance_whose_vm_is_gone_is_told() -> None:
    ghost = replace(zone(row("vmapi"), 1), state="missing")
    told = check_facts(PLAN, replace(BEFORE, instances=(*BEFORE.instances, ghost)))
    assert told == [f"vmapi: SAPI has instance {ghost.uuid} without a VM now"]
