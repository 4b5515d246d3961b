"""Every reason why a service is refused, and every note: each with its id, its evidence and its remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from plan_builders import (
    HEADNODE,
    NODE,
    OPTIONS,
    ORIGIN,
    image,
    inventory,
    new_image,
    note_ids,
    old_image,
    outcome,
    refusal,
    row,
    service,
    targets,
    uuid,
    with_service,
    with_zone,
    zone,
)

import sdcupgrade.plan
from sdcupgrade.model import Image, Inventory, Server, Space
from sdcupgrade.plan.document import Change
from sdcupgrade.plan.findings import FINDINGS
from sdcupgrade.plan.planner import draft
from sdcupgrade.plan.stack import STACK

VMAPI = row("vmapi")
DOWN = replace(OPTIONS, allow_downgrade=True)


def with_target(**changes: object) -> dict[str, Image]:
    """vmapi's new image with some fields changed."""
    return {"vmapi": replace(new_image(VMAPI), **changes)}  # type: ignore[arg-type]  # field names come from the test


def with_current(found: Inventory, name: str, **changes: object) -> Inventory:
    """The same datacenter with what runs of that service changed."""
    old = replace(old_image(row(name)), **changes)  # type: ignore[arg-type]  # field names come from the test
    return replace(found, images={**found.images, old.uuid: old})


def with_server(found: Inventory, **changes: object) -> Inventory:
    """The same datacenter with its headnode changed."""
    headnode, *others = found.servers
    changed: Server = replace(headnode, **changes)  # type: ignore[arg-type]  # field names come from the test
    return replace(found, servers=(changed, *others))


def test_two_instances_are_refused_by_their_names_and_servers() -> None:
    second = replace(zone(VMAPI, 1), server_uuid=NODE)
    found = inventory("vmapi")
    only = refusal(replace(found, instances=(*found.instances, second)), targets("vmapi"))
    assert only.id == "several-instances"
    assert only.evidence == "vmapi has 2 instances: vmapi0 on gemini, vmapi1 on cn1"


def test_an_instance_on_a_server_nobody_knows_is_named_all_the_same() -> None:
    second = replace(zone(VMAPI, 1), server_uuid=uuid("server", 9))
    found = inventory("vmapi")
    assert uuid("server", 9) in refusal(replace(found, instances=(*found.instances, second)), targets("vmapi")).evidence


@pytest.mark.parametrize("name", ["binder", "manatee", "moray", "ufds"])
def test_services_that_need_a_special_procedure_are_not_yet_supported(name: str) -> None:
    only = refusal(inventory(name), targets(name))
    assert only.id == "special-procedure"
    assert f"{name} is not yet supported: " in only.evidence


def test_a_sapi_that_cannot_boot_alone_is_not_yet_supported() -> None:
    found = with_current(inventory("sapi"), "sapi", version="master-20180622T144528Z-gabc1234")
    only = refusal(found, targets("sapi"))
    assert only.id == "special-procedure"
    assert "20180622T144528Z is too old" in only.evidence


def test_a_sapi_that_just_can_boot_alone_is_upgraded() -> None:
    found = with_current(inventory("sapi"), "sapi", version="master-20180622T144529Z-gabc1234")
    assert outcome(found, targets("sapi")).plan


def test_a_sapi_of_unknown_age_is_refused() -> None:
    only = refusal(replace(inventory("sapi"), images={}), targets("sapi"))
    assert only.id == "special-procedure"
    assert "nobody knows its image" in only.evidence


def test_a_sapi_whose_zone_has_the_image_already_may_be_of_any_age() -> None:
    found = replace(with_zone(inventory("sapi"), "sapi", image_uuid=new_image(row("sapi")).uuid), images={})
    assert outcome(found, targets("sapi")).plan


@pytest.mark.parametrize("name", ["redis", "ca", "dapi"])
def test_retired_services_are_refused_and_nothing_else_is_said_of_them(name: str) -> None:
    without_room = replace(inventory(name), space=Space(0, 0, {}))
    assert refusal(without_room, targets(name)).id == "retired-service"


