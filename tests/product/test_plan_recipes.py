"""Recipes: which steps an upgrade of one service has, and that the rollback reverses each of them."""

from __future__ import annotations

import pytest
from plan_builders import (
    COMMON,
    HEADNODE,
    OLD_SCRIPT,
    inventory,
    new_image,
    old_image,
    outcome,
    plan_of,
    planned,
    row,
    service,
    targets,
    with_service,
    with_zone,
    zone,
)

from sdcupgrade.plan.document import ServicePlan, Step
from sdcupgrade.plan.recipes import CHANGING, KEPT, sha256
from sdcupgrade.plan.stack import STACK

PLAIN = [entry.name for entry in STACK if not entry.special and not entry.retired]
KEEP = ["save-logs", "snapshot"]
SETUP = ["user-script", "service-user-script", "service-image"]
WAITS = ["wait-setup", "wait-smf", "wait-ping", "wait-dns"]
VMAPI = row("vmapi")


def kinds(steps: tuple[Step, ...]) -> list[str]:
    return [step.kind for step in steps]


def step(plan: ServicePlan, kind: str) -> Step:
    (found,) = (one for one in plan.steps if one.kind == kind)
    return found


def undo(plan: ServicePlan, kind: str) -> Step:
    (found,) = (one for one in plan.rollback if one.kind == kind)
    return found


def test_the_steps_go_keep_setup_zone_waits_verify() -> None:
    assert kinds(planned("vmapi").steps) == [*KEEP, *SETUP, "reprovision", *WAITS, "verify"]


def test_the_rollback_goes_logs_setup_zone_waits_verify() -> None:
    zone = ["reprovision", "join-dns", *WAITS, "verify"]
    assert kinds(planned("vmapi").rollback) == ["save-logs", *SETUP, *zone]


@pytest.mark.parametrize("name", ["rabbitmq", "sdc"])
def test_after_what_carries_commands_the_servers_are_waited_for(name: str) -> None:
    plan = planned(name)
    for steps in (plan.steps, plan.rollback):
        assert kinds(steps).index("wait-transport") > kinds(steps).index("reprovision")


def test_a_sapi_that_may_be_broken_is_asked_only_after_it_is_back() -> None:
    order = kinds(planned("sapi").rollback)
    assert order.index("user-script") < order.index("reprovision") < order.index("service-user-script")
    assert order.index("wait-ping") < order.index("service-image") < order.index("verify")


def test_going_up_sapi_is_asked_while_it_is_there() -> None:
    order = kinds(planned("sapi").steps)
    assert order.index("service-image") < order.index("reprovision")


@pytest.mark.parametrize("name", PLAIN)
def test_every_step_that_changes_something_is_undone_by_name(name: str) -> None:
    plan = planned(name, with_zone(inventory(name), name, quota_gib=0))
    changing = {one.id for one in plan.steps if one.kind in CHANGING}
    undone = {undone for one in plan.rollback if one.kind in CHANGING for undone in one.undoes}
    assert undone == changing


@pytest.mark.parametrize("name", PLAIN)
def test_forward_steps_undo_nothing_and_rollback_steps_undo_forward_ones(name: str) -> None:
    plan = planned(name)
    forward = {one.id for one in plan.steps}
    assert all(one.undoes == () for one in plan.steps)
    assert all(one.undoes and set(one.undoes) <= forward for one in plan.rollback)


def test_ids_are_unique_in_a_plan_and_tell_the_direction() -> None:
    plan = plan_of(inventory(*PLAIN), targets(*PLAIN))
    steps = [one for item in plan.services for one in (*item.steps, *item.rollback)]
    assert len({one.id for one in steps}) == len(steps)
    assert planned("vmapi").steps[0].id == "vmapi.save-logs"
    assert planned("vmapi").rollback[0].id == "vmapi.undo-save-logs"


def test_only_reprovision_is_disruptive_and_only_the_snapshot_is_optional() -> None:
    steps = (*planned("vmapi").steps, *planned("vmapi").rollback)
    assert {one.kind for one in steps if one.disruptive} == {"reprovision"}
    assert {(one.kind, one.option) for one in steps if one.option} == {("snapshot", "snapshot")}


def test_the_zone_goes_to_the_new_image_and_back_to_the_old() -> None:
    plan, vm = planned("vmapi"), zone(VMAPI)
    at = {"vm": vm.uuid, "server": HEADNODE, "alias": "vmapi0"}
    assert step(plan, "reprovision").params == {**at, "image": new_image(VMAPI).uuid, "in_dns": True}
    assert undo(plan, "reprovision").params == {**at, "image": old_image(VMAPI).uuid, "in_dns": True}
    assert step(plan, "verify").params == {**at, "image": new_image(VMAPI).uuid}
    assert undo(plan, "verify").params == {**at, "image": old_image(VMAPI).uuid}


def test_sapi_is_told_the_new_image_and_gets_the_old_one_back() -> None:
    plan = planned("vmapi")
    assert step(plan, "service-image").params["image"] == new_image(VMAPI).uuid
    assert undo(plan, "service-image").params["image"] == old_image(VMAPI).uuid


