"""The planner: order, what goes into the plan as it is, rows, and that it has no choices of its own."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from plan_builders import (
    HEADNODE,
    NODE,
    OPTIONS,
    ORIGIN,
    inventory,
    new_image,
    old_image,
    outcome,
    plan_of,
    row,
    targets,
    uuid,
    with_zone,
)

from sdcupgrade.jsonvalue import pretty
from sdcupgrade.plan import stack
from sdcupgrade.plan.document import Change, ImageRef
from sdcupgrade.plan.planner import draft
from sdcupgrade.plan.spec import parse_spec
from sdcupgrade.plan.summary import download_bytes, rollback_json, spec_json, summary

PLAIN = [entry.name for entry in stack.STACK if not entry.special and not entry.retired]


@pytest.mark.parametrize("seed", range(20))
def test_any_choice_of_services_in_any_order_goes_bottom_of_the_stack_first(seed: int) -> None:
    chance = random.Random(seed)
    names = chance.sample(PLAIN, chance.randint(1, len(PLAIN)))
    order = [item.service for item in plan_of(inventory(*names), targets(*names)).services]
    assert sorted(order) == sorted(names)
    assert order == sorted(order, key=stack.position)


def test_the_same_input_gives_the_same_plan() -> None:
    names = ("vmapi", "imgapi", "sapi")
    assert plan_of(inventory(*names), targets(*names)) == plan_of(inventory(*names), targets(*reversed(names)))


def test_the_plan_says_where_when_and_by_whom() -> None:
    plan = plan_of(inventory("vmapi"), targets("vmapi"))
    assert (plan.name, plan.created_at, plan.created_by) == ("foo", OPTIONS.created_at, "root")
    assert (plan.datacenter, plan.headnode, plan.channel, plan.source) == ("coal", "gemini", "dev", OPTIONS.source)


def test_a_headnode_that_cnapi_does_not_know_is_named_by_uuid() -> None:
    found = with_zone(inventory("vmapi"), "vmapi", server_uuid=NODE)
    plan = plan_of(replace(found, servers=found.servers[1:]), targets("vmapi"))
    assert plan.headnode == HEADNODE


def test_a_zone_on_another_server_is_worked_on_there() -> None:
    plan = plan_of(with_zone(inventory("vmapi", "papi"), "vmapi", server_uuid=NODE), targets("vmapi", "papi"))
    places = {item.service: item.hostname for item in plan.services}
    assert places == {"papi": "gemini", "vmapi": "cn1"}
    assert plan.servers == {HEADNODE: "gemini", NODE: "cn1"}
    servers = {step.params.get("server") for step in plan.services[1].steps}
    assert servers == {NODE, None}


def test_servers_that_only_hold_no_ops_are_not_touched() -> None:
    plan = plan_of(inventory("vmapi"), {"vmapi": old_image(row("vmapi"))})
    assert plan.servers == {}


def test_downloads_are_the_targets_and_their_shared_origin() -> None:
    plan = plan_of(inventory("vmapi", "papi"), targets("vmapi", "papi"))
    assert [one.name for one in plan.downloads] == ["triton-origin", "papi", "vmapi"]
    assert download_bytes(plan) == 3 * (50 << 20)


def test_an_origin_that_imgapi_has_is_not_downloaded() -> None:
    found = inventory("vmapi")
    found = replace(found, imgapi_images=found.imgapi_images | {ORIGIN.uuid})
    assert [one.name for one in plan_of(found, targets("vmapi")).downloads] == ["vmapi"]


def test_a_service_without_instance_needs_its_image_in_no_pool() -> None:
    plan = plan_of(replace(inventory("cloudapi"), instances=()), targets("cloudapi"))
    assert [one.servers for one in plan.downloads] == [(), ()]


def test_the_work_dir_can_be_elsewhere() -> None:
    made = outcome(inventory("vmapi"), targets("vmapi"), replace(OPTIONS, workdir="/elsewhere"))
    assert made.inputs
    assert all(path.startswith("/elsewhere/user-scripts/") for path in made.inputs)


def test_the_rows_of_a_draft_are_those_of_its_plan() -> None:
    found = replace(inventory("vmapi", "papi", "cloudapi"), instances=inventory("vmapi", "papi").instances)
    made = outcome(found, {**targets("vmapi", "cloudapi"), "papi": old_image(row("papi"))})
    assert made.plan is not None
    assert made.rows == summary(made.plan)
    assert [one.change for one in made.rows] == [Change.NONE, Change.UPGRADE, Change.SAPI_ONLY]


def test_a_row_shows_service_zone_server_images_and_size() -> None:
    (only,) = outcome(inventory("vmapi"), targets("vmapi")).rows
    old, new = old_image(row("vmapi")), new_image(row("vmapi"))
    assert (only.service, only.instance, only.server, only.size) == ("vmapi", "vmapi0", "gemini", 50 << 20)
    assert only.current == ImageRef(old.uuid, old.version, old.published_at)
    assert only.target == ImageRef(new.uuid, new.version, new.published_at)


def test_refused_services_have_rows_too_beside_the_others() -> None:
    made = outcome(inventory("moray", "vmapi"), targets("moray", "vmapi"))
    assert [(one.service, one.change) for one in made.rows] == [("moray", None), ("vmapi", Change.UPGRADE)]
    assert made.inputs == {}


def test_notes_about_refused_services_are_not_given() -> None:
    made = outcome(inventory("moray", "vmapi"), targets("moray", "vmapi"))
    assert {note.subject for note in made.notes} == {"vmapi"}


def test_a_row_without_anything_current_says_so() -> None:
    found = replace(inventory("cloudapi"), instances=())
    found = replace(found, services=tuple(replace(one, image_uuid=None) for one in found.services))
    (only,) = outcome(found, targets("cloudapi")).rows
    assert only.current is None


def test_a_service_that_is_not_in_the_table_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        outcome(inventory(), {"nothing": new_image(row("vmapi"))})


def test_the_resolved_spec_is_in_order_and_a_spec() -> None:
    plan = plan_of(inventory("sapi", "vmapi", "imgapi"), targets("sapi", "vmapi", "imgapi"))
    resolved = spec_json(plan)
    assert list(resolved) == ["imgapi", "vmapi", "sapi"]
    assert resolved["vmapi"] == new_image(row("vmapi")).uuid
    assert len(parse_spec(pretty(resolved), "spec.json").targets) == 3


def test_the_rollback_spec_has_the_current_image_of_each() -> None:
    found = replace(inventory("vmapi", "cloudapi"), instances=inventory("vmapi").instances)
    found = with_zone(found, "vmapi", image_uuid=uuid("image", 77))
    back = rollback_json(plan_of(found, targets("vmapi", "cloudapi")))
    assert back == {"vmapi": uuid("image", 77), "cloudapi": old_image(row("cloudapi")).uuid}
    assert len(parse_spec(pretty(back), "rollback.json").targets) == 2


def test_a_service_that_had_no_image_is_not_in_the_rollback_spec() -> None:
    found = replace(inventory("cloudapi"), instances=())
    found = replace(found, services=tuple(replace(one, image_uuid=None) for one in found.services))
    assert rollback_json(plan_of(found, targets("cloudapi"))) == {}


def test_unsigned_images_are_said_once_and_marked() -> None:
    made = draft(inventory("vmapi", "imgapi"), targets("vmapi", "imgapi"), {ORIGIN.uuid: ORIGIN}, OPTIONS)
    (note,) = (one for one in made.notes if one.id == "unsigned-image")
    assert note.evidence == "all unsigned: their source and their sha1 alone vouch for them"
    assert made.plan is not None
    assert {(one.signed, one.sha256) for one in made.plan.downloads} == {(False, "")}


def test_a_signed_image_has_its_digest_in_the_plan() -> None:
    image = targets("vmapi")["vmapi"]
    options = replace(OPTIONS, signed={image.uuid: "5" * 64})
    made = draft(inventory("vmapi"), targets("vmapi"), {ORIGIN.uuid: ORIGIN}, options)
    assert made.plan is not None
    assert {one.uuid: one.sha256 for one in made.plan.downloads if one.signed} == {image.uuid: "5" * 64}
    (note,) = (one for one in made.notes if one.id == "unsigned-image")
    assert note.evidence.startswith("1 of 2 unsigned")


def test_each_unsigned_image_is_refused_where_signatures_are_required() -> None:
    options = replace(OPTIONS, require_signed=True)
    made = draft(inventory("vmapi"), targets("vmapi"), {ORIGIN.uuid: ORIGIN}, options)
    assert made.plan is None
    assert {one.id for one in made.refusals} == {"unsigned-image"}
    assert len(made.refusals) == 2


def test_images_on_this_machine_take_no_room_in_the_work_dir() -> None:
    found = replace(inventory("vmapi"), space=replace(inventory("vmapi").space, workdir=0))
    wanted = targets("vmapi")
    here = frozenset({ORIGIN.uuid, wanted["vmapi"].uuid})
    assert [one.subject for one in outcome(found, wanted).refusals] == ["work dir"]
    assert outcome(found, wanted, replace(OPTIONS, in_place=here)).refusals == ()