@pytest.mark.parametrize("entry", [entry for entry in STACK if entry.data and not entry.special], ids=lambda e: e.name)
def test_a_service_whose_data_would_be_lost_is_refused(entry: object) -> None:
    name = getattr(entry, "name", "")
    only = refusal(with_zone(inventory(name), name, datasets=()), targets(name))
    assert only.id == "no-delegated-dataset"
    assert row(name).data in only.evidence
    assert "data would be lost" in only.evidence


def test_a_dataset_that_sapi_wants_and_the_zone_lacks_is_refused() -> None:
    found = with_service(inventory("vmapi"), "vmapi", delegate_dataset=True)
    only = refusal(found, targets("vmapi"))
    assert only.id == "no-delegated-dataset"
    assert "TOOLS-1591" in only.evidence


@pytest.mark.parametrize("datasets", [("zones/x/data",), (f"zones/{zone(VMAPI).uuid}/data", "zones/other")])
def test_datasets_that_vmadm_would_refuse_are_refused_before(datasets: tuple[str, ...]) -> None:
    assert refusal(with_zone(inventory("vmapi"), "vmapi", datasets=datasets), targets("vmapi")).id == "odd-dataset"


def test_a_service_that_sapi_lacks_is_refused_with_the_nearest_it_has() -> None:
    only = refusal(inventory("cnapi", "papi"), targets("fwapi"))
    assert only.id == "service-not-in-sapi"
    assert "SAPI has no service 'fwapi'" in only.evidence
    assert "did you mean 'papi'?" in only.remedy


def test_a_service_that_sapi_lacks_and_nothing_is_near_is_refused_without_offer() -> None:
    assert "did you mean" not in refusal(inventory("sdc"), targets("portolan")).remedy


def test_assets_without_zone_is_refused() -> None:
    only = refusal(inventory(), targets("assets"))
    assert (only.id, only.evidence) == ("service-not-in-sapi", "there is no zone of assets")


def test_a_stand_in_for_assets_in_the_inventory_is_no_sapi_record() -> None:
    found = inventory("assets")
    found = replace(found, services=(replace(service(row("assets")), uuid="", image_uuid=None, domain=None),))
    made = outcome(found, targets("assets"))
    assert made.plan is not None
    assert made.plan.services[0].facts.service_image is None
    assert "service-image" not in {step.kind for step in made.plan.services[0].steps}


def test_a_sapi_instance_without_vm_is_drift() -> None:
    found = inventory("vmapi")
    stale = replace(zone(VMAPI, 1), state="missing", alias="")
    only = refusal(replace(found, instances=(*found.instances, stale)), targets("vmapi"))
    assert only.id == "stale-sapi-instance"
    assert f"{stale.uuid} (no alias)" in only.evidence


def test_a_zone_that_sapi_does_not_list_is_drift() -> None:
    only = refusal(with_zone(inventory("vmapi"), "vmapi", in_sapi=False), targets("vmapi"))
    assert only.id == "vm-not-in-sapi"
    assert zone(VMAPI).uuid in only.evidence


@pytest.mark.parametrize(("state", "shown"), [("stopped", "stopped"), ("failed", "failed"), ("", "no state")])
def test_a_zone_that_does_not_run_is_refused(state: str, shown: str) -> None:
    only = refusal(with_zone(inventory("vmapi"), "vmapi", state=state), targets("vmapi"))
    assert only.id == "instance-not-running"
    assert shown in only.evidence