def test_a_key_that_sapi_did_not_have_is_removed_again() -> None:
    plan = planned("vmapi", with_service(inventory("vmapi"), "vmapi", image_uuid=None, user_script=None))
    assert undo(plan, "service-image").params == {"service_uuid": service(VMAPI).uuid, "image": None}
    nothing = {"service_uuid": service(VMAPI).uuid, "file": None, "sha256": None}
    assert undo(plan, "service-user-script").params == nothing


def test_a_user_script_that_the_zone_did_not_have_is_removed_again() -> None:
    plan = planned("vmapi", with_zone(inventory("vmapi"), "vmapi", user_script=None))
    params = undo(plan, "user-script").params
    assert (params["file"], params["sha256"]) == (None, None)


def test_old_user_scripts_are_saved_under_the_old_image_and_the_new_one_under_its_digest() -> None:
    made = outcome(inventory("vmapi"), targets("vmapi"))
    folder, old = "/var/tmp/upgrade-foo/user-scripts", old_image(VMAPI).uuid
    assert made.inputs == {
        f"{folder}/vmapi0.{old}.user-script": OLD_SCRIPT,
        f"{folder}/service-vmapi.{old}.user-script": OLD_SCRIPT,
        f"{folder}/common.{sha256(COMMON)[:12]}.user-script": COMMON,
    }


def test_steps_read_only_saved_files_of_the_digest_they_name() -> None:
    made = outcome(inventory(*PLAIN), targets(*PLAIN))
    assert made.plan is not None
    steps = [one for item in made.plan.services for one in (*item.steps, *item.rollback) if one.params.get("file")]
    assert len(steps) > 40
    assert all(one.params["sha256"] == sha256(made.inputs[str(one.params["file"])]) for one in steps)


def test_a_user_script_of_today_is_left_alone() -> None:
    found = with_service(with_zone(inventory("vmapi"), "vmapi", user_script=COMMON), "vmapi", user_script=COMMON)
    made = outcome(found, targets("vmapi"))
    assert made.plan is not None
    assert "user-script" not in kinds(made.plan.services[0].steps)
    assert "service-user-script" not in kinds(made.plan.services[0].steps)
    assert made.inputs == {}


def test_a_zone_without_quota_gets_one_and_loses_it_only_after_it_is_back() -> None:
    plan = planned("vmapi", with_zone(inventory("vmapi"), "vmapi", quota_gib=0))
    assert step(plan, "quota").params["gib"] == 25
    assert undo(plan, "quota").params["gib"] == 0
    assert kinds(plan.steps).index("quota") < kinds(plan.steps).index("reprovision")
    assert kinds(plan.rollback).index("reprovision") < kinds(plan.rollback).index("quota")


def test_a_zone_with_quota_keeps_it() -> None:
    assert "quota" not in kinds(planned("vmapi").steps)


def test_a_ping_goes_to_the_admin_address_and_dns_is_asked_for_the_domain() -> None:
    plan, ip = planned("vmapi"), zone(VMAPI).admin_ip
    assert step(plan, "wait-ping").params == {"service": "vmapi", "url": f"http://{ip}/ping"}
    assert step(plan, "wait-dns").params == {"domain": "vmapi.coal.example.com", "ip": ip}


def test_a_service_without_ping_is_not_pinged() -> None:
    assert "wait-ping" not in kinds(planned("adminui").steps)


def test_a_service_without_domain_is_not_looked_up() -> None:
    plan = planned("vmapi", with_service(inventory("vmapi"), "vmapi", domain=None))
    assert "wait-dns" not in kinds((*plan.steps, *plan.rollback))


def test_a_zone_without_admin_address_is_neither_pinged_nor_looked_up() -> None:
    plan = planned("vmapi", with_zone(inventory("vmapi"), "vmapi", admin_ip=""))
    assert not {"wait-ping", "wait-dns"} & set(kinds(plan.steps))


def test_assets_which_sapi_does_not_know_is_only_a_zone() -> None:
    plan = planned("assets")
    assert kinds(plan.steps) == [*KEEP, "user-script", "reprovision", "wait-setup", "wait-smf", "verify"]


def test_logs_and_snapshots_of_each_root_have_names_of_their_own() -> None:
    plan, old, new = planned("vmapi"), old_image(VMAPI).uuid, new_image(VMAPI).uuid
    assert step(plan, "save-logs").params["into"] == f"{KEPT}/logs/foo-20240301T100000Z/vmapi0.{old}.tar.gz"
    assert undo(plan, "save-logs").params["into"] == f"{KEPT}/logs/foo-20240301T100000Z/vmapi0.{new}.rollback.tar.gz"
    assert step(plan, "snapshot").params["into"] == f"{KEPT}/snapshots/foo-20240301T100000Z/vmapi0.{old}.zfs"
    assert step(plan, "snapshot").params["name"] == "sdcupgrade-foo"


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("reprovision", 420), ("wait-setup", 180), ("wait-dns", 300), ("snapshot", 1800), ("verify", 60)],
)
def test_every_step_has_its_time(kind: str, seconds: int) -> None:
    assert step(planned("vmapi"), kind).timeout_s == seconds


def test_every_step_says_what_it_does_to_whom() -> None:
    steps = (*planned("vmapi").steps, *planned("vmapi").rollback)
    assert all("vmapi" in one.says for one in steps)
    assert new_image(VMAPI).uuid in step(planned("vmapi"), "reprovision").says
    assert old_image(VMAPI).uuid in undo(planned("vmapi"), "reprovision").says