@pytest.mark.parametrize(("state", "remedy"), [("stopped", "start it: vmadm start"), ("provisioning", "wait until")])
def test_only_a_stopped_zone_is_to_be_started(state: str, remedy: str) -> None:
    only = refusal(with_zone(inventory("vmapi"), "vmapi", state=state), targets("vmapi"))
    assert remedy in only.remedy
    assert ("start it" in only.remedy) == (state == "stopped")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"uuid": uuid("server", 7)}, "server-unknown"),
        ({"status": "unknown"}, "server-not-running"),
        ({"status": ""}, "server-not-running"),
        ({"setup": False}, "server-not-set-up"),
        ({"system_type": "Linux"}, "server-not-smartos"),
    ],
)
def test_a_server_that_cannot_be_worked_on_is_refused(changes: dict[str, object], expected: str) -> None:
    assert refusal(with_server(inventory("vmapi"), **changes), targets("vmapi")).id == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "papi"}, "image-of-another-service"),
        ({"name": "base-64"}, "image-of-another-service"),
        ({"type": "zvol"}, "image-type"),
        ({"type": ""}, "image-type"),
        ({"manifest": {"os": "linux"}}, "image-os"),
        ({"state": "disabled"}, "image-inactive"),
        ({"file": None}, "image-without-file"),
        ({"origin": uuid("image", 9)}, "origin-missing"),
    ],
)
def test_an_image_that_cannot_be_used_is_refused(changes: dict[str, object], expected: str) -> None:
    only = refusal(inventory("vmapi"), with_target(**changes))
    assert only.id == expected
    assert new_image(VMAPI).uuid in only.evidence


def test_an_image_of_another_service_is_refused_by_the_name_of_its_owner() -> None:
    only = refusal(inventory("vmapi"), with_target(name="sdc-postgres"))
    assert "belongs to manatee; vmapi needs vmapi" in only.evidence


@pytest.mark.parametrize("name", ["mantav2-authcache", "manta-authcache"])
def test_a_service_takes_every_name_its_image_ever_had(name: str) -> None:
    assert outcome(inventory("mahi"), {"mahi": image(300, name)}).plan


@pytest.mark.parametrize(
    ("changes", "expected"), [({"state": "disabled"}, "image-inactive"), ({"file": None}, "image-without-file")]
)
def test_an_origin_that_cannot_be_downloaded_is_refused(changes: dict[str, object], expected: str) -> None:
    origin = replace(ORIGIN, **changes)  # type: ignore[arg-type]  # field names come from the test
    made = draft(inventory("vmapi"), targets("vmapi"), {origin.uuid: origin}, OPTIONS)
    assert [(one.id, "origin" in one.evidence) for one in made.refusals] == [(expected, True)]


def test_an_image_that_imgapi_has_needs_no_source() -> None:
    found = replace(inventory("vmapi"), imgapi_images=frozenset({new_image(VMAPI).uuid}))
    assert outcome(found, with_target(origin=uuid("image", 9), state="disabled", file=None)).plan


def test_a_platform_older_than_the_image_asks_for_is_refused() -> None:
    only = refusal(inventory("vmapi"), with_target(min_platform="20240101T000001Z"))
    assert only.id == "platform-too-old"
    assert "gemini runs platform 20240101T000000Z" in only.evidence


def test_a_platform_just_new_enough_will_do() -> None:
    assert outcome(inventory("vmapi"), with_target(min_platform="20240101T000000Z")).plan


def test_a_platform_that_nobody_knows_is_noted() -> None:
    made = outcome(with_server(inventory("vmapi"), platform=""), with_target(min_platform="20240101T000000Z"))
    assert made.plan
    assert note_ids(made) == ["platform-unknown"]


def test_what_runs_may_be_too_old_to_be_upgraded() -> None:
    found = with_current(inventory("vmapi"), "vmapi", version="master-20140710T171615Z-gabc1234")
    only = refusal(found, targets("vmapi"))
    assert only.id == "current-image-too-old"
    assert "20140710T171616Z" in only.evidence


def test_a_downgrade_is_refused_with_both_dates() -> None:
    only = refusal(inventory("vmapi"), with_target(published_at="2023-12-31T00:00:00.000Z"))
    assert only.id == "downgrade"
    assert "2023-12-31" in only.evidence
    assert "--allow-downgrade" in only.remedy


def test_a_downgrade_that_was_asked_for_is_noted() -> None:
    made = outcome(inventory("vmapi"), with_target(published_at="2023-12-31T00:00:00.000Z"), DOWN)
    assert made.plan
    assert note_ids(made) == ["downgrade-allowed"]


def test_a_downgrade_of_sapi_alone_is_refused_too() -> None:
    found = replace(inventory("cloudapi"), instances=())
    older = {"cloudapi": replace(new_image(row("cloudapi")), published_at="2023-12-31T00:00:00.000Z")}
    assert refusal(found, older).id == "downgrade"


def test_a_current_image_that_nobody_knows_is_noted_and_recorded_for_rollback() -> None:
    made = outcome(replace(inventory("vmapi"), images={}), targets("vmapi"))
    assert made.plan is not None
    assert note_ids(made) == ["current-image-unknown"]
    assert made.plan.services[0].facts.image == old_image(VMAPI).uuid
    assert made.plan.services[0].rollback


def test_a_current_image_that_only_the_source_knows_is_compared() -> None:
    newer = replace(old_image(VMAPI), published_at="2025-01-01T00:00:00.000Z")
    known = {newer.uuid: newer, ORIGIN.uuid: ORIGIN}
    made = draft(replace(inventory("vmapi"), images={}), targets("vmapi"), known, OPTIONS)
    assert [one.id for one in made.refusals] == ["downgrade"]


def test_a_rollback_image_that_left_the_pool_is_noted() -> None:
    made = outcome(replace(inventory("vmapi"), installed={HEADNODE: frozenset()}), targets("vmapi"))
    assert note_ids(made) == ["rollback-image-not-installed"]


def test_a_pool_that_was_not_asked_says_nothing_of_the_rollback_image() -> None:
    assert note_ids(outcome(replace(inventory("vmapi"), installed={}), targets("vmapi"))) == []


def test_what_is_current_in_zone_and_sapi_is_a_noted_no_op() -> None:
    made = outcome(inventory("vmapi"), {"vmapi": old_image(VMAPI)})
    assert made.plan is not None
    (only,) = made.plan.services
    assert (only.change, only.steps, only.rollback) == (Change.NONE, (), ())
    assert note_ids(made) == ["already-current"]
    assert made.plan.downloads == ()


def test_a_no_op_is_not_asked_for_what_only_a_reprovision_needs() -> None:
    found = with_zone(inventory("vmapi"), "vmapi", state="stopped", datasets=("odd",))
    found = replace(with_server(found, status="unknown"), common_user_script=None)
    assert outcome(found, {"vmapi": old_image(VMAPI)}).plan


def test_a_service_without_instance_is_changed_in_sapi_alone() -> None:
    made = outcome(replace(inventory("cloudapi"), instances=()), targets("cloudapi"))
    assert made.plan is not None
    (only,) = made.plan.services
    assert only.change is Change.SAPI_ONLY
    assert [step.kind for step in (*only.steps, *only.rollback)] == ["service-image", "service-image"]
    assert note_ids(made) == ["no-instance"]


def test_a_zone_that_is_ahead_of_sapi_needs_only_bookkeeping() -> None:
    made = outcome(with_zone(inventory("vmapi"), "vmapi", image_uuid=new_image(VMAPI).uuid), targets("vmapi"))
    assert made.plan is not None
    assert [step.kind for step in made.plan.services[0].steps] == ["service-image"]
    assert note_ids(made) == ["sapi-differs"]


def test_a_sapi_that_is_ahead_of_the_zone_needs_no_bookkeeping() -> None:
    made = outcome(with_service(inventory("vmapi"), "vmapi", image_uuid=new_image(VMAPI).uuid), targets("vmapi"))
    assert made.plan is not None
    kinds = [step.kind for step in made.plan.services[0].steps]
    assert "reprovision" in kinds
    assert "service-image" not in kinds


def test_a_zone_without_quota_is_noted() -> None:
    assert note_ids(outcome(with_zone(inventory("vmapi"), "vmapi", quota_gib=0), targets("vmapi"))) == ["quota-set"]


def test_a_zone_without_admin_address_is_noted() -> None:
    made = outcome(with_zone(inventory("vmapi"), "vmapi", admin_ip=""), targets("vmapi"))
    assert note_ids(made) == ["no-admin-address"]


def test_what_cannot_be_undone_is_said_of_every_zone() -> None:
    made = outcome(inventory("imgapi"), targets("imgapi"))
    assert [note.id for note in made.notes] == ["root-replaced", "data-kept"]


def test_a_headnode_without_common_user_script_is_refused() -> None:
    only = refusal(replace(inventory("vmapi"), common_user_script=None), targets("vmapi"))
    assert (only.id, only.subject) == ("no-common-user-script", "headnode")


SPACE = Space(10 << 30, 10 << 30, {HEADNODE: 10 << 30})


@pytest.mark.parametrize(
    ("space", "subject", "figures"),
    [
        (replace(SPACE, workdir=(100 << 20) - 1), "work dir", "100 MiB to download, 99 MiB are free"),
        (replace(SPACE, imgapi=99 << 20), "imgapi's dataset", "100 MiB to download, 99 MiB are free"),
        (replace(SPACE, pools={HEADNODE: 299 << 20}), "pool of gemini", "about 300 MiB unpacked, 299 MiB are free"),
    ],
)
def test_too_little_space_is_refused_where_it_is_short(space: Space, subject: str, figures: str) -> None:
    only = refusal(replace(inventory("vmapi"), space=space), targets("vmapi"))
    assert (only.id, only.subject) == ("no-space", subject)
    assert figures in only.evidence


def test_just_enough_space_will_do() -> None:
    space = Space(100 << 20, 100 << 20, {HEADNODE: 300 << 20})
    assert outcome(replace(inventory("vmapi"), space=space), targets("vmapi")).plan


def test_a_pool_of_unknown_room_is_noted() -> None:
    made = outcome(replace(inventory("vmapi"), space=replace(SPACE, pools={})), targets("vmapi"))
    assert made.plan
    assert note_ids(made) == ["space-unknown"]


def test_all_reasons_are_told_at_once() -> None:
    found = with_zone(inventory("imgapi", "vmapi", "moray"), "imgapi", datasets=(), state="stopped")
    made = outcome(replace(found, common_user_script=None), targets("vmapi", "imgapi", "moray"))
    assert [one.id for one in made.refusals] == [
        "special-procedure",
        "instance-not-running",
        "no-delegated-dataset",
        "no-common-user-script",
    ]


def test_every_refusal_has_evidence_and_a_remedy() -> None:
    wanted: Mapping[str, Image] = {**targets("imgapi", "moray", "sapi", "ca"), **with_target(type="zvol", name="x")}
    found = with_zone(inventory("imgapi", "vmapi", "moray"), "imgapi", datasets=(), state="stopped")
    made = outcome(replace(found, space=Space(0, 0, {HEADNODE: 0}), common_user_script=None), wanted)
    assert len(made.refusals) > 8
    assert all(one.evidence and one.remedy and one.subject and not one.ok for one in made.refusals)


def test_the_table_of_findings_holds_exactly_the_ids_that_are_given() -> None:
    folder = Path(sdcupgrade.plan.__file__).parent
    source = "".join((folder / name).read_text() for name in ("refusals.py", "planner.py"))
    given = re.findall(r"""(?:_refuse\(case, |_note\(case, |Finding\()"([a-z-]+)\"""", source)
    assert set(given) == set(FINDINGS)


def test_the_common_user_script_is_not_needed_where_no_zone_is_replaced() -> None:
    found = replace(inventory("cloudapi"), instances=(), common_user_script=None)
    assert outcome(found, targets("cloudapi")).plan
